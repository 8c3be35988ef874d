#pragma once

#include <stackless/detail/awaited_once.hpp>
#include <stackless/detail/promise.hpp>
#include <stackless/detail/structured.hpp>
#include <stackless/time.hpp>

#include <chrono>
#include <optional>
#include <stop_token>
#include <string>
#include <utility>

namespace stackless::inline STACKLESS_ABI {

namespace detail {
class stop_link;
}  // namespace detail

/// A stretch of a tasklet's run that can be cancelled as a whole: see `with_cancel_scope`.
///
/// While it is cancelled every await inside raises `cancelled`: in its tasklet, in those that a
/// nursery inside it runs, and in scopes inside it that are no shields. Who waits is taken off what
/// it waits for, at once; an operation has either happened or raised. Code that does not await is
/// not stopped: ask `cancel_requested()`.
class cancel_scope {
 public:
  cancel_scope(const cancel_scope&) = delete;
  cancel_scope& operator=(const cancel_scope&) = delete;

  /// Cancels it, once; a plain function. `cancelled::reason` will tell the reason.
  void cancel(std::string reason = {});
  [[nodiscard]] bool is_cancelled() const noexcept { return core_.is_cancelled; }
  [[nodiscard]] bool deadline_passed() const noexcept { return timer_.has_fired; }

  /// Cancels it when that time has come; a later call replaces an earlier one.
  void set_deadline(time_point deadline);
  void remove_deadline() noexcept;

  /// Cancels it when a stop is requested of `token`, in whatever thread. While that is possible the
  /// scheduler believes that it may be woken; a wait in here is no deadlock.
  ///
  /// **Lifetime**: until the scope ends. **Errors**: `std::bad_alloc`.
  void link(std::stop_token token);

  /// Is requested when the scope is cancelled, for code that knows nothing of tasklets.
  [[nodiscard]] std::stop_token stop_token();

  /// For the library: `with_cancel_scope` and its relatives make scopes.
  explicit cancel_scope(bool shields);
  ~cancel_scope();
  /// Whether a `cancelled` that has come this far was this scope's, and ends here.
  [[nodiscard]] bool takes_cancelled() const noexcept;

 private:
  struct deadline_timer final : detail::timer {
    explicit deadline_timer(cancel_scope& owner) noexcept : scope(owner) {}
    void fire(detail::scheduler_core& core) noexcept override;

    cancel_scope& scope;
    bool is_running = false;
    bool has_fired = false;
  };

  detail::scope_core core_;
  deadline_timer timer_{*this};
  std::stop_source stop_{std::nostopstate};
  detail::stop_link* links_ = nullptr;
};

/// Whether an await of the running tasklet would raise `cancelled` or `tasklet_exit` now. For long
/// calculations. False outside a tasklet.
[[nodiscard]] bool cancel_requested() noexcept;

namespace detail {

class checkpoint_operation;

class checkpoint_awaiter {
 public:
  static bool await_ready() {
    check_attention(*active_scheduler->current());
    return true;
  }
  static void await_suspend(std::coroutine_handle<>) noexcept {}
  static void await_resume() noexcept {}
};

class [[STACKLESS_OPERATION]] checkpoint_operation : public awaited_once {
 public:
  checkpoint_operation() noexcept = default;
  static checkpoint_awaiter make_awaiter() noexcept { return {}; }
};

[[noreturn]] void throw_timeout(std::chrono::nanoseconds limit, site here);

}  // namespace detail

/// Raises what an await would raise now (`cancelled`, `tasklet_exit`, a pending error), and else
/// goes on at once: nobody else runs. **Cancellation**: a cancel point.
inline detail::checkpoint_operation checkpoint() noexcept {
  return {};
}

/// Runs `co_await body(scope)`, inside a scope. True, or an optional with the result: it ran to its
/// end. False, or nothing: it was cancelled by this scope, and `cancelled` has ended it. A
/// cancellation that comes from further out is passed on.
///
/// **Cancellation**: `body` decides. **Errors**: what `body` raises.
/// **Lifetime**: the scope and the body end with the call.
template <class F>
  requires task_function<F&, cancel_scope&>
task<detail::completion<task_result_t<F&, cancel_scope&>>> with_cancel_scope(F&& body) {
  detail::check_scope_callable<F>();
  cancel_scope scope(false);
  try {
    if constexpr (std::is_void_v<task_result_t<F&, cancel_scope&>>) {
      co_await body(scope);
      co_return true;
    } else {
      co_return co_await body(scope);
    }
  } catch (const cancelled&) {
    if (!scope.takes_cancelled()) throw;
  }
  co_return detail::completion<task_result_t<F&, cancel_scope&>>();
}

/// Runs `co_await body()`, and cancels it when it has not ended within `limit`. True, or an
/// optional with the result: it ended by itself, even if that was too late.
///
/// **Cancellation**, **Errors**: as `with_cancel_scope`.
template <class F>
  requires task_function<F&>
task<detail::completion<task_result_t<F&>>> move_on_after(
    std::chrono::nanoseconds limit, F&& body
) {
  detail::check_scope_callable<F>();
  cancel_scope scope(false);
  scope.set_deadline(detail::deadline_in(limit));
  try {
    if constexpr (std::is_void_v<task_result_t<F&>>) {
      co_await body();
      co_return true;
    } else {
      co_return co_await body();
    }
  } catch (const cancelled&) {
    if (!scope.takes_cancelled()) throw;
  }
  co_return detail::completion<task_result_t<F&>>();
}

/// As `move_on_after`, but raises `timeout_error`, which names the place of this call, when the
/// time was not enough. Gives the result.
template <class F>
  requires task_function<F&>
task<task_result_t<F&>> fail_after(
    std::chrono::nanoseconds limit, F&& body, detail::site here = detail::site::current()
) {
  detail::check_scope_callable<F>();
  cancel_scope scope(false);
  scope.set_deadline(detail::deadline_in(limit));
  try {
    co_return co_await body();
  } catch (const cancelled&) {
    if (!scope.takes_cancelled()) throw;
  }
  detail::throw_timeout(limit, here);
}

/// Runs `co_await body()` out of the reach of enclosing scopes and of teardown. What they would
/// have raised is raised at the first await after it. A `kill` reaches it all the same. Keep it
/// short: a program that is to end waits for it.
template <class F>
  requires task_function<F&>
task<task_result_t<F&>> shield(F&& body) {
  detail::check_scope_callable<F>();
  cancel_scope scope(true);
  co_return co_await body();
}

}  // namespace stackless::inline STACKLESS_ABI
