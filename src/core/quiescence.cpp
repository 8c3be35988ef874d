#include <stackless/detail/diagnostics_port.hpp>
#include <stackless/detail/scheduler_core.hpp>

// Nothing can run and nothing is in flight: who is told, and how it escalates (docs/deadlock.md).

namespace stackless::inline STACKLESS_ABI::detail {

void scheduler_core::on_quiescent(tasklet_block* cause) {
  if (runners != nullptr) {
    wake_runner(*runners);
    return;
  }
  const bool main_waits = main != nullptr && !main->ended;
  if (main_waits && !main->blocked()) {  // it left by suspend, switch_to or remove
    ring.append(*main);
    return;
  }

  if (cause != nullptr && (cause->waiting() == nullptr || cause->wakes_nobody)) cause = nullptr;
  const bool again = is_same_deadlock(cause != nullptr ? cause : (main_waits ? main : nullptr));
  const int level = again ? last_deadlock_.level + 1 : 0;
  tasklet_block* told = level == 0 && cause != nullptr ? cause
                        : level <= 1 && main_waits     ? main
                                                       : nullptr;
  if (again && told == cause) told = nullptr;  // main itself is the one that goes on blocking

  const std::exception_ptr error = again ? last_deadlock_.error : make_deadlock_error(*this, told);
  if (options_.on_deadlock == deadlock_policy::abort) terminate_with_report(*this, "deadlock");
  if (told == nullptr) {
    begin_teardown(error);
    return;
  }
  last_deadlock_ = {told->id, told->waiting()->object, place_of(*told), step, level, error};
  if (!interrupt(*told, error)) begin_teardown(error);
}

site scheduler_core::place_of([[maybe_unused]] const tasklet_block& t) noexcept {
#if STACKLESS_TRACKING
  return t.current_frame->at;
#else
  return {};
#endif
}

bool scheduler_core::is_same_deadlock(const tasklet_block* t) const noexcept {
  if (t == nullptr || t->id != last_deadlock_.tasklet) return false;
  const site here = place_of(*t);
  // A step further, and somebody else has run since.
  return t->waiting()->object == last_deadlock_.object && here.line() == last_deadlock_.at.line() &&
         here.column() == last_deadlock_.at.column() && step == last_deadlock_.step;
}

}  // namespace stackless::inline STACKLESS_ABI::detail
