#include <stackless/shared_result.hpp>

namespace stackless::inline STACKLESS_ABI::detail {

void shared_end::attach(tasklet_block& t) noexcept {
  tasklet = &t;
  t.scope = this;
}

void shared_end::child_ended(tasklet_block& t) noexcept {
  t.scope = nullptr;
}

void shared_end::remove_handle() noexcept {
  if (--handles_ != 0) return;
  tasklet_block& t = *tasklet;
  if (!t.ended) {
    detach();
  } else if (t.error && !t.killed && !seen_ && active_scheduler == t.home) {
    active_scheduler->return_unseen(t.error);
  }
  t.release();
}

/// From now on it is a tasklet as any other, and so is its error.
void shared_end::detach() noexcept {
  for (scope_core** s = &tasklet->scope; *s != nullptr; s = &(*s)->outer) {
    if (*s != this) continue;
    *s = outer;
    return;
  }
}

}  // namespace stackless::inline STACKLESS_ABI::detail
