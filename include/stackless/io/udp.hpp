#pragma once

#include <stackless/detail/awaited_once.hpp>
#include <stackless/detail/io_message.hpp>
#include <stackless/io/address.hpp>
#include <stackless/io/bytes.hpp>
#include <stackless/io/error.hpp>
#include <stackless/io/readiness.hpp>
#include <stackless/task.hpp>

#include <cstddef>
#include <cstdint>
#include <system_error>
#include <utility>

namespace stackless::inline STACKLESS_ABI::detail {
struct udp_access;
}  // namespace stackless::inline STACKLESS_ABI::detail

namespace stackless::inline STACKLESS_ABI::io {

class send_datagram_operation;
class receive_datagram_operation;
class receive_whole_datagram_operation;

/// Sends and receives UDP datagrams. Default-constructed and moved-from ones are closed.
///
/// A datagram is sent whole or not at all, and received whole or cut off; one may be lost on the
/// way, come twice, or overtake another. One of no bytes is a datagram as well.
///
/// **Cancellation**: every operation but `close` is a cancel point. One that is cancelled, or whose
/// deadline passes, has sent or received its datagram and says so, or has not: none is lost by it.
/// (A tasklet that is killed takes what it had received with it.)
/// **Errors**: `io_error`; with a trailing `std::error_code&` it is set instead, or cleared. What a
/// host answered to an earlier datagram of a connected socket (`std::errc::connection_refused`) is
/// raised by the next operation. Using a closed socket gives `std::errc::bad_file_descriptor`.
/// **Lifetime**: buffers must live until the operation is complete. The destructor closes; with
/// operations of other tasklets in flight, the last of them does.
class udp_socket {
 public:
  udp_socket() noexcept = default;

  /// Sends one datagram, when there is room for it.
  ///
  /// **Errors**: `std::errc::message_size` for more than fits in one (65 507 bytes with IPv4),
  /// `permission_denied` for a broadcast without `set_broadcast`.
  send_datagram_operation send_to(const socket_address& to, const_bytes bytes) noexcept;
  send_datagram_operation send_to(
      const socket_address& to, const_bytes bytes, std::error_code& error
  ) noexcept;
  /// To the peer. **Errors**: `std::errc::destination_address_required` when there is none.
  send_datagram_operation send(const_bytes bytes) noexcept;
  send_datagram_operation send(const_bytes bytes, std::error_code& error) noexcept;

  /// Waits for a datagram: gives a `received_datagram`, which says who has sent it, and whether it
  /// was cut off.
  receive_datagram_operation receive_from(mutable_bytes into) noexcept;
  receive_datagram_operation receive_from(mutable_bytes into, std::error_code& error) noexcept;
  /// Waits for a datagram, and gives its size.
  ///
  /// **Errors**: `std::errc::message_size` when it did not fit; the buffer has its beginning.
  receive_whole_datagram_operation receive(mutable_bytes into) noexcept;
  receive_whole_datagram_operation receive(mutable_bytes into, std::error_code& error) noexcept;

  /// Waits until a datagram, or an error, is there to be received, or until there is room for one
  /// to be sent. A case for `select`.
  readiness_operation readable() noexcept;
  readiness_operation readable(std::error_code& error) noexcept;
  readiness_operation writable() noexcept;
  readiness_operation writable(std::error_code& error) noexcept;

  /// From now on `send` goes there, and only what comes from there is received. Another call
  /// changes the peer. A plain function: nothing is sent.
  void connect(const socket_address& peer);
  void connect(const socket_address& peer, std::error_code& error) noexcept;
  /// From now on it has no peer.
  void disconnect();
  void disconnect(std::error_code& error) noexcept;

  /// With the port that the system chose.
  [[nodiscard]] socket_address local_address() const;
  [[nodiscard]] socket_address peer_address() const;

  /// Whether it may send to broadcast addresses. This and the rest are plain functions.
  void set_broadcast(bool on);
  void set_broadcast(bool on, std::error_code& error) noexcept;

  /// Receives what is sent to the group, too. `interface`: its index (`if_nametoindex`); 0: the
  /// system chooses.
  ///
  /// **Errors**: `std::errc::invalid_argument` for an address that is no group's, `address_in_use`
  /// for one that was joined already, `no_such_device`.
  void join(const ip_address& group, unsigned interface = 0);
  void join(const ip_address& group, unsigned interface, std::error_code& error) noexcept;
  /// **Errors**: `std::errc::address_not_available` for a group that was not joined.
  void leave(const ip_address& group, unsigned interface = 0);
  void leave(const ip_address& group, unsigned interface, std::error_code& error) noexcept;

