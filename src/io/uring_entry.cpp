#include "uring_entry.hpp"

#include <stackless/detail/io_port.hpp>

#include <liburing.h>

#include <cstdint>

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>

namespace stackless::inline STACKLESS_ABI::detail {

short readiness_for(io_code code) noexcept {
  switch (code) {
  case io_code::read:
  case io_code::read_vectored:
  case io_code::receive:
  case io_code::receive_message:
  case io_code::accept:
  case io_code::splice_in:
    return POLLIN;
  case io_code::write:
  case io_code::write_vectored:
  case io_code::send:
  case io_code::send_message:
  case io_code::splice_out:
    return POLLOUT;
  default:
    return 0;
  }
}

void prepare_entry(io_uring_sqe& into, const io_operation& o) noexcept {
  io_uring_sqe* const entry = &into;
  switch (o.code) {
  case io_code::nop:
    io_uring_prep_nop(entry);
    break;
  case io_code::open:
    io_uring_prep_openat(
        entry, AT_FDCWD, o.path, static_cast<int>(o.flags) | O_CLOEXEC, static_cast<mode_t>(o.mode)
    );
    break;
  case io_code::close:
    io_uring_prep_close(entry, o.descriptor);
    break;
  case io_code::read:
    io_uring_prep_read(entry, o.descriptor, o.data, o.length, o.offset);
    break;
  case io_code::write:
    io_uring_prep_write(entry, o.descriptor, o.data, o.length, o.offset);
    break;
  case io_code::read_vectored:
    io_uring_prep_readv(entry, o.descriptor, static_cast<const iovec*>(o.data), o.length, o.offset);
    break;
  case io_code::write_vectored:
    io_uring_prep_writev(
        entry, o.descriptor, static_cast<const iovec*>(o.data), o.length, o.offset
    );
    break;
  case io_code::sync:
    io_uring_prep_fsync(entry, o.descriptor, o.flags != 0 ? IORING_FSYNC_DATASYNC : 0);
    break;
  case io_code::accept:
    io_uring_prep_accept(entry, o.descriptor, nullptr, nullptr, SOCK_CLOEXEC);
    break;
  case io_code::connect:
    io_uring_prep_connect(entry, o.descriptor, static_cast<const sockaddr*>(o.data), o.length);
    break;
  case io_code::receive:
    io_uring_prep_recv(entry, o.descriptor, o.data, o.length, static_cast<int>(o.flags));
    break;
  case io_code::send:
    io_uring_prep_send(
        entry, o.descriptor, o.data, o.length, static_cast<int>(o.flags | MSG_NOSIGNAL)
    );
    break;
  case io_code::shutdown:
    io_uring_prep_shutdown(entry, o.descriptor, static_cast<int>(o.flags));
    break;
  case io_code::poll:
    io_uring_prep_poll_add(entry, o.descriptor, o.flags);
    break;
  case io_code::receive_message:
    io_uring_prep_recvmsg(entry, o.descriptor, static_cast<msghdr*>(o.data), o.flags);
    break;
  case io_code::send_message:
    // The kernel's own retry sends an empty datagram: a full Unix socket has read the bytes before
    // it says so, and io_uring goes on behind them (Linux 6.18). With this flag the retry is ours.
    io_uring_prep_sendmsg(
        entry, o.descriptor, static_cast<const msghdr*>(o.data),
        o.flags | MSG_NOSIGNAL | MSG_DONTWAIT
    );
    break;
  case io_code::status:
    io_uring_prep_statx(
        entry, o.path != nullptr ? AT_FDCWD : o.descriptor, o.path != nullptr ? o.path : "",
        static_cast<int>(o.flags) | (o.path != nullptr ? 0 : AT_EMPTY_PATH), o.length,
        static_cast<struct statx*>(o.data)
    );
    break;
  case io_code::rename:
    io_uring_prep_renameat(
        entry, AT_FDCWD, o.path, AT_FDCWD, static_cast<const char*>(o.data), o.flags
    );
    break;
  case io_code::unlink:
    io_uring_prep_unlinkat(entry, AT_FDCWD, o.path, static_cast<int>(o.flags));
    break;
  case io_code::make_directory:
    io_uring_prep_mkdirat(entry, AT_FDCWD, o.path, static_cast<mode_t>(o.mode));
    break;
  case io_code::symbolic_link:
    io_uring_prep_symlinkat(entry, o.path, AT_FDCWD, static_cast<const char*>(o.data));
    break;
  case io_code::hard_link:
    io_uring_prep_linkat(entry, AT_FDCWD, o.path, AT_FDCWD, static_cast<const char*>(o.data), 0);
    break;
  case io_code::allocate:
    io_uring_prep_fallocate(
        entry, o.descriptor, static_cast<int>(o.mode), static_cast<off_t>(o.offset),
        static_cast<off_t>(o.size)
    );
    break;
  case io_code::receive_many:
    io_uring_prep_recv(entry, o.descriptor, nullptr, 0, 0);
    entry->flags |= IOSQE_BUFFER_SELECT;
    entry->buf_group = static_cast<std::uint16_t>(o.other);
    break;
  case io_code::resize:
  case io_code::set_permissions:
  case io_code::set_times:
  case io_code::call:
    break;  // on a thread
  case io_code::splice_in:
    io_uring_prep_splice(
        entry, o.descriptor, static_cast<std::int64_t>(o.offset), o.other, -1, o.length,
        SPLICE_F_NONBLOCK
    );
    break;
  case io_code::splice_out:
    io_uring_prep_splice(
        entry, o.other, -1, o.descriptor, static_cast<std::int64_t>(o.offset), o.length,
        SPLICE_F_NONBLOCK
    );
    break;
  }
}

}  // namespace stackless::inline STACKLESS_ABI::detail
