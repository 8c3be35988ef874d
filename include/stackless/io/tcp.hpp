#pragma once

#include <stackless/detail/awaited_once.hpp>
#include <stackless/io/address.hpp>
#include <stackless/io/bytes.hpp>
#include <stackless/io/error.hpp>
#include <stackless/io/operation.hpp>
#include <stackless/io/readiness.hpp>
#include <stackless/io/socket_stream.hpp>
#include <stackless/task.hpp>

#include <array>
#include <cstddef>
#include <system_error>
#include <utility>

namespace stackless::inline STACKLESS_ABI::detail {
struct listener_access;
}  // namespace stackless::inline STACKLESS_ABI::detail

namespace stackless::inline STACKLESS_ABI::io {

class accept_operation;
class connect_operation;

/// A TCP connection. What it has of every stream, with **Cancellation**, **Errors** and
/// **Lifetime**: `socket_stream`.
class tcp_stream final : public socket_stream {
 public:
  tcp_stream() noexcept = default;

  /// Small writes go out at once instead of being collected (TCP_NODELAY). A plain function.
  void set_no_delay(bool on);
  void set_no_delay(bool on, std::error_code& error) noexcept;

  [[nodiscard]] socket_address local_address() const;
  [[nodiscard]] socket_address peer_address() const;

 private:
  friend class accept_operation;
  friend class connect_operation;
  explicit tcp_stream(detail::io_handle handle) noexcept : socket_stream(std::move(handle)) {}
};

/// Waits for TCP connections. **Cancellation**, **Errors**, **Lifetime**: as `tcp_stream`.
class tcp_listener {
 public:
  tcp_listener() noexcept = default;

  /// Waits for a connection. Several tasklets may: they are served in turn on the epoll backend,
  /// and in the kernel's order on io_uring.
  ///
  /// **Cancellation**: a cancel point. A connection that came meanwhile is closed.
  accept_operation accept() noexcept;
  accept_operation accept(std::error_code& error) noexcept;

  /// Waits until there is a connection to accept. A case for `select`; of several tasklets that
  /// then accept, one gets it and the others wait.
  readiness_operation readable() noexcept;
  readiness_operation readable(std::error_code& error) noexcept;

  /// With the port that the system chose.
  [[nodiscard]] socket_address local_address() const;

  /// As `tcp_stream::close`.
  task<> close();
  task<> close(std::error_code& error);

  [[nodiscard]] bool is_open() const noexcept { return handle_.is_open(); }
  /// -1 when closed.
  [[nodiscard]] int descriptor() const noexcept { return handle_.descriptor(); }

 private:
  friend struct detail::listener_access;
  explicit tcp_listener(detail::io_handle handle) noexcept : handle_(std::move(handle)) {}

  detail::io_handle handle_;
};

/// Trivially destructible on purpose: GCC 12 destroys other aggregates in a co_await expression
/// twice.
struct listen_options {
  int backlog = 1024;       ///< connections that may wait to be accepted
  bool reuse_port = false;  ///< several listeners share the port; the kernel distributes
};

/// A listener at `address`; port 0 lets the system choose one. A plain function. An address that an
/// earlier run of the program left in TIME_WAIT can be used at once.
///
/// **Errors**: `io_error`; with `error` given it is set instead, and the listener is a closed one.
[[nodiscard]] tcp_listener listen_tcp(const socket_address& address, listen_options options = {});
[[nodiscard]] tcp_listener listen_tcp(const socket_address& address, std::error_code& error);
[[nodiscard]] tcp_listener listen_tcp(
    const socket_address& address, listen_options options, std::error_code& error
);

/// What `accept` returns, to be awaited: gives the connection.
class [[STACKLESS_OPERATION]] accept_operation final : public detail::io_call {
 public:
  accept_operation(detail::io_resource* listener, std::error_code* error) noexcept;

  [[nodiscard]] detail::io_awaiter<accept_operation> make_awaiter() noexcept {
    return detail::io_awaiter<accept_operation>(*this);
  }

 private:
  friend class detail::io_awaiter<accept_operation>;
  bool ready();
  tcp_stream take();

  detail::io_handle made_;
};

/// What `connect_tcp` returns, to be awaited: gives the connection.
class [[STACKLESS_OPERATION]] connect_operation final : public detail::io_call {
 public:
  connect_operation(const socket_address& address, std::error_code* error);

  [[nodiscard]] detail::io_awaiter<connect_operation> make_awaiter() noexcept {
    return detail::io_awaiter<connect_operation>(*this);
  }

 private:
  friend class detail::io_awaiter<connect_operation>;
  connect_operation(detail::io_handle made, const socket_address& address, std::error_code* error);
  bool ready();
  tcp_stream take();

  detail::io_handle made_;
  alignas(8) std::array<std::byte, 28> native_;  // a sockaddr_in6 at most
};

/// Connects to `address`.
///
/// **Cancellation**: a cancel point; the connection is dropped.
/// **Errors**: `io_error`, such as `std::errc::connection_refused`; with `error` given it is set
/// instead, and the stream is a closed one.
[[nodiscard]] connect_operation connect_tcp(const socket_address& address);
[[nodiscard]] connect_operation connect_tcp(const socket_address& address, std::error_code& error);

}  // namespace stackless::inline STACKLESS_ABI::io
