#pragma once

#include <stackless/detail/awaited_once.hpp>
#include <stackless/detail/sync_core.hpp>

#include <cstddef>

namespace stackless::inline STACKLESS_ABI {

namespace detail {

class latch_core final : public sync_core {
 public:
  static constexpr bool grants_an_event = true;

  latch_core(std::size_t count, site here) noexcept;
  latch_core(const object_name& name, std::size_t count);

  bool try_take(wait&) const noexcept { return count_ == 0; }
  static void give_back(wait&) noexcept {}
  void count_down(std::size_t by);
  [[nodiscard]] std::size_t count() const noexcept { return count_; }

  void describe(object_info& info, std::vector<const void*>& handles) const override;

 private:
  std::size_t count_;
};

class barrier_core final : public sync_core {
 public:
  static constexpr bool grants_an_event = true;

  barrier_core(std::size_t parties, site here);
  barrier_core(const object_name& name, std::size_t parties);

  /// True for the last one, who lets the others go.
  bool try_take(wait&) noexcept {
    if (arrived_ + 1 != parties_) return false;
    arrived_ = 0;
    wake_all();
    return true;
  }
  static void give_back(wait&) noexcept {}
  void enqueue(wait& w) noexcept {
    ++arrived_;
    sync_core::enqueue(w);
  }
  [[nodiscard]] bool withdraw(wait& w) noexcept override {
    --arrived_;
    return sync_core::withdraw(w);
  }

  void describe(object_info& info, std::vector<const void*>& handles) const override;

 private:
  std::size_t parties_;
  std::size_t arrived_ = 0;
};

class barrier_awaiter : public sync_awaiter<barrier_core> {
 public:
  explicit barrier_awaiter(barrier_core& core) noexcept
      : sync_awaiter<barrier_core>(core, wait_kind::arrive) {}
  // No case of a select: to arrive is more than to look whether the others have.
  bool select_ready(site) = delete;
  bool await_ready() { return was_last_ = sync_awaiter<barrier_core>::await_ready(); }
  bool await_resume() {
    finish();
    return was_last_;
  }

 private:
  bool was_last_ = false;
};

class [[STACKLESS_OPERATION]] barrier_operation : public awaited_once {
 public:
  explicit barrier_operation(barrier_core& core) noexcept : core_(core) {}
  barrier_awaiter make_awaiter() const noexcept { return barrier_awaiter(core_); }

 private:
  barrier_core& core_;
};

}  // namespace detail

/// Opens for good when it has been counted down to zero.
///
/// **Lifetime**: who waits when it goes gets `object_gone`. **Threads**: of one scheduler.
class latch {
 public:
  explicit latch(std::size_t count, detail::site here = detail::site::current()) noexcept
      : core_(count, here) {}
  latch(const object_name& name, std::size_t count) : core_(name, count) {}
  latch(const latch&) = delete;
  latch& operator=(const latch&) = delete;

  /// A plain function. **Errors**: `std::logic_error` below zero; nothing is counted then.
  /// **Wakes**: at zero all who wait go to the tail, in their order.
  void count_down(std::size_t by = 1, detail::site here = detail::site::current()) {
    core_.count_down(by);
    core_.note(detail::action_kind::count_down, detail::action_outcome::done, here);
  }
  [[nodiscard]] std::size_t count() const noexcept { return core_.count(); }

  /// Waits for zero. **Cancellation**: a cancel point.
  detail::sync_operation<detail::latch_core> wait() noexcept {
    return {core_, detail::wait_kind::arrive};
  }

 private:
  detail::latch_core core_;
};

/// Lets its parties go on together, round after round.
///
/// **Lifetime**: who waits when it goes gets `object_gone`. **Threads**: of one scheduler.
class barrier {
 public:
  /// **Errors**: `std::logic_error` for no parties.
  explicit barrier(std::size_t parties, detail::site here = detail::site::current())
      : core_(parties, here) {}
  barrier(const object_name& name, std::size_t parties) : core_(name, parties) {}
  barrier(const barrier&) = delete;
  barrier& operator=(const barrier&) = delete;

  /// Waits until all parties have arrived. True for the last one, who does not wait.
  /// **Cancellation**: a cancel point; one that raised has not arrived.
  detail::barrier_operation arrive_and_wait() noexcept { return detail::barrier_operation(core_); }

 private:
  detail::barrier_core core_;
};

}  // namespace stackless::inline STACKLESS_ABI
