#include "host_descriptor.hpp"

#include <stackless/detail/scheduler_core.hpp>

#include "system_error.hpp"

#include <algorithm>
#include <cerrno>
#include <system_error>

#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

namespace stackless::inline STACKLESS_ABI::detail {

namespace {

bool watch(int epoll, int descriptor) noexcept {
  epoll_event event{};
  event.events = EPOLLIN;
  return ::epoll_ctl(epoll, EPOLL_CTL_ADD, descriptor, &event) == 0;
}

}  // namespace

host_descriptor::host_descriptor()
    : epoll_(::epoll_create1(EPOLL_CLOEXEC)),
      timer_(::timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC)) {
  if (epoll_ != -1 && timer_ != -1 && watch(epoll_, timer_)) return;
  const int error = errno;
  if (epoll_ != -1) ::close(epoll_);
  if (timer_ != -1) ::close(timer_);
  errno = error;
  throw_system("poll_fd");
}

host_descriptor::~host_descriptor() {
  ::close(timer_);
  ::close(epoll_);
}

void host_descriptor::expect(std::optional<std::chrono::steady_clock::time_point> deadline) {
  itimerspec setting{};  // zero disarms
  if (deadline) {
    // The steady clock is CLOCK_MONOTONIC. A deadline of zero or before would disarm.
    const std::chrono::nanoseconds since_epoch =
        std::max(deadline->time_since_epoch(), std::chrono::nanoseconds(1));
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(since_epoch);
    setting.it_value.tv_sec = seconds.count();
    setting.it_value.tv_nsec = (since_epoch - seconds).count();
  }
  if (::timerfd_settime(timer_, TFD_TIMER_ABSTIME, &setting, nullptr) == -1)
    throw_system("timerfd_settime");
}

void host_descriptor::include(io_backend& backend) {
  if (includes_backend_) return;
  if (!watch(epoll_, backend.poll_descriptor())) throw_system("epoll_ctl");
  includes_backend_ = true;
}

void host_descriptor::include(inbox& mail) {
  if (includes_inbox_) return;
  if (mail.descriptor() == -1 || !watch(epoll_, mail.descriptor())) throw_system("eventfd");
  includes_inbox_ = true;
}

int scheduler_core::host_poll_descriptor() {
  check_thread();
  if (!host_descriptor_) {
    host_descriptor_ = std::make_unique<host_descriptor>();
    (void)ready_for_host();
  }
  return host_descriptor_->get();
}

/// What has woken the host is not to wake it again.
void scheduler_core::quiet_for_host() {
  inbox_->drain_descriptor();
  if (io_) io_->poll(std::chrono::nanoseconds(0));
}

/// Nothing is runnable, and the host is to have the thread: what was started must be on its way, so
/// that its end is seen by `poll_fd`. True: something has become runnable.
bool scheduler_core::ready_for_host() {
  if (host_descriptor_) {
    if (io_) {
      host_descriptor_->include(*io_);
    } else {
      host_descriptor_->include(*inbox_);
    }
  }
  quiet_for_host();
  do {
    (void)take_mail();
  } while (host_descriptor_ && ring.empty() && !inbox_->fall_asleep());
  if (host_descriptor_) {
    const bool real_time = options_.clock == clock_choice::steady && !timers.empty();
    host_descriptor_->expect(real_time ? std::optional(timers.soonest().deadline) : std::nullopt);
  }
  return !ring.empty();
}

}  // namespace stackless::inline STACKLESS_ABI::detail
