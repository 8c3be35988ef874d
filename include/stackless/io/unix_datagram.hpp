#pragma once

#include <stackless/detail/awaited_once.hpp>
#include <stackless/detail/io_message.hpp>
#include <stackless/io/bytes.hpp>
#include <stackless/io/descriptor.hpp>
#include <stackless/io/error.hpp>
#include <stackless/io/readiness.hpp>
#include <stackless/io/udp.hpp>
#include <stackless/task.hpp>

#include <cstddef>
#include <string>
#include <system_error>
#include <utility>

namespace stackless::inline STACKLESS_ABI::detail {
struct unix_datagram_access;
}  // namespace stackless::inline STACKLESS_ABI::detail

namespace stackless::inline STACKLESS_ABI::io {

class receive_unix_datagram_operation;

/// Sends and receives datagrams between programs of one host: whole ones, in order, none lost. A
/// sender waits when the receiver has not taken earlier ones. Default-constructed and moved-from
/// ones are closed.
///
/// **Cancellation**, **Errors**, **Lifetime**: as `udp_socket`. A receiver that has gone is
/// `std::errc::connection_refused`, or `connection_reset` to who was connected to it.
class unix_datagram_socket {
 public:
  unix_datagram_socket() noexcept = default;

  /// Sends one datagram to the socket of that path or abstract name. While that has no room, it
  /// tries again at intervals of at most 50 ms: the system does not tell when there is.
  ///
  /// **Errors**: `std::errc::message_size` for one that is too long; for the path as `listen_unix`.
  task<> send_to(std::string path, const_bytes bytes);
  task<> send_to(std::string path, const_bytes bytes, std::error_code& error);
  /// To the peer, when there is room.
  send_datagram_operation send(const_bytes bytes) noexcept;
  send_datagram_operation send(const_bytes bytes, std::error_code& error) noexcept;

  /// Waits for a datagram: gives a `received_unix_datagram`, which says who has sent it, and
  /// whether it was cut off.
  receive_unix_datagram_operation receive_from(mutable_bytes into) noexcept;
  receive_unix_datagram_operation receive_from(mutable_bytes into, std::error_code& error) noexcept;
  /// As that of `udp_socket`.
  receive_whole_datagram_operation receive(mutable_bytes into) noexcept;
  receive_whole_datagram_operation receive(mutable_bytes into, std::error_code& error) noexcept;

  /// Gives the peer a duplicate of an open descriptor, in a datagram of one byte of 0.
  task<> send_descriptor(int descriptor);
  task<> send_descriptor(int descriptor, std::error_code& error);
  /// Waits for a datagram with a descriptor. It is close-on-exec.
  ///
  /// **Errors**: `errc::no_descriptor` when there is none with it; its bytes are gone.
  task<owned_descriptor> receive_descriptor();
  task<owned_descriptor> receive_descriptor(std::error_code& error);

  /// As those of `udp_socket`.
  readiness_operation readable() noexcept;
  readiness_operation readable(std::error_code& error) noexcept;
  readiness_operation writable() noexcept;
  readiness_operation writable(std::error_code& error) noexcept;

  /// From now on `send` goes there, and only what comes from there is received. A plain function.
  ///
  /// **Errors**: `std::errc::connection_refused` when nobody has it open,
  /// `no_such_file_or_directory`, `wrong_protocol_type` for a socket that is no datagram socket.
  void connect(const std::string& path);
  void connect(const std::string& path, std::error_code& error) noexcept;

  /// The path or abstract name that it was given; empty without one.
  [[nodiscard]] std::string path() const;

  /// As that of `udp_socket`. The socket file stays.
  task<> close();
  task<> close(std::error_code& error);

  [[nodiscard]] bool is_open() const noexcept { return handle_.is_open(); }
  /// -1 when closed.
  [[nodiscard]] int descriptor() const noexcept { return handle_.descriptor(); }

 private:
  friend struct detail::unix_datagram_access;
  explicit unix_datagram_socket(detail::io_handle handle) noexcept : handle_(std::move(handle)) {}

  detail::io_handle handle_;
};

/// A socket at a path, or at an abstract name if it begins with "@": as `listen_unix`, with its
/// **Errors**. A plain function.
[[nodiscard]] unix_datagram_socket bind_unix_datagram(const std::string& path);
[[nodiscard]] unix_datagram_socket bind_unix_datagram(
    const std::string& path, std::error_code& error
);

/// A socket without a name: it sends, and nobody can answer. A plain function.
[[nodiscard]] unix_datagram_socket open_unix_datagram();
[[nodiscard]] unix_datagram_socket open_unix_datagram(std::error_code& error);

/// Two sockets that are connected to each other. A plain function. **Errors**: `io_error`; with
/// `error` given it is set instead, and they are closed ones.
[[nodiscard]] std::pair<unix_datagram_socket, unix_datagram_socket> unix_datagram_pair();
[[nodiscard]] std::pair<unix_datagram_socket, unix_datagram_socket> unix_datagram_pair(
    std::error_code& error
);

/// What `receive_from` has received.
class received_unix_datagram {
 public:
  received_unix_datagram() noexcept = default;
  received_unix_datagram(std::size_t in_buffer, std::size_t sent, std::string sender) noexcept
      : size(in_buffer), full_size(sent), from(std::move(sender)) {}

  std::size_t size = 0;       ///< bytes in the buffer
  std::size_t full_size = 0;  ///< bytes that were sent; more than `size`: the rest is lost
  std::string from;           ///< the sender's path or abstract name; empty without one

  [[nodiscard]] bool truncated() const noexcept { return size < full_size; }
};

/// What `receive_from` returns, to be awaited: gives a `received_unix_datagram`.
class [[STACKLESS_OPERATION]] receive_unix_datagram_operation final : public detail::message_call {
 public:
  receive_unix_datagram_operation(
      detail::io_resource* socket, mutable_bytes into, std::error_code* error
  ) noexcept;

  [[nodiscard]] detail::io_awaiter<receive_unix_datagram_operation> make_awaiter() noexcept {
    return detail::io_awaiter<receive_unix_datagram_operation>(*this);
  }

 private:
  friend class detail::io_awaiter<receive_unix_datagram_operation>;
  received_unix_datagram take();
};

}  // namespace stackless::inline STACKLESS_ABI::io
