#include <stackless/error.hpp>
#include <stackless/io/socket_stream.hpp>

#include "resource.hpp"

#include <cerrno>
#include <cstdint>
#include <string>

#include <sys/socket.h>

namespace stackless::inline STACKLESS_ABI::io {

using detail::io_code;
using detail::io_resource;

namespace {

constexpr std::uint64_t here = detail::io_operation::current_position;

}  // namespace

transfer_operation socket_stream::read_some(mutable_bytes into) noexcept {
  return transfer_operation(io_code::receive, handle_.get(), into, here, nullptr);
}
transfer_operation socket_stream::read_some(mutable_bytes into, std::error_code& error) noexcept {
  return transfer_operation(io_code::receive, handle_.get(), into, here, &error);
}
transfer_operation socket_stream::read_some(mutable_bytes into, std::size_t* done) noexcept {
  return transfer_operation(io_code::receive, handle_.get(), into, here, nullptr, done);
}
transfer_operation socket_stream::write_some(const_bytes from) noexcept {
  return transfer_operation(io_code::send, handle_.get(), from, here, nullptr);
}
transfer_operation socket_stream::write_some(const_bytes from, std::error_code& error) noexcept {
  return transfer_operation(io_code::send, handle_.get(), from, here, &error);
}
transfer_operation socket_stream::write_some(const_bytes from, std::size_t* done) noexcept {
  return transfer_operation(io_code::send, handle_.get(), from, here, nullptr, done);
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

task<> socket_stream::read_exactly(mutable_bytes into, std::size_t* done) {
  io_resource* const resource = handle_.get();
  detail::whole_transfer whole(resource, detail::reading, into.size(), done);
  if (into.size() == 0) detail::check_current_tasklet();
  while (!whole.complete()) {
    const std::size_t before = whole.moved;
    co_await transfer_operation(
        io_code::receive, resource, into.from(before), here, nullptr, &whole.moved
    );
    if (whole.moved == before) whole.throw_end_of_file("receive");
  }
}

task<> socket_stream::write_all(const_bytes from, std::size_t* done) {
  io_resource* const resource = handle_.get();
  detail::whole_transfer whole(resource, detail::writing, from.size(), done);
  if (from.size() == 0) detail::check_current_tasklet();
  while (!whole.complete())
    co_await transfer_operation(
        io_code::send, resource, from.from(whole.moved), here, nullptr, &whole.moved
    );
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
