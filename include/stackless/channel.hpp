#pragma once

#include <stackless/detail/awaited_once.hpp>
#include <stackless/detail/channel_handle.hpp>
#include <stackless/detail/channel_state.hpp>
#include <stackless/error.hpp>
#include <stackless/task.hpp>
#include <stackless/tasklet.hpp>

#include <concepts>
#include <cstddef>
#include <exception>
#include <optional>
#include <ranges>
#include <stdexcept>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace stackless::inline STACKLESS_ABI {

/// What `try_send` did.
enum class send_status : std::uint8_t {
  sent,
  would_block,  ///< nobody waits and there is no room; the value is untouched
  closed        ///< the value is untouched
};

namespace detail {

/// `Operation` keeps what is sent: a T, or an exception_ptr.
template <class T, class Operation>
class send_awaiter {
  static constexpr bool sends_value =
      std::is_same_v<decltype(std::declval<Operation&>().sent()), T&>;

 public:
  explicit send_awaiter(Operation& operation) noexcept : operation_(operation) {}
  send_awaiter(const send_awaiter&) = delete;
  send_awaiter& operator=(const send_awaiter&) = delete;

  bool await_ready(site here = site::current()) {
    if constexpr (sends_value) {
      return channel().send_now(wait_, operation_.sent(), *active_scheduler, here);
    } else {
      return channel().send_without_switch(wait_, operation_.sent(), *active_scheduler, here);
    }
  }
  template <std::derived_from<frame> Promise>
  [[gnu::always_inline]] std::coroutine_handle<> await_suspend(
      std::coroutine_handle<Promise> h, site here = site::current()
  ) {
    scheduler_core& core = *active_scheduler;
    if constexpr (sends_value) {
      return channel().suspend_sender(wait_, operation_.sent(), core, h.promise(), here);
    } else {
      return channel().give_and_switch(wait_, operation_.sent(), core, h.promise(), here);
    }
  }
  static void await_resume() { resumed(*active_scheduler->current()); }

  bool select_ready(site here) {
    return channel().select_send(wait_, operation_.sent(), *active_scheduler, here);
  }
  void select_begin() { channel().select_enqueue_sender(wait_); }
  wait& select_wait() noexcept { return wait_; }

 protected:
  channel_state<T>& channel() noexcept { return operation_.target(); }

 private:
  Operation& operation_;
  send_wait<T> wait_;
};

template <class T, bool Optional>
class receive_awaiter {
 public:
  explicit receive_awaiter(channel_state<T>& channel) noexcept : wait_(channel) {}
  receive_awaiter(const receive_awaiter&) = delete;
  receive_awaiter& operator=(const receive_awaiter&) = delete;

  bool await_ready(site here = site::current()) {
    return channel().receive_now(wait_, *active_scheduler, here);
  }
  template <std::derived_from<frame> Promise>
  [[gnu::always_inline]] std::coroutine_handle<> await_suspend(
      std::coroutine_handle<Promise> h, site here = site::current()
  ) {
    return channel().suspend_receiver(wait_, *active_scheduler, h.promise(), here);
  }
  std::conditional_t<Optional, std::optional<T>, T> await_resume() {
    tasklet_block& me = *wait_.owner;
    if (wait_.full()) [[likely]] {
      resumed(me);
      return std::move(wait_.value);
    }
    if (me.error) raise_sent_error(me);
    resumed(me);
    if constexpr (Optional) {
      return std::nullopt;
    } else {
      throw_closed_and_empty();
    }
  }

  bool select_ready(site here) { return channel().select_receive(wait_, *active_scheduler, here); }
  void select_begin() { channel().select_enqueue_receiver(wait_); }
  wait& select_wait() noexcept { return wait_; }

 protected:
  channel_state<T>& channel() noexcept { return static_cast<channel_state<T>&>(*wait_.object); }

 private:
  // What was thrown at the tasklet meanwhile comes first: what it had received dies with it.
  [[noreturn]] static void raise_sent_error(tasklet_block& me) {
    std::exception_ptr sent = std::exchange(me.error, nullptr);
    resumed(me);
    rethrow_here(std::move(sent));
  }

  receive_wait<T> wait_;
};

template <class T>
class [[STACKLESS_OPERATION]] send_operation : public awaited_once {
 public:
  template <class... A>
  explicit send_operation(channel_state<T>& channel, A&&... arguments)
      : value_(std::forward<A>(arguments)...), channel_(&channel) {}
  send_awaiter<T, send_operation> make_awaiter() noexcept {
    return send_awaiter<T, send_operation>(*this);
  }

  /// The value, when the operation did not happen.
  [[nodiscard]] T& value() noexcept { return value_; }
  [[nodiscard]] T& sent() noexcept { return value_; }
  [[nodiscard]] channel_state<T>& target() const noexcept { return *channel_; }

