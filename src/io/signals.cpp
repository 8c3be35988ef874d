#include <stackless/io/signals.hpp>

#include "failure.hpp"

#include <cerrno>
#include <cstring>

#include <pthread.h>
#include <signal.h>
#include <sys/signalfd.h>

namespace stackless::inline STACKLESS_ABI::io {

using detail::io_code;

signal_set::signal_set(std::initializer_list<int> signals) {
  static_assert(sizeof(sigset_t) <= sizeof blocked_);
  sigset_t wanted;
  ::sigemptyset(&wanted);
  for (const int number : signals)
    if (::sigaddset(&wanted, number) == -1) detail::throw_errno("signal_set", -1, {});

  handle_ = detail::io_handle::make(detail::io_resource::kind::file, "signals");
  // Non-blocking: another descriptor, or another thread, may have taken the signal we were told of.
  handle_->descriptor = ::signalfd(-1, &wanted, SFD_CLOEXEC | SFD_NONBLOCK);
  if (handle_->descriptor == -1) detail::throw_errno("signal_set", -1, {});

  sigset_t before;
  if (const int error = ::pthread_sigmask(SIG_BLOCK, &wanted, &before); error != 0) {
    errno = error;
    detail::throw_errno("signal_set", -1, {});
  }
  sigset_t newly_blocked;
  ::sigemptyset(&newly_blocked);
  for (const int number : signals)
    if (::sigismember(&before, number) == 0) ::sigaddset(&newly_blocked, number);
  std::memcpy(blocked_.data(), &newly_blocked, sizeof newly_blocked);
}

signal_set::~signal_set() {
  sigset_t newly_blocked;
  std::memcpy(&newly_blocked, blocked_.data(), sizeof newly_blocked);
  ::pthread_sigmask(SIG_UNBLOCK, &newly_blocked, nullptr);
}

signal_operation signal_set::wait() noexcept {
  return signal_operation(handle_.get(), nullptr);
}
signal_operation signal_set::wait(std::error_code& error) noexcept {
  return signal_operation(handle_.get(), &error);
}

readiness_operation signal_set::readable() noexcept {
  return {handle_.get(), detail::readiness::to_read, nullptr};
}
readiness_operation signal_set::readable(std::error_code& error) noexcept {
  return {handle_.get(), detail::readiness::to_read, &error};
}

signal_operation::signal_operation(detail::io_resource* resource, std::error_code* error) noexcept
    : io_call(io_code::read, resource, error) {
  static_assert(sizeof(signalfd_siginfo) == sizeof info_);
  set_buffer(info_.data(), info_.size());
}

int signal_operation::take() {
  settle();
  if (checked() < 0) return -1;
  signalfd_siginfo info;
  std::memcpy(&info, info_.data(), sizeof info);
  return static_cast<int>(info.ssi_signo);
}

}  // namespace stackless::inline STACKLESS_ABI::io
