#include "semantics.hpp"

#include "request.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <system_error>
#include <utility>

#include <time.h>

namespace http {

// Paths
// ------------------------------------------------------------------------------------------

namespace {

int hex_value(char c) noexcept {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

/// Without the scheme and the host that a target may begin with.
std::string_view without_origin(std::string_view target) noexcept {
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (!same_token(target.substr(0, scheme.size()), scheme)) continue;
    target.remove_prefix(scheme.size());
    const std::size_t end = target.find_first_of("/?");
    if (end == std::string_view::npos) return "/";
    if (target[end] == '?') return "/";
    return target.substr(end);
  }
  return target;
}

}  // namespace

std::string_view query_of(std::string_view target) noexcept {
  const std::size_t at = target.find('?');
  return at == std::string_view::npos ? std::string_view() : target.substr(at);
}

std::optional<std::string> path_of(std::string_view target) {
  target = without_origin(target);
  target = target.substr(0, target.find('?'));
  if (!target.starts_with('/')) return std::nullopt;
  std::string decoded;
  decoded.reserve(target.size());
  for (std::size_t i = 0; i < target.size(); ++i) {
    char c = target[i];
    if (c == '%') {
      if (target.size() - i < 3) return std::nullopt;
      const int high = hex_value(target[i + 1]);
      const int low = hex_value(target[i + 2]);
      if (high < 0 || low < 0) return std::nullopt;
      c = static_cast<char>(16 * high + low);
      i += 2;
    }
    if (c == '\0') return std::nullopt;
    decoded += c;
  }

  std::string path;
  path.reserve(decoded.size());
  const std::string_view all = decoded;
  for (std::size_t begin = 1; begin <= all.size();) {
    const std::size_t end = std::min(all.find('/', begin), all.size());
    const std::string_view name = all.substr(begin, end - begin);
    if (name == "..") {
      if (path.empty()) return std::nullopt;
      path.pop_back();  // its "/"
      path.erase(path.rfind('/') + 1);
    } else if (!name.empty() && name != ".") {
      path += name;
      if (end != all.size()) path += '/';
    }
    begin = end + 1;
  }
  return path;
}

std::string encoded(std::string_view path) {
  constexpr std::string_view digits = "0123456789ABCDEF";
  constexpr std::string_view plain = "/-._~!$&'()*+,;=:@";
  std::string text = "/";
  for (const char c : path) {
    const bool is_alphanumeric =
        (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    if (is_alphanumeric || plain.find(c) != std::string_view::npos) {
      text += c;
    } else {
      const auto value = static_cast<unsigned char>(c);
      text += '%';
      text += digits[value / 16];
      text += digits[value % 16];
    }
  }
  return text;
}

// Dates
// ------------------------------------------------------------------------------------------

std::string date_text(std::time_t when) {
  std::tm parts{};
  std::array<char, 64> text{};
  if (::gmtime_r(&when, &parts) == nullptr) return {};
  return {
      text.data(), std::strftime(text.data(), text.size(), "%a, %d %b %Y %H:%M:%S GMT", &parts)
  };
}

std::optional<std::time_t> parse_date(std::string_view text) {
  if (text.size() > 64 || text.find('\0') != std::string_view::npos) return std::nullopt;
  const std::string terminated(text);
  for (const char* const form :
       {"%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT", "%a %b %e %H:%M:%S %Y"}) {
    std::tm parts{};
    const char* const end = ::strptime(terminated.c_str(), form, &parts);
    if (end == nullptr || *end != '\0') continue;
    const std::time_t when = ::timegm(&parts);
    if (when < 0) return std::nullopt;
    return when;
  }
  return std::nullopt;
}

// Ranges
// -----------------------------------------------------------------------------------------

namespace {

/// Digits alone. What does not fit is the largest number that there is.
bool parse_position(std::string_view text, std::uint64_t& value) noexcept {
  if (text.empty()) return false;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (end != text.data() + text.size()) return false;
  if (error == std::errc::result_out_of_range) value = ~std::uint64_t{0};
  return error == std::errc() || error == std::errc::result_out_of_range;
}

}  // namespace

range_kind parse_range(std::string_view value, std::uint64_t size, byte_range& range) noexcept {
  constexpr std::string_view unit = "bytes=";
  if (!same_token(value.substr(0, unit.size()), unit)) return range_kind::whole;
  value.remove_prefix(unit.size());
  const std::size_t dash = value.find('-');
  if (dash == std::string_view::npos || value.find(',') != std::string_view::npos)
    return range_kind::whole;
  const std::string_view from = value.substr(0, dash);
  const std::string_view to = value.substr(dash + 1);
  std::uint64_t first = 0;
  std::uint64_t last = ~std::uint64_t{0};
  if (from.empty()) {  // the last so many
    std::uint64_t count = 0;
    if (!parse_position(to, count)) return range_kind::whole;
    if (count == 0 || size == 0) return range_kind::unsatisfiable;
    range.size = std::min(count, size);
    range.first = size - range.size;
    return range_kind::part;
  }
  if (!parse_position(from, first) || (!to.empty() && !parse_position(to, last)) || last < first)
    return range_kind::whole;
  if (first >= size) return range_kind::unsatisfiable;
  range.first = first;
  range.size = std::min(last, size - 1) - first + 1;
  return range_kind::part;
}

// Conditions
// -------------------------------------------------------------------------------------

bool has_tag(std::string_view list, std::string_view tag, comparison how) noexcept {
  constexpr std::string_view between = " \t,";
  while (true) {
    const std::size_t begin = list.find_first_not_of(between);
    if (begin == std::string_view::npos) return false;
    list.remove_prefix(begin);
    if (list.front() == '*') return true;
    const bool is_weak = list.starts_with("W/");
    if (is_weak) list.remove_prefix(2);
    if (!list.starts_with('"')) return false;
    const std::size_t end = list.find('"', 1);
    if (end == std::string_view::npos) return false;
    const bool counts = !is_weak || how == comparison::weak;
    if (counts && list.substr(0, end + 1) == tag) return true;
    list.remove_prefix(end + 1);
  }
}

bool is_not_modified(
    const std::optional<std::string>& none_match,
    std::string_view modified_since,
    const validators& now
) {
  if (none_match) return has_tag(*none_match, now.tag);
  if (modified_since.data() == nullptr) return false;
  const auto since = parse_date(modified_since);
  return since && now.modified <= *since;
}

bool is_as_expected(
    const std::optional<std::string>& match,
    std::string_view unmodified_since,
    const validators& now
) {
  if (match) return has_tag(*match, now.tag, comparison::strong);
  if (unmodified_since.data() == nullptr) return true;
  const auto since = parse_date(unmodified_since);
  return !since || now.modified <= *since;
}

bool range_holds(std::string_view if_range, const validators& now) {
  if (if_range.data() == nullptr || if_range == now.tag) return true;
  const auto date = parse_date(if_range);
  return date && *date == now.modified;
}

// Words
// ------------------------------------------------------------------------------------------

const char* content_type(std::string_view path) noexcept {
  static constexpr std::array types{
      std::pair{"css", "text/css; charset=utf-8"},
      std::pair{"csv", "text/csv; charset=utf-8"},
      std::pair{"gif", "image/gif"},
      std::pair{"gz", "application/gzip"},
      std::pair{"htm", "text/html; charset=utf-8"},
      std::pair{"html", "text/html; charset=utf-8"},
      std::pair{"ico", "image/x-icon"},
      std::pair{"jpeg", "image/jpeg"},
      std::pair{"jpg", "image/jpeg"},
      std::pair{"js", "text/javascript; charset=utf-8"},
      std::pair{"json", "application/json"},
      std::pair{"md", "text/markdown; charset=utf-8"},
      std::pair{"mjs", "text/javascript; charset=utf-8"},
      std::pair{"mp3", "audio/mpeg"},
      std::pair{"mp4", "video/mp4"},
      std::pair{"pdf", "application/pdf"},
      std::pair{"png", "image/png"},
      std::pair{"svg", "image/svg+xml"},
      std::pair{"txt", "text/plain; charset=utf-8"},
      std::pair{"wasm", "application/wasm"},
      std::pair{"webm", "video/webm"},
      std::pair{"webp", "image/webp"},
      std::pair{"woff2", "font/woff2"},
      std::pair{"xml", "application/xml"},
      std::pair{"zip", "application/zip"},
  };
  const std::string_view name = path.substr(path.rfind('/') + 1);
  const std::size_t dot = name.rfind('.');
  if (dot != std::string_view::npos)
    for (const auto& [end, type] : types)
      if (same_token(name.substr(dot + 1), end)) return type;
  return "application/octet-stream";
}

const char* reason_of(int status) noexcept {
  switch (status) {
  case 200:
    return "OK";
  case 206:
    return "Partial Content";
  case 301:
    return "Moved Permanently";
  case 304:
    return "Not Modified";
  case 400:
    return "Bad Request";
  case 403:
    return "Forbidden";
  case 404:
    return "Not Found";
  case 405:
    return "Method Not Allowed";
  case 408:
    return "Request Timeout";
  case 412:
    return "Precondition Failed";
  case 413:
    return "Content Too Large";
  case 414:
    return "URI Too Long";
  case 416:
    return "Range Not Satisfiable";
  case 431:
    return "Request Header Fields Too Large";
  case 501:
    return "Not Implemented";
  case 503:
    return "Service Unavailable";
  case 505:
    return "HTTP Version Not Supported";
  default:
    return "Internal Server Error";
  }
}

}  // namespace http
