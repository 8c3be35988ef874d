#include <stackless/time.hpp>

namespace stackless::inline STACKLESS_ABI {

time_point now() {
  return detail::running_scheduler().now();
}

namespace detail {

sleep_awaiter::sleep_awaiter(time_point deadline) noexcept
    : wait_(wait_kind::sleep, &timer_), timer_(wait_), deadline_(deadline) {}

bool sleep_awaiter::select_ready(site) const {
  return deadline_ <= active_scheduler->now();
}

bool sleep_awaiter::start() {
  if (deadline_ <= active_scheduler->now()) return false;
  start_timer();
  return true;
}

void sleep_awaiter::start_timer() {
  scheduler_core& core = *active_scheduler;
  core.start(timer_, deadline_, *core.current());
}

time_point deadline_in(std::chrono::nanoseconds duration) {
  return later(running_scheduler().now(), duration);
}

}  // namespace detail

}  // namespace stackless::inline STACKLESS_ABI
