#pragma once

#include <stackless/detail/promise.hpp>

#include <concepts>
#include <coroutine>
#include <functional>
#include <utility>

namespace stackless::inline STACKLESS_ABI {

namespace detail {
/// Says on standard error that the coroutine `function` was made and never ran.
void report_never_awaited(const frame& f) noexcept;
template <class R>
struct root_access;
}  // namespace detail

/// A coroutine function's call. Nothing runs until it is awaited; `co_await f(x)` then runs `f` on
/// the caller's tasklet and gives its result, or raises what it threw. That prvalue form is the
/// only one: a task can be neither stored nor moved, so arguments taken by reference live long
/// enough.
///
/// **Errors**: the call itself raises `std::bad_alloc` when there is no memory for the frame. A
/// task that is destroyed without having been awaited says so on standard error, with its function.
/// **Wakes**: a call and a return switch to no other tasklet.
template <class T = void>
class
    [[nodiscard("a task runs only when it is awaited: co_await f(x), or spawn(f, x)"),
      gnu::warn_unused]] task {
 public:
  using promise_type = detail::promise<T>;
  using value_type = T;

  task(const task&) = delete;
  task(task&&) = delete;
  task& operator=(const task&) = delete;
  task& operator=(task&&) = delete;

  ~task() {
    if (promise_ != nullptr) [[unlikely]] {
      detail::report_never_awaited(*promise_);
      promise_->destroy();
    }
  }

 private:
  friend detail::promise<T>;
  friend detail::promise_base;
  template <class R>
  friend struct detail::root_access;

  explicit task(promise_type& promise) noexcept : promise_(&promise) {}

  promise_type& release() noexcept { return *std::exchange(promise_, nullptr); }

  promise_type* promise_;
};

/// For spawn: takes the coroutine out of the task that a callable returned.
template <class R>
struct detail::root_access {
  static promise<R>& release(task<R>&& made) noexcept { return made.release(); }
};

inline task<void> detail::promise<void>::get_return_object([[maybe_unused]] site here) noexcept {
#if STACKLESS_TRACKING
  function = here.function_name();
#endif
  return task<void>(*this);
}

namespace detail {

template <class T>
struct task_result;
template <class T>
struct task_result<task<T>> {
  using type = T;
};
template <class T>
concept is_task = requires { typename task_result<T>::type; };

}  // namespace detail

/// A callable that can run as a tasklet: called with `A...` it returns a task.
template <class F, class... A>
concept task_function = std::invocable<F&, A...> && detail::is_task<std::invoke_result_t<F&, A...>>;

/// What the task that `F` returns for `A...` gives.
template <class F, class... A>
  requires task_function<F, A...>
using task_result_t = typename detail::task_result<std::invoke_result_t<F&, A...>>::type;

}  // namespace stackless::inline STACKLESS_ABI
