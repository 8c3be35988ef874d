#pragma once

#include <stackless/async_stack.hpp>
#include <stackless/detail/awaited_once.hpp>
#include <stackless/detail/tasklet_entry.hpp>
#include <stackless/error.hpp>
#include <stackless/snapshot.hpp>
#include <stackless/task.hpp>

#include <cstddef>
#include <exception>
#include <functional>
#include <string>
#include <string_view>
#include <type_traits>

namespace stackless::inline STACKLESS_ABI {

/// A tasklet's name and where it was given. A literal is kept by address, and with it every array
/// of const char, which must live as long as the tasklet; all else is copied.
// Not consteval, which would tell literals apart: GCC 14 refuses such calls in coroutines.
class tasklet_name {
 public:
  template <std::size_t N>
  tasklet_name(const char (&literal)[N], detail::site here = detail::site::current()) noexcept {
    origin_.name = literal;
    origin_.site_known = true;
    origin_.at = here;
  }
  template <std::size_t N>
  tasklet_name(char (&text)[N], detail::site here = detail::site::current())
      : tasklet_name(std::string_view(text), here) {}

  template <std::convertible_to<std::string_view> Text>
    requires(!std::is_array_v<Text>)
  tasklet_name(const Text& text, detail::site here = detail::site::current()) {
    copy(text, here);
  }
  tasklet_name(tasklet_name&& other) noexcept
      : origin_(std::exchange(other.origin_, detail::spawn_origin{})) {}
  tasklet_name& operator=(tasklet_name&&) = delete;
  ~tasklet_name() {
    if (origin_.owns_name) free_copy();
  }

  /// For the library. The tasklet takes what it owns.
  [[nodiscard]] detail::spawn_origin& origin() noexcept { return origin_; }

 private:
  void copy(std::string_view text, detail::site here);
  void free_copy() noexcept;

  detail::spawn_origin origin_;
};

/// Hands a reference to a spawned tasklet on purpose: the caller promises that `x` outlives it.
template <class T>
class borrowed {
 public:
  explicit borrowed(T& target) noexcept : target_(&target) {}
  operator T&() const noexcept { return *target_; }  // NOLINT(google-explicit-constructor)
  [[nodiscard]] T& get() const noexcept { return *target_; }

 private:
  T* target_;
};

template <class T>
[[nodiscard]] borrowed<T> borrow(T& x) noexcept {
  return borrowed<T>(x);
}
template <class T>
void borrow(const T&&) = delete;

namespace detail {

/// \throws what the tasklet ended with, `tasklet_killed`; nothing if it returned
void raise_end_of(tasklet_block& ended);

/// Waits for the end of a tasklet.
class join_awaiter {
 public:
  explicit join_awaiter(tasklet_block& target) noexcept
      : wait_(wait_kind::join, &target), target_(target) {
    target_.retain();
  }
  join_awaiter(const join_awaiter&) = delete;
  join_awaiter& operator=(const join_awaiter&) = delete;
  ~join_awaiter() { target_.release(); }

  bool await_ready();
  template <std::derived_from<frame> Promise>
  std::coroutine_handle<> await_suspend(
      std::coroutine_handle<Promise> h, site here = site::current()
  ) noexcept {
    target_.joiners.push_back(wait_);
    scheduler_core& core = *active_scheduler;
    tasklet_block& me = *core.current();
    const std::coroutine_handle<> next = core.block(wait_, h.promise(), here);
    if (target_.blocked()) [[unlikely]]
      core.check_circle(me);
    return next;
  }

  bool select_ready(site) {
    check_target();
    return target_.ended;
  }
  void select_begin() noexcept { target_.joiners.push_back(wait_); }
  wait& select_wait() noexcept { return wait_; }

 protected:
  void check_target() const;
  /// \throws what the tasklet ended with
  void finish_join();
  /// \throws std::logic_error when a move-only result was taken before
  void claim_result();
  [[nodiscard]] tasklet_block& target() noexcept { return target_; }

 private:
  wait wait_;
  tasklet_block& target_;
};

template <class R>
class typed_join_awaiter : public join_awaiter {
 public:
  using join_awaiter::join_awaiter;

