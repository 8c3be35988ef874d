#pragma once

#include <stackless/detail/awaited_once.hpp>
#include <stackless/sync/mutex.hpp>

#include <cstddef>

namespace stackless::inline STACKLESS_ABI {

namespace detail {

class condition_core final : public sync_core {
 public:
  static constexpr bool grants_an_event = true;

  explicit condition_core(site here) noexcept;
  explicit condition_core(const object_name& name);

  static bool try_take(wait&) noexcept { return false; }
  void give_back(wait&) noexcept { notify_one(); }
  void notify_one() noexcept {
    if (anybody_waits()) wake_first();
  }
  void notify_all() noexcept { wake_all(); }
  void note_notify(action_kind what, site here) noexcept {
    note(what, anybody_waits() ? action_outcome::delivered : action_outcome::dropped, here);
  }
};

class notify_awaiter : public sync_awaiter<condition_core> {
 public:
  notify_awaiter(condition_core& core, mutex_guard& lock) noexcept
      : sync_awaiter<condition_core>(core, wait_kind::notify), lock_(lock) {}
  template <std::derived_from<frame> Promise>
  std::coroutine_handle<> await_suspend(
      std::coroutine_handle<Promise> h, site here = site::current()
  ) noexcept {
    // Nobody runs before this has begun to wait, so no notification can fall between.
    lock_.unlock();
    return sync_awaiter<condition_core>::await_suspend(h, here);
  }
  void await_resume() { finish(); }

 private:
  mutex_guard& lock_;
};

class [[STACKLESS_OPERATION]] notify_operation : public awaited_once {
 public:
  notify_operation(condition_core& core, mutex_guard& lock) noexcept : core_(core), lock_(lock) {}
  notify_awaiter make_awaiter() const noexcept { return {core_, lock_}; }

 private:
  condition_core& core_;
  mutex_guard& lock_;
};

}  // namespace detail

/// Waits until something that a mutex protects has changed. No wake-up comes by itself.
///
/// **Lifetime**: who waits when it goes gets `object_gone`. **Threads**: of one scheduler.
class condition_variable {
 public:
  explicit condition_variable(detail::site here = detail::site::current()) noexcept : core_(here) {}
  explicit condition_variable(const object_name& name) : core_(name) {}
  condition_variable(const condition_variable&) = delete;
  condition_variable& operator=(const condition_variable&) = delete;

  /// Unlocks, waits for a notification, and locks again.
  ///
  /// **Cancellation**: a cancel point; the mutex is locked again before it raises, and the
  /// notification that came too late goes to the next who waits. Only a kill, or a broken mutex, in
  /// the midst of that lock leaves the guard empty.
  /// **Errors**: `std::logic_error` for an empty guard; as `mutex::lock`.
  task<> wait(mutex_guard& lock);

  /// Waits until `condition()` is true; not at all if it is.
  template <class Predicate>
  task<> wait(mutex_guard& lock, Predicate condition) {
    while (!condition()) co_await wait(lock);
  }

  /// Plain functions. **Wakes**: the first who waits, or all, go to the tail.
  void notify_one(detail::site here = detail::site::current()) noexcept {
    core_.note_notify(detail::action_kind::notify, here);
    core_.notify_one();
  }
  void notify_all(detail::site here = detail::site::current()) noexcept {
    core_.note_notify(detail::action_kind::notify_all, here);
    core_.notify_all();
  }

 private:
  detail::condition_core core_;
};

}  // namespace stackless::inline STACKLESS_ABI
