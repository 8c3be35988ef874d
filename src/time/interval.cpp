#include <stackless/error.hpp>
#include <stackless/interval.hpp>

namespace stackless::inline STACKLESS_ABI {

namespace {

std::chrono::nanoseconds checked(std::chrono::nanoseconds period) {
  if (period.count() <= 0) detail::throw_misuse("interval: its period must be longer than zero");
  return period;
}

}  // namespace

interval::interval(std::chrono::nanoseconds period, missed_ticks policy)
    : period_(checked(period)), next_(detail::deadline_in(period)), policy_(policy) {}

interval::interval(std::chrono::nanoseconds period, time_point first, missed_ticks policy)
    : period_(checked(period)), next_(first), policy_(policy) {}

void interval::reset() {
  next_ = detail::deadline_in(period_);
}

void interval::ticked(time_point due) noexcept {
  if (due != next_) return;  // it has moved on: another waited for the same tick, or it was reset
  const time_point now = detail::active_scheduler->now();
  switch (policy_) {
  case missed_ticks::burst:
    next_ = detail::later(due, period_);
    break;
  case missed_ticks::delay:
    next_ = detail::later(now, period_);
    break;
  case missed_ticks::skip:
    next_ = detail::later(now, period_ - (now - due) % period_);
    break;
  }
}

}  // namespace stackless::inline STACKLESS_ABI
