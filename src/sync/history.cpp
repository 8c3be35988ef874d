#include <stackless/detail/history.hpp>
#include <stackless/snapshot.hpp>

#include <algorithm>
#include <new>

namespace stackless::inline STACKLESS_ABI::detail {

namespace {

operation_kind operation_of(action_kind what) noexcept {
  switch (what) {
  case action_kind::send:
    return operation_kind::send;
  case action_kind::receive:
    return operation_kind::receive;
  case action_kind::wait:
    return operation_kind::wait;
  case action_kind::acquire:
    return operation_kind::acquire;
  case action_kind::lock:
    return operation_kind::lock;
  case action_kind::lock_shared:
    return operation_kind::lock_shared;
  case action_kind::arrive:
    return operation_kind::arrive;
  case action_kind::set:
  case action_kind::set_one:
    return operation_kind::set;
  case action_kind::reset:
    return operation_kind::reset;
  case action_kind::release:
    return operation_kind::release;
  case action_kind::unlock:
    return operation_kind::unlock;
  case action_kind::notify:
  case action_kind::notify_all:
    return operation_kind::notify;
  case action_kind::count_down:
    return operation_kind::count_down;
  case action_kind::send_end:
    return operation_kind::send_end;
  case action_kind::receive_end:
    return operation_kind::receive_end;
  case action_kind::close:  // what it is, its outcome tells
  case action_kind::none:
    break;
  }
  return operation_kind::none;
}

operation_outcome outcome_of(action_outcome how) noexcept {
  switch (how) {
  case action_outcome::delivered:
    return operation_outcome::delivered;
  case action_outcome::buffered:
    return operation_outcome::buffered;
  case action_outcome::blocked:
    return operation_outcome::blocked;
  case action_outcome::dropped:
    return operation_outcome::dropped;
  case action_outcome::closed:
    return operation_outcome::closed;
  case action_outcome::created:
    return operation_outcome::created;
  case action_outcome::done:
    return operation_outcome::done;
  case action_outcome::merged:
    return operation_outcome::merged;
  case action_outcome::none:
    break;
  }
  return operation_outcome::none;
}

}  // namespace

last_operation to_operation(const action& a) {
  last_operation copy;
  copy.operation = operation_of(a.what);
  copy.outcome = outcome_of(a.how);
  copy.attempted_only = a.attempted;
  copy.tasklet = a.tasklet;
  copy.step = a.step;
  copy.given_to = a.given_to;
  copy.woken = a.woken;
  copy.at = {a.at.file_name(), a.at.line(), a.at.column(), {}};
  return copy;
}

void object_history::add(const action& a) noexcept {
  if (!ring_) ring_.reset(new (std::nothrow) ring);
  if (ring_) ring_->actions[ring_->count++ % kept] = a;
}

std::vector<last_operation> object_history::list() const {
  std::vector<last_operation> all;
  if (!ring_) return all;
  for (std::size_t i = ring_->count - std::min(ring_->count, kept); i < ring_->count; ++i)
    all.push_back(to_operation(ring_->actions[i % kept]));
  return all;
}

}  // namespace stackless::inline STACKLESS_ABI::detail
