#include <stackless/nursery.hpp>
#include <stackless/snapshot.hpp>

#include <string>
#include <utility>

namespace stackless::inline STACKLESS_ABI::detail {

start_signal::start_signal(starting_child& start) noexcept : start_(&start) {
  start.be_said_by(this);
}

start_signal::start_signal(start_signal&& other) noexcept
    : start_(std::exchange(other.start_, nullptr)), said_(std::exchange(other.said_, true)) {
  if (start_ != nullptr) start_->be_said_by(this);
}

start_signal::~start_signal() {
  if (start_ != nullptr) start_->be_said_by(nullptr);
}

starting_child* start_signal::say() {
  if (std::exchange(said_, true)) throw_misuse("started: it was said before, or was moved from");
  return start_;
}

starting_child::~starting_child() {
  if (signal_ != nullptr) signal_->start_ = nullptr;
  if (host != nullptr && !host->ended) leave_scope();
  if (awaited_) nursery_.unhold();
}

void starting_child::adopt(tasklet_block& child) noexcept {
  child_ = any_tasklet(child);
  host = &child;
  outer = child.scope;
  child.scope = this;
}

void starting_child::leave_scope() noexcept {
  for (scope_core** at = &host->scope; *at != nullptr; at = &(*at)->outer) {
    if (*at != this) continue;
    *at = outer;
    return;
  }
}

void starting_child::wake_waiter() noexcept {
  if (waiter_ == nullptr) return;
  wait& w = *std::exchange(waiter_, nullptr);
  w.owner->home->wake(w);
}

bool starting_child::has_started() noexcept {
  if (said_ || host->ended || is_cancelled) return false;
  said_ = true;
  leave_scope();
  wake_waiter();
  return true;
}

void starting_child::child_ended(tasklet_block& t) noexcept {
  bool failed = t.error && !t.killed;
  if (failed && cancelled_by() != nullptr) {
    try {
      std::rethrow_exception(t.error);
    } catch (const cancelled&) {
      t.killed = true;
      failed = false;
    } catch (...) {  // an error, whatever else
    }
  }
  t.scope = outer;
  nursery_.child_left(t);
  if (failed && awaited_) {
    error_ = t.error;
  } else if (failed) {
    nursery_.child_failed(t.error);
  }
  nursery_.wake_if_done();
  wake_waiter();
}

bool starting_child::must_wait() {
  if (awaited_) throw_misuse("spawn_ready: its start can be awaited only once");
  scheduler_core& scheduler = *active_scheduler;
  awaited_ = true;
  nursery_.hold();
  try {
    check_attention(*scheduler.current());
  } catch (...) {  // the child must not stay behind: it ends first
    before_ = std::current_exception();
    if (!said_ && !host->ended) scheduler.cancel(*this);
  }
  return !said_ && !host->ended;
}

void starting_child::give_error_back() noexcept {
  if (error_) nursery_.child_failed(std::exchange(error_, nullptr));
}

void starting_child::finish() {
  tasklet_block& me = *active_scheduler->current();
  if (before_ || (me.attention & raise_here) != 0) give_error_back();
  resumed(me);
  if (before_) std::rethrow_exception(before_);
  if (said_) return;
  if (error_) std::rethrow_exception(std::exchange(error_, nullptr));
  check_attention(me);
  const std::string who =
      "spawn_ready: tasklet #" + std::to_string(child_.id()) + " " + child_.name();
  if (!host->killed) throw std::logic_error(who + " ended without saying that it had started");
  throw tasklet_killed(
      who + (is_exit(host->error) ? " was killed" : " was cancelled") + " before it had started"
  );
}

bool starting_child::withdraw(wait&) noexcept {
  host->home->cancel(*this);
  return false;
}

tasklet_block* starting_child::oldest_beneath() const noexcept {
  return host->blocked() ? host : nullptr;
}

void starting_child::describe(object_info& info, std::vector<const void*>&) const {
  info.kind = object_kind::start;
  info.tasklet = host->id;
  info.type = "start";
}

}  // namespace stackless::inline STACKLESS_ABI::detail
