#include <stackless/error.hpp>
#include <stackless/io/unix.hpp>
#include <stackless/time.hpp>

#include "descriptor_passing.hpp"
#include "failure.hpp"
#include "resource.hpp"
#include "unix_name.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstring>
#include <string_view>
#include <utility>

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

namespace stackless::inline STACKLESS_ABI {

struct detail::unix_access {
  static io::unix_stream stream(io_handle handle) noexcept {
    return io::unix_stream(std::move(handle));
  }
  static io::unix_listener listener(io_handle handle) noexcept {
    return io::unix_listener(std::move(handle));
  }
};

namespace io {

using detail::io_call;
using detail::io_code;
using detail::io_handle;
using detail::io_resource;
using detail::unix_name;

namespace {

int bind_and_listen(int descriptor, const std::string& path, const unix_name& name, int backlog) {
  if (const int result = detail::bind_unix(descriptor, path, name, SOCK_STREAM); result != 0)
    return result;
  return ::listen(descriptor, backlog) == -1 ? -errno : 0;
}

class accept_unix_operation final : public io_call {
 public:
  accept_unix_operation(io_resource* listener, std::error_code* error, std::string name)
      : io_call(io_code::accept, listener, error),
        made_(io_handle::make(io_resource::kind::stream, std::move(name))) {}
  [[nodiscard]] detail::io_awaiter<accept_unix_operation> make_awaiter() noexcept {
    return detail::io_awaiter<accept_unix_operation>(*this);
  }

 private:
  friend class detail::io_awaiter<accept_unix_operation>;
  io_handle take() {
    if (operation_.result >= 0) made_->descriptor = operation_.result;
    settle();
    if (checked() < 0) return {};
    return std::move(made_);
  }

  io_handle made_;
};

class connect_unix_operation final : public io_call {
 public:
  connect_unix_operation(io_resource* resource, unix_name& name, std::error_code* error) noexcept
      : io_call(io_code::connect, resource, error) {
    operation_.data = &name.native;
    operation_.length = name.size;
  }
  [[nodiscard]] detail::io_awaiter<connect_unix_operation> make_awaiter() noexcept {
    return detail::io_awaiter<connect_unix_operation>(*this);
  }

 private:
  friend class detail::io_awaiter<connect_unix_operation>;
  void take() {
    settle();
    (void)checked();
  }
};

}  // namespace

// unix_stream
// --------------------------------------------------------------------------------------

task<> unix_stream::send_descriptor(int descriptor) {
  return detail::send_descriptor(handle_.get(), descriptor);
}
task<> unix_stream::send_descriptor(int descriptor, std::error_code& error) {
  return detail::send_descriptor(handle_.get(), descriptor, error);
}
task<owned_descriptor> unix_stream::receive_descriptor() {
  return detail::receive_descriptor(handle_.get(), detail::no_bytes::end_of_stream);
}
task<owned_descriptor> unix_stream::receive_descriptor(std::error_code& error) {
  return detail::receive_descriptor(handle_.get(), detail::no_bytes::end_of_stream, error);
}

// unix_listener
// ------------------------------------------------------------------------------------

task<unix_stream> unix_listener::accept() {
  accept_unix_operation operation(handle_.get(), nullptr, path());
  co_return detail::unix_access::stream(co_await operation);
}

task<unix_stream> unix_listener::accept(std::error_code& error) {
  accept_unix_operation operation(handle_.get(), &error, path());
  co_return detail::unix_access::stream(co_await operation);
}

readiness_operation unix_listener::readable() noexcept {
  return {handle_.get(), detail::readiness::to_read, nullptr};
}
readiness_operation unix_listener::readable(std::error_code& error) noexcept {
  return {handle_.get(), detail::readiness::to_read, &error};
}

task<> unix_listener::close() {
  return detail::close_resource(handle_.get(), nullptr);
}
task<> unix_listener::close(std::error_code& error) {
  return detail::close_resource(handle_.get(), &error);
}

std::string unix_listener::path() const {
  return handle_.get() != nullptr ? handle_->path() : std::string();
}

unix_listener listen_unix(const std::string& path, int backlog, std::error_code& error) {
  io_handle made = io_handle::make(io_resource::kind::listener, path);
  unix_name name;
  int result = detail::parse(path, name);
  if (result == 0) {
    // Non-blocking: of several that accept, one gets the connection that all were told of.
    made->descriptor = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    result =
        made->descriptor == -1 ? -errno : bind_and_listen(made->descriptor, path, name, backlog);
  }
  if (result != 0) {
    error = detail::code_of(result);
    return {};
  }
  error.clear();
  return detail::unix_access::listener(std::move(made));
}

unix_listener listen_unix(const std::string& path, std::error_code& error) {
  return listen_unix(path, 1024, error);
}

unix_listener listen_unix(const std::string& path, int backlog) {
  std::error_code error;
  unix_listener made = listen_unix(path, backlog, error);
  if (error) throw io_error(error, "listen", -1, path);
  return made;
}

// connect_unix, unix_pair
// --------------------------------------------------------------------------

task<unix_stream> connect_unix(std::string path, std::error_code& error) {
  using std::chrono::milliseconds;
  io_handle made = io_handle::make(io_resource::kind::stream, path);
  unix_name name;
  int result = detail::parse(path, name);
  if (result == 0) {
    made->descriptor = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (made->descriptor == -1) result = -errno;
  }
  if (result != 0) {
    detail::check_current_tasklet();
    error = detail::code_of(result);
    co_return unix_stream();
  }
  // A full backlog is an error to a socket that does not block, and none that readiness tells of.
  for (milliseconds pause(1);; pause = std::min(2 * pause, milliseconds(50))) {
    co_await connect_unix_operation(made.get(), name, &error);
    if (error != std::errc::resource_unavailable_try_again) break;
    co_await sleep_for(pause);
  }
  if (error) co_return unix_stream();
  co_return detail::unix_access::stream(std::move(made));
}

task<unix_stream> connect_unix(std::string path) {
  std::error_code error;
  unix_stream made = co_await connect_unix(path, error);
  if (error) throw io_error(error, "connect", -1, path);
  co_return made;
}

std::pair<unix_stream, unix_stream> unix_pair(std::error_code& error) {
  io_handle first = io_handle::make(io_resource::kind::stream, "unix pair, first end");
  io_handle second = io_handle::make(io_resource::kind::stream, "unix pair, second end");
  std::array<int, 2> made{-1, -1};
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, made.data()) == -1) {
    error = detail::code_of(-errno);
    return {};
  }
  error.clear();
  first->descriptor = made[0];
  second->descriptor = made[1];
  return {
      detail::unix_access::stream(std::move(first)), detail::unix_access::stream(std::move(second))
  };
}

std::pair<unix_stream, unix_stream> unix_pair() {
  std::error_code error;
  auto made = unix_pair(error);
  if (error) throw io_error(error, "unix_pair", -1, {});
  return made;
}

}  // namespace io

}  // namespace stackless::inline STACKLESS_ABI
