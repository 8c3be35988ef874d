#pragma once

#include <stackless/channel.hpp>
#include <stackless/detail/result_slot.hpp>
#include <stackless/detail/scheduler_core.hpp>
#include <stackless/tasklet.hpp>

#include <concepts>
#include <coroutine>
#include <exception>
#include <type_traits>
#include <utility>

namespace stackless::inline STACKLESS_ABI {

namespace detail {

class nursery_core;
class starting_child;

/// The child's end of a start. It may move, and may outlive the other end.
class start_signal {
 public:
  start_signal(start_signal&& other) noexcept;
  start_signal& operator=(start_signal&&) = delete;
  ~start_signal();

 protected:
  explicit start_signal(starting_child& start) noexcept;
  /// Null: nobody waits any more. \throws std::logic_error when it was said before
  [[nodiscard]] starting_child* say();

 private:
  friend class starting_child;

  starting_child* start_;
  bool said_ = false;
};

/// A nursery's child that has not yet said that it has started: a scope of its own inside the
/// nursery, so that who waits for it can cancel it alone.
class starting_child : public child_group, public wait_object {
 public:
  explicit starting_child(nursery_core& nursery) noexcept : nursery_(nursery) {}

  void be_said_by(start_signal* signal) noexcept { signal_ = signal; }
  void adopt(tasklet_block& child) noexcept;
  void child_ended(tasklet_block& t) noexcept override;
  /// From now on it is a child as any other. False: too late, it was cancelled.
  bool has_started() noexcept;

  /// Whether there is something to wait for. \throws std::logic_error
  [[nodiscard]] bool must_wait();
  void await_start(wait& w) noexcept { waiter_ = &w; }
  /// \throws why it has not started, or what was thrown at the one who waits
  void finish();

  [[nodiscard]] bool withdraw(wait& w) noexcept override;
  [[nodiscard]] tasklet_block* oldest_beneath() const noexcept override;
  void describe(object_info& info, std::vector<const void*>& handles) const override;

 protected:
  ~starting_child();

 private:
  void leave_scope() noexcept;
  void wake_waiter() noexcept;
  void give_error_back() noexcept;

  nursery_core& nursery_;
  start_signal* signal_ = nullptr;
  wait* waiter_ = nullptr;
  any_tasklet child_;
  std::exception_ptr error_;   ///< of a child that failed before its start
  std::exception_ptr before_;  ///< what was pending for the one who waits
  bool said_ = false;
  bool awaited_ = false;
};

template <class T>
class typed_starting_child final : public starting_child {
 public:
  using starting_child::starting_child;
  [[no_unique_address]] result_slot<T> value;
};

}  // namespace detail

/// Given to a child of `nursery::spawn_ready`, to be called once: it has started, and the one who
/// waits for that goes on, with a value unless `T` is void. A plain function; it moves, and
/// somebody else may call it for the child.
///
/// **Errors**: `std::logic_error` the second time. **Wakes**: who waits goes to the tail.
template <class T = void>
class started : public detail::start_signal {
 public:
  template <class U = T>
    requires std::constructible_from<T, U>
  void operator()(U&& value) {
    if (auto* start = static_cast<detail::typed_starting_child<T>*>(say())) {
      start->value.emplace(std::forward<U>(value));
      start->has_started();
    }
  }

  /// For the library.
  explicit started(detail::typed_starting_child<T>& start) noexcept : start_signal(start) {}
};

template <>
class started<void> : public detail::start_signal {
 public:
  void operator()() {
    if (detail::starting_child* start = say()) start->has_started();
  }

  /// For the library.
  explicit started(detail::typed_starting_child<void>& start) noexcept : start_signal(start) {}
};

namespace detail {

template <class T>
class start_awaiter {
 public:
  explicit start_awaiter(typed_starting_child<T>& start) noexcept
      : wait_(wait_kind::start, &start), start_(start) {}
  start_awaiter(const start_awaiter&) = delete;
  start_awaiter& operator=(const start_awaiter&) = delete;

  [[nodiscard]] bool await_ready() const { return !start_.must_wait(); }
  template <std::derived_from<frame> Promise>
  std::coroutine_handle<> await_suspend(
      std::coroutine_handle<Promise> h, site here = site::current()
  ) noexcept {
    start_.await_start(wait_);
    return active_scheduler->block(wait_, h.promise(), here);
  }
  T await_resume() {
    start_.finish();
    return start_.value.take();
  }

 private:
  wait wait_;
  typed_starting_child<T>& start_;
};

/// The child runs from the call on, and is waited for in the await.
template <class T>
class [[nodiscard("the start of a child is waited for only when it is awaited")]] start_operation {
 public:
  template <class Spawn>
  start_operation(nursery_core& nursery, Spawn&& spawn) : start_(nursery) {
    start_.adopt(spawn(started<T>(start_)));
  }
  start_operation(const start_operation&) = delete;
  start_operation& operator=(const start_operation&) = delete;
  start_awaiter<T> make_awaiter() noexcept { return start_awaiter<T>(start_); }

 private:
  typed_starting_child<T> start_;
};

/// `spawn_ready` stands in a co_await expression, where GCC 12 destroys such temporaries twice.
template <class F, class... A>
constexpr void check_start_arguments() noexcept {
#if STACKLESS_DOUBLE_DESTROYS_AGGREGATES
  static_assert(
      (std::is_lvalue_reference_v<F> || std::is_class_v<std::remove_reference_t<F>> == false ||
       std::is_trivially_destructible_v<std::remove_reference_t<F>>) &&
          (safe_in_await<A> && ...),
      "GCC 12 destroys by-value captures and aggregates in a co_await expression twice: give the "
      "closure or the argument a name and pass that"
  );
#endif
}

}  // namespace detail

}  // namespace stackless::inline STACKLESS_ABI
