#pragma once

#include <stackless/detail/awaited_once.hpp>
#include <stackless/io/bytes.hpp>
#include <stackless/io/descriptor.hpp>
#include <stackless/io/error.hpp>
#include <stackless/io/file_status.hpp>
#include <stackless/io/operation.hpp>
#include <stackless/io/readiness.hpp>
#include <stackless/task.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <system_error>
#include <utility>

namespace stackless::inline STACKLESS_ABI::detail {
struct file_access;
struct stream_access;
}  // namespace stackless::inline STACKLESS_ABI::detail

namespace stackless::inline STACKLESS_ABI::io {

class open_operation;

/// How `open` opens. All but `append` start at the beginning of the file.
enum class open_mode : std::uint8_t {
  read_only,
  write_only,       ///< an existing file, as it is
  read_write,       ///< an existing file, as it is
  open_or_create,   ///< reads and writes; what is there stays
  create_truncate,  ///< writes; what was there goes
  create_new,       ///< reads and writes; fails when the file exists
  append            ///< every write goes to the end; creates the file
};

/// Trivially destructible on purpose, as `listen_options`.
struct open_options {
  unsigned permissions = 0666;  ///< of a file that it creates, less the process's umask
  /// Past the system's cache: every buffer, offset and size must be aligned as
  /// `file::direct_io_alignment` says, else the operation is `errc::misaligned`.
  bool direct = false;
  bool follow_symlink = true;  ///< else a symbolic link is `too_many_symbolic_link_levels`
};

/// What `file::allocate` does.
enum class allocation : std::uint8_t {
  extend,     ///< reserves room, and lets the file end behind it if it ended before
  keep_size,  ///< reserves room, also behind the end
  punch_hole  ///< gives the room back: it reads as zeros
};

/// An open file, or anything else that has a path. Default-constructed and moved-from ones are
/// closed.
///
/// Operations at the file position move it; those named `_at` do not, and may run side by side.
/// Sizes above 1 GiB are done in part by the `_some` operations.
///
/// **Cancellation**: every operation but `close` is a cancel point. A cancelled one ends when the
/// kernel has let go of the buffer. A regular file's operation that has begun usually cannot be cut
/// short.
/// **Errors**: `io_error`; with a trailing `std::error_code&` it is set instead, or cleared. Using
/// a closed file gives `std::errc::bad_file_descriptor`.
/// **Lifetime**: buffers must live until the operation is complete. The destructor closes; with
/// operations of other tasklets in flight, the last of them does.
class file {
 public:
  file() noexcept = default;
  /// Takes over a descriptor that came another way than by `open`. `path` is what errors and
  /// reports call it.
  file(owned_descriptor descriptor, std::string path);

  /// Reads up to the buffer's size; 0 at the end of the file.
  transfer_operation read_some(mutable_bytes into) noexcept;
  transfer_operation read_some(mutable_bytes into, std::error_code& error) noexcept;
  /// Adds to `done` what it moved, also when the tasklet is killed or cancelled at the same time.
  transfer_operation read_some(mutable_bytes into, std::size_t* done) noexcept;
  transfer_operation read_some_at(std::uint64_t offset, mutable_bytes into) noexcept;
  transfer_operation read_some_at(
      std::uint64_t offset, mutable_bytes into, std::error_code& error
  ) noexcept;

  /// Writes a part, or all.
  transfer_operation write_some(const_bytes from) noexcept;
  transfer_operation write_some(const_bytes from, std::error_code& error) noexcept;
  transfer_operation write_some(const_bytes from, std::size_t* done) noexcept;
  transfer_operation write_some_at(std::uint64_t offset, const_bytes from) noexcept;
  transfer_operation write_some_at(
      std::uint64_t offset, const_bytes from, std::error_code& error
  ) noexcept;

  /// Reads into, or writes from, several buffers one after the other, in one operation; a part, or
  /// all. The list need not live longer than the call.
  vectored_operation read_vectored(std::span<const mutable_bytes> into);
  vectored_operation read_vectored(std::span<const mutable_bytes> into, std::error_code& error);
  vectored_operation read_vectored_at(std::uint64_t offset, std::span<const mutable_bytes> into);
  vectored_operation read_vectored_at(
      std::uint64_t offset, std::span<const mutable_bytes> into, std::error_code& error
  );
  vectored_operation write_vectored(std::span<const const_bytes> from);
  vectored_operation write_vectored(std::span<const const_bytes> from, std::error_code& error);
  vectored_operation write_vectored_at(std::uint64_t offset, std::span<const const_bytes> from);
  vectored_operation write_vectored_at(
      std::uint64_t offset, std::span<const const_bytes> from, std::error_code& error
  );

  /// Fills the whole buffer. `done`, if given, is set to the number of bytes read, however it ends.
  ///
  /// **Cancellation**: a cancel point at each step. Left in the middle without `done`, the file
  /// position is unknown, and the next operation at the position fails with `errc::broken_stream`.
  /// **Errors**: as `read_some`; `errc::end_of_file` when the file ends before.
  whole_transfer_operation read_exactly(mutable_bytes into, std::size_t* done = nullptr) noexcept;
  /// As `read_exactly`, and breaks nothing.
  whole_transfer_operation read_exactly_at(
      std::uint64_t offset, mutable_bytes into, std::size_t* done = nullptr
  ) noexcept;

