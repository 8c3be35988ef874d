#include <stackless/detail/feed_core.hpp>
#include <stackless/error.hpp>
#include <stackless/snapshot.hpp>

namespace stackless::inline STACKLESS_ABI::detail {

feed_core::feed_core(object_kind kind, site here) noexcept : sync_core(kind, here) {
  sources_.next = sources_.previous = &sources_;
}

feed_core::feed_core(object_kind kind, const object_name& name) : sync_core(kind, name) {
  sources_.next = sources_.previous = &sources_;
}

void feed_core::remove_source(list_hook& source) noexcept {
  source.unlink();
  if (sources_.next != &sources_) return;
  close({});
  end_if_unused();
}

void feed_core::add_receiver(const feed_receiver&) noexcept {
  ++receivers_;
}

void feed_core::remove_receiver(const feed_receiver&) noexcept {
  --receivers_;
  end_if_unused();
}

void feed_core::end_if_unused() noexcept {
  if (receivers_ == 0 && sources_.next == &sources_) delete this;
}

void feed_core::check_open(const char* operation) const {
  (void)acting();
  if (closed_) throw channel_closed(std::string(operation) + ": " + title() + " is closed");
}

void feed_core::announce(action_kind what, site here) noexcept {
  ++newest_;
  action_outcome how = what == action_kind::send ? action_outcome::buffered : action_outcome::done;
  if (anybody_waits()) how = action_outcome::delivered;
  note(what, how, here);
  wake_all();
}

void feed_core::close(site here) noexcept {
  if (closed_) return;
  closed_ = true;
  note(action_kind::close, action_outcome::closed, here);
  wake_all();
}

bool feed_core::withdraw(wait& w) noexcept {
  (void)sync_core::withdraw(w);
  w.complete_as(wait_outcome::closed);  // for its receiver: it is in the queue no more
  return true;
}

void feed_core::describe(object_info& info, std::vector<const void*>& handles) const {
  sync_core::describe(info, handles);
  info.is_closed = closed_;
  for (const list_hook* source = sources_.next; source != &sources_; source = source->next)
    handles.push_back(source);
}

void feed_source::throw_moved_from() {
  throw_misuse("this watch or broadcast was moved from");
}

// Receivers
// ----------------------------------------------------------------------------------------

void feed_receiver::throw_moved_from() {
  throw_misuse("this receiver of a watch or a broadcast was moved from");
}

void feed_receiver::check_alone() const {
  if (waiting_ != nullptr)
    throw_misuse(
        "another tasklet waits on this receiver: give each one of its own, a copy or a new one"
    );
}

void feed_receiver::reset() noexcept {
  if (core_ == nullptr) return;
  if (waiting_ != nullptr) std::exchange(waiting_, nullptr)->orphan();
  std::exchange(core_, nullptr)->remove_receiver(*this);
}

bool feed_awaiter::await_ready() {
  scheduler_core& scheduler = *active_scheduler;
  check_attention(*scheduler.current());
  receiver_->check_alone();
  if (receiver_->ready()) return true;
  scheduler.check_switch_trap(scheduler.others_can_run());
  return false;
}

bool feed_awaiter::select_ready(site) const {
  receiver_->check_alone();
  return receiver_->ready();
}

void feed_awaiter::select_begin() {
  receiver_->check_alone();  // two cases of one select
  begin();
  sync_awaiter<feed_core>::select_begin();
}

void feed_awaiter::orphan() noexcept {
  receiver_ = nullptr;
  wait& w = select_wait();
  if (w.outcome() != wait_outcome::pending && w.outcome() != wait_outcome::pending_in_select)
    return;
  (void)core().sync_core::withdraw(w);
  w.owner->home->wake(w, wait_outcome::closed);
}

bool feed_awaiter::finish_wait() {
  (void)leave_core();
  tasklet_block& me = *active_scheduler->current();
  if (select_wait().outcome() == wait_outcome::closed && receiver_ != nullptr) fail(me);
  resumed(me);
  if (receiver_ == nullptr)
    throw_object_gone(nullptr, "the receiver with which it waited was destroyed");
  return receiver_->has_newer();
}

void feed_awaiter::throw_closed() {
  throw channel_closed("receive: " + core().title() + " is closed");
}

}  // namespace stackless::inline STACKLESS_ABI::detail
