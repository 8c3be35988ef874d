#pragma once

#include <stackless/io/bytes.hpp>
#include <stackless/io/error.hpp>
#include <stackless/io/operation.hpp>
#include <stackless/io/readiness.hpp>
#include <stackless/io/receive.hpp>
#include <stackless/task.hpp>

#include <cstddef>
#include <system_error>
#include <utility>

namespace stackless::inline STACKLESS_ABI::detail {
struct stream_access;
}  // namespace stackless::inline STACKLESS_ABI::detail

namespace stackless::inline STACKLESS_ABI::io {

/// What connected sockets that carry bytes have in common: the base of `tcp_stream` and
/// `unix_stream`. Default-constructed and moved-from ones are closed.
///
/// One tasklet may read while another writes. Sizes above 1 GiB are done in part by the `_some`
/// operations. A peer that has gone shows as `std::errc::connection_reset` or `broken_pipe`, never
/// as a signal.
///
/// **Cancellation**: every operation but `close` is a cancel point. A cancelled one ends when the
/// kernel has let go of the buffer.
/// **Errors**: `io_error`; with a trailing `std::error_code&` it is set instead, or cleared. Using
/// a closed stream gives `std::errc::bad_file_descriptor`.
/// **Lifetime**: buffers must live until the operation is complete. The destructor closes; with
/// operations of other tasklets in flight, the last of them does.
class socket_stream {
 public:
  /// Waits for data and reads what there is, up to the buffer's size; 0 when the peer has finished.
  transfer_operation read_some(mutable_bytes into) noexcept;
  transfer_operation read_some(mutable_bytes into, std::error_code& error) noexcept;
  /// Adds to `done` what it moved, also when the tasklet is killed or cancelled at the same time.
  transfer_operation read_some(mutable_bytes into, std::size_t* done) noexcept;

  /// Waits for data and gives what there is, up to a buffer's size, in a buffer of the pool; empty
  /// when the peer has finished. A case for `select`. While it waits the stream holds no buffer.
  ///
  /// A stream that is received from with a pool stays so: another pool, `read_some`,
  /// `read_exactly`, `readable` and all else that would read it raise `std::logic_error`. Where the
  /// kernel can, bytes are received before anybody asks: at most 16 buffers of them, or an eighth
  /// of the pool, and what the kernel adds before it has stopped.
  ///
  /// **Cancellation**: a cancel point, at once, also for `kill`. Nothing is lost: the next one gets
  /// the bytes.
  /// **Lifetime**: the pool must live until the operation is complete; the bytes as long as they
  /// like. A stream that is destroyed is closed a loop turn later.
  /// **Wakes**: those who wait for one stream, in the order in which they came. A source, unless
  /// every buffer is in hands of the program.
  /// Allocates once a stream.
  receive_operation receive(buffer_pool& pool) noexcept;
  receive_operation receive(buffer_pool& pool, std::error_code& error) noexcept;

  /// Waits for room and writes a part, or all.
  transfer_operation write_some(const_bytes from) noexcept;
  transfer_operation write_some(const_bytes from, std::error_code& error) noexcept;
  transfer_operation write_some(const_bytes from, std::size_t* done) noexcept;

  /// Waits until a read, or a write, would not have to wait. A case for `select`.
  readiness_operation readable() noexcept;
  readiness_operation readable(std::error_code& error) noexcept;
  readiness_operation writable() noexcept;
  readiness_operation writable(std::error_code& error) noexcept;

  /// Fills the whole buffer. `done`, if given, is set to the number of bytes read, however it ends.
  ///
  /// **Cancellation**: a cancel point at each step. Left in the middle without `done`, the next
  /// read fails with `errc::broken_stream`; writes are not concerned.
  /// **Errors**: as `read_some`; `errc::end_of_file` when the peer finishes before.
  whole_transfer_operation read_exactly(mutable_bytes into, std::size_t* done = nullptr) noexcept;

  /// Writes everything. `done`, **Cancellation**: as `read_exactly`, the other way round.
  whole_transfer_operation write_all(const_bytes from, std::size_t* done = nullptr) noexcept;

  /// Tells the peer that nothing more will come: it reads 0. A plain function.
  void shutdown_send();
  void shutdown_send(std::error_code& error) noexcept;

  /// Closes the connection. Operations of other tasklets on it are cancelled first, and awaited.
  /// Does nothing when it is closed, or being closed.
  ///
  /// **Cancellation**: shielded. What is thrown at it is raised when the stream has been closed.
  task<> close();
  task<> close(std::error_code& error);

  [[nodiscard]] bool is_open() const noexcept { return handle_.is_open(); }
  /// -1 when closed.
  [[nodiscard]] int descriptor() const noexcept { return handle_.descriptor(); }

 protected:
  socket_stream() noexcept = default;
  explicit socket_stream(detail::io_handle handle) noexcept : handle_(std::move(handle)) {}
  socket_stream(socket_stream&&) noexcept = default;
  socket_stream& operator=(socket_stream&&) noexcept = default;
  ~socket_stream() = default;

  detail::io_handle handle_;

 private:
  friend struct detail::stream_access;
};

}  // namespace stackless::inline STACKLESS_ABI::io
