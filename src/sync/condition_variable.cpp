#include <stackless/error.hpp>
#include <stackless/snapshot.hpp>
#include <stackless/sync/condition_variable.hpp>

#include <exception>
#include <utility>

namespace stackless::inline STACKLESS_ABI {

namespace detail {

condition_core::condition_core(site here) noexcept
    : sync_core(object_kind::condition_variable, here) {}

condition_core::condition_core(const object_name& name)
    : sync_core(object_kind::condition_variable, name) {}

}  // namespace detail

namespace {

class shielded {
 public:
  shielded() noexcept {
    scope_.shields = true;
    detail::scheduler_core::enter_scope(scope_, *detail::active_scheduler->current());
  }
  shielded(const shielded&) = delete;
  shielded& operator=(const shielded&) = delete;
  ~shielded() { detail::scheduler_core::leave_scope(scope_); }

 private:
  detail::scope_core scope_;
};

}  // namespace

task<> condition_variable::wait(mutex_guard& lock) {
  if (!lock.owns_lock()) detail::throw_misuse("condition_variable: the guard holds no mutex");
  detail::mutex_return back(*lock.core());
  std::exception_ptr interrupted;
  try {
    co_await detail::notify_operation(core_, lock);
  } catch (...) {
    interrupted = std::current_exception();
  }
  if (!lock.owns_lock()) {
    if (back.core == nullptr) {
      if (interrupted) std::rethrow_exception(interrupted);
      detail::throw_object_gone(
          nullptr, "the mutex that it had unlocked to wait for a notify was destroyed"
      );
    }
    try {
      const shielded here;  // the caller's guard must hold again, whatever has happened
      lock = co_await detail::lock_operation(*back.core);
    } catch (...) {
      if (interrupted) detail::keep_for_later(std::current_exception(), std::move(interrupted));
      throw;
    }
  }
  if (interrupted) std::rethrow_exception(interrupted);
}

}  // namespace stackless::inline STACKLESS_ABI