  /// Writes everything. `done`, **Cancellation**: as `read_exactly`.
  whole_transfer_operation write_all(const_bytes from, std::size_t* done = nullptr) noexcept;
  /// As `write_all`, and breaks nothing.
  whole_transfer_operation write_all_at(
      std::uint64_t offset, const_bytes from, std::size_t* done = nullptr
  ) noexcept;

  /// Waits until a read, or a write, at the position would not have to wait, for pipes, terminals
  /// and the like. Regular files are always ready. A case for `select`.
  readiness_operation readable() noexcept;
  readiness_operation readable(std::error_code& error) noexcept;
  readiness_operation writable() noexcept;
  readiness_operation writable(std::error_code& error) noexcept;

  /// Waits until what was written is on the device, with what is known about the file.
  plain_operation sync() noexcept;
  plain_operation sync(std::error_code& error) noexcept;
  /// As `sync`, but times and the like may be left behind.
  plain_operation sync_data() noexcept;
  plain_operation sync_data(std::error_code& error) noexcept;

  /// What the system knows of the file: gives a `file_status`.
  status_operation status() noexcept;
  status_operation status(std::error_code& error) noexcept;

  /// Reserves room on the device for a part of the file, so that writing there does not fail for
  /// want of it; or gives it back.
  ///
  /// **Errors**: `std::errc::no_space_on_device`, `operation_not_supported` by the file system,
  /// `invalid_argument` for a size of 0.
  plain_operation allocate(
      std::uint64_t offset, std::uint64_t size, allocation what = allocation::extend
  ) noexcept;
  plain_operation allocate(
      std::uint64_t offset, std::uint64_t size, allocation what, std::error_code& error
  ) noexcept;

  /// As `truncate`, without stopping the loop.
  plain_operation resize(std::uint64_t size) noexcept;
  plain_operation resize(std::uint64_t size, std::error_code& error) noexcept;

  /// As the function `io::set_permissions`, of the file that is open, whatever its path names by
  /// now.
  plain_operation set_permissions(unsigned permissions) noexcept;
  plain_operation set_permissions(unsigned permissions, std::error_code& error) noexcept;

  /// As the function `io::set_times`, of the file that is open. Later writes change them again.
  times_operation set_times(file_time accessed, file_time modified) noexcept;
  times_operation set_times(
      file_time accessed, file_time modified, std::error_code& error
  ) noexcept;

  /// How buffers, offsets and sizes must be aligned if it was opened for direct I/O; zeros if not,
  /// or if the file system does not tell. A plain function.
  [[nodiscard]] direct_alignment direct_io_alignment() const noexcept;

  /// The file's size in bytes. A plain function.
  [[nodiscard]] std::uint64_t size() const;
  [[nodiscard]] std::uint64_t size(std::error_code& error) const noexcept;

  /// Cuts the file off, or extends it with zeros. A plain function; giving back the room of a large
  /// file takes its time.
  void truncate(std::uint64_t size);
  void truncate(std::uint64_t size, std::error_code& error) noexcept;

  /// Closes the file. Operations of other tasklets on it are cancelled first, and awaited. Does
  /// nothing when it is closed, or being closed.
  ///
  /// **Cancellation**: shielded. What is thrown at it is raised when the file has been closed.
  /// **Errors**: `io_error` for what the system could not write; the file is closed all the same.
  task<> close();
  task<> close(std::error_code& error);

  [[nodiscard]] bool is_open() const noexcept { return handle_.is_open(); }
  /// -1 when closed.
  [[nodiscard]] int descriptor() const noexcept { return handle_.descriptor(); }
  /// As it was given to `open`.
  [[nodiscard]] std::string path() const;

 private:
  friend class open_operation;
  friend struct detail::file_access;
  friend struct detail::stream_access;
  explicit file(detail::io_handle handle) noexcept : handle_(std::move(handle)) {}

  detail::io_handle handle_;
};

/// What `open` returns, to be awaited: gives the file.
class [[STACKLESS_OPERATION]] open_operation final : public detail::io_call {
 public:
  open_operation(std::string path, open_mode mode, open_options options, std::error_code* error);

  [[nodiscard]] detail::io_awaiter<open_operation> make_awaiter() noexcept {
    return detail::io_awaiter<open_operation>(*this);
  }

 private:
  friend class detail::io_awaiter<open_operation>;
  open_operation(
      detail::io_handle made, open_mode mode, const open_options& options, std::error_code* error
  );
  bool ready();
  file take();

  detail::io_handle made_;
  bool is_direct_;
};

/// Opens a file. `permissions` are those of a file that it creates, less the process's umask.
///
/// **Cancellation**: a cancel point. A file that was opened meanwhile is closed again.
/// **Errors**: `io_error`; with `error` given it is set instead, and the file is a closed one.
/// `std::errc::operation_not_supported` for direct I/O where the file system has none.
[[nodiscard]] open_operation open(
    std::string path, open_mode mode = open_mode::read_only, unsigned permissions = 0666
);
[[nodiscard]] open_operation open(std::string path, open_mode mode, std::error_code& error);
[[nodiscard]] open_operation open(
    std::string path, open_mode mode, unsigned permissions, std::error_code& error
);
[[nodiscard]] open_operation open(std::string path, open_mode mode, open_options options);
[[nodiscard]] open_operation open(
    std::string path, open_mode mode, open_options options, std::error_code& error
);

}  // namespace stackless::inline STACKLESS_ABI::io
