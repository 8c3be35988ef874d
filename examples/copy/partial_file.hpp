#pragma once

// A file that is being written, under a name of its own until it is complete.

#include <stackless/io/io.hpp>
#include <stackless/task.hpp>

#include <cstdint>
#include <string>
#include <string_view>

namespace copying {

/// Beside `target`: ".NAME.copy-partial", or a part of a long name and its hash.
[[nodiscard]] std::string partial_path(std::string_view target);
/// Whether such a file may have been left by a copy.
[[nodiscard]] bool is_partial_name(std::string_view name) noexcept;

/// Whoever has it open has a lock on it, so that two programs do not write the same one. A lock
/// ends with its process: what was left by one that was killed is free.
class partial_file {
 public:
  /// `keep`: if there is one already, with what is in it, unless it is a link, has a second name or
  /// belongs to somebody else. Else it is a new one.
  /// \throws stackless::io::io_error, std::runtime_error when another program is writing it
  static stackless::task<partial_file> open(std::string target, bool keep, unsigned permissions);

  stackless::io::file file;
  std::uint64_t kept = 0;  ///< bytes that were in it already
  [[nodiscard]] bool has_permissions(unsigned permissions) const noexcept {
    return permissions_ == permissions;
  }

  /// Closes it, and gives it its name, in place of the file that has it. A symbolic link there is
  /// replaced, not followed.
  stackless::task<> complete();
  /// Nobody will go on with it. \throws nothing but what ends the tasklet
  stackless::task<> remove();

 private:
  std::string path_;
  std::string target_;
  unsigned permissions_ = 0;
};

}  // namespace copying
