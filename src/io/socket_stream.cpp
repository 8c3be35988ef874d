#include <stackless/error.hpp>
#include <stackless/io/socket_stream.hpp>

#include "resource.hpp"

#include <cerrno>
#include <cstdint>
#include <string>

#include <sys/socket.h>

namespace stackless::inline STACKLESS_ABI::io {

using detail::io_code;

namespace {

constexpr std::uint64_t in_order = detail::io_operation::current_position;

}  // namespace

transfer_operation socket_stream::read_some(mutable_bytes into) noexcept {
  return transfer_operation(io_code::receive, handle_.get(), into, in_order, nullptr);
}
transfer_operation socket_stream::read_some(mutable_bytes into, std::error_code& error) noexcept {
  return transfer_operation(io_code::receive, handle_.get(), into, in_order, &error);
}
transfer_operation socket_stream::read_some(mutable_bytes into, std::size_t* done) noexcept {
  return transfer_operation(io_code::receive, handle_.get(), into, in_order, nullptr, done);
}
receive_operation socket_stream::receive(buffer_pool& pool) noexcept {
  return {handle_.get(), pool, nullptr};
}
receive_operation socket_stream::receive(buffer_pool& pool, std::error_code& error) noexcept {
  return {handle_.get(), pool, &error};
}
transfer_operation socket_stream::write_some(const_bytes from) noexcept {
  return transfer_operation(io_code::send, handle_.get(), from, in_order, nullptr);
}
transfer_operation socket_stream::write_some(const_bytes from, std::error_code& error) noexcept {
  return transfer_operation(io_code::send, handle_.get(), from, in_order, &error);
}
transfer_operation socket_stream::write_some(const_bytes from, std::size_t* done) noexcept {
  return transfer_operation(io_code::send, handle_.get(), from, in_order, nullptr, done);
}

readiness_operation socket_stream::readable() noexcept {
  return {handle_.get(), detail::readiness::to_read, nullptr};
}
readiness_operation socket_stream::readable(std::error_code& error) noexcept {
  return {handle_.get(), detail::readiness::to_read, &error};
}
readiness_operation socket_stream::writable() noexcept {
  return {handle_.get(), detail::readiness::to_write, nullptr};
}
readiness_operation socket_stream::writable(std::error_code& error) noexcept {
  return {handle_.get(), detail::readiness::to_write, &error};
}

whole_transfer_operation socket_stream::read_exactly(
    mutable_bytes into, std::size_t* done
) noexcept {
  return whole_transfer_operation(io_code::receive, handle_.get(), into, in_order, done);
}
whole_transfer_operation socket_stream::write_all(const_bytes from, std::size_t* done) noexcept {
  return whole_transfer_operation(io_code::send, handle_.get(), from, in_order, done);
}

void socket_stream::shutdown_send(std::error_code& error) noexcept {
  error.clear();
  if (::shutdown(descriptor(), SHUT_WR) == -1) error.assign(errno, std::system_category());
}

void socket_stream::shutdown_send() {
  std::error_code error;
  shutdown_send(error);
  if (error)
    throw io_error(
        error, "shutdown", descriptor(), handle_.get() != nullptr ? handle_->name() : std::string()
    );
}

task<> socket_stream::close() {
  return detail::close_resource(handle_.get(), nullptr);
}
task<> socket_stream::close(std::error_code& error) {
  return detail::close_resource(handle_.get(), &error);
}

}  // namespace stackless::inline STACKLESS_ABI::io
