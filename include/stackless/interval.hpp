#pragma once

#include <stackless/detail/awaited_once.hpp>
#include <stackless/time.hpp>

#include <chrono>
#include <cstdint>

namespace stackless::inline STACKLESS_ABI {

/// What an interval does about ticks whose time has passed before somebody waited for them.
enum class missed_ticks : std::uint8_t {
  burst,  ///< they come at once, one after the other, until it has caught up
  delay,  ///< one comes at once, and the next a whole period after that
  skip    ///< one comes at once, and the next at the first multiple of the period to come
};

namespace detail {
class interval_operation;
}  // namespace detail

/// Ticks, one a period. The first comes one period after it was made.
///
/// **Lifetime**: must outlive those who wait for its ticks. **Threads**: of one scheduler.
class interval {
 public:
  /// **Errors**: `std::logic_error` for a period that is not positive, and outside a running
  /// scheduler.
  explicit interval(std::chrono::nanoseconds period, missed_ticks policy = missed_ticks::burst);
  /// With the first tick at `first`: `now()` for one at once.
  interval(
      std::chrono::nanoseconds period, time_point first, missed_ticks policy = missed_ticks::burst
  );
  interval(const interval&) = delete;
  interval& operator=(const interval&) = delete;

  /// Waits for the next tick, and gives the time for which it was due. All who wait at a time get
  /// the same tick. Can be a case of a `select`.
  ///
  /// **Cancellation**: a cancel point; a tick that raised is still to come.
  /// **Wakes**: as `sleep_until`; a tick that is late lets the others run once.
  [[nodiscard]] detail::interval_operation tick() noexcept;

  /// The next tick comes one period from now. Those who wait already get theirs as it was.
  /// **Errors**: `std::logic_error` outside a running scheduler.
  void reset();

  /// When the next tick is due.
  [[nodiscard]] time_point next() const noexcept { return next_; }
  [[nodiscard]] std::chrono::nanoseconds period() const noexcept { return period_; }
  [[nodiscard]] missed_ticks policy() const noexcept { return policy_; }

  /// For the library: the tick that was due then has come.
  void ticked(time_point due) noexcept;

 private:
  std::chrono::nanoseconds period_;
  time_point next_;
  missed_ticks policy_;
};

namespace detail {

class interval_awaiter : public sleep_awaiter {
 public:
  explicit interval_awaiter(interval& ticks) noexcept
      : sleep_awaiter(ticks.next()), ticks_(ticks), due_(ticks.next()) {}
  time_point await_resume() {
    sleep_awaiter::await_resume();
    ticks_.ticked(due_);
    return due_;
  }

 private:
  interval& ticks_;
  time_point due_;
};

class [[STACKLESS_OPERATION]] interval_operation : public awaited_once {
 public:
  explicit interval_operation(interval& ticks) noexcept : ticks_(ticks) {}
  interval_awaiter make_awaiter() const noexcept { return interval_awaiter(ticks_); }

 private:
  interval& ticks_;
};

}  // namespace detail

inline detail::interval_operation interval::tick() noexcept {
  return detail::interval_operation(*this);
}

}  // namespace stackless::inline STACKLESS_ABI
