#include <stackless/error.hpp>
#include <stackless/io/tcp.hpp>

#include "core/system_error.hpp"
#include "failure.hpp"
#include "native_address.hpp"
#include "resource.hpp"

#include <cerrno>
#include <cstring>
#include <utility>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

namespace stackless::inline STACKLESS_ABI {

struct detail::listener_access {
  static io::tcp_listener make(io_handle handle) noexcept {
    return io::tcp_listener(std::move(handle));
  }
};

namespace io {

using detail::io_code;
using detail::io_handle;
using detail::io_resource;

namespace {

std::string name_of(const io_handle& handle) {
  return handle.get() != nullptr ? handle->name() : std::string();
}

socket_address address_of(const io_handle& handle, detail::socket_end end) {
  detail::native_address address;
  if (!detail::address_of(handle.descriptor(), end, address))
    detail::throw_errno("address", handle.descriptor(), {});
  return detail::from_native(address);
}

int family_of(const socket_address& address) noexcept {
  return address.ip().version() == ip_version::v4 ? AF_INET : AF_INET6;
}

int open_listener(int descriptor, const socket_address& address, const listen_options& options) {
  const int on = 1;
  const detail::native_address native = detail::to_native(address);
  if (::setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == -1 ||
      (options.reuse_port &&
       ::setsockopt(descriptor, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) == -1))
    return -errno;
  if (::bind(descriptor, native.get(), native.size) == -1) return -errno;
  return ::listen(descriptor, options.backlog) == -1 ? -errno : 0;
}

}  // namespace

// tcp_stream
// ---------------------------------------------------------------------------------------

void tcp_stream::set_no_delay(bool on, std::error_code& error) noexcept {
  const int value = on ? 1 : 0;
  error = ::setsockopt(descriptor(), IPPROTO_TCP, TCP_NODELAY, &value, sizeof value) == 0
              ? std::error_code()
              : detail::last_error();
}

void tcp_stream::set_no_delay(bool on) {
  std::error_code error;
  set_no_delay(on, error);
  if (error) throw io_error(error, "set_no_delay", descriptor(), name_of(handle_));
}

socket_address tcp_stream::local_address() const {
  return address_of(handle_, detail::socket_end::local);
}
socket_address tcp_stream::peer_address() const {
  return address_of(handle_, detail::socket_end::peer);
}

// tcp_listener
// -------------------------------------------------------------------------------------

accept_operation tcp_listener::accept() noexcept {
  return accept_operation(handle_.get(), nullptr);
}
accept_operation tcp_listener::accept(std::error_code& error) noexcept {
  return accept_operation(handle_.get(), &error);
}

readiness_operation tcp_listener::readable() noexcept {
  return {handle_.get(), detail::readiness::to_read, nullptr};
}
readiness_operation tcp_listener::readable(std::error_code& error) noexcept {
  return {handle_.get(), detail::readiness::to_read, &error};
}

socket_address tcp_listener::local_address() const {
  return address_of(handle_, detail::socket_end::local);
}

task<> tcp_listener::close() {
  return detail::close_resource(handle_.get(), nullptr);
}
task<> tcp_listener::close(std::error_code& error) {
  return detail::close_resource(handle_.get(), &error);
}

tcp_listener listen_tcp(
    const socket_address& address, listen_options options, std::error_code& error
) {
  io_handle made = io_handle::make(io_resource::kind::listener, {});
  // Non-blocking: of several that accept, one gets the connection that all were told of.
  made->descriptor = ::socket(family_of(address), SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  const int result =
      made->descriptor == -1 ? -errno : open_listener(made->descriptor, address, options);
  if (result != 0) {
    error = detail::code_of(result);
    return {};
  }
  error.clear();
  return detail::listener_access::make(std::move(made));
}

tcp_listener listen_tcp(const socket_address& address, std::error_code& error) {
  return listen_tcp(address, {}, error);
}

tcp_listener listen_tcp(const socket_address& address, listen_options options) {
  std::error_code error;
  tcp_listener made = listen_tcp(address, options, error);
  if (error) throw io_error(error, "listen", -1, to_string(address));
  return made;
}

accept_operation::accept_operation(io_resource* listener, std::error_code* error) noexcept
    : io_call(io_code::accept, listener, error) {}

bool accept_operation::ready() {
  // Before the connection exists: nothing may fail once it has been accepted.
  if (made_.get() == nullptr) made_ = io_handle::make(io_resource::kind::stream, {});
  return io_call::ready();
}

tcp_stream accept_operation::take() {
  if (operation_.result >= 0) made_->descriptor = operation_.result;
  settle();
  if (checked() < 0) return {};
  return tcp_stream(std::move(made_));
}

// connect_tcp
// --------------------------------------------------------------------------------------

connect_operation::connect_operation(const socket_address& address, std::error_code* error)
    : connect_operation(
          io_handle::make(io_resource::kind::stream, to_string(address)), address, error
      ) {}

connect_operation::connect_operation(
    io_handle made, const socket_address& address, std::error_code* error
)
    : io_call(io_code::connect, made.get(), error), made_(std::move(made)) {
  made_->descriptor = ::socket(family_of(address), SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (made_->descriptor == -1) refusal_ = -errno;
  const detail::native_address native = detail::to_native(address);
  static_assert(sizeof(sockaddr_in6) == sizeof native_);
  std::memcpy(native_.data(), &native.storage, native_.size());
  operation_.data = native_.data();
  operation_.length = native.size;
}

bool connect_operation::ready() {
  if (made_.get() == nullptr) detail::throw_misuse("a connect operation was awaited twice");
  return io_call::ready();
}

tcp_stream connect_operation::take() {
  settle();
  if (checked() < 0) return {};
  return tcp_stream(std::move(made_));
}

connect_operation connect_tcp(const socket_address& address) {
  return connect_operation(address, nullptr);
}
connect_operation connect_tcp(const socket_address& address, std::error_code& error) {
  return connect_operation(address, &error);
}

}  // namespace io

}  // namespace stackless::inline STACKLESS_ABI
