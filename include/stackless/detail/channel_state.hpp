#pragma once

#include <stackless/detail/channel_core.hpp>
#include <stackless/detail/result_slot.hpp>
#include <stackless/detail/ring_buffer.hpp>

#include <exception>
#include <memory>
#include <type_traits>
#include <utility>

namespace stackless::inline STACKLESS_ABI::detail {

/// A tasklet that waits to receive: the sender puts the value straight into its frame, where it is
/// once the wait is done. An error that was sent travels in its tasklet's `error`.
template <class T>
struct receive_wait : wait {
  explicit receive_wait(wait_object& channel) noexcept : wait(wait_kind::receive, &channel) {}
  receive_wait(const receive_wait&) = delete;
  receive_wait& operator=(const receive_wait&) = delete;
  ~receive_wait() {
    if constexpr (!std::is_trivially_destructible_v<T>) {
      if (full()) std::destroy_at(std::addressof(value));
    }
  }

  [[nodiscard]] bool full() const noexcept { return outcome() == wait_outcome::done; }
  /// For a receiver that waits: whoever wakes it makes it full.
  void put(T&& from) { std::construct_at(std::addressof(value), std::move(from)); }
  void emplace(T&& from) {
    put(std::move(from));
    complete_as(wait_outcome::done);
  }

  union {
    T value;
  };
};

/// A tasklet that waits to send: the receiver takes the value, or the error, from where it lies.
/// Nothing is set before it is known that the send cannot simply happen.
template <class T>
struct send_wait : wait {
  send_wait() noexcept : wait(leave_unset_t{}) {}
  void prepare(wait_object& channel, T& from) noexcept {
    wait::prepare(wait_kind::send, channel);
    value = &from;
  }
  void prepare(wait_object& channel, const std::exception_ptr& from) noexcept {
    wait::prepare(wait_kind::send_exception, channel);
    error = &from;
  }

  [[nodiscard]] bool has_error() const noexcept { return kind() == wait_kind::send_exception; }

  union {
    T* value;
    const std::exception_ptr* error;
  };
};

/// A channel's exchange of values. An await has two halves: what can be done at once (`…_now`, with
/// result true), and what makes another tasklet run (`suspend_…`).
///
/// A value is moved before anything else changes, so that a move that throws leaves all as it was.
template <class T>
class channel_state final : public channel_core {
 public:
  channel_state(
      std::size_t room, std::string name, site here, orphan_policy orphans = orphan_policy::closed
  )
      : channel_core(room, std::move(name), here, typeid(T), orphans) {}

  bool send_now(send_wait<T>& w, T& value, scheduler_core& core, site here) {
    const tasklet_block& me = *core.current();
    if (receivers_wait() ? (me.attention | static_cast<unsigned>(send_exchange)) == 0
                         : (me.attention | capacity | shut) == 0) [[likely]]
      return false;
    return send_without_switch(w, value, core, here);
  }

  // The common case is inlined with the test before it, and calls nothing: what is rare is a tail
  // call.
  [[gnu::always_inline]] std::coroutine_handle<> suspend_sender(
      send_wait<T>& w, T& value, scheduler_core& core, frame& f, site here
  ) {
    if (!receivers_wait()) return block_sender(w, value, core, f, here);
    auto& receiver = static_cast<receive_wait<T>&>(receivers.front());
    if (receiver.owner->home != &core ||
        (static_cast<unsigned>(send_exchange) | static_cast<unsigned>(receiver.outcome())) != 0)
        [[unlikely]]
      return give_and_switch(w, value, core, f, here);
    receiver.put(std::move(value));
    receivers.pop_front();
    note_by(*core.current(), core.step, action_kind::send, action_outcome::delivered, here);
    return core.hand_over(receiver, f, here);
  }

  /// As `suspend_sender`, of whatever is sent.
  template <class Sent>
  [[gnu::noinline]] std::coroutine_handle<> give_and_switch(
      send_wait<T>& w, Sent& sent, scheduler_core& core, frame& f, site here
  ) {
    if (!receivers_wait()) return block_sender(w, sent, core, f, here);
    w.prepare(*this, sent);
    wait& receiver = give(w);
    note(action_kind::send, action_outcome::delivered, &core, here);
    return hand_over_to(receiver, outcome_of(w), send_exchange, core, f, here);
  }

  bool receive_now(receive_wait<T>& w, scheduler_core& core, site here) {
    // One test of four: nothing here is likelier to differ from zero than the others.
    if ((core.current()->attention | buffered | senders.any() | shut) == 0) [[likely]]
      return false;
    return receive_without_switch(w, core, here);
  }

  [[gnu::always_inline]] std::coroutine_handle<> suspend_receiver(
      receive_wait<T>& w, scheduler_core& core, frame& f, site here
  ) {
    if (senders_wait()) [[unlikely]]
      return take_and_hand_over(w, core, f, here);
    receivers.push_back(w);
    return core.block(w, f, here);
  }

