#pragma once

#include <stackless/time.hpp>

#include <algorithm>
#include <chrono>
#include <compare>

namespace stackless::inline STACKLESS_ABI {

/// A point in time until which something has to be done. A value: it is handed down through calls,
/// so that each step gets what the steps before have left over.
class deadline {
 public:
  /// From now on. **Errors**: `std::logic_error` outside a running scheduler.
  explicit deadline(std::chrono::nanoseconds limit) : at_(detail::deadline_in(limit)) {}
  explicit deadline(time_point at) noexcept : at_(at) {}

  [[nodiscard]] time_point at() const noexcept { return at_; }
  /// **Errors**: `std::logic_error` outside a running scheduler, as the next two.
  [[nodiscard]] bool passed() const { return at_ <= now(); }
  /// For `fail_after`, `move_on_after` and `after`; zero when it has passed.
  [[nodiscard]] std::chrono::nanoseconds remaining() const {
    const time_point t = now();
    return at_ <= t ? std::chrono::nanoseconds(0) : std::chrono::nanoseconds(at_ - t);
  }
  /// This one, or one `limit` from now if that is earlier.
  [[nodiscard]] deadline within(std::chrono::nanoseconds limit) const {
    return std::min(*this, deadline(limit));
  }

  /// Waits until it has passed. **Cancellation**, **Wakes**: as `sleep_until`.
  detail::sleep_operation wait() const noexcept { return sleep_until(at_); }

  friend auto operator<=>(const deadline&, const deadline&) noexcept = default;

 private:
  time_point at_;
};

}  // namespace stackless::inline STACKLESS_ABI
