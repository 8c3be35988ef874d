#include "diagnostics/wording.hpp"

#include "diagnostics/function_name.hpp"
#include "diagnostics/utf8.hpp"
#include "sync/place_text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <compare>
#include <functional>

namespace stackless::inline STACKLESS_ABI::detail {

std::string printable(std::string_view text, std::size_t columns) {
  std::string result;
  std::size_t written = 0;
  while (!text.empty() && written <= columns) {
    const std::size_t length = utf8_sequence_length(text);
    const auto c = static_cast<unsigned char>(text.front());
    const bool second_control_set =
        length == 2 && c == 0xC2 && static_cast<unsigned char>(text[1]) < 0xA0;
    if (length == 0 || c < 0x20 || c == 0x7F || second_control_set) {
      const std::string escape = c == '\n'   ? "\\n"
                                 : c == '\t' ? "\\t"
                                             : fmt::format("\\x{:02x}", c);
      result += escape;
      written += escape.size();
      text.remove_prefix(second_control_set ? 2 : 1);
    } else {
      result += text.substr(0, length);
      ++written;
      text.remove_prefix(length);
    }
  }
  return shortened(result, columns);
}

std::string in_quotes(std::string_view name) {
  return "'" + printable(name) + "'";
}

std::size_t width_of(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return !continues_utf8(c);
  }));
}

std::string shortened(std::string_view text, std::size_t columns) {
  if (text.size() <= columns || width_of(text) <= columns) return std::string(text);
  std::size_t end = 0;
  for (std::size_t width = 0; end < text.size(); ++end)
    if (!continues_utf8(text[end]) && ++width == columns) break;
  return std::string(text.substr(0, end)) + "…";
}

std::string numbered(std::uint64_t id, std::string_view name) {
  return name.empty() ? fmt::format("#{}", id) : fmt::format("#{} {}", id, printable(name));
}

std::string numbered(const snapshot_data& state, std::uint64_t id) {
  if (const tasklet_info* t = state.find_tasklet(id)) return numbered(id, t->name);
  for (const ended_info& ended : state.ended)
    if (ended.id == id) return numbered(id, ended.name);
  return numbered(id, {});
}

std::string called(
    const snapshot_data& state, std::uint64_t id, std::span<const std::uint64_t> among
) {
  const tasklet_info* t = state.find_tasklet(id);
  if (t == nullptr || t->name.empty()) return numbered(state, id);
  // A name that sentences cannot tell from another is no name; in a large crowd that is too dear to
  // find out.
  constexpr std::size_t most_compared = 16;
  bool ambiguous = among.size() > most_compared;
  for (std::size_t i = 0; i < among.size() && !ambiguous; ++i) {
    const tasklet_info* other = state.find_tasklet(among[i]);
    ambiguous = other != nullptr && other->id != id && other->name == t->name;
  }
  return ambiguous ? numbered(id, t->name) : in_quotes(t->name);
}

std::string listed(std::span<const std::string> items, std::size_t most) {
  std::string text;
  const std::size_t shown = items.size() > most ? most - 1 : items.size();
  for (std::size_t i = 0; i < shown; ++i) {
    if (i != 0) text += i + 1 == items.size() ? " and " : ", ";
    text += items[i];
  }
  if (shown < items.size()) text += fmt::format(" and {} more", items.size() - shown);
  return text;
}

std::string kind_of(const object_info& object) {
  if (object.kind == object_kind::channel) return "channel";
  if (object.kind == object_kind::nursery) return "nursery";
  return printable(object.type);
}

std::string called(const object_info& object) {
  return plainly_called(object) + ordinal_of(object);
}

std::string plainly_called(const object_info& object) {
  if (object.kind == object_kind::select)
    return "one of " + counted(object.children, "case", "cases");
  const bool is_channel = object.kind == object_kind::channel;
  if (object.kind == object_kind::tasklet) return numbered(object.tasklet, object.name);
  if (!object.name.empty())
    return is_channel ? in_quotes(object.name) : kind_of(object) + " " + in_quotes(object.name);
  if (object.made_at.line == 0)
    return is_channel ? fmt::format("a channel<{}>", printable(clean_type(object.type)))
                      : "a " + kind_of(object);
  return "the " + kind_of(object) + " " + made_text(object, true);
}

