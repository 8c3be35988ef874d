#pragma once

// What the parts of a request mean: paths, dates, ranges, entity tags. No I/O here.

#include <cstdint>
#include <ctime>
#include <optional>
#include <string>
#include <string_view>

namespace http {

/// The path of a target, decoded and without "." and "..": relative to the root, "" for the root
/// itself, with the "/" at its end if it had one. Nothing when it leads out of the root, or is
/// none.
[[nodiscard]] std::optional<std::string> path_of(std::string_view target);

/// A path as it stands in a URL, with a "/" before it.
[[nodiscard]] std::string encoded(std::string_view path);

/// What follows the path: "?query", or nothing.
[[nodiscard]] std::string_view query_of(std::string_view target) noexcept;

/// As in "Sun, 06 Nov 1994 08:49:37 GMT".
[[nodiscard]] std::string date_text(std::time_t when);
/// In any of the three forms that HTTP has had.
[[nodiscard]] std::optional<std::time_t> parse_date(std::string_view text);

/// The bytes of a representation from `first` on.
struct byte_range {
  std::uint64_t first = 0;
  std::uint64_t size = 0;
};

enum class range_kind : std::uint8_t {
  whole,         ///< no range, one that cannot be understood, or several: the whole is the answer
  part,          ///< 206
  unsatisfiable  ///< 416
};

/// The field Range, of a representation of that size.
[[nodiscard]] range_kind parse_range(
    std::string_view value, std::uint64_t size, byte_range& range
) noexcept;

/// What the conditions of a request are compared with.
struct validators {
  std::string_view tag;  ///< with its quotes
  std::time_t modified = 0;
};

/// How tags are compared: a weak one, W/"…", says that the bytes may differ.
enum class comparison : std::uint8_t { weak, strong };
/// Whether the tag, or "*", is in a list of them.
[[nodiscard]] bool has_tag(
    std::string_view list, std::string_view tag, comparison how = comparison::weak
) noexcept;
/// The fields If-None-Match and If-Modified-Since, of which the first one counts alone; null data
/// where there is none. Whether the client has it already.
[[nodiscard]] bool is_not_modified(
    const std::optional<std::string>& none_match,
    std::string_view modified_since,
    const validators& now
);
/// The fields If-Match and If-Unmodified-Since, of which the first one counts alone: false is 412.
[[nodiscard]] bool is_as_expected(
    const std::optional<std::string>& match,
    std::string_view unmodified_since,
    const validators& now
);
/// If-Range: whether the range is of what the client has the rest of.
[[nodiscard]] bool range_holds(std::string_view if_range, const validators& now);

/// By the name's end.
[[nodiscard]] const char* content_type(std::string_view path) noexcept;

/// "Not Found"
[[nodiscard]] const char* reason_of(int status) noexcept;

}  // namespace http
