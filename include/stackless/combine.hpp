#pragma once

#include <stackless/detail/diagnostics_port.hpp>
#include <stackless/nursery.hpp>

#include <exception>
#include <functional>
#include <optional>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>

namespace stackless::inline STACKLESS_ABI {

/// What a task gave, or the error that it raised: see `as_result`.
template <class T = void>
class [[nodiscard]] result {
 public:
  template <class... A>
  explicit result(std::in_place_t, A&&... arguments) : value_(std::forward<A>(arguments)...) {}
  explicit result(std::exception_ptr error) noexcept : error_(std::move(error)) {}

  [[nodiscard]] bool has_value() const noexcept { return value_.has_value(); }
  explicit operator bool() const noexcept { return has_value(); }
  /// Null if there is none.
  [[nodiscard]] const std::exception_ptr& error() const noexcept { return error_; }

  /// **Errors**: raises the error, if there is one.
  [[nodiscard]] T& value() & {
    check();
    return *value_;
  }
  [[nodiscard]] T&& value() && {
    check();
    return std::move(*value_);
  }

 private:
  void check() const {
    if (error_) std::rethrow_exception(error_);
  }

  std::optional<T> value_;
  std::exception_ptr error_;
};

template <>
class [[nodiscard]] result<void> {
 public:
  explicit result(std::in_place_t) noexcept {}
  explicit result(std::exception_ptr error) noexcept : error_(std::move(error)) {}

  [[nodiscard]] bool has_value() const noexcept { return !error_; }
  explicit operator bool() const noexcept { return has_value(); }
  [[nodiscard]] const std::exception_ptr& error() const noexcept { return error_; }
  void value() const {
    if (error_) std::rethrow_exception(error_);
  }

 private:
  std::exception_ptr error_;
};

namespace detail {

/// A task that somebody else than its maker will await.
template <class T>
class adopted_task {
 public:
  explicit adopted_task(task<T>&& made) noexcept
      : promise_(&root_access<T>::release(std::move(made))) {}
  adopted_task(adopted_task&& other) noexcept : promise_(std::exchange(other.promise_, nullptr)) {}
  adopted_task& operator=(adopted_task&&) = delete;
  ~adopted_task() {
    if (promise_ != nullptr) promise_->destroy();  // cancelled before its first turn
  }

  task_awaiter<T> make_awaiter() noexcept {
    return task_awaiter<T>(*std::exchange(promise_, nullptr));
  }

 private:
  promise<T>* promise_;
};

template <class T>
using combined_value = std::conditional_t<std::is_void_v<T>, std::monostate, T>;

template <class T>
task<> deliver(adopted_task<T> from, std::optional<combined_value<T>>& to) {
  if constexpr (std::is_void_v<T>) {
    co_await from;
    to.emplace();
  } else {
    to.emplace(co_await from);
  }
}

/// What the first of several tasks has come to.
template <class... T>
struct race_outcome {
  std::optional<std::variant<combined_value<T>...>> value;
  std::exception_ptr error;
  bool deadlocked = false;  ///< `error` is a `deadlock_error`

  /// An error decides it too, unless a success is wanted.
  [[nodiscard]] bool is_open(bool until_success) const noexcept {
    return !value && !deadlocked && (until_success || !error);
  }