  // In a select: done now, without a switch, or not at all.

  template <class Sent>
  bool select_send(send_wait<T>& w, Sent& sent, scheduler_core& core, site here) {
    w.prepare(*this, sent);
    if (receivers_wait()) {
      wait& receiver = give(w);
      note(action_kind::send, action_outcome::delivered, &core, here);
      record(action_kind::send, action_outcome::delivered, here);
      receiver.owner->home->wake(receiver, outcome_of(w));
      return true;
    }
    if (shut) throw_closed("send");
    if (w.has_error() || !may_buffer()) return false;
    buffer_.push_back(std::move(*w.value));
    ++buffered;
    note(action_kind::send, action_outcome::buffered, &core, here);
    record(action_kind::send, action_outcome::buffered, here);
    return true;
  }

  bool select_receive(receive_wait<T>& w, scheduler_core& core, site here) {
    w.owner = core.current();
    if (take(w, w.owner->error)) {
      note(action_kind::receive, action_outcome::delivered, &core, here);
      record(action_kind::receive, action_outcome::delivered, here);
      return true;
    }
    if (!shut) return false;
    w.complete_as(wait_outcome::closed);
    return true;
  }

  void select_enqueue_sender(send_wait<T>& w) {
    check_block_trap(*active_scheduler->current());
    if (receivers_wait()) throw_both_directions();
    senders.push_back(w);
  }

  void select_enqueue_receiver(receive_wait<T>& w) {
    check_block_trap(*active_scheduler->current());
    if (senders_wait()) throw_both_directions();
    receivers.push_back(w);
  }

  // From plain functions too: the partner goes to the tail.

  action_outcome try_send(T& value, site here) {
    check_not_in_hook();
    action_outcome outcome = action_outcome::dropped;
    if (receivers_wait()) {
      auto& receiver = static_cast<receive_wait<T>&>(receivers.front());
      receiver.put(std::move(value));
      receivers.pop_front();
      receiver.owner->home->wake(receiver);
      outcome = action_outcome::delivered;
    } else if (shut) {
      outcome = action_outcome::closed;
    } else if (may_buffer()) {
      buffer_.push_back(std::move(value));
      ++buffered;
      outcome = action_outcome::buffered;
    }
    note(action_kind::send, outcome, acting_scheduler(), here, true);
    record(action_kind::send, outcome, here, true);
    return outcome;
  }

  // Not inlined: GCC 12 would warn that the slot may be used uninitialized.
  [[gnu::noinline]] bool try_receive(result_slot<T>& slot, site here) {
    check_not_in_hook();
    std::exception_ptr error;
    if (!take(slot, error)) return false;
    note(action_kind::receive, action_outcome::delivered, acting_scheduler(), here, true);
    record(action_kind::receive, action_outcome::delivered, here, true);
    if (error) std::rethrow_exception(error);
    return true;
  }

  template <class Sent>
  [[gnu::noinline]] bool send_without_switch(
      send_wait<T>& w, Sent& sent, scheduler_core& core, site here
  ) {
    tasklet_block& me = *core.current();
    w.prepare(*this, sent);
    check_attention(me);
    const bool would_wait = !receivers_wait() && !shut && (w.has_error() || !may_buffer());
    if ((me.attention & hooked) != 0) [[unlikely]]
      tell_observer(core, true, would_wait, here);
    if (receivers_wait()) {
      if (send_exchange != exchange::without_switch && receivers.front().owner->home == &core) {
        core.check_switch_trap(true);
        return false;
      }
      wait& receiver = give(w);
      note(action_kind::send, action_outcome::delivered, &core, here);
      receiver.owner->home->wake(receiver, outcome_of(w));
      return true;
    }
    if (closed()) throw_closed("send");
    if (may_buffer() && !w.has_error()) [[likely]] {
      buffer_.push_back(std::move(*w.value));
      ++buffered;
      note(action_kind::send, action_outcome::buffered, &core, here);
      return true;
    }
    check_block_trap(me);
    if (shut) throw_closed("send");
    core.check_switch_trap(core.others_can_run());
    return false;
  }

 private:
  [[gnu::noinline]] bool receive_without_switch(
      receive_wait<T>& w, scheduler_core& core, site here
  ) {
    tasklet_block& me = *core.current();
    w.owner = &me;
    check_attention(me);
    if ((me.attention & hooked) != 0) [[unlikely]]
      tell_observer(core, false, buffered == 0 && !senders_wait() && !shut, here);
    if (receive_exchange != exchange::without_switch && buffered == 0 && senders_wait() &&
        senders.front().owner->home == &core) {
      core.check_switch_trap(true);
      return false;
    }
    if (take(w, me.error)) [[likely]] {
      note(action_kind::receive, action_outcome::delivered, &core, here);
      return true;
    }
    if (!closed()) {
      check_block_trap(me);
      if (!shut) {
        core.check_switch_trap(core.others_can_run());
        return false;
      }
    }
    w.complete_as(wait_outcome::closed);
    return true;
  }

