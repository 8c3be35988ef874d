#include <stackless/io/unix_datagram.hpp>
#include <stackless/time.hpp>

#include "descriptor_passing.hpp"
#include "failure.hpp"
#include "resource.hpp"
#include "unix_name.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <utility>

#include <sys/socket.h>

namespace stackless::inline STACKLESS_ABI {

struct detail::unix_datagram_access {
  static io::unix_datagram_socket make(io_handle handle) noexcept {
    return io::unix_datagram_socket(std::move(handle));
  }
};

namespace io {

using detail::io_code;
using detail::io_handle;
using detail::io_resource;
using detail::unix_name;

namespace {

constexpr int socket_type = SOCK_DGRAM | SOCK_CLOEXEC;

int try_send_to(int from, const unix_name& to, const_bytes bytes) noexcept {
  for (;;) {
    const auto sent =
        ::sendto(from, bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL, to.get(), to.size);
    if (sent >= 0) return 0;
    if (errno != EINTR) return -errno;
  }
}

/// The name, of a socket that has none: for errors and reports.
io_handle make_handle(std::string name) {
  return io_handle::make(io_resource::kind::file, std::move(name));
}

}  // namespace

// Sending and receiving
// ------------------------------------------------------------------------------

task<> unix_datagram_socket::send_to(std::string path, const_bytes bytes) {
  using std::chrono::milliseconds;
  detail::check_current_tasklet();
  const detail::io_reference resource(handle_.get());
  unix_name name;
  const int parsed = detail::parse(path, name);
  for (milliseconds pause(1);; pause = std::min(2 * pause, milliseconds(50))) {
    const bool open = resource.get() != nullptr && !resource->closing && resource->descriptor >= 0;
    int result = parsed;
    if (result == 0) result = open ? try_send_to(resource->descriptor, name, bytes) : -EBADF;
    if (result == 0) co_return;
    if (result != -EAGAIN)
      throw io_error(detail::code_of(result), "send", open ? resource->descriptor : -1, path);
    // Its own readiness says nothing about the room that the other one has.
    co_await sleep_for(pause);
  }
}

task<> unix_datagram_socket::send_to(std::string path, const_bytes bytes, std::error_code& error) {
  error.clear();
  try {
    co_await send_to(std::move(path), bytes);
  } catch (const io_error& failure) {
    error = failure.code();
  }
}

send_datagram_operation unix_datagram_socket::send(const_bytes bytes) noexcept {
  return send_datagram_operation(handle_.get(), bytes, nullptr, nullptr);
}
send_datagram_operation unix_datagram_socket::send(
    const_bytes bytes, std::error_code& error
) noexcept {
  return send_datagram_operation(handle_.get(), bytes, nullptr, &error);
}

receive_unix_datagram_operation unix_datagram_socket::receive_from(mutable_bytes into) noexcept {
  return receive_unix_datagram_operation(handle_.get(), into, nullptr);
}
receive_unix_datagram_operation unix_datagram_socket::receive_from(
    mutable_bytes into, std::error_code& error
) noexcept {
  return receive_unix_datagram_operation(handle_.get(), into, &error);
}
receive_whole_datagram_operation unix_datagram_socket::receive(mutable_bytes into) noexcept {
  return receive_whole_datagram_operation(handle_.get(), into, nullptr);
}
receive_whole_datagram_operation unix_datagram_socket::receive(
    mutable_bytes into, std::error_code& error
) noexcept {
  return receive_whole_datagram_operation(handle_.get(), into, &error);
}

receive_unix_datagram_operation::receive_unix_datagram_operation(
    detail::io_resource* socket, mutable_bytes into, std::error_code* error
) noexcept
    : message_call(io_code::receive_message, socket, into.data(), into.size(), error) {
  ask_for_address();
}

received_unix_datagram receive_unix_datagram_operation::take() {
  settle();
  if (checked() < 0) return {};
  sockaddr_un name{};
  static_assert(sizeof name <= longest_address);
  std::memcpy(&name, address_.data(), sizeof name);
  const std::size_t size = std::min(address_size(), sizeof name);
  return {
      size_in_buffer(), static_cast<std::size_t>(operation_.result), detail::text_of(name, size)
  };
}

task<> unix_datagram_socket::send_descriptor(int descriptor) {
  return detail::send_descriptor(handle_.get(), descriptor);
}
task<> unix_datagram_socket::send_descriptor(int descriptor, std::error_code& error) {
  return detail::send_descriptor(handle_.get(), descriptor, error);
}
task<owned_descriptor> unix_datagram_socket::receive_descriptor() {
  return detail::receive_descriptor(handle_.get(), detail::no_bytes::message);
}
task<owned_descriptor> unix_datagram_socket::receive_descriptor(std::error_code& error) {
  return detail::receive_descriptor(handle_.get(), detail::no_bytes::message, error);
}

readiness_operation unix_datagram_socket::readable() noexcept {
  return {handle_.get(), detail::readiness::to_read, nullptr};
}
readiness_operation unix_datagram_socket::readable(std::error_code& error) noexcept {
  return {handle_.get(), detail::readiness::to_read, &error};
}
readiness_operation unix_datagram_socket::writable() noexcept {
  return {handle_.get(), detail::readiness::to_write, nullptr};
}
readiness_operation unix_datagram_socket::writable(std::error_code& error) noexcept {
  return {handle_.get(), detail::readiness::to_write, &error};
}

// Plain functions
// ----------------------------------------------------------------------------------

void unix_datagram_socket::connect(const std::string& path, std::error_code& error) noexcept {
  unix_name name;
  int result = detail::parse(path, name);
  if (result == 0 && ::connect(descriptor(), name.get(), name.size) == -1) result = -errno;
  error = result == 0 ? std::error_code() : detail::code_of(result);
}
void unix_datagram_socket::connect(const std::string& path) {
  std::error_code error;
  connect(path, error);
  if (error) throw io_error(error, "connect", descriptor(), path);
}

std::string unix_datagram_socket::path() const {
  sockaddr_un name{};
  socklen_t size = sizeof name;
  if (::getsockname(descriptor(), reinterpret_cast<sockaddr*>(&name), &size) == -1) return {};
  return detail::text_of(name, size);
}

task<> unix_datagram_socket::close() {
  return detail::close_resource(handle_.get(), nullptr);
}
task<> unix_datagram_socket::close(std::error_code& error) {
  return detail::close_resource(handle_.get(), &error);
}

// Making sockets
// -----------------------------------------------------------------------------------

unix_datagram_socket bind_unix_datagram(const std::string& path, std::error_code& error) {
  io_handle made = make_handle(path);
  unix_name name;
  int result = detail::parse(path, name);
  if (result == 0) {
    made->descriptor = ::socket(AF_UNIX, socket_type, 0);
    result = made->descriptor == -1 ? -errno
                                    : detail::bind_unix(made->descriptor, path, name, SOCK_DGRAM);
  }
  if (result != 0) {
    error = detail::code_of(result);
    return {};
  }
  error.clear();
  return detail::unix_datagram_access::make(std::move(made));
}
unix_datagram_socket bind_unix_datagram(const std::string& path) {
  std::error_code error;
  unix_datagram_socket made = bind_unix_datagram(path, error);
  if (error) throw io_error(error, "bind", -1, path);
  return made;
}

unix_datagram_socket open_unix_datagram(std::error_code& error) {
  io_handle made = make_handle("unix datagram socket");
  made->descriptor = ::socket(AF_UNIX, socket_type, 0);
  if (made->descriptor == -1) {
    error = detail::code_of(-errno);
    return {};
  }
  error.clear();
  return detail::unix_datagram_access::make(std::move(made));
}
unix_datagram_socket open_unix_datagram() {
  std::error_code error;
  unix_datagram_socket made = open_unix_datagram(error);
  if (error) throw io_error(error, "open_unix_datagram", -1, {});
  return made;
}

std::pair<unix_datagram_socket, unix_datagram_socket> unix_datagram_pair(std::error_code& error) {
  io_handle first = make_handle("unix datagram pair, first end");
  io_handle second = make_handle("unix datagram pair, second end");
  std::array<int, 2> made{-1, -1};
  if (::socketpair(AF_UNIX, socket_type, 0, made.data()) == -1) {
    error = detail::code_of(-errno);
    return {};
  }
  error.clear();
  first->descriptor = made[0];
  second->descriptor = made[1];
  return {
      detail::unix_datagram_access::make(std::move(first)),
      detail::unix_datagram_access::make(std::move(second))
  };
}
std::pair<unix_datagram_socket, unix_datagram_socket> unix_datagram_pair() {
  std::error_code error;
  auto made = unix_datagram_pair(error);
  if (error) throw io_error(error, "unix_datagram_pair", -1, {});
  return made;
}

}  // namespace io

}  // namespace stackless::inline STACKLESS_ABI