  R await_resume() {
    finish_join();
    if constexpr (!std::is_void_v<R>) {
      auto& result = static_cast<block_with_result<R>&>(target()).result;
      if constexpr (std::is_reference_v<R> || std::is_copy_constructible_v<R>) {
        return result.value();
      } else {
        claim_result();
        return result.take();
      }
    }
  }
};

template <class R>
class [[STACKLESS_OPERATION]] join_operation : public awaited_once {
 public:
  explicit join_operation(tasklet_block& target) noexcept : target_(&target) {}
  auto make_awaiter() noexcept { return typed_join_awaiter<R>(*target_); }

 private:
  tasklet_block* target_;
};

/// `raise`, `kill`, `run` and `switch_to`: the target runs now.
class direct_switch_awaiter {
 public:
  enum class action : std::uint8_t { raise, run, switch_to };

  direct_switch_awaiter(action what, tasklet_block& target, std::exception_ptr error) noexcept;
  direct_switch_awaiter(const direct_switch_awaiter&) = delete;
  direct_switch_awaiter& operator=(const direct_switch_awaiter&) = delete;
  ~direct_switch_awaiter() { target_.release(); }

  bool await_ready();
  template <std::derived_from<frame> Promise>
  std::coroutine_handle<> await_suspend(
      std::coroutine_handle<Promise> h, site here = site::current()
  ) {
    return suspend(h.promise(), here);
  }
  void await_resume() const { resumed_from_yield(*active_scheduler->current()); }

 private:
  std::coroutine_handle<> suspend(frame& f, site here);

  wait wait_;  // of a switch_to, which leaves the ring
  tasklet_block& target_;
  std::exception_ptr error_;
  action action_;
};

class [[STACKLESS_OPERATION]] direct_switch_operation : public awaited_once {
 public:
  direct_switch_operation(
      direct_switch_awaiter::action what, tasklet_block& target, std::exception_ptr error
  ) noexcept
      : target_(&target), error_(std::move(error)), action_(what) {}
  auto make_awaiter() noexcept {
    return direct_switch_awaiter(action_, *target_, std::move(error_));
  }

 private:
  tasklet_block* target_;
  std::exception_ptr error_;
  direct_switch_awaiter::action action_;
};

}  // namespace detail

class any_tasklet;

/// Is given an error that a tasklet, the first argument, did not catch and that nobody joins it
/// for. It is called while that tasklet is still the running one, and may use all plain functions.
/// When it returns, the error is dealt with; what it throws (the same error, or another) goes on
/// instead.
using error_handler = std::function<void(const any_tasklet&, const std::exception_ptr&)>;

/// A handle of a tasklet, whatever it returns. Copies are the same tasklet; an ended tasklet stays
/// valid for as long as a handle refers to it.
///
/// **Threads**: confined to the thread of its scheduler.
class any_tasklet {
 public:
  any_tasklet() noexcept = default;
  explicit any_tasklet(detail::tasklet_block& block) noexcept : block_(&block) { block.retain(); }
  any_tasklet(const any_tasklet& other) noexcept : block_(other.block_) {
    if (block_ != nullptr) block_->retain();
  }
  any_tasklet(any_tasklet&& other) noexcept : block_(std::exchange(other.block_, nullptr)) {}
  any_tasklet& operator=(any_tasklet other) noexcept {
    std::swap(block_, other.block_);
    return *this;
  }
  ~any_tasklet() {
    if (block_ != nullptr) block_->release();
  }

  friend bool operator==(const any_tasklet& a, const any_tasklet& b) noexcept {
    return a.block_ == b.block_;
  }
  explicit operator bool() const noexcept { return block_ != nullptr; }

  // What it is -----------------------------------------------------------------------------------

  /// Counts up from 1 in a scheduler, never reused.
  [[nodiscard]] std::uint64_t id() const { return block().id; }
  /// The given name, else the root function's.
  [[nodiscard]] std::string name() const;
  void set_name(std::string_view name);

  /// Has not ended.
  [[nodiscard]] bool alive() const { return !block().ended; }
  /// Alive and outside the ring, but waiting for nothing: after `remove`, `suspend`, in `drain`.
  [[nodiscard]] bool paused() const;
  /// Waits for something.
  [[nodiscard]] bool blocked() const;
  /// In the ring, or waiting in a queue.
  [[nodiscard]] bool scheduled() const;
  [[nodiscard]] bool is_main() const { return block().is_main; }
  [[nodiscard]] bool is_current() const;

