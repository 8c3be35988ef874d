#pragma once

#include <stackless/channel.hpp>

#include <concepts>
#include <cstddef>
#include <exception>
#include <optional>
#include <ranges>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>

namespace stackless::inline STACKLESS_ABI {

namespace detail {

/// Of a counted end: what it begins to wait for may be gone already.
template <class Awaiter>
class end_awaiter : public Awaiter {
 public:
  using Awaiter::Awaiter;

  template <std::derived_from<frame> Promise>
  std::coroutine_handle<> await_suspend(
      std::coroutine_handle<Promise> h, site here = site::current()
  ) {
    tasklet_block& me = *active_scheduler->current();
    const std::coroutine_handle<> next = Awaiter::await_suspend(h, here);
    this->channel().check_orphaned(me);
    return next;
  }
};

template <class Operation>
class end_operation : public Operation {
 public:
  using Operation::Operation;

  auto make_awaiter() noexcept {
    using awaiter = end_awaiter<decltype(std::declval<Operation&>().make_awaiter())>;
    if constexpr (std::constructible_from<awaiter, Operation&>) {
      return awaiter(static_cast<Operation&>(*this));
    } else {
      return awaiter(this->target());
    }
  }
};

template <class T>
using end_send_operation = end_operation<send_operation<T>>;
template <class T, bool Optional>
using end_receive_operation = end_operation<receive_operation<T, Optional>>;

}  // namespace detail

/// The end of a channel that sends. Copies are counted: when the last one goes, the channel is
/// closed, or those who wait to receive raise `deadlock_error`, as its `orphan_policy` says.
///
/// Its operations are those of `channel`. A `send` that waits when the last receiver goes, and one
/// that comes later, raises `channel_closed` (with `orphan_policy::error` `deadlock_error` when it
/// has to wait).
///
/// **Lifetime**: keeps the channel alive. An operation must not outlive the end it was made from.
/// **Threads**: confined to one thread.
/// **Wakes**: letting go of the last one wakes those who wait to receive: they go to the tail.
template <class T>
class sender : public detail::channel_reference<channel_side::send> {
 public:
  using value_type = T;

  /// As `channel::send`. **Cancellation**: a cancel point; a send that raised did not happen.
  /// **Errors**: `channel_closed`, `block_trap_error`, `deadlock_error`; what moving a T throws.
  template <class U = T>
    requires std::constructible_from<T, U>
  detail::end_send_operation<T> send(U&& value) const {
    static_assert(
        detail::safe_in_await<U>, "GCC 12 destroys this temporary twice: name the variable and use "
                                  "send_from (docs/compilers.md)"
    );
    return detail::end_send_operation<T>(self(), std::forward<U>(value));
  }

  /// As `channel::emplace`.
  template <class... A>
    requires std::constructible_from<T, A...>
  detail::end_send_operation<T> emplace(A&&... arguments) const {
    static_assert(
        (detail::safe_in_await<A> && ...), "GCC 12 destroys this temporary twice: name the "
                                           "variable and use send_from (docs/compilers.md)"
    );
    return detail::end_send_operation<T>(self(), std::forward<A>(arguments)...);
  }

  /// As `channel::send_from`: moves from `value` only when the send takes effect.
  detail::end_operation<detail::send_from_operation<T>> send_from(T& value) const {
    return detail::end_operation<detail::send_from_operation<T>>(self(), value);
  }

  /// As `channel::send_exception`. **Errors**: also `std::invalid_argument` for a null error.
  auto send_exception(std::exception_ptr error) const {
    if (!error) throw std::invalid_argument("send_exception: a null exception_ptr is no error");
    return detail::end_operation<detail::send_exception_operation<T>>(self(), std::move(error));
  }

  /// As `channel::send_sequence`; keeps an end of its own until it is done.
  template <class R, class Range = std::remove_cvref_t<R>>
    requires std::ranges::input_range<Range> &&
             (std::constructible_from<T, std::ranges::range_reference_t<Range>> ||
              std::constructible_from<T, std::ranges::range_rvalue_reference_t<Range>>)
  task<std::size_t> send_sequence(R&& range) const {
    static_assert(
        detail::safe_in_await<R>,
        "GCC 12 destroys this temporary twice: name the variable and pass "
        "that (docs/compilers.md)"
    );
    (void)self();
    return detail::send_each<T, sender, Range>(*this, std::forward<R>(range));
  }

  /// As `channel::try_send`: a plain function that sends a copy, if a receiver waits or there is
  /// room.
  [[nodiscard("not every value is sent")]] send_status try_send(
      const T& value, detail::site here = detail::site::current()
  ) const
    requires std::copy_constructible<T>
  {
    T copy(value);
    return try_send_from(copy, here);
  }
  /// As above; moves from `value` only when it is sent.
  [[nodiscard("not every value is sent")]] send_status try_send(
      T&& value, detail::site here = detail::site::current()
  ) const {
    return try_send_from(value, here);
  }
  /// As `try_send`, moving from `value` only when it is sent: else it keeps its value.
  [[nodiscard("not every value is sent")]] send_status try_send_from(
      T& value, detail::site here = detail::site::current()
  ) const {
    return detail::status_of(self().try_send(value, here));
  }

