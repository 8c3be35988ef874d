#pragma once

#include <stackless/io/descriptor.hpp>
#include <stackless/io/socket_stream.hpp>

#include <string>
#include <system_error>
#include <utility>

namespace stackless::inline STACKLESS_ABI::detail {
struct unix_access;
}  // namespace stackless::inline STACKLESS_ABI::detail

namespace stackless::inline STACKLESS_ABI::io {

/// A connection between programs of one host. What it has of every stream, with **Cancellation**,
/// **Errors** and **Lifetime**: `socket_stream`.
class unix_stream final : public socket_stream {
 public:
  unix_stream() noexcept = default;

  /// Gives the peer a duplicate of an open descriptor, together with one byte of 0. It comes in
  /// order with what is written.
  ///
  /// **Cancellation**: a cancel point; the descriptor was sent or was not.
  task<> send_descriptor(int descriptor);
  task<> send_descriptor(int descriptor, std::error_code& error);

  /// Waits for a descriptor and the byte that comes with it. It is close-on-exec. Read exactly what
  /// was written before it: a read that goes further drops it.
  ///
  /// **Cancellation**: a cancel point; nothing is lost.
  /// **Errors**: `errc::end_of_file`; `errc::no_descriptor` when a byte without one came, which has
  /// been taken.
  task<owned_descriptor> receive_descriptor();
  task<owned_descriptor> receive_descriptor(std::error_code& error);

 private:
  friend struct detail::unix_access;
  explicit unix_stream(detail::io_handle handle) noexcept : socket_stream(std::move(handle)) {}
};

/// Waits for connections from programs of this host. **Cancellation**, **Errors**, **Lifetime**: as
/// `tcp_listener`. Closing leaves the file of its name where it is: the next `listen_unix` replaces
/// it.
class unix_listener {
 public:
  unix_listener() noexcept = default;

  /// Waits for a connection.
  ///
  /// **Cancellation**: a cancel point. A connection that came meanwhile is closed.
  task<unix_stream> accept();
  task<unix_stream> accept(std::error_code& error);

  /// As those of `tcp_listener`.
  readiness_operation readable() noexcept;
  readiness_operation readable(std::error_code& error) noexcept;
  task<> close();
  task<> close(std::error_code& error);

  [[nodiscard]] bool is_open() const noexcept { return handle_.is_open(); }
  /// -1 when closed.
  [[nodiscard]] int descriptor() const noexcept { return handle_.descriptor(); }
  /// As it was given to `listen_unix`.
  [[nodiscard]] std::string path() const;

 private:
  friend struct detail::unix_access;
  explicit unix_listener(detail::io_handle handle) noexcept : handle_(std::move(handle)) {}

  detail::io_handle handle_;
};

/// A listener at a path, or at an abstract name if it begins with "@" (write "./@x" for a file of
/// such a name). A socket file that nobody listens at, left by an earlier run, is replaced; two
/// programs that do so at the same moment may replace each other. A plain function.
///
/// **Errors**: `io_error`: `std::errc::filename_too_long` from 108 bytes on, `invalid_argument` for
/// an empty one or one with a 0 in it, `address_in_use` when somebody listens there, or when the
/// file is no socket. With `error` given it is set instead, and the listener is a closed one.
[[nodiscard]] unix_listener listen_unix(const std::string& path, int backlog = 1024);
[[nodiscard]] unix_listener listen_unix(const std::string& path, std::error_code& error);
[[nodiscard]] unix_listener listen_unix(
    const std::string& path, int backlog, std::error_code& error
);

/// Connects to a listener. Waits when it has as many connections waiting as it permits.
///
/// **Cancellation**: a cancel point; the connection is dropped.
/// **Errors**: `io_error`, such as `std::errc::no_such_file_or_directory` and `connection_refused`
/// (nobody listens there any more); for the path as `listen_unix`. With `error` given it is set
/// instead, and the stream is a closed one.
[[nodiscard]] task<unix_stream> connect_unix(std::string path);
[[nodiscard]] task<unix_stream> connect_unix(std::string path, std::error_code& error);

/// Two connected streams. A plain function. **Errors**: `io_error`; with `error` given it is set
/// instead, and they are closed ones.
[[nodiscard]] std::pair<unix_stream, unix_stream> unix_pair();
[[nodiscard]] std::pair<unix_stream, unix_stream> unix_pair(std::error_code& error);

}  // namespace stackless::inline STACKLESS_ABI::io
