#pragma once

#include <stackless/detail/awaited_once.hpp>
#include <stackless/detail/sync_core.hpp>

#include <cstddef>
#include <optional>
#include <utility>

namespace stackless::inline STACKLESS_ABI {

namespace detail {

class semaphore_core final : public sync_core {
 public:
  semaphore_core(std::size_t units, site here) noexcept;
  semaphore_core(const object_name& name, std::size_t units);
  ~semaphore_core() { holder::empty_all(held); }

  intrusive_list<holder> held;  ///< units, by their guards

  bool try_take(wait&) noexcept { return try_acquire(); }
  void give_back(wait&) noexcept { release(1); }
  [[nodiscard]] bool try_acquire() noexcept {
    if (units_ == 0) return false;
    --units_;
    return true;
  }
  /// \throws std::logic_error
  void check_room(std::size_t units) const;
  void release(std::size_t units) noexcept;
  [[nodiscard]] std::size_t available() const noexcept { return units_; }

  void describe(object_info& info, std::vector<const void*>& handles) const override;

 private:
  std::size_t units_;
};

}  // namespace detail

/// Holds one unit of a semaphore, and gives it back at its end. Empty after a move, and when the
/// semaphore is gone.
class [[nodiscard("the unit goes back when this ends")]] semaphore_unit {
 public:
  semaphore_unit() noexcept = default;
  semaphore_unit(semaphore_unit&& other) noexcept { holder_.take_over(other.holder_); }
  semaphore_unit& operator=(semaphore_unit&& other) noexcept {
    if (this != &other) {
      release();
      holder_.take_over(other.holder_);
    }
    return *this;
  }
  ~semaphore_unit() { release(); }

  void release() noexcept {
    detail::sync_core* const core = holder_.let_go();
    if (core == nullptr) return;
    core->note(detail::action_kind::release, detail::action_outcome::done, {});
    static_cast<detail::semaphore_core*>(core)->release(1);
  }
  /// Never gives it back: somebody else calls `semaphore::release`.
  void keep() noexcept { (void)holder_.let_go(); }

  /// For the library.
  explicit semaphore_unit(detail::semaphore_core& core) noexcept : holder_(core, core.held) {}

 private:
  detail::holder holder_;
};

namespace detail {

class acquire_awaiter : public sync_awaiter<semaphore_core> {
 public:
  explicit acquire_awaiter(semaphore_core& core) noexcept
      : sync_awaiter<semaphore_core>(core, wait_kind::acquire) {}
  semaphore_unit await_resume(site here = site::current()) {
    finish();
    core().note(action_kind::acquire, action_outcome::done, here);
    return semaphore_unit(core());
  }
};

class [[STACKLESS_OPERATION]] acquire_operation : public awaited_once {
 public:
  explicit acquire_operation(semaphore_core& core) noexcept : core_(core) {}
  acquire_awaiter make_awaiter() const noexcept { return acquire_awaiter(core_); }

 private:
  semaphore_core& core_;
};

}  // namespace detail

/// A number of units; who wants one waits until there is one. First come, first served.
///
/// **Lifetime**: when it goes the units are empty, and who waits gets `object_gone`.
/// **Threads**: of one scheduler.
class semaphore {
 public:
  explicit semaphore(std::size_t units, detail::site here = detail::site::current()) noexcept
      : core_(units, here) {}
  semaphore(const object_name& name, std::size_t units) : core_(name, units) {}
  semaphore(const semaphore&) = delete;
  semaphore& operator=(const semaphore&) = delete;

  /// Waits for a unit, and gives it.
  /// **Cancellation**: a cancel point; one that raised has none.
  detail::acquire_operation acquire() noexcept { return detail::acquire_operation(core_); }
  /// A plain function: a unit, or nothing.
  [[nodiscard]] std::optional<semaphore_unit> try_acquire(
      detail::site here = detail::site::current()
  ) noexcept {
    if (!core_.try_acquire()) return std::nullopt;
    core_.note(detail::action_kind::acquire, detail::action_outcome::done, here, true);
    return std::optional<semaphore_unit>(std::in_place, core_);
  }
  /// Adds units. A plain function. **Wakes**: as many who wait go to the tail, in their order.
  /// **Errors**: `std::logic_error` for more than can be counted; none is added then.
  void release(std::size_t units = 1, detail::site here = detail::site::current()) {
    core_.check_room(units);
    core_.note(detail::action_kind::release, detail::action_outcome::done, here);
    core_.release(units);
  }
  [[nodiscard]] std::size_t available() const noexcept { return core_.available(); }

 private:
  detail::semaphore_core core_;
};

}  // namespace stackless::inline STACKLESS_ABI
