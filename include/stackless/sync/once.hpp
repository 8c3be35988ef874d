#pragma once

#include <stackless/detail/awaited_once.hpp>
#include <stackless/detail/structured.hpp>
#include <stackless/sync/mutex.hpp>

#include <utility>

namespace stackless::inline STACKLESS_ABI {

namespace detail {

class once_awaiter : public sync_awaiter<mutex_core> {
 public:
  once_awaiter(mutex_core& core, site caller) noexcept
      : sync_awaiter<mutex_core>(core, wait_kind::lock), caller_(caller) {}
  mutex_guard await_resume() {
    finish();
    core().note_locked(caller_);  // never broken: its runner cannot end before the run
    return mutex_guard(core());
  }

 private:
  site caller_;
};

class [[STACKLESS_OPERATION]] once_operation : public awaited_once {
 public:
  once_operation(mutex_core& core, site caller) noexcept : core_(core), caller_(caller) {}
  once_awaiter make_awaiter() const noexcept { return once_awaiter(core_, caller_); }

 private:
  mutex_core& core_;
  site caller_;
};

}  // namespace detail

/// Runs something once, for all who need it.
class once {
 public:
  explicit once(detail::site here = detail::site::current()) noexcept;
  explicit once(const object_name& name);

  /// Runs `co_await f()` if no call has yet come to its end; else waits for the one that is on its
  /// way. One that raised, or was cancelled, has not been: the next in the queue tries.
  ///
  /// **Cancellation**: a cancel point. **Errors**: what `f` raises, in its own caller;
  /// `deadlock_error` from within itself; `object_gone` if it is destroyed meanwhile.
  template <class F>
    requires task_function<F&>
  task<> run(F&& f, detail::site here = detail::site::current()) {
    detail::check_scope_callable<F>();
    if (done_) co_return;
    const mutex_guard alone = co_await detail::once_operation(running_, here);
    if (done_) co_return;
    co_await f();
    if (alone.owns_lock()) done_ = true;  // else this is gone
  }

  [[nodiscard]] bool done() const noexcept { return done_; }

 private:
  detail::mutex_core running_;
  bool done_ = false;
};

}  // namespace stackless::inline STACKLESS_ABI
