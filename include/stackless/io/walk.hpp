#pragma once

#include <stackless/async_generator.hpp>
#include <stackless/io/file_status.hpp>

#include <cstddef>
#include <string>
#include <string_view>
#include <system_error>

namespace stackless::inline STACKLESS_ABI::io {

/// What a `walk` has come to.
class walk_entry {
 public:
  /// The root as it was given, with the names below it.
  [[nodiscard]] const std::string& path() const noexcept { return path_; }
  /// The last part of the path; the whole for the root.
  [[nodiscard]] std::string_view name() const noexcept {
    return std::string_view(path_).substr(name_at_);
  }
  [[nodiscard]] file_type type() const noexcept { return type_; }
  /// 0: the root.
  [[nodiscard]] std::size_t depth() const noexcept { return depth_; }

  /// Why it, or the rest of it if it is a directory, could not be read. Such an entry comes in
  /// addition to the directory's own.
  [[nodiscard]] const std::error_code& error() const noexcept { return error_; }
  /// The walk has seen what is in this directory: see `walk_options::report_leaving`.
  [[nodiscard]] bool leaving() const noexcept { return leaving_; }

  /// What is in this directory is left out.
  void skip() noexcept { skipped_ = true; }

 private:
  friend class walk_access;

  std::string path_;
  std::error_code error_;
  std::size_t name_at_ = 0;
  std::size_t depth_ = 0;
  file_type type_ = file_type::unknown;
  bool leaving_ = false;
  bool skipped_ = false;
};

/// Trivially destructible on purpose, as `listen_options`.
struct walk_options {
  /// Directories come a second time, when what is in them has come.
  bool report_leaving = false;
  /// Directories of other file systems come, and what is in them does not.
  bool one_file_system = false;
  /// Directories that are open at the same time, at most; at least two are needed. Deeper trees
  /// cost a second look at the directories on the way back.
  std::size_t most_open = 32;
};

/// Everything below a path, and the path itself first, a directory before what is in it; otherwise
/// in the order of the file system:
///
///     while (io::walk_entry* entry = co_await entries.next()) …
///
/// Symbolic links are entries and are not followed, the root included. What changes meanwhile is
/// seen or is not; a directory that is replaced by a symbolic link is not followed either.
///
/// **Memory**: 32 KiB a level of the tree, however many entries there are.
/// **Cancellation**: a cancel point where a directory is read; the walk has ended then.
/// **Errors**: none of a single entry ends the walk: it is an entry with `error()`. A directory
/// that contains itself (by a bind mount) is `std::errc::too_many_symbolic_link_levels`.
/// **Lifetime**: an entry is there until the next `next()`.
[[nodiscard]] async_generator<walk_entry&> walk(std::string root, walk_options options = {});

}  // namespace stackless::inline STACKLESS_ABI::io
