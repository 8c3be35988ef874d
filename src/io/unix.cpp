#include <stackless/error.hpp>
#include <stackless/io/unix.hpp>
#include <stackless/time.hpp>

#include "failure.hpp"
#include "resource.hpp"

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

namespace {

struct unix_name {
  sockaddr_un native{};
  socklen_t size = 0;

  [[nodiscard]] const sockaddr* get() const noexcept {
    return reinterpret_cast<const sockaddr*>(&native);
  }
};

/// 0, or a negated errno.
int parse(const std::string& path, unix_name& name) noexcept {
  if (path.empty() || path.find('\0') != std::string::npos) return -EINVAL;
  // An abstract name has no terminator, but the "@" stands for a 0.
  const bool is_abstract = path.front() == '@';
  if (path.size() + (is_abstract ? 0 : 1) > sizeof name.native.sun_path) return -ENAMETOOLONG;
  name.native.sun_family = AF_UNIX;
  std::memcpy(name.native.sun_path, path.data(), path.size());
  if (is_abstract) name.native.sun_path[0] = '\0';
  name.size =
      static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size() + (is_abstract ? 0 : 1));
  return 0;
}

/// Whether the name is that of a socket file at which nobody listens.
bool is_stale(const std::string& path, const unix_name& name) noexcept {
  struct stat status{};
  if (path.front() == '@' || ::lstat(path.c_str(), &status) == -1 || !S_ISSOCK(status.st_mode))
    return false;
  const int probe = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (probe == -1) return false;
  const bool refused = ::connect(probe, name.get(), name.size) == -1 && errno == ECONNREFUSED;
  ::close(probe);
  return refused;
}

int bind_and_listen(int descriptor, const std::string& path, const unix_name& name, int backlog) {
  int result = ::bind(descriptor, name.get(), name.size);
  if (result == -1 && errno == EADDRINUSE) {
    if (!is_stale(path, name)) return -EADDRINUSE;
    if (::unlink(path.c_str()) == -1 && errno != ENOENT) return -errno;
    result = ::bind(descriptor, name.get(), name.size);
  }
  if (result == -1) return -errno;
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

/// One message of a byte and perhaps a descriptor.
struct descriptor_message {
  char byte = 0;
  iovec vector{&byte, 1};
  alignas(cmsghdr) std::array<std::byte, CMSG_SPACE(sizeof(int))> control{};
  msghdr header{};

  descriptor_message() noexcept {
    header.msg_iov = &vector;
    header.msg_iovlen = 1;
    header.msg_control = control.data();
    header.msg_controllen = control.size();
  }
  descriptor_message(const descriptor_message&) = delete;
  descriptor_message& operator=(const descriptor_message&) = delete;
};

int try_send(int to, int descriptor) noexcept {
  descriptor_message message;
  cmsghdr* control = CMSG_FIRSTHDR(&message.header);
  control->cmsg_level = SOL_SOCKET;
  control->cmsg_type = SCM_RIGHTS;
  control->cmsg_len = CMSG_LEN(sizeof descriptor);
  std::memcpy(CMSG_DATA(control), &descriptor, sizeof descriptor);
  for (;;) {
    if (::sendmsg(to, &message.header, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0) return 0;
    if (errno != EINTR) return -errno;
  }
}

/// 1: a byte has come, and `got` has its descriptor if there was one. 0: the end.
int try_receive(int from, owned_descriptor& got) noexcept {
  // Not MSG_PEEK: Linux then shows the descriptor of the bytes after these as well.
  ssize_t count = 0;
  descriptor_message message;
  do {
    count = ::recvmsg(from, &message.header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  } while (count == -1 && errno == EINTR);
  if (count == -1) return -errno;
  if (count == 0) return 0;
  cmsghdr* control = CMSG_FIRSTHDR(&message.header);
  if (control == nullptr || control->cmsg_level != SOL_SOCKET || control->cmsg_type != SCM_RIGHTS ||
      control->cmsg_len < CMSG_LEN(sizeof(int)))
    return 1;
  int descriptor = -1;
  std::memcpy(&descriptor, CMSG_DATA(control), sizeof descriptor);
  got = owned_descriptor(descriptor);
  return 1;
}

[[noreturn]] void fail(int result, const char* operation, io_resource* resource) {
  detail::throw_failure(operation, result, resource);
}

}  // namespace

owned_descriptor::~owned_descriptor() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

// unix_stream
// --------------------------------------------------------------------------------------

task<> unix_stream::send_descriptor(int descriptor) {
  detail::check_current_tasklet();
  const detail::io_reference resource(handle_.get());
  for (;;) {
    const bool open = resource.get() != nullptr && !resource->closing;
    const int result = open ? try_send(resource->descriptor, descriptor) : -EBADF;
    if (result == 0) co_return;
    if (result != -EAGAIN) fail(result, "send_descriptor", resource.get());
    co_await readiness_operation(resource.get(), detail::readiness::to_write, nullptr);
  }
}

task<owned_descriptor> unix_stream::receive_descriptor() {
  detail::check_current_tasklet();
  const detail::io_reference resource(handle_.get());
  for (;;) {
    owned_descriptor got;
    const bool open = resource.get() != nullptr && !resource->closing;
    const int result = open ? try_receive(resource->descriptor, got) : -EBADF;
    if (got.is_open()) co_return got;
    if (result == 0 || result == 1)
      throw io_error(
          result == 0 ? errc::end_of_file : errc::no_descriptor, "receive_descriptor",
          resource->descriptor, resource->name()
      );
    if (result != -EAGAIN) fail(result, "receive_descriptor", resource.get());
    co_await readiness_operation(resource.get(), detail::readiness::to_read, nullptr);
  }
}

task<> unix_stream::send_descriptor(int descriptor, std::error_code& error) {
  error.clear();
  try {
    co_await send_descriptor(descriptor);
  } catch (const io_error& failure) {
    error = failure.code();
  }
}

task<owned_descriptor> unix_stream::receive_descriptor(std::error_code& error) {
  error.clear();
  try {
    co_return co_await receive_descriptor();
  } catch (const io_error& failure) {
    error = failure.code();
  }
  co_return owned_descriptor();
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
  int result = parse(path, name);
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
  int result = parse(path, name);
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
