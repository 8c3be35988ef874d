#pragma once

#include <stackless/detail/awaited_once.hpp>
#include <stackless/detail/promise.hpp>
#include <stackless/detail/timer_queue.hpp>

#include <chrono>

namespace stackless::inline STACKLESS_ABI {

/// The clock of `sleep_until`. Under `clock_choice::virtual_time` it starts at its epoch.
using time_point = std::chrono::steady_clock::time_point;

/// The running scheduler's time. **Errors**: `std::logic_error` outside a running scheduler.
[[nodiscard]] time_point now();

namespace detail {

class sleep_awaiter {
 public:
  explicit sleep_awaiter(time_point deadline) noexcept;
  sleep_awaiter(const sleep_awaiter&) = delete;
  sleep_awaiter& operator=(const sleep_awaiter&) = delete;

  static bool await_ready() {
    check_before_leaving(*active_scheduler);
    return false;
  }
  template <std::derived_from<frame> Promise>
  std::coroutine_handle<> await_suspend(
      std::coroutine_handle<Promise> h, site here = site::current()
  ) {
    scheduler_core& core = *active_scheduler;
    if (!start()) return core.pass_to(h.promise(), here, core.ring.next());
    return core.block(wait_, h.promise(), here);
  }
  static void await_resume() { resumed_from_yield(*active_scheduler->current()); }

  [[nodiscard]] bool select_ready(site) const;
  void select_begin() { start_timer(); }
  wait& select_wait() noexcept { return wait_; }

 private:
  bool start();  ///< false: the deadline is past
  void start_timer();

  wait wait_;
  sleep_timer timer_;
  time_point deadline_;
};

class [[STACKLESS_OPERATION]] sleep_operation : public awaited_once {
 public:
  explicit sleep_operation(time_point deadline) noexcept : deadline_(deadline) {}
  sleep_awaiter make_awaiter() const noexcept { return sleep_awaiter(deadline_); }

 private:
  time_point deadline_;
};

[[nodiscard]] time_point deadline_in(std::chrono::nanoseconds duration);

}  // namespace detail

/// Waits until `deadline` has come; one that is past lets the others run once. Equal deadlines wake
/// in the order in which the sleeps began.
///
/// **Cancellation**: a cancel point; the timer is removed.
/// **Wakes**: at the tail. A pending sleep is a source: while one is left, nothing is a deadlock.
/// O(log n) in pending timers.
inline detail::sleep_operation sleep_until(time_point deadline) noexcept {
  return detail::sleep_operation(deadline);
}

/// As `sleep_until`, from now. **Errors**: `std::logic_error` outside a running scheduler.
inline detail::sleep_operation sleep_for(std::chrono::nanoseconds duration) {
  return detail::sleep_operation(detail::deadline_in(duration));
}

}  // namespace stackless::inline STACKLESS_ABI
