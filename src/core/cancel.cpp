#include <stackless/detail/scheduler_core.hpp>

#include <utility>

// Scopes: who is inside, and what cancelling does to them (docs/cancellation.md).

namespace stackless::inline STACKLESS_ABI::detail {

namespace {

void set(tasklet_block& t, attention bit, bool on) noexcept {
  t.attention = static_cast<std::uint8_t>(on ? t.attention | bit : t.attention & ~bit);
}

bool is_around(const scope_core& scope, const tasklet_block& t) noexcept {
  for (const scope_core* s = t.scope; s != nullptr; s = s->outer)
    if (s == &scope) return true;
  return false;
}

}  // namespace

void scheduler_core::enter_scope(scope_core& scope, tasklet_block& t) noexcept {
  scope.host = &t;
  scope.outer = t.scope;
  t.scope = &scope;
  if (scope.shields) attend_scopes(t);
}

void scheduler_core::leave_scope(scope_core& scope) noexcept {
  tasklet_block& t = *scope.host;
  t.scope = scope.outer;
  if (scope.shields || scope.is_cancelled) attend_scopes(t);
}

void scheduler_core::attend_scopes(tasklet_block& t) noexcept {
  set(t, in_cancelled_scope, t.scope != nullptr && t.scope->cancelled_by() != nullptr);
  set(t, torn_down, t.home->tearing_down() && !(t.scope != nullptr && t.scope->shielded()));
}

void scheduler_core::cancel(scope_core& scope) noexcept {
  if (scope.is_cancelled) return;
  scope.is_cancelled = true;
  if (is_around(scope, *scope.host)) {
    cancel_inside(*scope.host, &scope);
  } else if (scope.is_group) {
    cancel_children(static_cast<child_group&>(scope));
  }
}

void scheduler_core::cancel_inside(tasklet_block& t, const scope_core* outermost) noexcept {
  const bool before = (t.attention & in_cancelled_scope) != 0;
  attend_scopes(t);
  if (!before && (t.attention & in_cancelled_scope) != 0) cancel_await(t);
  for (scope_core* s = t.scope; s != nullptr && s->host == &t; s = s->outer) {
    if (s->is_group) cancel_children(static_cast<child_group&>(*s));
    if (s == outermost) return;
  }
}

void scheduler_core::cancel_children(const child_group& group) noexcept {
  group.children.for_each([this](child_link& link) { cancel_inside(*link.tasklet, nullptr); });
  if (group.subgroup != nullptr) cancel_children(*group.subgroup);
}

void scheduler_core::cancel_await(tasklet_block& t) noexcept {
  if (t.in_ring()) {
    // What it waited for has happened: its result stands, and the next await raises.
    if (t.yielding || !t.started) t.attention |= raise_here;
    return;
  }
  if (wait* w = t.waiting()) {
    if (w->kind() == wait_kind::nursery) return;  // its children are told, and it ends with them
    if (w->object != nullptr && !w->object->withdraw(*w)) {
      t.attention |= cancel_requested;
      return;
    }
    w->complete_as(wait_outcome::closed);
  }
  t.attention |= raise_here;
  ring.append(t);
}

}  // namespace stackless::inline STACKLESS_ABI::detail