  /// The first error is kept, and the others behind it; but a deadlock is a mistake of the program
  /// and goes ahead of what is only the end of a task.
  void fail(std::exception_ptr raised) {
    const bool is_first_deadlock = !deadlocked && is_deadlock(raised);
    deadlocked |= is_first_deadlock;
    if (!error || is_first_deadlock) std::swap(error, raised);
    if (raised) add_suppressed(error, std::move(raised));
  }
};

template <std::size_t I, class Outcome, class T>
task<> race(adopted_task<T> from, nursery& others, Outcome& outcome, bool until_success) {
  try {
    if constexpr (std::is_void_v<T>) {
      co_await from;
      if (outcome.is_open(until_success)) outcome.value.emplace(std::in_place_index<I>);
    } else {
      combined_value<T> value = co_await from;
      if (outcome.is_open(until_success))
        outcome.value.emplace(std::in_place_index<I>, std::move(value));
    }
  } catch (const cancelled&) {
    throw;
  } catch (const tasklet_exit&) {
    throw;
  } catch (...) {
    outcome.fail(std::current_exception());
    if (until_success && !outcome.deadlocked) co_return;
  }
  others.cancel();
}

template <class... T, std::size_t... I>
task<std::variant<combined_value<T>...>> run_race(
    std::index_sequence<I...>, bool until_success, task<T>&&... tasks
) {
  race_outcome<T...> outcome;
  using outcome_type = race_outcome<T...>;
  const auto body = [&](nursery& n) -> task<> {
    (n.spawn(
         race<I, outcome_type, T>, adopted_task<T>(std::move(tasks)), borrow(n), borrow(outcome),
         until_success
     ),
     ...);
    co_return;
  };
  try {
    co_await with_nursery(body);
  } catch (const cancelled&) {
    // Else it was decided before: the next await raises.
    if (!outcome.value && !outcome.deadlocked) throw;
  }
  if (!outcome.value || outcome.deadlocked) {
    if (outcome.error) std::rethrow_exception(outcome.error);
    throw cancelled();
  }
  co_return std::move(*outcome.value);
}

template <class... T, std::size_t... I>
task<std::tuple<combined_value<T>...>> run_all(std::index_sequence<I...>, task<T>&&... tasks) {
  std::tuple<std::optional<combined_value<T>>...> values;
  const auto body = [&](nursery& n) -> task<> {
    (n.spawn(deliver<T>, adopted_task<T>(std::move(tasks)), borrow(std::get<I>(values))), ...);
    co_return;
  };
  co_await with_nursery(body);
  if (!(std::get<I>(values).has_value() && ...)) throw cancelled();
  co_return std::tuple<combined_value<T>...>(std::move(*std::get<I>(values))...);
}

}  // namespace detail

/// Runs tasks at the same time, each in a tasklet of its own, and gives all results
/// (`std::monostate` for none): `auto [a, b] = co_await when_all(f(x), g(y));`
///
/// **Cancellation**, **Errors**: as `with_nursery`: the first error cancels the others, and is
/// raised when they have ended.
template <class... T>
  requires(sizeof...(T) != 0)
task<std::tuple<detail::combined_value<T>...>> when_all(task<T>&&... tasks) {
  return detail::run_all<T...>(std::index_sequence_for<T...>(), std::move(tasks)...);
}

/// Runs tasks at the same time until one of them has ended, with a result or an error; the others
/// are cancelled and waited for. Gives the result, in a variant whose index tells which it was.
///
/// **Cancellation**: cancels all. **Errors**: that of the first to end. What the losers raise after
/// that goes with them: they were cancelled. But not a `deadlock_error`: one that a loser raises
/// (its cleanup waits in a shield for what cannot happen any more) is raised in place of the result
/// or of an earlier error, which is then in `suppressed()`; a result is lost.
template <class... T>
  requires(sizeof...(T) != 0)
task<std::variant<detail::combined_value<T>...>> when_any(task<T>&&... tasks) {
  return detail::run_race<T...>(std::index_sequence_for<T...>(), false, std::move(tasks)...);
}

/// As `when_any`, but a task that fails does not end it while others run. **Errors**: the first
/// one, if all fail; the others are in `suppressed()`. A `deadlock_error` is not passed over: it
/// ends it at once, and is raised.
template <class... T>
  requires(sizeof...(T) != 0)
task<std::variant<detail::combined_value<T>...>> first_success(task<T>&&... tasks) {
  return detail::run_race<T...>(std::index_sequence_for<T...>(), true, std::move(tasks)...);
}

/// Runs `co_await f()` and gives what it came to as a value. Cancellation and kills are no results,
/// and pass.
template <class F>
  requires task_function<F&>
task<result<task_result_t<F&>>> as_result(F&& f) {
  using value = task_result_t<F&>;
  detail::check_scope_callable<F>();
  try {
    if constexpr (std::is_void_v<value>) {
      co_await f();
      co_return result<value>(std::in_place);
    } else {
      co_return result<value>(std::in_place, co_await f());
    }
  } catch (const cancelled&) {
    throw;
  } catch (const tasklet_exit&) {
    throw;
  } catch (...) {
    co_return result<value>(std::current_exception());
  }
}

/// Runs `co_await body()` and then, whatever has happened, `co_await cleanup(failed)` in a shield.
/// Gives the body's result, or raises its error.
///
/// **Cancellation**: of the body; the cleanup runs first.
/// **Errors**: the body's; one of the cleanup is raised if the body had none, or was only cancelled
/// or killed (a kill follows at the next await), and else kept in `suppressed()`.
template <class F, class C>
  requires task_function<F&> && task_function<C&, bool>
task<task_result_t<F&>> finally(F&& body, C&& cleanup) {
  using value = task_result_t<F&>;
  detail::check_scope_callable<F>();
  detail::check_scope_callable<C>();
  [[maybe_unused]] detail::completion<value> kept{};
  std::exception_ptr error;
  try {
    if constexpr (std::is_void_v<value>) {
      co_await body();
    } else {
      kept.emplace(co_await body());
    }
  } catch (...) {
    error = std::current_exception();
  }
  const bool failed = error != nullptr;
  try {
    const cancel_scope reached_by_nobody(true);
    co_await cleanup(failed);
  } catch (...) {
    if (!failed) throw;
    std::exception_ptr later = std::current_exception();
    // An error is not lost behind a kill or a cancellation.
    if (detail::is_exit(error) || detail::is_cancelled(error)) std::swap(error, later);
    detail::keep_for_later(error, std::move(later));
  }
  if (failed) std::rethrow_exception(error);
  if constexpr (!std::is_void_v<value>) co_return std::move(*kept);
}

}  // namespace stackless::inline STACKLESS_ABI
