#pragma once

#include <stackless/detail/awaited_once.hpp>
#include <stackless/detail/foreign_wait.hpp>
#include <stackless/detail/result_slot.hpp>
#include <stackless/detail/structured.hpp>
#include <stackless/error.hpp>

#include <atomic>
#include <concepts>
#include <coroutine>
#include <cstddef>
#include <exception>
#include <functional>
#include <type_traits>
#include <utility>

namespace stackless::inline STACKLESS_ABI {

namespace detail {

[[noreturn]] void throw_empty_callback();
[[nodiscard]] std::exception_ptr callback_dropped_error() noexcept;

/// What a callback and the await share; lives as long as one of them.
template <class T>
class callback_state {
 public:
  void retain() noexcept { references_.fetch_add(1, std::memory_order_relaxed); }
  void release() noexcept {
    if (references_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
  }
  void add_callback() noexcept {
    callbacks_.fetch_add(1, std::memory_order_relaxed);
    retain();
  }
  void drop_callback() noexcept {
    if (callbacks_.fetch_sub(1, std::memory_order_acq_rel) == 1 && claim()) {
      error = callback_dropped_error();
      waiter.resume();
    }
    release();
  }

  /// Whether the caller is the first to end it.
  [[nodiscard]] bool claim() noexcept {
    return !claimed_.exchange(true, std::memory_order_acq_rel);
  }

  // Set before the callback is handed out; and by who has claimed it, before it resumes.
  std::coroutine_handle<> waiter;
  [[no_unique_address]] result_slot<T> value;
  std::exception_ptr error;

 private:
  std::atomic<std::size_t> references_{1};
  std::atomic<std::size_t> callbacks_{0};
  std::atomic<bool> claimed_{false};
};

template <class T>
class callback_handle {
 public:
  callback_handle(const callback_handle& other) noexcept : state_(other.state_) {
    if (state_ != nullptr) state_->add_callback();
  }
  callback_handle(callback_handle&& other) noexcept
      : state_(std::exchange(other.state_, nullptr)) {}
  callback_handle& operator=(callback_handle other) noexcept {
    std::swap(state_, other.state_);
    return *this;
  }
  ~callback_handle() {
    if (state_ != nullptr) state_->drop_callback();
  }

  /// Ends the await with an error. False: it has ended already.
  /// **Errors**: `std::logic_error` for a null one, or if this was moved from.
  bool fail(std::exception_ptr error) const {
    if (!error) throw_misuse("callback: a null exception_ptr is no error");
    callback_state<T>& s = state();
    if (!s.claim()) return false;
    s.error = std::move(error);
    s.waiter.resume();
    return true;
  }

 protected:
  explicit callback_handle(callback_state<T>& state) noexcept : state_(&state) {
    state.add_callback();
  }
  [[nodiscard]] callback_state<T>& state() const {
    if (state_ == nullptr) throw_empty_callback();
    return *state_;
  }

 private:
  callback_state<T>* state_;
};

}  // namespace detail

/// Ends an `await_callback`. Copies end the same one: the first call counts.
///
/// **Lifetime**: may outlive the await. When the last copy goes and none was called, the await
/// raises `channel_closed`. **Threads**: any; one object is not for two threads at a time, but each
/// may have its copy.
template <class T>
class callback : public detail::callback_handle<T> {
 public:
  /// With a result. False: it has ended already. **Errors**: `std::logic_error` if it was moved
  /// from.
  bool operator()(T value) const {
    detail::callback_state<T>& s = this->state();
    if (!s.claim()) return false;
    try {
      s.value.emplace(std::move(value));
    } catch (...) {
      s.error = std::current_exception();
    }
    s.waiter.resume();
    return true;
  }

  /// For the library.
  explicit callback(detail::callback_state<T>& state) noexcept
      : detail::callback_handle<T>(state) {}
};

template <>
class callback<void> : public detail::callback_handle<void> {
 public:
  bool operator()() const {
    detail::callback_state<void>& s = state();
    if (!s.claim()) return false;
    s.waiter.resume();
    return true;
  }

  /// For the library.
  explicit callback(detail::callback_state<void>& state) noexcept
      : detail::callback_handle<void>(state) {}
};

namespace detail {

template <class T, class Start>
class [[STACKLESS_OPERATION]] callback_awaitable {
 public:
  using shown_as = callback<T>;

  explicit callback_awaitable(Start&& start)
      : state_(*new callback_state<T>()), start_(std::forward<Start>(start)) {}
  callback_awaitable(const callback_awaitable&) = delete;
  callback_awaitable& operator=(const callback_awaitable&) = delete;
  ~callback_awaitable() { state_.release(); }

  static bool await_ready() noexcept { return false; }
  void await_suspend(std::coroutine_handle<> waiter) {
    state_.waiter = waiter;
    try {
      std::invoke(std::forward<Start>(start_), callback<T>(state_));
    } catch (...) {
      if (state_.claim()) throw;  // nobody will resume
      late_ = std::current_exception();
    }
  }
  T await_resume() {
    if (late_) std::rethrow_exception(std::exchange(late_, nullptr));
    if (state_.error) std::rethrow_exception(std::exchange(state_.error, nullptr));
    return state_.value.take();
  }

 private:
  callback_state<T>& state_;
  Start&& start_;
  std::exception_ptr late_;  ///< `start` raised after the callback was called
};

}  // namespace detail

/// Awaits what ends by a callback: `start(callback<T>)` begins it and returns; the call of the
/// callback, from any thread, gives the result.
///
/// **Cancellation**: what has been started can only end by itself: a kill or a cancellation is
/// raised after the callback was called (as a kill of I/O in flight). So what `start` passes on may
/// refer to the caller's variables. A result that comes before a cancellation stands.
/// **Errors**: what `start` raises, or `fail` was given; `channel_closed` when the callback was
/// dropped.
/// **Lifetime**: `start` is used in place, until the await ends.
template <class T = void, class Start>
  requires std::invocable<Start, callback<T>>
[[nodiscard]] detail::callback_awaitable<T, Start> await_callback(Start&& start) {
  detail::check_scope_callable<Start>();
  return detail::callback_awaitable<T, Start>(std::forward<Start>(start));
}

}  // namespace stackless::inline STACKLESS_ABI