std::string ordinal_of(const object_info& object) {
  if (object.ordinal == 0) return {};
  return fmt::format(" ({} of {})", ordinal_text(object.ordinal), object.namesakes);
}

std::string ordinal_text(std::size_t number) {
  const bool teens = number / 10 % 10 == 1;
  const std::size_t last = teens ? 0 : number % 10;
  return fmt::format("{}{}", number, last == 1 ? "st" : last == 2 ? "nd" : last == 3 ? "rd" : "th");
}

std::string made_text(const object_info& object, bool with_column) {
  const source_place& at = object.made_at;
  if (at.line == 0) return {};
  if (is_in_standard_library(at.file))
    return object.name.empty() ? "made " + std::string(by_standard_library) : "";
  return "made " + place(at.file, at.line, with_column ? at.column : 0);
}

bool wants_a_name(const object_info& object) {
  return object.name.empty() && is_in_standard_library(object.made_at.file);
}

namespace {

/// What sentences show of an object: who equals another in that is a namesake.
struct shown_name {
  object_kind kind;
  std::string_view type;  // of no channel: theirs is not a part of the name
  std::string_view name;
  std::string_view file;
  std::uint32_t line = 0;

  friend bool operator==(const shown_name&, const shown_name&) = default;
};

/// Most objects in a row are made in one file.
class name_reader {
 public:
  shown_name shown_by(const object_info& object) {
    shown_name shown{object.kind, object.type, object.name, {}, 0};
    if (object.kind == object_kind::channel) shown.type = {};
    if (!object.name.empty()) return shown;
    look_at(object.made_at.file);
    shown.file = file_;
    shown.line = elsewhere_ ? 1 : object.made_at.line;
    return shown;
  }

  std::size_t hash_of(const object_info& object) {
    const std::hash<std::string_view> hash;
    if (!object.name.empty()) return hash(object.name);
    look_at(object.made_at.file);
    return file_hash_ + (elsewhere_ ? 1 : object.made_at.line);
  }

 private:
  void look_at(std::string_view path) {
    if (path.data() == path_.data() && path.size() == path_.size()) return;
    path_ = path;
    elsewhere_ = is_in_standard_library(path);
    file_ = elsewhere_ ? by_standard_library : base_name(path);
    file_hash_ = std::hash<std::string_view>()(file_);
  }

  std::string_view path_;
  std::string_view file_;
  std::size_t file_hash_ = 0;
  bool elsewhere_ = false;
};

bool has_a_name(const object_info& object) {
  switch (object.kind) {
  case object_kind::none:
  case object_kind::tasklet:
  case object_kind::timer:
  case object_kind::io_operation:
  case object_kind::start:
  case object_kind::select:
  case object_kind::foreign:
  case object_kind::offload:
  case object_kind::buffer_pool:
    return false;
  default:
    return !object.name.empty() || object.made_at.line != 0;
  }
}

}  // namespace

void number_namesakes(std::vector<object_info>& objects) {
  // A million of them must not take long: names are compared only where their hashes are equal.
  struct entry {
    std::size_t hash;
    std::size_t index;
    auto operator<=>(const entry&) const = default;
  };
  std::vector<entry> order;
  order.reserve(objects.size());
  name_reader names;
  for (std::size_t i = 0; i < objects.size(); ++i)
    if (has_a_name(objects[i])) order.push_back({names.hash_of(objects[i]), i});
  if (!std::is_sorted(order.begin(), order.end())) std::sort(order.begin(), order.end());

  for (auto first = order.begin(); first != order.end();) {
    const auto end = std::find_if(first, order.end(), [&](const entry& each) {
      return each.hash != first->hash;
    });
    const shown_name name = names.shown_by(objects[first->index]);
    const auto has_it = [&](const entry& each) {
      return names.shown_by(objects[each.index]) == name;
    };
    // Those that only share its hash are left for the next round.
    auto rest = end - first == 1 ? end : std::find_if_not(first, end, has_it);
    if (rest != end) {
      rest = std::partition(rest, end, has_it);
      std::sort(first, rest);
      std::sort(rest, end);
    }
    const auto namesakes = static_cast<std::size_t>(rest - first);
    for (std::size_t ordinal = 1; first != rest; ++first) {
      if (namesakes == 1) continue;
      objects[first->index].namesakes = namesakes;
      objects[first->index].ordinal = ordinal++;
    }
  }
}

