#pragma once

#include <stackless/detail/awaited_once.hpp>
#include <stackless/detail/sync_core.hpp>

#include <cstddef>
#include <optional>
#include <utility>

namespace stackless::inline STACKLESS_ABI {

namespace detail {

class shared_mutex_core final : public sync_core, public lock_core {
 public:
  explicit shared_mutex_core(site here) noexcept;
  explicit shared_mutex_core(const object_name& name);
  ~shared_mutex_core();

  bool try_take(wait& w) noexcept {
    return w.kind() == wait_kind::lock ? try_lock() : try_lock_shared();
  }
  void give_back(wait& w) noexcept { w.kind() == wait_kind::lock ? unlock() : unlock_shared(); }

  [[nodiscard]] bool try_lock() noexcept;
  /// Behind one who waits for the lock alone nobody overtakes.
  [[nodiscard]] bool try_lock_shared() noexcept;
  void unlock() noexcept;
  void unlock_shared() noexcept;
  intrusive_list<holder> guards;
  [[nodiscard]] bool withdraw(wait& w) noexcept override;
  [[nodiscard]] tasklet_block* needed() noexcept override { return owner; }
  void owner_ended() noexcept override;

  void describe(object_info& info, std::vector<const void*>& handles) const override;

 private:
  void serve() noexcept;
  void give_to(tasklet_block* writer) noexcept;

  std::size_t readers_ = 0;
  bool written_ = false;
};

/// Holds a shared_mutex in one of the two ways, and unlocks it at its end. Empty after a move, and
/// when the mutex is gone.
template <bool Shared>
class [[nodiscard("the mutex is unlocked when the guard ends")]] shared_mutex_guard {
 public:
  shared_mutex_guard() noexcept = default;
  explicit shared_mutex_guard(shared_mutex_core& core) noexcept : holder_(core, core.guards) {}
  shared_mutex_guard(shared_mutex_guard&& other) noexcept { holder_.take_over(other.holder_); }
  shared_mutex_guard& operator=(shared_mutex_guard&& other) noexcept {
    if (this != &other) {
      unlock();
      holder_.take_over(other.holder_);
    }
    return *this;
  }
  ~shared_mutex_guard() { unlock(); }

  [[nodiscard]] bool owns_lock() const noexcept { return holder_.holds(); }
  void unlock() noexcept {
    auto* core = static_cast<shared_mutex_core*>(holder_.let_go());
    if (core == nullptr) return;
    core->note(action_kind::unlock, action_outcome::done, {});
    if constexpr (Shared) {
      core->unlock_shared();
    } else {
      core->unlock();
    }
  }

 private:
  holder holder_;
};

template <bool Shared>
class shared_lock_awaiter : public sync_awaiter<shared_mutex_core> {
 public:
  explicit shared_lock_awaiter(shared_mutex_core& core) noexcept
      : sync_awaiter<shared_mutex_core>(core, Shared ? wait_kind::lock_shared : wait_kind::lock) {}
  shared_mutex_guard<Shared> await_resume(site here = site::current()) {
    finish();
    core().note(Shared ? action_kind::lock_shared : action_kind::lock, action_outcome::done, here);
    return shared_mutex_guard<Shared>(core());
  }
};

template <bool Shared>
class [[STACKLESS_OPERATION]] shared_lock_operation : public awaited_once {
 public:
  explicit shared_lock_operation(shared_mutex_core& core) noexcept : core_(core) {}
  shared_lock_awaiter<Shared> make_awaiter() const noexcept {
    return shared_lock_awaiter<Shared>(core_);
  }

 private:
  shared_mutex_core& core_;
};

}  // namespace detail

/// Many who read, or one who writes. First come, first served: who wants to read waits behind one
/// who wants to write, so that neither starves. It knows who writes, but not who reads.
///
/// **Lifetime**: when it goes its guards are empty, and who waits gets `object_gone`.
/// **Threads**: of one scheduler.
class shared_mutex {
 public:
  using guard = detail::shared_mutex_guard<false>;
  using shared_guard = detail::shared_mutex_guard<true>;

  explicit shared_mutex(detail::site here = detail::site::current()) noexcept : core_(here) {}
  explicit shared_mutex(const object_name& name) : core_(name) {}
  shared_mutex(const shared_mutex&) = delete;
  shared_mutex& operator=(const shared_mutex&) = delete;

  /// Waits until it has it alone, or shared, and gives the guard.
  /// **Cancellation**: a cancel point; one that raised does not have it.
  detail::shared_lock_operation<false> lock() noexcept {
    return detail::shared_lock_operation<false>(core_);
  }
  detail::shared_lock_operation<true> lock_shared() noexcept {
    return detail::shared_lock_operation<true>(core_);
  }
  /// Plain functions: the guard, or nothing.
  [[nodiscard]] std::optional<guard> try_lock() noexcept {
    if (!core_.try_lock()) return std::nullopt;
    return std::optional<guard>(std::in_place, core_);
  }
  [[nodiscard]] std::optional<shared_guard> try_lock_shared() noexcept {
    if (!core_.try_lock_shared()) return std::nullopt;
    return std::optional<shared_guard>(std::in_place, core_);
  }

 private:
  detail::shared_mutex_core core_;
};

}  // namespace stackless::inline STACKLESS_ABI
