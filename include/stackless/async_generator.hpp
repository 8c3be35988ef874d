#pragma once

#include <stackless/detail/awaited_once.hpp>
#include <stackless/detail/promise.hpp>
#include <stackless/detail/yield.hpp>

#include <concepts>
#include <coroutine>
#include <optional>
#include <type_traits>
#include <utility>

namespace stackless::inline STACKLESS_ABI {

template <class T>
class async_generator;

namespace detail {

[[noreturn]] void throw_generator_moved_from();
[[noreturn]] void throw_generator_running();
/// Its frame is still in somebody's stack.
[[noreturn]] void terminate_for_running_generator(const frame& body) noexcept;

/// Where `next` wants its element.
template <class T>
struct element_room {
  using type = std::optional<T>;
};
template <class T>
struct element_room<T&> {
  using type = T*;
};

/// The body's frame is called by `next` as a task's would be, and returns there at each co_yield:
/// while it runs it is part of the consumer's stack.
template <class T>
class async_generator_promise final : public promise_base {
 public:
  using room = typename element_room<T>::type;
  using value = std::remove_reference_t<T>;

  async_generator<T> get_return_object([[maybe_unused]] site here = site::current()) noexcept {
#if STACKLESS_TRACKING
    function = here.function_name();
#endif
    static_assert(alignof(async_generator_promise) <= 2 * sizeof(void*));
    return async_generator<T>(*this);
  }
  static void return_void() noexcept {}

  class yield_awaiter {
   public:
    static bool await_ready() noexcept { return false; }
    std::coroutine_handle<> await_suspend(
        std::coroutine_handle<async_generator_promise> body, site here = site::current()
    ) noexcept {
      body.promise().suspended_at(here);
      return active_scheduler->leave_frame(body.promise());
    }
    static void await_resume() noexcept {}
  };

  yield_awaiter yield_value(value&& element)
    requires(!std::is_reference_v<T>)
  {
    static_assert(
        safe_to_yield<value>,
        "GCC 12 destroys such a temporary twice: name the variable, and co_yield move_from(it)"
    );
    room_->emplace(std::move(element));
    return {};
  }
  yield_awaiter yield_value(const value& element)
    requires(!std::is_reference_v<T> && std::copy_constructible<value>)
  {
    room_->emplace(element);
    return {};
  }
  template <class U>
    requires(!std::is_reference_v<T> && std::same_as<U, value>)
  yield_awaiter yield_value(moved_element<U> element) {
    room_->emplace(std::move(element.get()));
    return {};
  }
  yield_awaiter yield_value(value& element) noexcept
    requires std::is_reference_v<T>
  {
    *room_ = &element;
    return {};
  }

  void enter(frame& caller, room& where) noexcept {
    parent = &caller;
    room_ = &where;
    running = true;
  }

  bool running = false;

 private:
  room* room_ = nullptr;
};

template <class T>
class next_element_awaiter {
  using promise_type = async_generator_promise<T>;

 public:
  explicit next_element_awaiter(promise_type& body) noexcept : body_(body) {}
  next_element_awaiter(const next_element_awaiter&) = delete;
  next_element_awaiter& operator=(const next_element_awaiter&) = delete;

  [[nodiscard]] bool await_ready() const {
    if (body_.running) throw_generator_running();
    return body_.handle().done();
  }
  template <std::derived_from<frame> Promise>
  std::coroutine_handle<> await_suspend(
      std::coroutine_handle<Promise> caller, site here = site::current()
  ) noexcept {
    caller.promise().suspended_at(here);
    body_.enter(caller.promise(), room_);
    return active_scheduler->call(body_);
  }
  typename promise_type::room await_resume() {
    body_.running = false;
    tasklet_block& t = *active_scheduler->current();
    if (t.error) [[unlikely]]
      rethrow_here(std::exchange(t.error, nullptr));
    return std::move(room_);
  }

 private:
  promise_type& body_;
  typename promise_type::room room_{};
};

template <class T>
class [[STACKLESS_OPERATION]] next_element_operation : public awaited_once {
 public:
  explicit next_element_operation(async_generator_promise<T>& body) noexcept : body_(&body) {}
  next_element_awaiter<T> make_awaiter() const noexcept { return next_element_awaiter<T>(*body_); }

 private:
  async_generator_promise<T>* body_;
};

}  // namespace detail

/// A sequence whose body may await anything between its elements:
///
///     while (auto line = co_await lines.next()) …
///
/// `next` is a call: the body runs on the tasklet that asks, up to its next `co_yield`, and its
/// frames are in that tasklet's stack. Nothing runs before the first one.
///
/// **Lifetime**: destroying it, or leaving it half read, destroys the body's locals where it stands
/// at a `co_yield`; destructors cannot await. One that is destroyed while a `next` has not ended
/// ends the program with a message. **Threads**: of one scheduler.
template <class T>
class [[nodiscard("an async_generator runs only in next()")]] async_generator {
 public:
  using promise_type = detail::async_generator_promise<T>;
  using value_type = std::remove_cvref_t<T>;

  async_generator(async_generator&& other) noexcept : body_(std::exchange(other.body_, nullptr)) {}
  async_generator& operator=(async_generator&& other) noexcept {
    if (this != &other) {
      reset();
      body_ = std::exchange(other.body_, nullptr);
    }
    return *this;
  }
  ~async_generator() { reset(); }

  /// The next element: an `optional`, or a pointer if `T` is a reference. Empty: the body has
  /// returned, or raised before.
  ///
  /// **Cancellation**: where the body awaits; the body has ended then. **Errors**: what the body
  /// raises; `std::logic_error` while another `next` of the same generator has not ended.
  /// **Wakes**: no other tasklet by itself.
  detail::next_element_operation<T> next() {
    if (body_ == nullptr) detail::throw_generator_moved_from();
    return detail::next_element_operation<T>(*body_);
  }

 private:
  friend promise_type;

  explicit async_generator(promise_type& body) noexcept : body_(&body) {}
  void reset() noexcept {
    if (body_ == nullptr) return;
    if (body_->running) detail::terminate_for_running_generator(*body_);
    std::exchange(body_, nullptr)->handle().destroy();
  }

  promise_type* body_;
};

}  // namespace stackless::inline STACKLESS_ABI
