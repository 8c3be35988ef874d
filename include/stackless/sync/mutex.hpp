#pragma once

#include <stackless/detail/awaited_once.hpp>
#include <stackless/detail/sync_core.hpp>
#include <stackless/error.hpp>
#include <stackless/task.hpp>

#include <algorithm>
#include <array>
#include <concepts>
#include <functional>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>

namespace stackless::inline STACKLESS_ABI {

class mutex;
class mutex_guard;

namespace detail {
class mutex_core;
}  // namespace detail

/// The owner of a mutex ended, or was killed, and had not unlocked it: what the mutex protects may
/// be half done. Raised in those who wait and in those who come later.
class broken_mutex : public std::runtime_error {
 public:
  explicit broken_mutex(const std::string& what) : std::runtime_error(what) {}
};

namespace detail {

/// Of one who has unlocked a mutex to wait for something else, and will lock it again.
struct mutex_return : list_hook {
  explicit mutex_return(mutex_core& left) noexcept;
  ~mutex_return() {
    if (linked()) unlink();
  }

  mutex_core* core;  ///< null: it is gone
};

class mutex_core final : public sync_core, public lock_core {
 public:
  explicit mutex_core(site here) noexcept;
  explicit mutex_core(const object_name& name);
  /// For what locks inside and is called something else.
  mutex_core(object_kind kind, site here) noexcept;
  mutex_core(object_kind kind, const object_name& name);
  ~mutex_core();

  /// \throws broken_mutex
  bool try_take(wait&) { return try_lock(); }
  void give_back(wait&) noexcept { unlock(); }
  [[nodiscard]] bool try_lock() {
    if (locked_ || broken_) [[unlikely]]
      return refuse();
    take(acting());
    return true;
  }
  void unlock() noexcept;
  /// For reports: `here` it was locked.
  void note_locked(site here, bool attempted = false) noexcept;
  /// In what is kept about the orders of locks; 0: in none.
  [[nodiscard]] std::uint64_t number() const noexcept { return number_; }
  [[noreturn]] void throw_broken() const;
  [[nodiscard]] bool locked() const noexcept { return locked_; }
  void disown() noexcept;
  /// Where its guard is now; null: it has none.
  void guarded_by(mutex_guard* guard) noexcept { guard_ = guard; }
  void expect(mutex_return& who) noexcept { returning_.push_back(who); }
  void repair() noexcept;

  [[nodiscard]] tasklet_block* needed() noexcept override { return owner; }
  void owner_ended() noexcept override;
  void describe(object_info& info, std::vector<const void*>& handles) const override;

 private:
  void take(tasklet_block* t) noexcept;
  void note_order(site here) noexcept;
  [[nodiscard]] bool refuse() const;
  void empty_guard() noexcept;

  mutex_guard* guard_ = nullptr;
  intrusive_list<mutex_return> returning_;
  bool locked_ = false;
  bool broken_ = false;
  std::uint64_t number_ = 0;
  std::string broken_by_;
};

}  // namespace detail

/// Holds a mutex, and unlocks it at its end. Empty after a move, and when the mutex is gone or its
/// owner has ended.
class [[nodiscard("the mutex is unlocked when the guard ends")]] mutex_guard {
 public:
  mutex_guard() noexcept = default;
  mutex_guard(mutex_guard&& other) noexcept { take_over(other); }
  mutex_guard& operator=(mutex_guard&& other) noexcept {
    if (this != &other) {
      unlock();
      take_over(other);
    }
    return *this;
  }
  ~mutex_guard() { unlock(); }

  [[nodiscard]] bool owns_lock() const noexcept { return core_ != nullptr; }
  /// The one who has waited longest gets it, and goes to the tail. Nothing if it is empty.
  void unlock() noexcept {
    if (core_ == nullptr) return;
    core_->note(detail::action_kind::unlock, detail::action_outcome::done, {});
    std::exchange(core_, nullptr)->unlock();
  }

  /// The mutex belongs to no tasklet from now on: for a guard that is handed to another one.
  void disown() noexcept {
    if (core_ != nullptr) core_->disown();
  }