 private:
  T value_;
  channel_state<T>* channel_;
};

template <class T>
class [[STACKLESS_OPERATION]] send_from_operation : public awaited_once {
 public:
  send_from_operation(channel_state<T>& channel, T& value) noexcept
      : channel_(&channel), value_(&value) {}
  send_awaiter<T, send_from_operation> make_awaiter() noexcept {
    return send_awaiter<T, send_from_operation>(*this);
  }

  [[nodiscard]] T& sent() const noexcept { return *value_; }
  [[nodiscard]] channel_state<T>& target() const noexcept { return *channel_; }

 private:
  channel_state<T>* channel_;
  T* value_;
};

template <class T>
class [[STACKLESS_OPERATION]] send_exception_operation : public awaited_once {
 public:
  send_exception_operation(channel_state<T>& channel, std::exception_ptr error) noexcept
      : channel_(&channel), error_(std::move(error)) {}
  send_awaiter<T, send_exception_operation> make_awaiter() noexcept {
    return send_awaiter<T, send_exception_operation>(*this);
  }

  [[nodiscard]] const std::exception_ptr& sent() const noexcept { return error_; }
  [[nodiscard]] channel_state<T>& target() const noexcept { return *channel_; }

 private:
  channel_state<T>* channel_;
  std::exception_ptr error_;
};

template <class T, bool Optional>
class [[STACKLESS_OPERATION]] receive_operation : public awaited_once {
 public:
  explicit receive_operation(channel_state<T>& channel) noexcept : channel_(&channel) {}
  receive_awaiter<T, Optional> make_awaiter() noexcept {
    return receive_awaiter<T, Optional>(*channel_);
  }
  [[nodiscard]] channel_state<T>& target() const noexcept { return *channel_; }

 private:
  channel_state<T>* channel_;
};

/// GCC 12 bitwise copies an aggregate temporary of a co_await expression, and destroys both.
template <class U>
inline constexpr bool safe_in_await =
    !STACKLESS_DOUBLE_DESTROYS_AGGREGATES || std::is_lvalue_reference_v<U> ||
    !std::is_aggregate_v<std::remove_cvref_t<U>> ||
    std::is_trivially_destructible_v<std::remove_cvref_t<U>>;

template <class T, class Handle, class R>
task<std::size_t> send_each(Handle to, R range) {
  std::size_t count = 0;
  for (auto i = std::ranges::begin(range); i != std::ranges::end(range); ++i, ++count) {
    if constexpr (std::ranges::view<R>) {
      T value(*i);
      co_await to.send_from(value);
    } else {
      T value(std::ranges::iter_move(i));
      co_await to.send_from(value);
    }
  }
  co_return count;
}

[[nodiscard]] inline send_status status_of(action_outcome outcome) noexcept {
  switch (outcome) {
  case action_outcome::dropped:
    return send_status::would_block;
  case action_outcome::closed:
    return send_status::closed;
  default:
    return send_status::sent;
  }
}

}  // namespace detail

template <class T>
class sender;
template <class T>
class receiver;

/// Where tasklets meet: values go from senders to receivers, first come, first served. Copies are
/// the same channel. With capacity 0 sender and receiver meet; else up to `capacity` values wait in
/// a buffer.
///
/// **Lifetime**: lives as long as a handle. When the last one goes while tasklets wait, they get
/// `channel_closed` (`next`: nothing). An operation must not outlive the handle it was made from.
/// **Threads**: confined to one thread.
/// **Wakes**: with capacity 0 the receiver runs next and the sender keeps its place in the ring, as
/// in the ancestor; see `preference`. With a buffer the one who acts goes on (docs/channels.md).
template <class T>
class channel : public detail::channel_handle {
  static_assert(std::is_object_v<T> && std::is_move_constructible_v<T>);

 public:
  using value_type = T;

  explicit channel(std::size_t capacity = 0, detail::site here = detail::site::current())
      : channel_reference(new state(capacity, {}, here)) {}
  explicit channel(channel_name name, std::size_t capacity = 0)
      : channel_reference(new state(capacity, name.text(), name.at())) {}

  // To be awaited, in tasklets -------------------------------------------------------------------

  /// Sends a value.
  ///
  /// **Cancellation**: a cancel point; a send that raised did not happen.
  /// **Errors**: `channel_closed`, `block_trap_error`, `deadlock_error`; what moving a T throws.
  template <class U = T>
    requires std::constructible_from<T, U>
  detail::send_operation<T> send(U&& value) const {
    static_assert(
        detail::safe_in_await<U>, "GCC 12 destroys this temporary twice: name the variable and use "
                                  "send_from (docs/compilers.md)"
    );
    return detail::send_operation<T>(self(), std::forward<U>(value));
  }

  /// As `send`, of a value made from `arguments`.
  template <class... A>
    requires std::constructible_from<T, A...>
  detail::send_operation<T> emplace(A&&... arguments) const {
    static_assert(
        (detail::safe_in_await<A> && ...), "GCC 12 destroys this temporary twice: name the "
                                           "variable and use send_from (docs/compilers.md)"
    );
    return detail::send_operation<T>(self(), std::forward<A>(arguments)...);
  }

