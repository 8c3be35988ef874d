#pragma once

#include <stackless/detail/config.hpp>

#include <memory>
#include <string>
#include <string_view>
#include <system_error>

namespace stackless::inline STACKLESS_ABI::io {

/// Failures that the system has no number for.
enum class errc {
  end_of_file = 1,  ///< the data ended before all that was asked for had come
  broken_stream,    ///< an earlier transfer was interrupted in the middle: the position is unknown
  unknown_host,     ///< there is no such host, or it has no address
  line_too_long,    ///< more bytes than the limit, and no end of the line among them
  no_descriptor,    ///< a byte came, and no descriptor with it
  misaligned        ///< not aligned as direct I/O demands of it
};

/// The category of `errc`.
[[nodiscard]] const std::error_category& category() noexcept;
[[nodiscard]] std::error_code make_error_code(errc code) noexcept;

/// A failed I/O operation, as in `open "/x/y": No such file or directory`. `code()` compares equal
/// to `std::errc` values, and to `io::errc`.
class io_error : public std::system_error {
 public:
  /// `progress`: what had been done, as in "after 3 of 10 bytes".
  io_error(
      std::error_code code,
      const char* operation,
      int descriptor,
      const std::string& path,
      std::string_view progress = {}
  );

  /// The operation's name, such as "open" or "receive".
  [[nodiscard]] const char* operation() const noexcept { return operation_; }
  /// The descriptor, -1 if there was none.
  [[nodiscard]] int descriptor() const noexcept { return descriptor_; }
  /// A file's path; a socket's address (its peer's, and its own if it listens). May be empty.
  [[nodiscard]] const std::string& path() const noexcept { return *path_; }

 private:
  std::shared_ptr<const std::string> path_;  // copying an exception must not throw
  const char* operation_;
  int descriptor_;
};

}  // namespace stackless::inline STACKLESS_ABI::io

template <>
struct std::is_error_code_enum<stackless::io::errc> : std::true_type {};