  /// Its coroutines, innermost first. Empty before its first run, and after its end.
  [[nodiscard]] async_stack stack() const;
  [[nodiscard]] wait_info waiting_for() const;

  // Plain functions ------------------------------------------------------------------------------

  /// Puts a paused tasklet at the tail of the ring; nothing if it is there already.
  /// **Errors**: `std::logic_error` if it is blocked or has ended.
  void insert() const;
  /// Takes a runnable tasklet out of the ring; nothing if it is paused.
  /// **Errors**: `std::logic_error` if it is blocked or running.
  void remove() const;
  /// As `kill`, but it gets its turn in the ring and the caller goes on.
  void kill_pending() const;
  /// As `raise`, but it gets its turn in the ring and the caller goes on.
  /// **Errors**: `std::logic_error` if it has ended; `std::invalid_argument` for a null error.
  void raise_pending(std::exception_ptr error) const;
  /// While set, a channel operation of it that would block raises `block_trap_error` instead.
  /// Returns the previous setting.
  bool set_block_trap(bool on) const;  // NOLINT(modernize-use-nodiscard)
  [[nodiscard]] bool block_trap() const;

  /// Its neighbours in the ring; empty if it is not in the ring.
  [[nodiscard]] any_tasklet next_in_ring() const;
  [[nodiscard]] any_tasklet previous_in_ring() const;

  /// Handles its uncaught error before the scheduler's handler does; an empty one removes it.
  /// **Errors**: `std::logic_error` if it has ended.
  void set_error_handler(error_handler handler) const;

  // To be awaited --------------------------------------------------------------------------------

  /// Raises `tasklet_exit` in it, now; an ended one is left alone. A tasklet that never ran never
  /// enters its function.
  ///
  /// **Cancellation**: not a cancel point once the target has been switched to.
  /// **Errors**: `tasklet_exit`, if it kills itself.
  /// **Wakes**: the target runs at once, off whatever it waited for; the caller keeps its place in
  /// the ring. With I/O in flight the target dies when its operation has ended, and the caller goes
  /// on.
  detail::direct_switch_operation kill() const;

  /// Raises `error` in it, now. As `kill` in all else.
  /// **Errors**: `std::logic_error` if it has ended; `std::invalid_argument` for a null error.
  detail::direct_switch_operation raise(std::exception_ptr error) const;

  /// Runs it now; the caller keeps its place in the ring. Nothing on oneself.
  /// **Errors**: `std::logic_error` if it is blocked or has ended.
  detail::direct_switch_operation run() const;

  /// As `run`, but the caller leaves the ring and is paused until somebody inserts it.
  detail::direct_switch_operation switch_to() const;

  /// Waits until it has ended; see `tasklet::join`.
  detail::join_operation<void> join() const;

  /// For the library.
  [[nodiscard]] detail::tasklet_block& block() const;

 private:
  detail::tasklet_block* block_ = nullptr;
};

/// A handle of a tasklet that returns `T`.
template <class T = void>
class tasklet : public any_tasklet {
 public:
  tasklet() noexcept = default;
  explicit tasklet(detail::block_with_result<T>& block) noexcept : any_tasklet(block) {}

  /// Waits until it has ended and gives its result: a copy, or the thing itself if it cannot be
  /// copied (then to the first joiner only).
  ///
  /// **Cancellation**: a cancel point; the target goes on and may be joined again.
  /// **Errors**: what it ended with; `tasklet_killed` if it was killed; `std::logic_error` for
  /// joining oneself, a tasklet of another scheduler, or for a move-only result that was taken
  /// before.
  /// **Wakes**: joiners go to the tail in the order in which they came.
  detail::join_operation<T> join() const { return detail::join_operation<T>(block()); }
};

/// The running tasklet. **Errors**: `std::logic_error` outside a tasklet.
namespace this_tasklet {
[[nodiscard]] any_tasklet handle();
[[nodiscard]] std::uint64_t id();
[[nodiscard]] std::string name();
void set_name(std::string_view name);
[[nodiscard]] async_stack stack();
}  // namespace this_tasklet

}  // namespace stackless::inline STACKLESS_ABI
