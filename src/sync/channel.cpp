#include <stackless/channel.hpp>
#include <stackless/detail/hooks.hpp>
#include <stackless/snapshot.hpp>

#include "sync/place_text.hpp"

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <utility>

#include <cxxabi.h>

namespace stackless::inline STACKLESS_ABI::detail {

namespace {

std::string readable(const std::type_info& type) {
  int status = 0;
  const std::unique_ptr<char, void (*)(void*)> name(
      abi::__cxa_demangle(type.name(), nullptr, nullptr, &status), std::free
  );
  return status == 0 ? name.get() : type.name();
}

std::exception_ptr channel_gone() noexcept {
  try {
    throw channel_closed("send: all who could receive from the channel are gone");
  } catch (...) {
    return std::current_exception();
  }
}

}  // namespace

channel_core::channel_core(
    std::size_t room,
    std::string text,
    site here,
    const std::type_info& element,
    orphan_policy orphans
)
    : capacity(room),
      send_exchange(exchange_of(room == 0, false)),
      preference_(room == 0 ? channel_preference::receiver : channel_preference::neither),
      orphans_(orphans),
      name_(std::move(text)),
      made_at_(here),
      element_(element) {
#if STACKLESS_TRACKING
  for (list_hook* set : {&handles_, &send_ends_, &receive_ends_}) set->next = set->previous = set;
#endif
}

void channel_core::end_receiving() noexcept {
  closed_ = shut = true;
  while (receivers_wait()) {
    wait& receiver = receivers.pop_front();
    receiver.owner->home->wake(receiver, wait_outcome::closed);
  }
}

void channel_core::close(site here) noexcept {
  end_receiving();
  note(action_kind::close, action_outcome::closed, acting_scheduler(), here);
  record(action_kind::close, action_outcome::closed, here);
}

void channel_core::note_given(
    [[maybe_unused]] channel_side side, [[maybe_unused]] std::uint64_t tasklet
) noexcept {
#if STACKLESS_TRACKING
  action given{
      side == channel_side::send ? action_kind::send_end : action_kind::receive_end,
      action_outcome::delivered,
      false,
      0,
      active_scheduler->current()->id,
      active_scheduler->step,
      site{}
  };
  given.given_to = tasklet;
  history_.add(given);
#endif
}

#if STACKLESS_TRACKING
void channel_core::note_new_end(const list_hook& end, channel_side side) noexcept {
  hooks& h = *active_scheduler->hooks_if_made();
  if (!h.keeps_history) return;
  try {
    h.new_ends.push_back({this, &end, side});
  } catch (...) {  // no memory for it: the history does without
  }
}

void channel_core::forget_new_end(const list_hook& end) noexcept {
  std::erase_if(active_scheduler->hooks_if_made()->new_ends, [&](const new_end& e) {
    return e.place == &end;
  });
}
#endif

void channel_core::add_to_history(
    [[maybe_unused]] action_kind what,
    [[maybe_unused]] action_outcome how,
    [[maybe_unused]] site here,
    [[maybe_unused]] bool attempted
) noexcept {
#if STACKLESS_TRACKING
  if (!active_scheduler->hooks_if_made()->keeps_history) return;
  const tasklet_block* who = active_scheduler->current();
  history_.add({what, how, attempted, 0, who != nullptr ? who->id : 0, active_scheduler->step, here}
  );
#endif
}

void channel_core::last_of_a_kind_gone() noexcept {
  const bool can_send = has_senders();
  const bool can_receive = has_receivers();
  if (can_send && can_receive) return;
  if (!can_send && !can_receive) {
    last_handle_gone();
    return;
  }
  // Ends and handles are made from handles: a side that is gone does not come back.
  note_end(can_send ? action_kind::receive_end : action_kind::send_end);
  if (orphans_ == orphan_policy::error) {
    raises_ = true;
    raise_in_waiting();
  } else if (can_send) {
    receivers_gone();
  } else {
    end_receiving();
  }
}

void channel_core::last_handle_gone() noexcept {
  // Nobody can reach it any more. Those who wait were let in by reference, and would wait for ever.
  close();
  wake_senders_closed();
  delete this;
}

void channel_core::wake_senders_closed() noexcept {
  while (senders_wait()) {
    tasklet_block& sender = *senders.front().owner;
    (void)sender.home->interrupt(sender, channel_gone());
  }
}

void channel_core::receivers_gone() noexcept {
  closed_ = shut = true;
  wake_senders_closed();
  drop_values();
}

void channel_core::raise_in_waiting() noexcept {
  wait_queue& waiting = has_senders() ? senders : receivers;
  scheduler_core* home = nullptr;
  std::exception_ptr error;
  for (std::size_t left = waiting.size(); left > 0; --left) {
    wait& w = waiting.pop_front();
    waiting.push_back(w);
    if (w.outcome() != wait_outcome::pending) continue;  // a case of a select: others are left
    if (home != w.owner->home) {                         // one report for all who wait
      home = w.owner->home;
      error = home->make_orphan_error(*w.owner);
    }
    const std::size_t before = waiting.size();
    (void)home->interrupt(*w.owner, error);
    left -= std::min(left - 1, before - 1 - waiting.size());  // what has moved into the buffer
  }
}

void channel_core::raise_if_orphaned(tasklet_block& t) const noexcept {
  const wait* w = t.waiting();
  if (w == nullptr || w->object != this) return;  // it has happened
  if (w->kind() == wait_kind::receive ? has_senders() : has_receivers()) return;
  t.home->raise_orphaned(t);
}

void channel_core::note_end([[maybe_unused]] action_kind which) noexcept {
#if STACKLESS_TRACKING
  const scheduler_core* core = acting_scheduler();
  last_end_ = {
      which,
      action_outcome::closed,
      false,
      0,
      core != nullptr ? core->current()->id : 0,
      core != nullptr ? core->step : 0,
      site{}
  };
  if (core != nullptr && core->hooks_if_made() != nullptr && core->hooks_if_made()->keeps_history)
    history_.add(last_end_);
#endif
}

channel_core::~channel_core() {
  if (active_scheduler != nullptr) active_scheduler->forget(*this);
}

bool channel_core::withdraw(wait& w) noexcept {
  (w.kind() == wait_kind::receive ? receivers : senders).remove(w);
  refill();
  return true;
}

std::vector<any_tasklet> channel_core::waiting() const {
  std::vector<any_tasklet> list;
  for (const wait_queue* queue : {&receivers, &senders})
    queue->for_each([&](const wait& w) { list.emplace_back(*w.owner); });
  return list;
}

void channel_core::describe(object_info& info, [[maybe_unused]] std::vector<const void*>& handles)
    const {
  info.kind = object_kind::channel;
  info.name = name_;
  info.type = readable(element_);
  info.made_at = {made_at_.file_name(), made_at_.line(), made_at_.column(), {}};
  info.capacity = capacity;
  info.buffered = buffered;
  info.waiting_receivers = receivers.size();
  info.waiting_senders = senders.size();
  info.is_closed = shut;
  info.senders_gone = !has_senders();
  info.receivers_gone = !has_receivers();
#if STACKLESS_TRACKING
  const auto add = [&](const list_hook& set) {
    const std::size_t before = handles.size();
    for (const list_hook* hook = set.next; hook != &set; hook = hook->next) handles.push_back(hook);
    return handles.size() - before;
  };
  add(handles_);
  info.send_ends = add(send_ends_);
  info.receive_ends = add(receive_ends_);
  if (last_end_.what != action_kind::none) info.last_end = to_operation(last_end_);
  info.history = history_.list();
  if (last_.what.action == action_kind::none) return;
  info.last = to_operation(
      {last_.what.action, last_.what.outcome, last_.what.attempted, 0, last_.tasklet, last_.step,
       last_.at}
  );
#endif
}

std::string channel_core::display_name() const {
  if (!name_.empty()) return name_;
  return "channel<" + readable(element_) + ">" + place_text(made_at_);
}

void throw_closed_and_empty() {
  throw channel_closed("receive: the channel is closed and empty");
}

void channel_core::throw_closed(const char* operation) const {
  if (!has_receivers())
    throw channel_closed(
        std::string(operation) + ": all receivers of channel '" + display_name() + "' are gone"
    );
  throw channel_closed(std::string(operation) + ": channel '" + display_name() + "' is closed");
}

void channel_core::throw_both_directions() {
  throw_misuse("select: a channel's send and its receive cannot be cases of one select");
}

void channel_core::throw_block_trap() const {
  throw block_trap_error(
      "the tasklet's block trap is set, and it would have to wait on channel '" + display_name() +
      "'"
  );
}

void throw_moved_from(channel_side side) {
  throw_misuse(
      side == channel_side::both   ? "this channel handle was moved from"
      : side == channel_side::send ? "this sender was moved from"
                                   : "this receiver was moved from"
  );
}

}  // namespace stackless::inline STACKLESS_ABI::detail