  /// How what is sent to groups goes out.
  struct multicast_options {
    unsigned interface = 0;  ///< its index; 0: the system chooses
    int hops = 1;            ///< how many routers forward it, at most; 1: none
    bool loop = true;        ///< members on this host get it as well
  };
  void set_multicast(multicast_options options);
  void set_multicast(multicast_options options, std::error_code& error) noexcept;

  /// How many bytes may wait to be received; what comes when there are as many is dropped. The
  /// system sets a limit to it.
  void set_receive_buffer(std::size_t size);
  void set_receive_buffer(std::size_t size, std::error_code& error) noexcept;

  /// Closes the socket. Operations of other tasklets on it are cancelled first, and awaited. Does
  /// nothing when it is closed, or being closed.
  ///
  /// **Cancellation**: shielded. What is thrown at it is raised when the socket has been closed.
  task<> close();
  task<> close(std::error_code& error);

  [[nodiscard]] bool is_open() const noexcept { return handle_.is_open(); }
  /// -1 when closed.
  [[nodiscard]] int descriptor() const noexcept { return handle_.descriptor(); }

 private:
  friend struct detail::udp_access;
  explicit udp_socket(detail::io_handle handle) noexcept : handle_(std::move(handle)) {}

  detail::io_handle handle_;
};

/// Trivially destructible on purpose, as `listen_options`.
struct udp_options {
  bool reuse_address = false;  ///< several sockets at the port: each gets what is sent to a group
  bool reuse_port = false;     ///< several sockets at the port: the kernel distributes by sender
  bool only_v6 = false;        ///< one at the IPv6 "any" address takes no IPv4
};

/// A socket at `address`; port 0 lets the system choose one. A plain function.
///
/// **Errors**: `io_error`; with `error` given it is set instead, and the socket is a closed one.
[[nodiscard]] udp_socket bind_udp(const socket_address& address, udp_options options = {});
[[nodiscard]] udp_socket bind_udp(const socket_address& address, std::error_code& error);
[[nodiscard]] udp_socket bind_udp(
    const socket_address& address, udp_options options, std::error_code& error
);

/// A socket at a port that the system chooses, with a peer. A plain function; nothing is sent, and
/// nobody needs to be there. **Errors**: as `bind_udp`.
[[nodiscard]] udp_socket connect_udp(const socket_address& peer);
[[nodiscard]] udp_socket connect_udp(const socket_address& peer, std::error_code& error);

/// What `receive_from` has received.
struct received_datagram {
  std::size_t size = 0;       ///< bytes in the buffer
  std::size_t full_size = 0;  ///< bytes that were sent; more than `size`: the rest is lost
  socket_address from;

  [[nodiscard]] bool truncated() const noexcept { return size < full_size; }
};

/// What `send` and `send_to` return, to be awaited.
class [[STACKLESS_OPERATION]] send_datagram_operation final : public detail::message_call {
 public:
  send_datagram_operation(
      detail::io_resource* socket,
      const_bytes bytes,
      const socket_address* to,
      std::error_code* error
  ) noexcept;

  [[nodiscard]] detail::io_awaiter<send_datagram_operation> make_awaiter() noexcept {
    return detail::io_awaiter<send_datagram_operation>(*this);
  }

 private:
  friend class detail::io_awaiter<send_datagram_operation>;
  void take();

  bool has_address_;
};

/// What `receive_from` returns, to be awaited: gives a `received_datagram`.
class [[STACKLESS_OPERATION]] receive_datagram_operation final : public detail::message_call {
 public:
  receive_datagram_operation(
      detail::io_resource* socket, mutable_bytes into, std::error_code* error
  ) noexcept;

  [[nodiscard]] detail::io_awaiter<receive_datagram_operation> make_awaiter() noexcept {
    return detail::io_awaiter<receive_datagram_operation>(*this);
  }

 private:
  friend class detail::io_awaiter<receive_datagram_operation>;
  received_datagram take();
};

/// What `receive` returns, to be awaited: gives the datagram's size.
class [[STACKLESS_OPERATION]] receive_whole_datagram_operation final : public detail::message_call {
 public:
  receive_whole_datagram_operation(
      detail::io_resource* socket, mutable_bytes into, std::error_code* error
  ) noexcept;

  [[nodiscard]] detail::io_awaiter<receive_whole_datagram_operation> make_awaiter() noexcept {
    return detail::io_awaiter<receive_whole_datagram_operation>(*this);
  }

 private:
  friend class detail::io_awaiter<receive_whole_datagram_operation>;
  std::size_t take();
};

}  // namespace stackless::inline STACKLESS_ABI::io
