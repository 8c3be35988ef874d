#pragma once

#include <stackless/detail/awaited_once.hpp>
#include <stackless/detail/scope.hpp>
#include <stackless/scheduler.hpp>
#include <stackless/tasklet.hpp>

#include <cstdint>
#include <memory>
#include <type_traits>
#include <utility>

namespace stackless::inline STACKLESS_ABI {

namespace detail {

/// Of a tasklet whose result is shared. It is a group of that one tasklet, so that its error is not
/// uncaught while somebody has a handle.
class shared_end final : public child_link, public child_group {
 public:
  /// Of a tasklet that was made as a `shared_member`.
  static shared_end& of(tasklet_block& t) noexcept {
    return static_cast<shared_end&>(*t.membership());
  }
  void attach(tasklet_block& t) noexcept;
  void add_handle() noexcept { ++handles_; }
  void remove_handle() noexcept;
  /// Somebody is about to be told how it ended.
  void mark_seen() noexcept { seen_ = true; }
  void child_ended(tasklet_block& t) noexcept override;

 private:
  void detach() noexcept;

  std::uint32_t handles_ = 1;
  bool seen_ = false;
};

struct shared_member {
  child_link* link() noexcept { return &end_; }

 private:
  shared_end end_;
};

template <class T>
struct shared_value_of {
  using reference = const T&;
  using pointer = const T*;
};
template <class T>
struct shared_value_of<T&> {
  using reference = T&;
  using pointer = T*;
};
template <>
struct shared_value_of<void> {
  using reference = void;
  using pointer = bool;
};

template <class T>
class shared_result_awaiter : public join_awaiter {
 public:
  using join_awaiter::join_awaiter;

  typename shared_value_of<T>::reference await_resume() {
    if ((active_scheduler->current()->attention & raise_here) == 0)
      shared_end::of(target()).mark_seen();
    finish_join();
    if constexpr (!std::is_void_v<T>)
      return static_cast<block_with_result<T>&>(target()).result.value();
  }
};

template <class T>
class [[STACKLESS_OPERATION]] shared_result_operation : public awaited_once {
 public:
  explicit shared_result_operation(tasklet_block& target) noexcept : target_(target) {}
  auto make_awaiter() const noexcept { return shared_result_awaiter<T>(target_); }

 private:
  tasklet_block& target_;
};

}  // namespace detail

/// The result of a tasklet, for as many as want it: all get the same value, by const reference, or
/// the same error. Copies are the same result. Made by `spawn_shared`.
///
/// An error is for those who ask for the result, whenever they do. If the last handle goes and none
/// was told, it is an uncaught error as any tasklet's. The tasklet runs on without handles.
///
/// **Threads**: of one scheduler.
template <class T = void>
class shared_result {
 public:
  /// No result.
  shared_result() noexcept = default;
  shared_result(const shared_result& other) noexcept : block_(other.block_) {
    if (block_ != nullptr) detail::shared_end::of(*block_).add_handle();
  }
  shared_result(shared_result&& other) noexcept : block_(std::exchange(other.block_, nullptr)) {}
  shared_result& operator=(shared_result other) noexcept {
    std::swap(block_, other.block_);
    return *this;
  }
  ~shared_result() {
    if (block_ != nullptr) detail::shared_end::of(*block_).remove_handle();
  }

  explicit operator bool() const noexcept { return block_ != nullptr; }
  friend bool operator==(const shared_result& a, const shared_result& b) noexcept {
    return a.block_ == b.block_;
  }

  /// Waits until the tasklet has ended, and gives a const reference to its result, or what it
  /// refers to if that is a reference. Valid as long as a handle. Can be a case of a `select`.
  ///
  /// **Cancellation**: a cancel point; the tasklet goes on.
  /// **Errors**: what it ended with; `tasklet_killed` if it was killed; `std::logic_error` for no
  /// result, in the tasklet itself, or in another scheduler; `deadlock_error` at once if the two
  /// wait for each other.
  /// **Wakes**: all who wait go to the tail in the order in which they came.
  [[nodiscard]] detail::shared_result_operation<T> get() const& {
    return detail::shared_result_operation<T>(block());
  }
  /// What it gives would end with the handle: give that a name.
  detail::shared_result_operation<T> get() const&& = delete;

  /// A plain function: a pointer to the result, null while there is none; true or false for no
  /// value. **Errors**: as `get`.
  [[nodiscard]] typename detail::shared_value_of<T>::pointer try_get() const {
    if (!ready()) return {};
    detail::shared_end::of(block()).mark_seen();
    detail::raise_end_of(block());
    if constexpr (std::is_void_v<T>) {
      return true;
    } else {
      return std::addressof(static_cast<detail::block_with_result<T>&>(block()).result.value());
    }
  }

  /// The tasklet has ended: `get` would not wait.
  [[nodiscard]] bool ready() const { return block().ended; }

  /// The tasklet that makes it: to name it, or to kill it.
  [[nodiscard]] any_tasklet handle() const { return any_tasklet(block()); }

  /// For the library, with a block that was just made.
  explicit shared_result(detail::block_with_result<T>& made) noexcept : block_(&made) {
    made.retain();
    detail::shared_end::of(made).attach(made);
  }

 private:
  [[nodiscard]] detail::tasklet_block& block() const {
    if (block_ == nullptr) detail::throw_misuse("this shared_result refers to no result");
    return *block_;
  }

  detail::tasklet_block* block_ = nullptr;
};

/// As `spawn`, for a result that many will want.
///
///     auto page = spawn_shared("page", fetch, address);
///     const std::string& text = co_await page.get();  // in as many tasklets as like
template <class F, class... A>
  requires task_function<F, A...>
shared_result<task_result_t<F, A...>> spawn_shared(F f, A... args) {
  using result = task_result_t<F, A...>;
  return shared_result<result>(detail::make_tasklet<result, detail::shared_member>(
      detail::running_scheduler(), std::move(f), std::move(args)...
  ));
}
template <class F, class... A>
  requires task_function<F, A...>
shared_result<task_result_t<F, A...>> spawn_shared(tasklet_name name, F f, A... args) {
  using result = task_result_t<F, A...>;
  return shared_result<result>(detail::make_tasklet<result, detail::shared_member>(
      detail::running_scheduler(), name.origin(), std::move(f), std::move(args)...
  ));
}

}  // namespace stackless::inline STACKLESS_ABI