  template <class Sent>
  [[gnu::noinline]] std::coroutine_handle<> block_sender(
      send_wait<T>& w, Sent& sent, scheduler_core& core, frame& f, site here
  ) noexcept {
    w.prepare(*this, sent);
    note(action_kind::send, action_outcome::blocked, &core, here);
    senders.push_back(w);
    return core.block(w, f, here);
  }

  [[gnu::noinline]] std::coroutine_handle<> take_and_hand_over(
      receive_wait<T>& w, scheduler_core& core, frame& f, site here
  ) {
    w.owner = core.current();
    wait& sender = take_from_sender(w, w.owner->error);
    note(action_kind::receive, action_outcome::delivered, &core, here);
    return hand_over_to(sender, wait_outcome::done, receive_exchange, core, f, here);
  }

  // Behind a waiting sender nobody may overtake through the buffer.
  [[nodiscard]] bool may_buffer() const noexcept { return buffered < capacity && !senders_wait(); }

  /// The actor keeps its place in the ring; its partner runs now, or with `schedule_all` the
  /// others.
  std::coroutine_handle<> hand_over_to(
      wait& partner, wait_outcome outcome, exchange how, scheduler_core& core, frame& f, site here
  ) noexcept {
    if (how == exchange::direct && partner.owner->home == &core) {
      if (!core.can_hand_over(partner)) scheduler_core::win_select(partner);
      return core.hand_over(partner, f, here, outcome);
    }
    return wake_and_step_aside(partner, outcome, core, f, here);
  }

  [[gnu::noinline]] static std::coroutine_handle<> wake_and_step_aside(
      wait& partner, wait_outcome outcome, scheduler_core& core, frame& f, site here
  ) noexcept {
    partner.owner->home->wake(partner, outcome);
    // A partner of another scheduler cannot run here, and nobody makes room for it.
    if (partner.owner->home != &core) return core.go_on(f, here);
    return core.step_aside(f, here);
  }

  // Not inlined: its cleanup would make each send save registers.
  [[gnu::noinline]] static void copy_error(
      std::exception_ptr& to, const std::exception_ptr& from
  ) noexcept {
    to = from;
  }

  /// What a receiver's wait is completed as.
  [[nodiscard]] static wait_outcome outcome_of(const send_wait<T>& sent) noexcept {
    return sent.has_error() ? wait_outcome::failed : wait_outcome::done;
  }

  /// Gives to the first waiting receiver, who leaves the queue.
  wait& give(const send_wait<T>& from) {
    auto& receiver = static_cast<receive_wait<T>&>(receivers.front());
    if (from.has_error()) [[unlikely]] {
      copy_error(receiver.owner->error, *from.error);
    } else {
      receiver.put(std::move(*from.value));
    }
    return receivers.pop_front();
  }

  /// Takes from the first waiting sender, who leaves the queue.
  template <class Place>
  wait& take_from_sender(Place& place, std::exception_ptr& error) {
    auto& sender = static_cast<send_wait<T>&>(senders.front());
    if (sender.has_error()) [[unlikely]] {
      copy_error(error, *sender.error);
    } else {
      place.emplace(std::move(*sender.value));
    }
    wait& done = senders.pop_front();
    refill();  // behind an error, which is never buffered, values may wait that can be
    return done;
  }

  /// From the buffer, else from a waiting sender, who goes to the tail. False: there is nothing.
  template <class Place>
  bool take(Place& place, std::exception_ptr& error) {
    if (buffered > 0) {
      place.emplace(std::move(buffer_.front()));
      buffer_.pop_front();
      --buffered;
      refill();
      return true;
    }
    if (!senders_wait()) return false;
    wait& sender = take_from_sender(place, error);
    sender.owner->home->wake(sender);
    return true;
  }

  void refill() noexcept override {
    while (senders_wait() && buffered < capacity) {
      auto& sender = static_cast<send_wait<T>&>(senders.front());
      if (sender.has_error()) return;  // its turn comes when the buffer is empty
      try {
        buffer_.push_back(std::move(*sender.value));
      } catch (...) {
        return;  // the sender keeps its value, and its place
      }
      ++buffered;
      wait& done = senders.pop_front();
      done.owner->home->wake(done);
    }
  }

  void drop_values() noexcept override {
    ring_buffer<T> values;
    values.swap(buffer_);
    buffered = 0;
  }

  ring_buffer<T> buffer_;
};

}  // namespace stackless::inline STACKLESS_ABI::detail