std::string_view base_name(std::string_view file) {
  return file.substr(file.rfind('/') + 1);
}

std::string place(std::string_view file, std::uint32_t line, std::uint32_t column) {
  if (line == 0) return {};
  const std::string name = printable(base_name(file));
  return column == 0 ? fmt::format("{}:{}", name, line)
                     : fmt::format("{}:{}:{}", name, line, column);
}

async_stack without_library(const async_stack& stack) {
  async_stack shown;
  for (const stack_frame& f : stack)
    if (!f.in_library) shown.push_back(f);
  return shown.empty() ? stack : shown;
}

std::size_t shown_number(const async_stack& stack, std::size_t frame) {
  const auto is_hidden = [](const stack_frame& f) { return f.in_library; };
  if (std::all_of(stack.begin(), stack.end(), is_hidden)) return frame;
  const auto before = stack.begin() + static_cast<std::ptrdiff_t>(std::min(frame, stack.size()));
  return frame - static_cast<std::size_t>(std::count_if(stack.begin(), before, is_hidden));
}

std::string age_text(std::chrono::nanoseconds age) {
  const double milliseconds = std::chrono::duration<double, std::milli>(age).count();
  if (milliseconds < 9.95) return fmt::format("{:.1f} ms", std::max(milliseconds, 0.0));
  if (milliseconds < 999.5) return fmt::format("{:.0f} ms", milliseconds);
  if (milliseconds < 119'950) return fmt::format("{:.1f} s", milliseconds / 1e3);
  if (milliseconds < 7'170'000) return fmt::format("{:.0f} min", milliseconds / 6e4);
  return fmt::format("{:.1f} h", milliseconds / 3.6e6);
}

std::string_view verb(operation_kind operation) {
  switch (operation) {
  case operation_kind::none:
    return "nothing";
  case operation_kind::suspend:
    return "suspend";
  case operation_kind::drain:
    return "drain";
  case operation_kind::receive:
    return "receive";
  case operation_kind::send:
    return "send";
  case operation_kind::join:
    return "join";
  case operation_kind::sleep:
    return "sleep";
  case operation_kind::io:
    return "I/O";
  case operation_kind::join_nursery:
    return "join of a nursery";
  case operation_kind::start:
    return "start of a child";
  case operation_kind::wait:
    return "wait";
  case operation_kind::acquire:
    return "acquire";
  case operation_kind::lock:
    return "lock";
  case operation_kind::lock_shared:
    return "lock_shared";
  case operation_kind::arrive:
    return "arrive and wait";
  case operation_kind::select:
    return "select";
  case operation_kind::foreign:
    return "foreign await";
  case operation_kind::set:
    return "set";
  case operation_kind::reset:
    return "reset";
  case operation_kind::release:
    return "release";
  case operation_kind::unlock:
    return "unlock";
  case operation_kind::notify:
    return "notify";
  case operation_kind::count_down:
    return "count_down";
  case operation_kind::send_end:
    return "send end";
  case operation_kind::receive_end:
    return "receive end";
  }
  return "nothing";
}

std::string counted(std::size_t count, std::string_view one, std::string_view many) {
  return fmt::format("{} {}", count, count == 1 ? one : many);
}

}  // namespace stackless::inline STACKLESS_ABI::detail
