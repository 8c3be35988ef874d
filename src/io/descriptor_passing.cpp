#include "descriptor_passing.hpp"

#include <stackless/io/error.hpp>
#include <stackless/io/readiness.hpp>

#include "failure.hpp"
#include "resource.hpp"

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstring>

#include <sys/socket.h>
#include <unistd.h>

namespace stackless::inline STACKLESS_ABI {

io::owned_descriptor::~owned_descriptor() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

namespace detail {

namespace {

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
int try_receive(int from, io::owned_descriptor& got) noexcept {
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
  got = io::owned_descriptor(descriptor);
  return 1;
}

}  // namespace

task<> send_descriptor(io_resource* socket, int descriptor) {
  check_current_tasklet();
  const io_reference resource(socket);
  for (;;) {
    const bool open = resource.get() != nullptr && !resource->closing;
    const int result = open ? try_send(resource->descriptor, descriptor) : -EBADF;
    if (result == 0) co_return;
    if (result != -EAGAIN) throw_failure("send_descriptor", result, resource.get());
    co_await io::readiness_operation(resource.get(), readiness::to_write, nullptr);
  }
}

task<io::owned_descriptor> receive_descriptor(io_resource* socket, no_bytes meaning) {
  check_current_tasklet();
  check_not_pooled(socket);
  const io_reference resource(socket);
  for (;;) {
    io::owned_descriptor got;
    const bool open = resource.get() != nullptr && !resource->closing;
    const int result = open ? try_receive(resource->descriptor, got) : -EBADF;
    if (got.is_open()) co_return got;
    const bool ended = result == 0 && meaning == no_bytes::end_of_stream;
    if (result == 0 || result == 1)
      throw io::io_error(
          ended ? io::errc::end_of_file : io::errc::no_descriptor, "receive_descriptor",
          resource->descriptor, resource->name()
      );
    if (result != -EAGAIN) throw_failure("receive_descriptor", result, resource.get());
    co_await io::readiness_operation(resource.get(), readiness::to_read, nullptr);
  }
}

task<> send_descriptor(io_resource* socket, int descriptor, std::error_code& error) {
  error.clear();
  try {
    co_await send_descriptor(socket, descriptor);
  } catch (const io::io_error& failure) {
    error = failure.code();
  }
}

task<io::owned_descriptor> receive_descriptor(
    io_resource* socket, no_bytes meaning, std::error_code& error
) {
  error.clear();
  try {
    co_return co_await receive_descriptor(socket, meaning);
  } catch (const io::io_error& failure) {
    error = failure.code();
  }
  co_return io::owned_descriptor();
}

}  // namespace detail

}  // namespace stackless::inline STACKLESS_ABI