  /// For the library.
  explicit mutex_guard(detail::mutex_core& core) noexcept : core_(&core) { core.guarded_by(this); }
  [[nodiscard]] detail::mutex_core* core() const noexcept { return core_; }

 private:
  friend detail::mutex_core;

  void take_over(mutex_guard& other) noexcept {
    core_ = std::exchange(other.core_, nullptr);
    if (core_ != nullptr) core_->guarded_by(this);
  }

  detail::mutex_core* core_ = nullptr;
};

namespace detail {

class lock_awaiter : public sync_awaiter<mutex_core> {
 public:
  explicit lock_awaiter(mutex_core& core) noexcept
      : sync_awaiter<mutex_core>(core, wait_kind::lock) {}
  mutex_guard await_resume(site here = site::current()) {
    finish();
    if (was_refused()) [[unlikely]]
      core().throw_broken();
    core().note_locked(here);
    return mutex_guard(core());
  }
};

class [[STACKLESS_OPERATION]] lock_operation : public awaited_once {
 public:
  explicit lock_operation(mutex_core& core) noexcept : core_(core) {}
  lock_awaiter make_awaiter() const noexcept { return lock_awaiter(core_); }

 private:
  mutex_core& core_;
};

}  // namespace detail

/// One tasklet at a time: for a passage that awaits in its middle. (What does not await needs no
/// mutex: nobody else runs.) First come, first served. It knows its owner: locking it twice, and a
/// circle of owners that wait for each other, is a deadlock and raised at once. A guard that is to
/// be unlocked by another tasklet must be disowned.
///
/// **Lifetime**: when it goes its guard is empty, and who waits gets `object_gone`.
/// **Threads**: of one scheduler.
class mutex {
 public:
  explicit mutex(detail::site here = detail::site::current()) noexcept : core_(here) {}
  explicit mutex(const object_name& name) : core_(name) {}
  mutex(const mutex&) = delete;
  mutex& operator=(const mutex&) = delete;

  /// Waits for it, and gives its guard.
  ///
  /// **Cancellation**: a cancel point; one that raised does not have the mutex.
  /// **Errors**: `broken_mutex`; `deadlock_error` if it waits for itself.
  detail::lock_operation lock() noexcept { return detail::lock_operation(core_); }

  /// A plain function: the guard, or nothing if it is locked. Outside of tasklets nobody owns it.
  /// **Errors**: `broken_mutex`.
  [[nodiscard]] std::optional<mutex_guard> try_lock(detail::site here = detail::site::current()) {
    if (!core_.try_lock()) return std::nullopt;
    core_.note_locked(here, true);
    return std::optional<mutex_guard>(std::in_place, core_);
  }

  [[nodiscard]] bool is_locked() const noexcept { return core_.locked(); }
  /// Says that what it protects is in order again. Nothing if it is not broken. Who was woken
  /// because it broke raises all the same.
  void repair() noexcept { core_.repair(); }

  /// For the library.
  [[nodiscard]] detail::mutex_core& core() noexcept { return core_; }

 private:
  detail::mutex_core core_;
};

/// Locks several in an order that is the same everywhere, whatever order they are named in, so that
/// no circle can come about. Gives the guards in the order of the arguments.
///
/// **Cancellation**, **Errors**: as `mutex::lock`; none is held then.
template <class... M>
  requires(std::same_as<M, mutex> && ...)
task<std::array<mutex_guard, sizeof...(M)>> lock_all(M&... mutexes) {
  std::array<mutex*, sizeof...(M)> order{&mutexes...};
  std::array<mutex_guard, sizeof...(M)> guards;
  const std::array<mutex*, sizeof...(M)> named = order;
  std::sort(order.begin(), order.end(), std::less<>());
  for (mutex* next : order) {
    const auto place = std::find(named.begin(), named.end(), next) - named.begin();
    guards[static_cast<std::size_t>(place)] = co_await next->lock();
  }
  co_return guards;
}

}  // namespace stackless::inline STACKLESS_ABI
