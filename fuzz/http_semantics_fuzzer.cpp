// What the fields of a request mean. The input's lines: a target, a range, a size, a date, a list
// of tags.

#include "http_server/request.hpp"
#include "http_server/semantics.hpp"
#include "property.hpp"

#include <array>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>

namespace {

void look_at_path(std::string_view target) {
  const std::optional<std::string> path = http::path_of(target);
  if (!path) return;
  PROPERTY(!path->starts_with('/'));
  PROPERTY(path->find('\0') == std::string::npos);
  PROPERTY(path->size() <= target.size());
  for (std::size_t begin = 0; begin < path->size();) {
    const std::size_t end = std::min(path->find('/', begin), path->size());
    const std::string_view name = std::string_view(*path).substr(begin, end - begin);
    PROPERTY(!name.empty() && name != "." && name != "..");
    begin = end + 1;
  }
  const std::string url = http::encoded(*path);
  PROPERTY(url.find_first_of(" ?#\r\n") == std::string::npos && !url.starts_with("//"));
  PROPERTY(http::path_of(url) == path);
  PROPERTY(http::path_of("http://host" + url) == path);
  (void)http::content_type(*path);
}

void look_at_range(std::string_view value, std::string_view size_text) {
  std::uint64_t size = 0;
  (void)std::from_chars(size_text.data(), size_text.data() + size_text.size(), size);
  http::byte_range range;
  if (http::parse_range(value, size, range) != http::range_kind::part) return;
  PROPERTY(range.size > 0);
  PROPERTY(range.first < size);
  PROPERTY(range.size <= size - range.first);
}

void look_at_date(std::string_view text) {
  const auto when = http::parse_date(text);
  if (!when) return;
  const std::string again = http::date_text(*when);
  if (again.size() == std::strlen("Sun, 06 Nov 1994 08:49:37 GMT"))  // a year of four digits
    PROPERTY(http::parse_date(again) == when);
}

void look_at_tags(std::string_view list) {
  if (http::has_tag(list, "\"x\""))
    PROPERTY(
        list.find('*') != std::string_view::npos || list.find("\"x\"") != std::string_view::npos
    );
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view rest(reinterpret_cast<const char*>(data), size);
  std::array<std::string_view, 5> lines;
  for (std::string_view& line : lines) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    line = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  look_at_path(lines[0]);
  look_at_range(lines[1], lines[2]);
  look_at_date(lines[3]);
  look_at_tags(lines[4]);
  return 0;
}
