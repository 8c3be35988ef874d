#pragma once

#include <stackless/detail/awaited_once.hpp>
#include <stackless/detail/error_trace.hpp>
#include <stackless/detail/foreign_wait.hpp>
#include <stackless/detail/frame_slab.hpp>
#include <stackless/detail/result_slot.hpp>
#include <stackless/detail/scheduler_core.hpp>

#include <concepts>
#include <coroutine>
#include <exception>
#include <utility>

namespace stackless::inline STACKLESS_ABI {

template <class T>
class task;
class any_tasklet;

namespace detail {

/// What may be awaited in a task besides a task: a description of an operation, which makes its
/// awaiter in place. The description lives to the end of the co_await's full expression.
template <class Operation>
concept awaitable_operation = requires(Operation& operation) { operation.make_awaiter(); };

template <class T>
class task_awaiter;

/// The part of every promise that does not depend on the result type.
class promise_base : public frame {
 public:
  promise_base() noexcept = default;
  promise_base(const promise_base&) = delete;
  promise_base& operator=(const promise_base&) = delete;

  static void* operator new(std::size_t size) { return frame_slab::allocate(size); }
  static void operator delete(void* block, std::size_t size) noexcept {
    frame_slab::deallocate(block, size);
  }

  static std::suspend_always initial_suspend() noexcept { return {}; }

  struct final_awaiter {
    static bool await_ready() noexcept { return false; }
    template <class Promise>
    static std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> self) noexcept {
      return active_scheduler->leave_frame(self.promise());
    }
    static void await_resume() noexcept {}
  };
  static final_awaiter final_suspend() noexcept { return {}; }

  // One error travels at a time in a tasklet: the parent takes it before anything else runs.
  void unhandled_exception() const noexcept { leave_by_error(*this); }

  // By value: only a prvalue gets here, so that a task is awaited where it is made.
  template <class T>
  task_awaiter<T> await_transform(task<T> child) noexcept {
    return task_awaiter<T>(child.release());
  }

  // A prvalue awaiter: GCC 12 moves awaiters that are returned by reference.
  template <awaitable_operation Operation>
  auto await_transform(Operation&& operation) noexcept(noexcept(operation.make_awaiter())) {
    if constexpr (std::derived_from<std::remove_cvref_t<Operation>, awaited_once>)
      operation.is_awaited();
    return operation.make_awaiter();
  }

  // Of another library.
  template <class Awaitable>
    requires(!awaitable_operation<Awaitable> && foreign_awaitable<Awaitable>)
  foreign_awaiter<Awaitable> await_transform(Awaitable&& awaitable) {
    return foreign_awaiter<Awaitable>(std::forward<Awaitable>(awaitable));
  }

  // For what cannot be awaited: says why.
  template <class Other>
    requires(!awaitable_operation<Other> && !foreign_awaitable<Other>)
  std::suspend_never await_transform(const Other&) {
    static_assert(
        !std::derived_from<Other, any_tasklet>,
        "a tasklet runs by itself; to wait for its end: co_await t.join()"
    );
    static_assert(
        std::derived_from<Other, any_tasklet>, "this cannot be awaited: a task awaits tasks, "
                                               "operations of this library, and awaitables of "
                                               "others"
    );
    return {};
  }
};

template <class T>
class promise final : public promise_base {
 public:
  task<T> get_return_object([[maybe_unused]] site here = site::current()) noexcept {
#if STACKLESS_TRACKING
    function = here.function_name();
#endif
    static_assert(alignof(promise) <= 2 * sizeof(void*), "frame::handle() relies on it");
    return task<T>(*this);
  }

  template <class U>
    requires std::constructible_from<T, U>
  void return_value(U&& value) {
    result_->emplace(std::forward<U>(value));
  }

  void deliver_to(result_slot<T>& slot) noexcept { result_ = &slot; }
  void destroy() noexcept { std::coroutine_handle<promise>::from_promise(*this).destroy(); }

 private:
  result_slot<T>* result_;  // set when it is called
};

template <class T>
class promise<T&> final : public promise_base {
 public:
  task<T&> get_return_object([[maybe_unused]] site here = site::current()) noexcept {
#if STACKLESS_TRACKING
    function = here.function_name();
#endif
    return task<T&>(*this);
  }
  void return_value(T& value) noexcept { result_->emplace(value); }
  void deliver_to(result_slot<T&>& slot) noexcept { result_ = &slot; }
  void destroy() noexcept { std::coroutine_handle<promise>::from_promise(*this).destroy(); }

 private:
  result_slot<T&>* result_;
};

template <>
class promise<void> final : public promise_base {
 public:
  task<void> get_return_object(site here = site::current()) noexcept;
  static void return_void() noexcept {}
  static void deliver_to(result_slot<void>&) noexcept {}
  void destroy() noexcept { std::coroutine_handle<promise>::from_promise(*this).destroy(); }
};

/// A call: the child runs on the caller's tasklet, and its frame ends with the full expression.
template <class T>
class task_awaiter {
 public:
  explicit task_awaiter(promise<T>& child) noexcept : child_(child) {}
  task_awaiter(const task_awaiter&) = delete;
  task_awaiter& operator=(const task_awaiter&) = delete;
  ~task_awaiter() { child_.destroy(); }

  static bool await_ready() noexcept { return false; }

  template <std::derived_from<frame> Promise>
  std::coroutine_handle<> await_suspend(
      std::coroutine_handle<Promise> caller, site here = site::current()
  ) noexcept {
    caller.promise().suspended_at(here);
    child_.parent = &caller.promise();
    child_.deliver_to(result_);
    return active_scheduler->call(child_);
  }

  T await_resume() {
    tasklet_block& t = *active_scheduler->current();
    if (t.error) [[unlikely]]
      rethrow_in(*child_.parent, std::exchange(t.error, nullptr));
    return result_.take();
  }

 private:
  promise<T>& child_;
  [[no_unique_address]] result_slot<T> result_;
};

}  // namespace detail

}  // namespace stackless::inline STACKLESS_ABI
