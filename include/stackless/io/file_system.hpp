#pragma once

#include <stackless/detail/awaited_once.hpp>
#include <stackless/detail/io_awaiter.hpp>
#include <stackless/io/error.hpp>
#include <stackless/io/file_status.hpp>
#include <stackless/task.hpp>

#include <cstdint>
#include <string>
#include <system_error>

namespace stackless::inline STACKLESS_ABI::io {

// What is done to files by their paths. None of it stops the loop: io_uring takes what it has an
// operation for, a few threads the rest.
//
// **Cancellation**: cancel points. One that has begun usually runs to its end, and has then
// happened, which only the file system can tell.
// **Errors**: `io_error` with the operation and the path, as in `rename "a" to "b": No such file or
// directory`; with `error` given it is set instead, or cleared. A path with a 0 in it is
// `std::errc::invalid_argument`.

/// A single operation on paths, to be awaited.
class [[STACKLESS_OPERATION]] path_operation final : public detail::io_call {
 public:
  path_operation(
      detail::io_code code,
      std::string path,
      std::string other,
      std::uint32_t flags_or_mode,
      std::error_code* error
  );

  [[nodiscard]] detail::io_awaiter<path_operation> make_awaiter() noexcept {
    return detail::io_awaiter<path_operation>(*this);
  }

 private:
  friend class detail::io_awaiter<path_operation>;
  void take();

  std::string path_;
  std::string other_;
};

/// What the system knows of a file: gives a `file_status`.
[[nodiscard]] status_operation status(std::string path, symlinks links = symlinks::follow);
[[nodiscard]] status_operation status(std::string path, std::error_code& error);
[[nodiscard]] status_operation status(std::string path, symlinks links, std::error_code& error);

/// What `rename` does with a file that has the new path already.
enum class rename_mode : std::uint8_t {
  replace,     ///< it goes, in the same instant
  no_replace,  ///< `std::errc::file_exists`
  exchange     ///< it gets the old path; there must be one
};

/// Gives a file or directory another path on the same file system, in one step: at every moment
/// others see the one state or the other. It is on the device after `sync_directory`.
///
/// **Errors**: `std::errc::cross_device_link`; `invalid_argument` where the file system knows only
/// `replace`, or for a directory into itself.
[[nodiscard]] path_operation rename(
    std::string from, std::string to, rename_mode mode = rename_mode::replace
);
[[nodiscard]] path_operation rename(std::string from, std::string to, std::error_code& error);
[[nodiscard]] path_operation rename(
    std::string from, std::string to, rename_mode mode, std::error_code& error
);

/// Takes the path away from a file, or a symbolic link; whoever has it open keeps it.
[[nodiscard]] path_operation remove_file(std::string path);
[[nodiscard]] path_operation remove_file(std::string path, std::error_code& error);

/// **Errors**: `std::errc::directory_not_empty`, `not_a_directory`.
[[nodiscard]] path_operation remove_directory(std::string path);
[[nodiscard]] path_operation remove_directory(std::string path, std::error_code& error);

/// `permissions`: less the process's umask. **Errors**: `std::errc::file_exists`.
[[nodiscard]] path_operation create_directory(std::string path, unsigned permissions = 0777);
[[nodiscard]] path_operation create_directory(std::string path, std::error_code& error);
[[nodiscard]] path_operation create_directory(
    std::string path, unsigned permissions, std::error_code& error
);

/// A symbolic link at `link` that says `target`, whether there is such a file or not.
[[nodiscard]] path_operation create_symlink(std::string target, std::string link);
[[nodiscard]] path_operation create_symlink(
    std::string target, std::string link, std::error_code& error
);

/// Another path for an existing file. A symbolic link is not followed.
[[nodiscard]] path_operation create_hard_link(std::string existing, std::string link);
[[nodiscard]] path_operation create_hard_link(
    std::string existing, std::string link, std::error_code& error
);

/// What a symbolic link says. **Errors**: `std::errc::invalid_argument` for what is none.
[[nodiscard]] task<std::string> read_symlink(std::string path);
[[nodiscard]] task<std::string> read_symlink(std::string path, std::error_code& error);

/// Sets the lower twelve bits, as in 0644. Follows symbolic links.
[[nodiscard]] task<> set_permissions(std::string path, unsigned permissions);
[[nodiscard]] task<> set_permissions(
    std::string path, unsigned permissions, std::error_code& error
);

/// Sets when it was last read and last written.
[[nodiscard]] task<> set_times(
    std::string path, file_time accessed, file_time modified, symlinks links = symlinks::follow
);
[[nodiscard]] task<> set_times(
    std::string path, file_time accessed, file_time modified, symlinks links, std::error_code& error
);

/// Waits until the entries of a directory, as they are now, are on the device: what was created,
/// renamed and removed in it.
[[nodiscard]] task<> sync_directory(std::string path);
[[nodiscard]] task<> sync_directory(std::string path, std::error_code& error);

}  // namespace stackless::inline STACKLESS_ABI::io
