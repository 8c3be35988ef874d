#include <stackless/channel.hpp>
#include <stackless/detail/hooks.hpp>
#include <stackless/snapshot.hpp>

#include "sync/place_text.hpp"

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
    throw channel_closed("send: the channel is gone, and with it all who could receive");
  } catch (...) {
    return std::current_exception();
  }
}

}  // namespace

channel_core::channel_core(
    std::size_t room, std::string text, site here, const std::type_info& element
)
    : capacity(room),
      send_exchange(exchange_of(room == 0, false)),
      preference_(room == 0 ? channel_preference::receiver : channel_preference::neither),
      name_(std::move(text)),
      made_at_(here),
      element_(element) {
#if STACKLESS_TRACKING
  handles_.next = handles_.previous = &handles_;
#endif
}

void channel_core::close(site here) noexcept {
  closed_ = shut = true;
  while (receivers_wait()) {
    wait& receiver = receivers.pop_front();
    receiver.owner->home->wake(receiver, wait_outcome::closed);
  }
  note(action_kind::close, action_outcome::closed, acting_scheduler(), here);
  record(action_kind::close, action_outcome::closed, here);
}

void channel_core::add_to_history(
    [[maybe_unused]] action_kind what,
    [[maybe_unused]] action_outcome how,
    [[maybe_unused]] site here,
    [[maybe_unused]] bool attempted
) noexcept {
#if STACKLESS_TRACKING
  if (!active_scheduler->hooks_if_made()->keeps_history) return;
  const tasklet_block* who = active_scheduler->current();
  history_.add({what, how, attempted, who != nullptr ? who->id : 0, active_scheduler->step, here});
#endif
}

void channel_core::last_handle_gone() noexcept {
  // Nobody can reach it any more. Those who wait were let in by reference, and would wait for ever.
  close();
  while (senders_wait()) {
    tasklet_block& sender = *senders.front().owner;
    (void)sender.home->interrupt(sender, channel_gone());
  }
  delete this;
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
#if STACKLESS_TRACKING
  for (const list_hook* hook = handles_.next; hook != &handles_; hook = hook->next)
    handles.push_back(hook);
  info.history = history_.list();
  if (last_.what.action == action_kind::none) return;
  info.last = to_operation(
      {last_.what.action, last_.what.outcome, last_.what.attempted, last_.tasklet, last_.step,
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

void channel_handle::throw_moved_from() {
  throw_misuse("this channel handle was moved from");
}

}  // namespace stackless::inline STACKLESS_ABI::detail
