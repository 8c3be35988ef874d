#include <stackless/io/udp.hpp>

#include "failure.hpp"
#include "native_address.hpp"
#include "resource.hpp"

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstring>
#include <string>
#include <utility>

#include <netinet/in.h>
#include <sys/socket.h>

namespace stackless::inline STACKLESS_ABI {

struct detail::udp_access {
  static io::udp_socket make(io_handle handle) noexcept {
    return io::udp_socket(std::move(handle));
  }
};

namespace io {

using detail::io_code;
using detail::io_handle;
using detail::io_resource;

namespace {

int family_of(ip_version version) noexcept {
  return version == ip_version::v4 ? AF_INET : AF_INET6;
}

std::error_code outcome_of(int result) noexcept {
  return result == 0 ? std::error_code() : std::error_code(errno, std::system_category());
}

template <class T>
int set_option(int descriptor, int level, int name, const T& value) noexcept {
  return ::setsockopt(descriptor, level, name, &value, sizeof value);
}

/// Whether the socket is one of IPv6. -1: errno tells why it cannot be told.
int is_v6(int descriptor) noexcept {
  int domain = 0;
  socklen_t size = sizeof domain;
  if (::getsockopt(descriptor, SOL_SOCKET, SO_DOMAIN, &domain, &size) == -1) return -1;
  return domain == AF_INET6 ? 1 : 0;
}

int change_membership(int descriptor, int what, const ip_address& group, unsigned interface) noexcept {
  group_req request{};
  request.gr_interface = interface != 0 ? interface : group.scope();
  const detail::native_address native = detail::to_native(socket_address(group, 0));
  std::memcpy(&request.gr_group, &native.storage, native.size);
  const int level = group.version() == ip_version::v4 ? IPPROTO_IP : IPPROTO_IPV6;
  return set_option(descriptor, level, what, request);
}

int set_multicast_v4(int descriptor, const udp_socket::multicast_options& options) noexcept {
  ip_mreqn out{};
  out.imr_ifindex = static_cast<int>(options.interface);
  if (set_option(descriptor, IPPROTO_IP, IP_MULTICAST_IF, out) == -1) return -1;
  if (set_option(descriptor, IPPROTO_IP, IP_MULTICAST_TTL, options.hops) == -1) return -1;
  return set_option(descriptor, IPPROTO_IP, IP_MULTICAST_LOOP, options.loop ? 1 : 0);
}

int set_multicast_v6(int descriptor, const udp_socket::multicast_options& options) noexcept {
  const int level = IPPROTO_IPV6;
  if (set_option(descriptor, level, IPV6_MULTICAST_IF, options.interface) == -1) return -1;
  if (set_option(descriptor, level, IPV6_MULTICAST_HOPS, options.hops) == -1) return -1;
  return set_option(descriptor, level, IPV6_MULTICAST_LOOP, options.loop ? 1 : 0);
}

int open_bound(io_resource& made, const socket_address& address, const udp_options& options) {
  const ip_version version = address.ip().version();
  made.descriptor = ::socket(family_of(version), SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (made.descriptor == -1) return -errno;
  if ((options.reuse_address && set_option(made.descriptor, SOL_SOCKET, SO_REUSEADDR, 1) == -1) ||
      (options.reuse_port && set_option(made.descriptor, SOL_SOCKET, SO_REUSEPORT, 1) == -1))
    return -errno;
  const int only_v6 = options.only_v6 ? 1 : 0;
  if (version == ip_version::v6 &&
      set_option(made.descriptor, IPPROTO_IPV6, IPV6_V6ONLY, only_v6) == -1)
    return -errno;
  const detail::native_address native = detail::to_native(address);
  return ::bind(made.descriptor, native.get(), native.size) == -1 ? -errno : 0;
}

[[noreturn]] void fail(std::error_code error, const char* operation, const io_handle& handle) {
  throw io_error(
      error, operation, handle.descriptor(),
      handle.get() != nullptr ? handle->name() : std::string()
  );
}

socket_address address_at(const io_handle& handle, detail::socket_end end) {
  detail::native_address address;
  if (!detail::address_of(handle.descriptor(), end, address))
    detail::throw_errno("address", handle.descriptor(), {});
  return detail::from_native(address);
}

}  // namespace

// Sending and receiving
// ------------------------------------------------------------------------------

send_datagram_operation udp_socket::send_to(const socket_address& to, const_bytes bytes) noexcept {
  return send_datagram_operation(handle_.get(), bytes, &to, nullptr);
}
send_datagram_operation udp_socket::send_to(
    const socket_address& to, const_bytes bytes, std::error_code& error
) noexcept {
  return send_datagram_operation(handle_.get(), bytes, &to, &error);
}
send_datagram_operation udp_socket::send(const_bytes bytes) noexcept {
  return send_datagram_operation(handle_.get(), bytes, nullptr, nullptr);
}
send_datagram_operation udp_socket::send(const_bytes bytes, std::error_code& error) noexcept {
  return send_datagram_operation(handle_.get(), bytes, nullptr, &error);
}

receive_datagram_operation udp_socket::receive_from(mutable_bytes into) noexcept {
  return receive_datagram_operation(handle_.get(), into, nullptr);
}
receive_datagram_operation udp_socket::receive_from(
    mutable_bytes into, std::error_code& error
) noexcept {
  return receive_datagram_operation(handle_.get(), into, &error);
}
receive_whole_datagram_operation udp_socket::receive(mutable_bytes into) noexcept {
  return receive_whole_datagram_operation(handle_.get(), into, nullptr);
}
receive_whole_datagram_operation udp_socket::receive(
    mutable_bytes into, std::error_code& error
) noexcept {
  return receive_whole_datagram_operation(handle_.get(), into, &error);
}

readiness_operation udp_socket::readable() noexcept {
  return {handle_.get(), detail::readiness::to_read, nullptr};
}
readiness_operation udp_socket::readable(std::error_code& error) noexcept {
  return {handle_.get(), detail::readiness::to_read, &error};
}
readiness_operation udp_socket::writable() noexcept {
  return {handle_.get(), detail::readiness::to_write, nullptr};
}
readiness_operation udp_socket::writable(std::error_code& error) noexcept {
  return {handle_.get(), detail::readiness::to_write, &error};
}

send_datagram_operation::send_datagram_operation(
    detail::io_resource* socket, const_bytes bytes, const socket_address* to, std::error_code* error
) noexcept
    // A send only reads through the pointer.
    : message_call(
          io_code::send_message, socket, const_cast<std::byte*>(bytes.data()), bytes.size(), error
      ),
      has_address_(to != nullptr) {
  if (!has_address_) return;
  const detail::native_address native = detail::to_native(*to);
  set_address(&native.storage, native.size);
}

void send_datagram_operation::take() {
  settle();
  if (operation_.result < 0 && error_ == nullptr && has_address_) {
    detail::native_address native;
    std::memcpy(&native.storage, address_.data(), address_.size());
    throw io_error(
        detail::code_of(operation_.result), "send", operation_.descriptor,
        to_string(detail::from_native(native))
    );
  }
  (void)checked();
}

receive_datagram_operation::receive_datagram_operation(
    detail::io_resource* socket, mutable_bytes into, std::error_code* error
) noexcept
    : message_call(io_code::receive_message, socket, into.data(), into.size(), error) {
  ask_for_address();
}

received_datagram receive_datagram_operation::take() {
  settle();
  if (checked() < 0) return {};
  detail::native_address native;
  std::memcpy(&native.storage, address_.data(), address_size());
  received_datagram result;
  result.size = size_in_buffer();
  result.full_size = static_cast<std::size_t>(operation_.result);
  result.from = detail::from_native(native);
  return result;
}

receive_whole_datagram_operation::receive_whole_datagram_operation(
    detail::io_resource* socket, mutable_bytes into, std::error_code* error
) noexcept
    : message_call(io_code::receive_message, socket, into.data(), into.size(), error) {}

std::size_t receive_whole_datagram_operation::take() {
  settle();
  std::size_t size = 0;
  if (operation_.result >= 0) {
    size = size_in_buffer();
    if (size < static_cast<std::size_t>(operation_.result)) operation_.result = -EMSGSIZE;
  }
  (void)checked();
  return size;
}

// Plain functions
// ----------------------------------------------------------------------------------

void udp_socket::connect(const socket_address& peer, std::error_code& error) noexcept {
  const detail::native_address native = detail::to_native(peer);
  error = outcome_of(::connect(descriptor(), native.get(), native.size));
}
void udp_socket::connect(const socket_address& peer) {
  std::error_code error;
  connect(peer, error);
  if (error) throw io_error(error, "connect", descriptor(), to_string(peer));
}

void udp_socket::disconnect(std::error_code& error) noexcept {
  sockaddr nobody{};
  nobody.sa_family = AF_UNSPEC;
  error = outcome_of(::connect(descriptor(), &nobody, sizeof nobody));
}
void udp_socket::disconnect() {
  std::error_code error;
  disconnect(error);
  if (error) fail(error, "disconnect", handle_);
}

socket_address udp_socket::local_address() const {
  return address_at(handle_, detail::socket_end::local);
}
socket_address udp_socket::peer_address() const {
  return address_at(handle_, detail::socket_end::peer);
}

void udp_socket::set_broadcast(bool on, std::error_code& error) noexcept {
  error = outcome_of(set_option(descriptor(), SOL_SOCKET, SO_BROADCAST, on ? 1 : 0));
}
void udp_socket::set_broadcast(bool on) {
  std::error_code error;
  set_broadcast(on, error);
  if (error) fail(error, "set_broadcast", handle_);
}

void udp_socket::join(
    const ip_address& group, unsigned interface, std::error_code& error
) noexcept {
  error = outcome_of(change_membership(descriptor(), MCAST_JOIN_GROUP, group, interface));
}
void udp_socket::join(const ip_address& group, unsigned interface) {
  std::error_code error;
  join(group, interface, error);
  if (error) throw io_error(error, "join", descriptor(), to_string(group));
}

void udp_socket::leave(
    const ip_address& group, unsigned interface, std::error_code& error
) noexcept {
  error = outcome_of(change_membership(descriptor(), MCAST_LEAVE_GROUP, group, interface));
}
void udp_socket::leave(const ip_address& group, unsigned interface) {
  std::error_code error;
  leave(group, interface, error);
  if (error) throw io_error(error, "leave", descriptor(), to_string(group));
}

void udp_socket::set_multicast(multicast_options options, std::error_code& error) noexcept {
  int result = is_v6(descriptor());
  if (result != -1)
    result = result == 1 ? set_multicast_v6(descriptor(), options)
                         : set_multicast_v4(descriptor(), options);
  error = outcome_of(result);
}
void udp_socket::set_multicast(multicast_options options) {
  std::error_code error;
  set_multicast(options, error);
  if (error) fail(error, "set_multicast", handle_);
}

void udp_socket::set_receive_buffer(std::size_t size, std::error_code& error) noexcept {
  const int value = static_cast<int>(std::min<std::size_t>(size, INT_MAX / 2));
  error = outcome_of(set_option(descriptor(), SOL_SOCKET, SO_RCVBUF, value));
}
void udp_socket::set_receive_buffer(std::size_t size) {
  std::error_code error;
  set_receive_buffer(size, error);
  if (error) fail(error, "set_receive_buffer", handle_);
}

task<> udp_socket::close() {
  return detail::close_resource(handle_.get(), nullptr);
}
task<> udp_socket::close(std::error_code& error) {
  return detail::close_resource(handle_.get(), &error);
}

// Making sockets
// -----------------------------------------------------------------------------------

udp_socket bind_udp(const socket_address& address, udp_options options, std::error_code& error) {
  io_handle made = io_handle::make(io_resource::kind::datagram, {});
  if (const int result = open_bound(*made.get(), address, options); result != 0) {
    error = detail::code_of(result);
    return {};
  }
  error.clear();
  return detail::udp_access::make(std::move(made));
}
udp_socket bind_udp(const socket_address& address, std::error_code& error) {
  return bind_udp(address, {}, error);
}
udp_socket bind_udp(const socket_address& address, udp_options options) {
  std::error_code error;
  udp_socket made = bind_udp(address, options, error);
  if (error) throw io_error(error, "bind", -1, to_string(address));
  return made;
}

udp_socket connect_udp(const socket_address& peer, std::error_code& error) {
  udp_socket made = bind_udp({ip_address::any(peer.ip().version()), 0}, error);
  if (!error) made.connect(peer, error);
  if (error) return {};
  return made;
}
udp_socket connect_udp(const socket_address& peer) {
  std::error_code error;
  udp_socket made = connect_udp(peer, error);
  if (error) throw io_error(error, "connect", -1, to_string(peer));
  return made;
}

}  // namespace io

}  // namespace stackless::inline STACKLESS_ABI
