#include "diagnostics/function_name.hpp"

#include <cctype>
#include <cstddef>
#include <cstdlib>
#include <memory>

#include <cxxabi.h>

namespace stackless::inline STACKLESS_ABI::detail {

namespace {

constexpr std::size_t npos = std::string_view::npos;

bool is_name_part(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_';
}

bool starts_a_name(std::string_view text, std::size_t at) {
  return at == 0 || (!is_name_part(text[at - 1]) && text[at - 1] != ':');
}

void replace_all(std::string& text, std::string_view what, std::string_view by) {
  for (std::size_t at = 0; (at = text.find(what, at)) != npos;) {
    if (is_name_part(what.front()) && !starts_a_name(text, at)) {
      at += what.size();
    } else {
      text.replace(at, what.size(), by);
      at += by.size();
    }
  }
}

/// The bracket that `text[close]` closes, among brackets of its own kind.
std::size_t opening_of(std::string_view text, std::size_t close, char open) {
  std::size_t depth = 0;
  for (std::size_t at = close + 1; at-- > 0;) {
    if (text[at] == text[close]) ++depth;
    if (text[at] == open && --depth == 0) return at;
  }
  return npos;
}

std::string demangled(const std::string& symbol) {
  int status = 0;
  const std::unique_ptr<char, void (*)(void*)> name(
      abi::__cxa_demangle(symbol.c_str(), nullptr, nullptr, &status), std::free
  );
  return status == 0 ? name.get() : std::string();
}

/// GCC names the actor that it splits a coroutine into: `void f(f(int)::_Z1fi.Frame*)`.
void repair_actor(std::string& text) {
  constexpr std::string_view tail = ".Frame*)";
  if (text.ends_with(tail)) {
    const std::size_t symbol = text.rfind("::_Z");
    if (symbol != npos) {
      std::string name = demangled(text.substr(symbol + 2, text.size() - tail.size() - symbol - 2));
      if (!name.empty()) {
        text = std::move(name);
        return;
      }
    }
  }
  // Inside the name of a lambda, its function is spelled so: the true parameters stand within.
  for (std::size_t at; (at = text.find(tail)) != npos;) {
    const std::size_t close = at + tail.size() - 1;
    const std::size_t open = opening_of(text, close, '(');
    if (open == npos) return;
    const std::string_view inside = std::string_view(text).substr(open + 1, at - open - 1);
    const std::size_t symbol = inside.rfind("::_Z");
    std::string_view signature = inside.substr(0, symbol);
    if (constexpr std::string_view qualifier = " const"; signature.ends_with(qualifier))
      signature.remove_suffix(qualifier.size());
    std::string parameters = "()";
    if (signature.ends_with(')')) {
      const std::size_t first = opening_of(signature, signature.size() - 1, '(');
      if (first != npos) parameters = signature.substr(first);
    }
    if (parameters.find(tail) != npos) return;
    text.replace(open, close - open + 1, parameters);
  }
}

void shorten_names(std::string& text) {
  for (std::string_view abi :
       {"stackless::tracked_1::", "stackless::untracked_1::",
        "stackless::tracked_with_checked_awaits_1::",
        "stackless::untracked_with_checked_awaits_1::",
        "stackless::tracked_with_address_sanitizer_1::",
        "stackless::untracked_with_address_sanitizer_1::"})
    replace_all(text, abi, "");
  replace_all(text, "stackless::", "");
  replace_all(text, "std::__cxx11::", "std::");
  replace_all(text, "std::__1::", "std::");
  for (std::string_view gap : {" ", ""}) {
    const std::string end = std::string(gap) + ">";
    replace_all(
        text, "std::basic_string<char, std::char_traits<char>, std::allocator<char>" + end,
        "std::string"
    );
    replace_all(
        text, "std::basic_string_view<char, std::char_traits<char>" + end, "std::string_view"
    );
  }
  replace_all(text, "std::basic_string<char>", "std::string");
  replace_all(text, "std::basic_string_view<char>", "std::string_view");
  replace_all(text, "{anonymous}::", "");
  replace_all(text, "(anonymous namespace)::", "");
  replace_all(text, " >", ">");
  replace_all(text, " &", "&");
  replace_all(text, " *", "*");
  for (std::size_t at = 0; (at = text.find("auto:", at)) != npos;) {  // GCC numbers them
    const std::size_t digits = text.find_first_not_of("0123456789", at + 5);
    text.erase(at + 4, (digits == npos ? text.size() : digits) - at - 4);
    at += 4;
  }
}

/// Takes ` [with T = int; std::string = …]` off the end; what tells something comes back as `[T =
/// int]`.
std::string take_bindings(std::string& text) {
  if (!text.ends_with(']')) return {};
  const std::size_t open = opening_of(text, text.size() - 1, '[');
  if (open == npos || open == 0 || text[open - 1] != ' ') return {};
  std::string_view inside = std::string_view(text).substr(open + 1, text.size() - open - 2);
  const bool of_gcc = inside.starts_with("with ");
  if (of_gcc) inside.remove_prefix(5);
  std::string kept;
  while (!inside.empty()) {
    const std::size_t end = of_gcc ? inside.find("; ") : npos;
    const std::string_view binding = inside.substr(0, end);
    const std::string_view key = binding.substr(0, binding.find(" = "));
    // A qualified key explains a typedef, and a placeholder's type stands among the parameters.
    if (key.find("::") == npos && key != "auto" && !key.ends_with(":auto"))
      kept.append(kept.empty() ? "" : ", ").append(binding);
    inside.remove_prefix(end == npos ? inside.size() : end + 2);
  }
  text.resize(open - 1);
  return kept.empty() ? kept : " [" + kept + "]";
}

/// The first `wanted` outside all brackets; or npos.
std::size_t first_outside_brackets(std::string_view text, char wanted) {
  int depth = 0;
  for (std::size_t at = 0; at < text.size(); ++at) {
    const char c = text[at];
    if (c == wanted && depth == 0) return at;
    if (c == '<' || c == '(' || c == '{') ++depth;
    if (c == '>' || c == ')' || c == '}') --depth;
  }
  return npos;
}

std::string_view without_return_type(std::string_view head) {
  std::string_view searched = head;
  if (const std::size_t at = head.rfind("operator"); at != npos) searched = head.substr(0, at);
  std::size_t start = 0;
  for (;;) {
    const std::size_t space = first_outside_brackets(searched.substr(start), ' ');
    if (space == npos) return head.substr(start);
    start += space + 1;
  }
}

/// The name of the function that a lambda's path begins with.
std::string_view outermost_function(std::string_view path) {
  std::size_t end = first_outside_brackets(path, '(');
  if (end == npos) end = path.ends_with("::") ? path.size() - 2 : path.size();
  if (path.substr(0, end).ends_with("operator")) end += 2;
  return without_return_type(path.substr(0, end));
}

struct parts {
  std::string_view name;
  std::string_view parameters;  // with parentheses
  bool is_lambda = false;       // then `name` is of the function around it
};

/// Where the last `<lambda(` or `{lambda(` stands that is no part of a template argument; or npos.
std::size_t last_lambda(std::string_view text) {
  int depth = 0;
  std::size_t found = npos;
  for (std::size_t at = 0; at < text.size(); ++at) {
    const char c = text[at];
    if (depth == 0 && text.substr(at + 1).starts_with("lambda(") && (c == '<' || c == '{'))
      found = at;
    if (c == '<' || c == '(' || c == '{') ++depth;
    if (c == '>' || c == ')' || c == '}') --depth;
  }
  return found;
}

/// What follows the bracket that closes the one at the start of `text`.
std::string_view after_closing(std::string_view text) {
  int depth = 0;
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (text[at] == '(') ++depth;
    if (text[at] == ')' && --depth == 0) return text.substr(at + 1);
  }
  return {};
}

parts take_apart(std::string_view text) {
  constexpr std::string_view call = "::operator()";
  constexpr std::string_view of_clang = "(anonymous class)";
  std::string_view head = text;
  std::string_view parameters;
  if (text.ends_with(')')) {
    const std::size_t open = opening_of(text, text.size() - 1, '(');
    if (open == npos) return {text, {}, false};
    head = text.substr(0, open);
    parameters = text.substr(open);
  }
  std::string_view closure = head;
  if (closure.ends_with(call)) closure.remove_suffix(call.size());
  if (closure.ends_with(of_clang)) {
    closure.remove_suffix(of_clang.size());
    return {outermost_function(closure), parameters, true};
  }
  const std::size_t lambda = last_lambda(text);
  if (lambda != npos) {
    const std::string_view own = text.substr(lambda + 7);
    const std::size_t close = own.size() - after_closing(own).size();
    const std::string_view around = text.substr(0, lambda);
    return {around.empty() ? around : outermost_function(around), own.substr(0, close), true};
  }
  if (parameters.empty()) return {text, {}, false};
  return {without_return_type(head), parameters, false};
}

std::string spell(std::string_view spelled, bool with_parameters) {
  std::string text(spelled);
  repair_actor(text);
  shorten_names(text);
  const std::string bindings = take_bindings(text);
  for (std::string_view suffix : {" const", " noexcept", " volatile"})
    if (text.ends_with(suffix)) text.erase(text.size() - suffix.size());

  const parts found = take_apart(text);
  std::string result(found.is_lambda ? "lambda" : found.name);
  if (with_parameters) result += found.parameters;
  if (found.is_lambda && !found.name.empty()) result.append(" in ").append(found.name);
  if (with_parameters) result += bindings;
  return result;
}

}  // namespace

std::string clean_function(std::string_view spelled) {
  return spell(spelled, true);
}

std::string short_function(std::string_view spelled) {
  return spell(spelled, false);
}

std::string clean_type(std::string_view spelled) {
  std::string text(spelled);
  // A type of a coroutine's own. No demangler knows the suffix that GCC 12 gives the function's
  // second half; 14 has none.
  constexpr std::string_view half = ".actor";
  if (text.find(".Frame.actor") != npos) {
    std::string symbol = text;
    for (std::size_t at; (at = symbol.find(half)) != npos;) symbol.erase(at, half.size());
    if (std::string name = demangled(symbol); !name.empty()) text = std::move(name);
  }
  repair_actor(text);
  shorten_names(text);
  return text;
}

}  // namespace stackless::inline STACKLESS_ABI::detail