  /// As `send`, moving from `value` only when the send takes effect: else it keeps its value.
  detail::send_from_operation<T> send_from(T& value) const {
    return detail::send_from_operation<T>(self(), value);
  }

  /// Makes the receiver raise `error`. It is never buffered: it waits for a receiver, behind all
  /// values.
  /// **Errors**: as `send`; `std::invalid_argument` for a null error.
  detail::send_exception_operation<T> send_exception(std::exception_ptr error) const {
    if (!error) throw std::invalid_argument("send_exception: a null exception_ptr is no error");
    return detail::send_exception_operation<T>(self(), std::move(error));
  }

  /// Sends each element of a range, and gives their number. A container is given away (`std::move`
  /// it, or it is copied), and its elements are moved; those of a view are copied.
  ///
  /// **Cancellation**: as `send`, at each element. **Errors**: as `send`, and what the range
  /// throws: the elements before were sent.
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
    return detail::send_each<T, channel, Range>(*this, std::forward<R>(range));
  }

  /// Receives a value.
  ///
  /// **Cancellation**: a cancel point; a receive that raised took no value, but for one whose own
  /// move raised on its way out.
  /// **Errors**: `channel_closed` when closed and empty, `block_trap_error`, `deadlock_error`, and
  /// what was sent by `send_exception`.
  detail::receive_operation<T, false> receive() const {
    return detail::receive_operation<T, false>(self());
  }

  /// As `receive`, for loops: nothing when closed and empty.
  detail::receive_operation<T, true> next() const {
    return detail::receive_operation<T, true>(self());
  }

  // Plain functions ------------------------------------------------------------------------------

  /// Sends if a receiver waits or there is room: a copy of `value`. The receiver goes to the tail.
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

  /// Receives if there is a value; a waiting sender goes to the tail. **Errors**: what was sent by
  /// `send_exception`.
  [[nodiscard]] std::optional<T> try_receive(detail::site here = detail::site::current()) const {
    detail::result_slot<T> slot;
    if (!self().try_receive(slot, here)) return std::nullopt;
    return slot.take();
  }

  /// No more values: receivers that wait are woken, waiting senders and the buffer are still
  /// served, later sends raise `channel_closed`. Closing again changes nothing.
  /// **Wakes**: receivers go to the tail in their order.
  void close(detail::site here = detail::site::current()) const { changing().close(here); }

  /// The ancestor's close: wakes nobody; an operation that would have to wait raises instead.
  void begin_closing() const { changing().begin_closing(); }
  /// Takes back `begin_closing` and `close`.
  void open() const { changing().open(); }
  [[nodiscard]] bool closing() const { return self().shut; }
  /// Closing, and nobody waits and nothing is buffered.
  [[nodiscard]] bool closed() const {
    const state& s = self();
    return s.shut && s.balance() == 0 && s.buffered == 0;
  }

  /// Waiting senders, less waiting receivers: one of the two is zero.
  [[nodiscard]] std::ptrdiff_t balance() const { return self().balance(); }
  /// Who waits, in the order in which they will be served.
  [[nodiscard]] std::vector<any_tasklet> waiting() const { return self().waiting(); }
  /// Values in the buffer.
  [[nodiscard]] std::size_t size() const { return self().buffered; }
  [[nodiscard]] std::size_t capacity() const { return self().capacity; }

  /// Who runs next after an exchange between two tasklets. The default is `receiver` with capacity
  /// 0, `neither` with a buffer. Counts at the time of the exchange.
  [[nodiscard]] channel_preference preference() const { return self().preference(); }
  void set_preference(channel_preference side) const {
    changing().set_switching(side, self().schedule_all());
  }
  /// After an exchange all others run first. Overrides the preference.
  [[nodiscard]] bool schedule_all() const { return self().schedule_all(); }
  void set_schedule_all(bool on) const { changing().set_switching(self().preference(), on); }

  /// Counted ends of it (channel_ends.hpp): what is left when all plain handles are gone. While one
  /// lives it counts as a sender and as a receiver.
  [[nodiscard]] sender<T> tx() const { return sender<T>(self()); }
  [[nodiscard]] receiver<T> rx() const { return receiver<T>(self()); }

  [[nodiscard]] std::string name() const { return self().display_name(); }
  void set_name(std::string_view name) const { self().rename(name); }

  friend bool operator==(const channel& a, const channel& b) noexcept {
    return a.identity() == b.identity();
  }

 private:
  using state = detail::channel_state<T>;

  [[nodiscard]] state& self() const { return static_cast<state&>(core()); }
  [[nodiscard]] state& changing() const {
    state::check_not_in_hook();
    return self();
  }
};

}  // namespace stackless::inline STACKLESS_ABI
