#pragma once

#include <stackless/detail/structured.hpp>
#include <stackless/sync/mutex.hpp>

#include <utility>

namespace stackless::inline STACKLESS_ABI {

/// Runs something once, for all who need it.
class once {
 public:
  explicit once(detail::site here = detail::site::current()) noexcept : running_(here) {}
  explicit once(const object_name& name) : running_(name) {}

  /// Runs `co_await f()` if no call has yet come to its end; else waits for the one that is on its
  /// way. One that raised, or was cancelled, has not been: the next in the queue tries.
  ///
  /// **Cancellation**: a cancel point. **Errors**: what `f` raises, in its own caller; the mutex's.
  template <class F>
    requires task_function<F&>
  task<> run(F&& f) {
    detail::check_scope_callable<F>();
    if (done_) co_return;
    const mutex_guard alone = co_await running_.lock();
    if (done_) co_return;
    co_await f();
    if (alone.owns_lock()) done_ = true;  // else this is gone
  }

  [[nodiscard]] bool done() const noexcept { return done_; }

 private:
  mutex running_;
  bool done_ = false;
};

}  // namespace stackless::inline STACKLESS_ABI
