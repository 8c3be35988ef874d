#pragma once

#include <stackless/detail/frame.hpp>
#include <stackless/detail/inbox.hpp>
#include <stackless/detail/scheduler_core.hpp>
#include <stackless/detail/wait.hpp>

#include <concepts>
#include <coroutine>
#include <memory>
#include <type_traits>
#include <typeinfo>
#include <utility>

namespace stackless::inline STACKLESS_ABI::detail {

// Awaitables of other libraries (docs/threads.md).

/// What an awaitable of another library suspends: it has the head of a coroutine frame, as GCC and
/// Clang lay it out, and resuming it tells the scheduler. No coroutine: that could be destroyed by
/// the loop while the thread that resumes it is still on its way out.
class foreign_wait : public wait_object, public notice {
 public:
  foreign_wait(const foreign_wait&) = delete;
  foreign_wait& operator=(const foreign_wait&) = delete;

  [[nodiscard]] bool withdraw(wait& w) noexcept override;  ///< only its completion can end it
  void describe(object_info& info, std::vector<const void*>& handles) const override;
  void arrive(scheduler_core& core) noexcept override;
  void discard() noexcept override {}

 protected:
  explicit foreign_wait(const std::type_info& type) noexcept;
  ~foreign_wait() = default;

  /// \throws what is pending for the tasklet
  static void check_before();
  [[nodiscard]] std::coroutine_handle<> handle() noexcept {
    return std::coroutine_handle<>::from_address(&frame_);
  }
  /// From here on it may be resumed.
  void begin();
  /// It did not suspend after all.
  void abandon() noexcept;
  /// It was taken back before it began; what interrupted it is raised by `settle`.
  void undone() noexcept { count(false); }
  [[nodiscard]] std::coroutine_handle<> block(frame& f, site here) noexcept;
  [[nodiscard]] std::coroutine_handle<> go_on(frame& f, site here) noexcept {
    abandon();
    return active_scheduler->go_on(f, here);
  }
  /// \throws what was thrown at the tasklet meanwhile, object_gone if it was destroyed
  void settle();

 private:
  static void on_resume(void* frame) noexcept;
  static void on_destroy(void* frame) noexcept;
  void count(bool counts) noexcept;

  struct {
    void (*resume)(void*) noexcept;
    void (*destroy)(void*) noexcept;
    foreign_wait* self;
  } frame_;
  wait wait_;
  const std::type_info& type_;
  std::shared_ptr<inbox> inbox_;  // set while it may be resumed
  scheduler_core* home_ = nullptr;
  bool counted_ = false;
  bool began_ = false;
  bool destroyed_ = false;
};

template <class T>
concept awaiter_result =
    std::is_void_v<T> || std::same_as<T, bool> || std::convertible_to<T, std::coroutine_handle<>>;

template <class T>
concept foreign_awaiter_type = requires(T& awaiter, std::coroutine_handle<> h) {
  { awaiter.await_ready() } -> std::convertible_to<bool>;
  { awaiter.await_suspend(h) } -> awaiter_result;
  awaiter.await_resume();
};

template <class T>
concept has_member_co_await = requires(T&& awaitable) {
  { std::forward<T>(awaitable).operator co_await() };
};
template <class T>
concept has_free_co_await = requires(T&& awaitable) {
  { operator co_await(std::forward<T>(awaitable)) };
};

template <class T>
decltype(auto) awaiter_of(T&& awaitable) {
  if constexpr (has_member_co_await<T>) {
    return std::forward<T>(awaitable).operator co_await();
  } else if constexpr (has_free_co_await<T>) {
    return operator co_await(std::forward<T>(awaitable));
  } else {
    return std::forward<T>(awaitable);
  }
}

/// Something with a `co_await` that is not this library's. Not `std::suspend_always`: nobody would
/// resume.
template <class T>
concept foreign_awaitable = !std::same_as<std::remove_cvref_t<T>, std::suspend_always> &&
                            (has_member_co_await<T> || has_free_co_await<T> ||
                             foreign_awaiter_type<std::remove_reference_t<T>>);

template <class Awaitable>
const std::type_info& shown_type() noexcept {
  if constexpr (requires { typename std::remove_cvref_t<Awaitable>::shown_as; }) {
    return typeid(typename std::remove_cvref_t<Awaitable>::shown_as);
  } else {
    return typeid(Awaitable);
  }
}

template <class Awaitable>
class foreign_awaiter final : private foreign_wait {
 public:
  explicit foreign_awaiter(Awaitable&& awaitable)
      : foreign_wait(shown_type<Awaitable>()),
        awaiter_(awaiter_of(std::forward<Awaitable>(awaitable))) {}

  bool await_ready() {
    check_before();
    return awaiter_.await_ready();
  }

  template <std::derived_from<frame> Promise>
  std::coroutine_handle<> await_suspend(
      std::coroutine_handle<Promise> h, site here = site::current()
  ) {
    begin();
    try {
      using result = decltype(awaiter_.await_suspend(handle()));
      if constexpr (std::is_void_v<result>) {
        awaiter_.await_suspend(handle());
      } else if constexpr (std::same_as<result, bool>) {
        if (!awaiter_.await_suspend(handle())) return go_on(h.promise(), here);
      } else {
        // What it would have run in our place: something of its own, or we ourselves.
        const std::coroutine_handle<> instead = awaiter_.await_suspend(handle());
        if (instead == handle()) return go_on(h.promise(), here);
        instead.resume();
      }
    } catch (...) {
      abandon();
      throw;
    }
    return block(h.promise(), here);
  }

  decltype(auto) await_resume() {
    settle();
    return awaiter_.await_resume();
  }

 private:
  decltype(awaiter_of(std::declval<Awaitable>())) awaiter_;
};

}  // namespace stackless::inline STACKLESS_ABI::detail
