#include "system_call.hpp"

#include <algorithm>
#include <cerrno>

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

namespace stackless::inline STACKLESS_ABI::detail {

namespace {

/// The call's result, or its negated errno; again when a signal came between.
template <class Call>
int result_of(Call call) noexcept {
  for (;;) {
    const auto result = call();
    if (result >= 0) return static_cast<int>(result);
    if (errno != EINTR) return -errno;
  }
}

int transfer(const io_operation& o) noexcept {
  const auto offset = static_cast<off_t>(o.offset);
  const bool positioned = o.offset != io_operation::current_position;
  const auto* vectors = static_cast<const iovec*>(o.data);
  const auto count = static_cast<int>(o.length);
  switch (o.code) {
  case io_code::read:
    return result_of([&] {
      return positioned ? ::pread(o.descriptor, o.data, o.length, offset)
                        : ::read(o.descriptor, o.data, o.length);
    });
  case io_code::write:
    return result_of([&] {
      return positioned ? ::pwrite(o.descriptor, o.data, o.length, offset)
                        : ::write(o.descriptor, o.data, o.length);
    });
  case io_code::read_vectored:
    return result_of([&] {
      return positioned ? ::preadv(o.descriptor, vectors, count, offset)
                        : ::readv(o.descriptor, vectors, count);
    });
  default:
    return result_of([&] {
      return positioned ? ::pwritev(o.descriptor, vectors, count, offset)
                        : ::writev(o.descriptor, vectors, count);
    });
  }
}

int ready_events(int descriptor, short wanted) noexcept {
  pollfd entry{descriptor, wanted, 0};
  const int count = result_of([&] { return ::poll(&entry, 1, 0); });
  if (count < 0) return count;
  if (count == 0) return would_block;
  if ((entry.revents & POLLNVAL) != 0) return -EBADF;
  return entry.revents;
}

// On a blocking pipe, readiness promises room for PIPE_BUF bytes and no more.
int write_what_fits(const io_operation& o) noexcept {
  const void* data = o.data;
  std::size_t length = o.length;
  if (o.code == io_code::write_vectored) {
    const auto* vectors = static_cast<const iovec*>(o.data);
    const auto* end = vectors + o.length;
    const auto* first =
        std::find_if(vectors, end, [](const iovec& v) noexcept { return v.iov_len != 0; });
    if (first == end) return 0;
    data = first->iov_base;
    length = first->iov_len;
  }
  length = std::min<std::size_t>(length, PIPE_BUF);
  return result_of([&] { return ::write(o.descriptor, data, length); });
}

int attempt_transfer(const io_operation& o) noexcept {
  if (o.offset != io_operation::current_position) return transfer(o);  // a pipe answers ESPIPE
  const bool is_write = o.code == io_code::write || o.code == io_code::write_vectored;
  const int ready = ready_events(o.descriptor, is_write ? POLLOUT : POLLIN);
  if (ready < 0) return ready;
  if (!is_write) return transfer(o);
  const int status = ::fcntl(o.descriptor, F_GETFL);
  if (status == -1) return -errno;
  return (status & O_NONBLOCK) != 0 ? transfer(o) : write_what_fits(o);
}

// SPLICE_F_NONBLOCK is for the pipes. A socket blocks as its own flags say, and a file always may.
int splice(const io_operation& o) noexcept {
  auto offset = static_cast<off64_t>(o.offset);
  off64_t* const at = o.offset == io_operation::current_position ? nullptr : &offset;
  return result_of([&] {
    return o.code == io_code::splice_in
               ? ::splice(o.descriptor, at, o.other, nullptr, o.length, SPLICE_F_NONBLOCK)
               : ::splice(o.other, nullptr, o.descriptor, at, o.length, SPLICE_F_NONBLOCK);
  });
}

int attempt_splice(const io_operation& o) noexcept {
  const int ready = ready_events(o.descriptor, o.code == io_code::splice_in ? POLLIN : POLLOUT);
  return ready < 0 ? ready : splice(o);
}

int begin_connect(const io_operation& o) noexcept {
  const int status = ::fcntl(o.descriptor, F_GETFL);
  if (status == -1) return -errno;
  if ((status & O_NONBLOCK) == 0 && ::fcntl(o.descriptor, F_SETFL, status | O_NONBLOCK) == -1)
    return -errno;
  if (::connect(o.descriptor, static_cast<const sockaddr*>(o.data), o.length) == 0) return 0;
  // Interrupted, it goes on in the background as well.
  return errno == EINPROGRESS || errno == EINTR ? would_block : -errno;
}

int finish_connect(const io_operation& o) noexcept {
  const int ready = ready_events(o.descriptor, POLLOUT);
  if (ready < 0) return ready;
  int error = 0;
  socklen_t size = sizeof error;
  if (::getsockopt(o.descriptor, SOL_SOCKET, SO_ERROR, &error, &size) == -1) return -errno;
  return -error;
}

int status_of(const io_operation& o) noexcept {
  auto* const into = static_cast<struct statx*>(o.data);
  const int flags = static_cast<int>(o.flags);
  return result_of([&] {
    return o.path != nullptr ? ::statx(AT_FDCWD, o.path, flags, o.length, into)
                             : ::statx(o.descriptor, "", flags | AT_EMPTY_PATH, o.length, into);
  });
}

}  // namespace

int perform_blocking(const io_operation& o) noexcept {
  const auto* const other_path = static_cast<const char*>(o.data);
  switch (o.code) {
  case io_code::status:
    return status_of(o);
  case io_code::rename:
    return result_of([&] { return ::renameat2(AT_FDCWD, o.path, AT_FDCWD, other_path, o.flags); });
  case io_code::unlink:
    return result_of([&] { return ::unlinkat(AT_FDCWD, o.path, static_cast<int>(o.flags)); });
  case io_code::make_directory:
    return result_of([&] { return ::mkdir(o.path, static_cast<mode_t>(o.mode)); });
  case io_code::symbolic_link:
    return result_of([&] { return ::symlink(o.path, other_path); });
  case io_code::hard_link:
    return result_of([&] { return ::linkat(AT_FDCWD, o.path, AT_FDCWD, other_path, 0); });
  case io_code::allocate:
    return result_of([&] {
      return ::fallocate(
          o.descriptor, static_cast<int>(o.mode), static_cast<off_t>(o.offset),
          static_cast<off_t>(o.size)
      );
    });
  case io_code::resize:
    return result_of([&] { return ::ftruncate(o.descriptor, static_cast<off_t>(o.size)); });
  case io_code::set_permissions:
    return result_of([&] { return ::fchmod(o.descriptor, static_cast<mode_t>(o.mode)); });
  case io_code::set_times:
    return result_of([&] { return ::futimens(o.descriptor, static_cast<const timespec*>(o.data)); }
    );
  case io_code::call:
    return static_cast<blocking_call*>(o.data)->perform();
  case io_code::open:
    return result_of([&] {
      return ::open(o.path, static_cast<int>(o.flags) | O_CLOEXEC, static_cast<mode_t>(o.mode));
    });
  case io_code::close:  // after EINTR the descriptor is gone as well
    return ::close(o.descriptor) == 0 ? 0 : -errno;
  case io_code::sync:
    return result_of([&] {
      return o.flags != 0 ? ::fdatasync(o.descriptor) : ::fsync(o.descriptor);
    });
  case io_code::splice_in:
  case io_code::splice_out:
    return splice(o);
  default:
    return transfer(o);
  }
}

int attempt(const io_operation& o, bool connecting) noexcept {
  int result = 0;
  switch (o.code) {
  case io_code::nop:
    break;
  case io_code::shutdown:
    return ::shutdown(o.descriptor, static_cast<int>(o.flags)) == 0 ? 0 : -errno;
  case io_code::receive:
    result = result_of([&] {
      return ::recv(o.descriptor, o.data, o.length, static_cast<int>(o.flags | MSG_DONTWAIT));
    });
    break;
  case io_code::send:
    result = result_of([&] {
      return ::send(
          o.descriptor, o.data, o.length, static_cast<int>(o.flags | MSG_DONTWAIT | MSG_NOSIGNAL)
      );
    });
    break;
  case io_code::accept:
    do {
      result = result_of([&] { return ::accept4(o.descriptor, nullptr, nullptr, SOCK_CLOEXEC); });
    } while (result == -ECONNABORTED);  // that peer gave up: the next one
    break;
  case io_code::connect:
    return connecting ? finish_connect(o) : begin_connect(o);
  case io_code::poll:
    return ready_events(o.descriptor, static_cast<short>(o.flags));
  case io_code::receive_message:
    result = result_of([&] {
      return ::recvmsg(
          o.descriptor, static_cast<msghdr*>(o.data), static_cast<int>(o.flags | MSG_DONTWAIT)
      );
    });
    break;
  case io_code::send_message:
    result = result_of([&] {
      return ::sendmsg(
          o.descriptor, static_cast<const msghdr*>(o.data),
          static_cast<int>(o.flags | MSG_DONTWAIT | MSG_NOSIGNAL)
      );
    });
    break;
  case io_code::open:
  case io_code::close:
  case io_code::sync:
  case io_code::status:
  case io_code::rename:
  case io_code::unlink:
  case io_code::make_directory:
  case io_code::symbolic_link:
  case io_code::hard_link:
  case io_code::allocate:
  case io_code::resize:
  case io_code::set_permissions:
  case io_code::set_times:
  case io_code::call:
    return perform_blocking(o);
  case io_code::receive_many:  // never asked of engines without provided buffers
    return -EINVAL;
  case io_code::read:
  case io_code::write:
  case io_code::read_vectored:
  case io_code::write_vectored:
    result = attempt_transfer(o);
    break;
  case io_code::splice_in:
  case io_code::splice_out:
    result = attempt_splice(o);
    break;
  }
  const bool caller_would_not_wait =
      (o.code == io_code::receive || o.code == io_code::send) && (o.flags & MSG_DONTWAIT) != 0;
  return result == -EAGAIN && !caller_would_not_wait ? would_block : result;
}

int is_on_disk(int descriptor) noexcept {
  struct stat status{};
  if (::fstat(descriptor, &status) == -1) return -errno;
  return S_ISREG(status.st_mode) || S_ISDIR(status.st_mode) || S_ISBLK(status.st_mode) ? 1 : 0;
}

}  // namespace stackless::inline STACKLESS_ABI::detail