  /// Says that no more values come, whatever other senders are left. As `channel::close`.
  void close(detail::site here = detail::site::current()) const {
    state::check_not_in_hook();
    self().close(here);
  }

  /// Whether a receiver is left.
  [[nodiscard]] bool has_receivers() const { return self().has_receivers(); }
  [[nodiscard]] std::size_t size() const { return self().buffered; }
  [[nodiscard]] std::size_t capacity() const { return self().capacity; }
  [[nodiscard]] std::string name() const { return self().display_name(); }

  /// Ends of the same channel.
  friend bool operator==(const sender& a, const sender& b) noexcept {
    return a.identity() == b.identity();
  }

  /// For the library.
  explicit sender(detail::channel_state<T>& channel) noexcept : channel_reference(&channel) {}

 private:
  using state = detail::channel_state<T>;

  [[nodiscard]] state& self() const { return static_cast<state&>(core()); }
};

/// The end of a channel that receives. Copies are counted: they share the values, each goes to one
/// of them. When the last one goes, those who wait to send raise `channel_closed`, and the values
/// in the buffer are destroyed; with `orphan_policy::error` those who wait raise `deadlock_error`,
/// and the buffer stays.
///
/// **Lifetime**: keeps the channel alive. An operation must not outlive the end it was made from.
/// **Threads**: confined to one thread.
/// **Wakes**: letting go of the last one wakes those who wait to send: they go to the tail.
template <class T>
class receiver : public detail::channel_reference<channel_side::receive> {
 public:
  using value_type = T;

  /// As `channel::receive`. **Cancellation**: a cancel point; a receive that raised took no value.
  /// **Errors**: `channel_closed` when no sender is left and nothing is buffered, with
  /// `orphan_policy::error` `deadlock_error`; `block_trap_error`; what was sent as an exception.
  detail::end_receive_operation<T, false> receive() const {
    return detail::end_receive_operation<T, false>(self());
  }

  /// As `receive`, for loops: nothing when no sender is left (or the channel is closed) and nothing
  /// is buffered. **Errors**: `deadlock_error` instead with `orphan_policy::error`.
  detail::end_receive_operation<T, true> next() const {
    return detail::end_receive_operation<T, true>(self());
  }

  /// A plain function: a value, if there is one. **Errors**: what was sent as an exception.
  [[nodiscard]] std::optional<T> try_receive(detail::site here = detail::site::current()) const {
    detail::result_slot<T> slot;
    if (!self().try_receive(slot, here)) return std::nullopt;
    return slot.take();
  }

  /// Whether a sender is left.
  [[nodiscard]] bool has_senders() const { return self().has_senders(); }
  [[nodiscard]] std::size_t size() const { return self().buffered; }
  [[nodiscard]] std::size_t capacity() const { return self().capacity; }
  [[nodiscard]] std::string name() const { return self().display_name(); }

  /// Ends of the same channel.
  friend bool operator==(const receiver& a, const receiver& b) noexcept {
    return a.identity() == b.identity();
  }

  /// For the library.
  explicit receiver(detail::channel_state<T>& channel) noexcept : channel_reference(&channel) {}

 private:
  using state = detail::channel_state<T>;

  [[nodiscard]] state& self() const { return static_cast<state&>(core()); }
};

/// A channel that is known by its two ends only. The ends are counted, so that it is known when
/// nobody is left who could send, or receive: see `orphan_policy`.
///
/// A send end that stays where the channel was made keeps it open: move it to who sends.
template <class T>
[[nodiscard]] std::pair<sender<T>, receiver<T>> make_channel(
    std::size_t capacity = 0,
    orphan_policy orphans = orphan_policy::closed,
    detail::site here = detail::site::current()
) {
  auto& state = *new detail::channel_state<T>(capacity, {}, here, orphans);
  state.record(detail::action_kind::none, detail::action_outcome::created, here);
  return {sender<T>(state), receiver<T>(state)};
}
template <class T>
[[nodiscard]] std::pair<sender<T>, receiver<T>> make_channel(
    const channel_name& name,
    std::size_t capacity = 0,
    orphan_policy orphans = orphan_policy::closed
) {
  auto& state = *new detail::channel_state<T>(capacity, name.text(), name.at(), orphans);
  state.record(detail::action_kind::none, detail::action_outcome::created, name.at());
  return {sender<T>(state), receiver<T>(state)};
}

}  // namespace stackless::inline STACKLESS_ABI
