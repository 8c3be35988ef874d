#include <stackless/time.hpp>

namespace stackless::inline STACKLESS_ABI {

time_point now() {
  return detail::running_scheduler().now();
}

namespace detail {

sleep_awaiter::sleep_awaiter(time_point deadline) noexcept : wait_(wait_kind::sleep, &timer_) {
  timer_.deadline = deadline;
  timer_.waiter = &wait_;
}

void sleep_awaiter::start() {
  scheduler_core& core = *active_scheduler;
  core.timers.insert(timer_);
  if (core.current()->wakes_nobody) ++core.silent_sources;
}

time_point deadline_in(std::chrono::nanoseconds duration) {
  const time_point start = running_scheduler().now();
  // A very long sleep must not wrap round into the past.
  if (duration > time_point::max() - start) return time_point::max();
  return start + duration;
}

}  // namespace detail

}  // namespace stackless::inline STACKLESS_ABI
