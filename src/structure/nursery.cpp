#include <stackless/nursery.hpp>
#include <stackless/snapshot.hpp>

#include <algorithm>
#include <utility>

namespace stackless::inline STACKLESS_ABI::detail {

nursery_core::nursery_core(site here, bool collects) : collects_(collects), made_at_(here) {
  tasklet_block* t = running_scheduler().current();
  if (t == nullptr) throw_outside_scheduler();
  subgroup = &daemons_;
  scheduler_core::enter_scope(*this, *t);
  daemons_.host = t;
  daemons_.outer = this;
}

nursery_core::~nursery_core() {
  // Left by `finish`, unless the coroutine never came so far.
  if (host->scope == this) scheduler_core::leave_scope(*this);
}

void nursery_core::adopt(tasklet_block& child, bool daemon) noexcept {
  child_group& group = daemon ? static_cast<child_group&>(daemons_) : *this;
  child_link& link = *child.membership();
  link.tasklet = &child;
  group.children.push_back(link);
  child.scope = &group;
  if (group.cancelled_by() != nullptr) child.attention |= in_cancelled_scope | raise_here;
  ++numbers_.spawned;
  ++numbers_.running;
  if (daemon) ++numbers_.daemons;
}

void nursery_core::cancel(std::string text) {
  if (is_cancelled) return;
  if (!text.empty()) reason = std::make_shared<const std::string>(std::move(text));
  cancel_everything();
}

void nursery_core::cancel_everything() noexcept {
  numbers_.cancelled = true;
  host->home->cancel(*this);
}

void nursery_core::child_ended(tasklet_block& t) noexcept {
  child_left(t);
  if (t.error && !t.killed) {
    if (t.scope->cancelled_by() != nullptr && detail::is_cancelled(t.error)) {
      t.killed = true;
      cut_short_ |= t.scope == this;
    } else {
      child_failed(t.error);
    }
  }
  wake_if_done();
}

void nursery_core::child_left(tasklet_block& t) noexcept {
  intrusive_list<child_link>::remove(*t.membership());
  --numbers_.running;
  if (t.scope == &daemons_) --numbers_.daemons;
}

void nursery_core::child_failed(std::exception_ptr error) noexcept {
  ++numbers_.failed;
  if (collects_) {
    take_error(std::move(error));
  } else {
    fail(std::move(error));
  }
}

void nursery_core::body_failed(std::exception_ptr error) noexcept {
  if (collects_ && !is_exit(error) && !detail::is_cancelled(error)) {
    take_error(std::move(error));
  } else {
    fail(std::move(error));
  }
}

void nursery_core::wake_if_done() noexcept {
  if (joiner_ == nullptr || numbers_.running > numbers_.daemons || holds_ != 0) return;
  if (numbers_.daemons != 0) {
    host->home->cancel(daemons_);
    return;
  }
  host->home->wake(*std::exchange(joiner_, nullptr));
}

bool nursery_core::must_wait() {
  if (active_scheduler->current() != host)
    throw_misuse("nursery::join: only the tasklet that runs the nursery may join it");
  if (numbers_.running == numbers_.daemons && numbers_.daemons != 0 && holds_ == 0)
    host->home->cancel(daemons_);
  return numbers_.running != 0 || holds_ != 0;
}

void nursery_core::fail(std::exception_ptr error) noexcept {
  if (cancelled_by() != nullptr && detail::is_cancelled(error)) {
    cut_short_ = true;
    return;
  }
  take_error(std::move(error));
  cancel_everything();
}

void nursery_core::take_error(std::exception_ptr error) noexcept {
  if (!error_ || is_exit(error_)) {  // an error is not lost behind a kill
    error_ = std::move(error);
  } else if (!is_exit(error)) {
    add_suppressed(error_, std::move(error));
  }
}

void nursery_core::finish() {
  scheduler_core::leave_scope(*this);
  if (error_) std::rethrow_exception(error_);
  // Cut short from further out: what called the nursery must not believe that all was done.
  if (cut_short_ && outer != nullptr && outer->cancelled_by() != nullptr)
    throw cancelled(outer->cancelled_by()->reason);
}

bool nursery_core::withdraw(wait&) noexcept {
  cancel_everything();
  return false;
}

tasklet_block* nursery_core::oldest_beneath() const noexcept {
  tasklet_block* oldest = nullptr;
  const auto look_at = [&](child_link& link) {
    tasklet_block& t = *link.tasklet;
    if (t.blocked() && (oldest == nullptr || t.waiting()->since() < oldest->waiting()->since()))
      oldest = &t;
  };
  children.for_each(look_at);
  daemons_.children.for_each(look_at);
  return oldest;
}

void nursery_core::describe(object_info& info, std::vector<const void*>&) const {
  info.kind = object_kind::nursery;
  if (const tasklet_block* t = oldest_beneath()) info.tasklet = t->id;
  info.children = numbers_.running;
  // Daemons are cancelled when the others have ended: until then nobody waits for them.
  const child_group& awaited =
      numbers_.running == numbers_.daemons ? static_cast<const child_group&>(daemons_) : *this;
  info.unfinished.reserve(numbers_.running);
  awaited.children.for_each([&](child_link& link) { info.unfinished.push_back(link.tasklet->id); });
  std::sort(info.unfinished.begin(), info.unfinished.end());
#if STACKLESS_TRACKING
  info.made_at = {made_at_.file_name(), made_at_.line(), made_at_.column(), {}};
#endif
}

}  // namespace stackless::inline STACKLESS_ABI::detail
