#include <stackless/detail/diagnostics_port.hpp>
#include <stackless/detail/scheduler_core.hpp>

// Nothing can run and nothing is in flight: who is told, and how it escalates (docs/deadlock.md).

namespace stackless::inline STACKLESS_ABI::detail {

namespace {

/// So often a tasklet is told of one deadlock after the other, of different waits, while no other
/// has run: it may try one thing after another, but not for ever.
constexpr int most_in_a_row = 100;

}  // namespace

void scheduler_core::on_quiescent(tasklet_block* cause) {
  if (runners != nullptr) {
    wake_runner(*runners);
    return;
  }
  if (tearing_down()) {
    release_stuck(cause);
    return;
  }
  if (main != nullptr && !main->ended && !main->blocked()) {  // by suspend, switch_to or remove
    ring.append(*main);
    return;
  }
  if (cause != nullptr && (cause->waiting() == nullptr || cause->wakes_nobody)) cause = nullptr;
  tell_of_deadlock(cause);
}

/// `cause`, else main, else who called `run`; and the next of them, when the same wait of `cause`
/// is told a second time though nobody else has run.
void scheduler_core::tell_of_deadlock(tasklet_block* cause) noexcept {
  const bool main_waits = main != nullptr && !main->ended && main->waiting() != nullptr;
  tasklet_block* candidate = cause != nullptr ? cause : main_waits ? main : nullptr;
  const bool still_alone = candidate != nullptr && candidate->id == last_deadlock_.tasklet &&
                           step == last_deadlock_.step;
  const int in_a_row = still_alone ? last_deadlock_.in_a_row + 1 : 0;
  const bool again = is_same_deadlock(candidate) || in_a_row == most_in_a_row;
  const int level = again ? last_deadlock_.level + 1 : 0;
  tasklet_block* told = level == 0 && cause != nullptr ? cause
                        : level <= 1 && main_waits     ? main
                                                       : nullptr;
  if (again && told == cause) told = nullptr;  // main itself is the one that goes on blocking
  // A nursery's join cannot be undone; who it waits for can be told.
  while (told != nullptr && waits_for_children(told->waiting()->kind()))
    told = told->waiting()->object->oldest_beneath();

  const std::exception_ptr error =
      again && told != nullptr ? last_deadlock_.error : make_deadlock_error(*this, told);
  if (options_.on_deadlock == deadlock_policy::abort) terminate_with_deadlock(error);
  if (told == nullptr) {
    begin_teardown(error);
    return;
  }
  last_deadlock_ = {told->id, told->waiting()->object, place_of(*told), step, level, in_a_row,
                    error};
  if (!interrupt(*told, error)) begin_teardown(error);
}

std::exception_ptr scheduler_core::make_orphan_error(const tasklet_block& told) noexcept {
  std::exception_ptr error = make_deadlock_error(*this, &told);
  if (options_.on_deadlock == deadlock_policy::abort) terminate_with_deadlock(error);
  return error;
}

void scheduler_core::raise_orphaned(tasklet_block& t) noexcept {
  last_blocker = nullptr;
  if (t.wakes_nobody) {  // its waits do not count, but this one is over
    (void)interrupt(t, make_orphan_error(t));
  } else {
    tell_of_deadlock(&t);
  }
}

bool has_no_way_out(const tasklet_block& t) noexcept {
  for (const scope_core* s = t.scope; s != nullptr; s = s->outer) {
    if (s->offers_way_out) return false;
    if (s->shields) break;
  }
  return (t.attention & ~(block_trap | hooked)) == 0;
}

void scheduler_core::check_circle(tasklet_block& t) noexcept {
  // Nobody waits for its end, and it owns nothing: no way leads back to it. Without this, n that
  // join each the one before would take n * n steps.
  if (t.joiners.empty() && (t.end_duties & detail::let_go) == 0) return;
  // Two at different speeds would meet in a circle that `t` is not part of.
  tasklet_block* slow = &t;
  bool odd = false;
  for (tasklet_block* at = &t;;) {
    if (!has_no_way_out(*at)) return;
    at = at->waiting()->object->needed();
    if (at == &t) break;
    if (at == nullptr || at == slow || at->home != this || !at->blocked() ||
        at->waiting()->object == nullptr)
      return;
    if (odd) slow = slow->waiting()->object->needed();
    odd = !odd;
  }
  last_blocker = nullptr;
  const std::exception_ptr error = make_deadlock_error(*this, &t);
  (void)interrupt(t, error);
}

/// At teardown nobody waits but those in a shield. Who was removed from the ring goes on; if there
/// is none, one that waits in its shield for ever is told.
void scheduler_core::release_stuck(tasklet_block* cause) noexcept {
  bool released = false;
  const auto can_be_told = [](const tasklet_block& t) {
    return t.blocked() && !waits_for_children(t.waiting()->kind());
  };
  tasklet_block* stuck = cause != nullptr && can_be_told(*cause) ? cause : nullptr;
  tasklets.for_each([&](tasklet_block& t) {
    if (t.in_ring()) return;
    if (!t.blocked()) {
      ring.append(t);
      released = true;
    } else if (stuck == nullptr && can_be_told(t)) {
      stuck = &t;
    }
  });
  if (!released && stuck != nullptr) (void)interrupt(*stuck, make_deadlock_error(*this, stuck));
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
