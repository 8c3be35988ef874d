#pragma once

#include <stackless/detail/feed_core.hpp>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <stdexcept>
#include <type_traits>
#include <utility>

namespace stackless::inline STACKLESS_ABI {

/// A receiver of a broadcast was so far behind that values were dropped. It goes on with the oldest
/// that is left.
class broadcast_lagged : public std::runtime_error {
 public:
  broadcast_lagged(const std::string& what, std::uint64_t missed)
      : std::runtime_error(what), missed_(missed) {}
  /// How many values it will never see.
  [[nodiscard]] std::uint64_t missed() const noexcept { return missed_; }

 private:
  std::uint64_t missed_;
};

namespace detail {

class broadcast_core : public feed_core {
 public:
  broadcast_core(site here, std::size_t capacity);
  broadcast_core(const object_name& name, std::size_t capacity);

  [[nodiscard]] std::size_t capacity() const noexcept { return capacity_; }
  [[nodiscard]] virtual std::size_t buffered() const noexcept = 0;
  [[nodiscard]] std::uint64_t oldest() const noexcept { return newest() - buffered() + 1; }
  /// How many of those that are left it has not taken.
  [[nodiscard]] std::size_t behind(const feed_receiver& receiver) const noexcept;
  /// \throws broadcast_lagged, once, if the receiver has missed values
  void check_lag(feed_receiver& receiver) const;
  void note_unheard(site here) noexcept;
  void describe(object_info& info, std::vector<const void*>& handles) const override;

 private:
  std::size_t capacity_;
};

template <class T>
class broadcast_state final : public broadcast_core {
 public:
  using broadcast_core::broadcast_core;
  static broadcast_state& of(feed_core& core) noexcept {
    return static_cast<broadcast_state&>(core);
  }

  void add(T&& value) {
    values_.push_back({std::move(value), receivers()});
    if (values_.size() > capacity()) values_.pop_front();
  }
  /// There is one, for certain. A copy, but for the last who wants it.
  T take(feed_receiver& receiver) {
    check_lag(receiver);
    const std::uint64_t number = receiver.taken() + 1;
    entry& e = values_[static_cast<std::size_t>(number - oldest())];
    if (e.wanted != 1) {
      T value(std::as_const(e.value));
      --e.wanted;
      receiver.set_taken(number);
      return value;
    }
    T value(std::move_if_noexcept(e.value));
    values_.pop_front();  // who wants an older one wants this one, too
    receiver.set_taken(number);
    return value;
  }

  void add_receiver(const feed_receiver& receiver) noexcept override {
    for (std::size_t i = behind(receiver); i != 0; --i) ++values_[values_.size() - i].wanted;
    feed_core::add_receiver(receiver);
  }
  void remove_receiver(const feed_receiver& receiver) noexcept override {
    for (std::size_t i = behind(receiver); i != 0; --i) --values_[values_.size() - i].wanted;
    while (!values_.empty() && values_.front().wanted == 0) values_.pop_front();
    feed_core::remove_receiver(receiver);
  }
  [[nodiscard]] std::size_t buffered() const noexcept override { return values_.size(); }

 private:
  struct entry {
    T value;
    std::size_t wanted;  ///< by so many receivers; never fewer than want the one before it
  };
  std::deque<entry> values_;
};

/// `Result`: `T`, or an optional one.
template <class T, class Result>
class broadcast_awaiter : public feed_awaiter {
 public:
  using feed_awaiter::feed_awaiter;

  Result await_resume() {
    if (!finish_wait()) {
      if constexpr (std::same_as<Result, T>) {
        throw_closed();
      } else {
        return std::nullopt;
      }
    }
    return broadcast_state<T>::of(receiver().core()).take(receiver());
  }
};

}  // namespace detail

template <class T>
class broadcast_receiver;

/// Every receiver gets every value that is sent from its subscription on. Sending never waits:
/// a receiver that is more than the capacity behind misses the oldest, and is told how many.
/// Copies are the same broadcast; empty after a move.
///
/// `T` must be copyable; the last receiver of a value gets the thing itself.
/// **Lifetime**: closed with the last copy; receivers still get what was sent before.
/// **Threads**: of one scheduler.
template <class T>
  requires std::copy_constructible<T>
class broadcast : private detail::feed_source {
 public:
  /// So many values are kept for receivers that are behind, while one of them wants them.
  /// **Errors**: `std::logic_error` for 0.
  explicit broadcast(std::size_t capacity, detail::site here = detail::site::current())
      : feed_source(*new detail::broadcast_state<T>(here, capacity)) {}
  broadcast(const object_name& name, std::size_t capacity)
      : feed_source(*new detail::broadcast_state<T>(name, capacity)) {}

  /// A plain function. Gives the number of receivers; with none the value is dropped.
  /// **Errors**: `channel_closed`; `std::logic_error` if this was moved from; `std::bad_alloc`, and
  /// what moving `T` raises: nothing was sent then.
  /// **Wakes**: all who wait to receive, at the tail in their order. O(of these).
  std::size_t send(T value, detail::site here = detail::site::current()) const {
    core().check_open("send");
    if (core().receivers() == 0) {
      state().note_unheard(here);
      return 0;
    }
    state().add(std::move(value));
    core().announce(detail::action_kind::send, here);
    return core().receivers();
  }

  /// A receiver of what is sent from now on.
  [[nodiscard]] broadcast_receiver<T> subscribe() const { return broadcast_receiver<T>(state()); }
  [[nodiscard]] std::size_t receivers() const { return core().receivers(); }
  [[nodiscard]] std::size_t capacity() const { return state().capacity(); }

  /// No value comes after this; receivers still get what was sent before.
  /// **Wakes**: all who wait to receive, at the tail.
  void close(detail::site here = detail::site::current()) const { core().close(here); }
  [[nodiscard]] bool closed() const { return core().closed(); }

 private:
  [[nodiscard]] detail::broadcast_state<T>& state() const {
    return detail::broadcast_state<T>::of(core());
  }
};

/// One who receives all that is sent. A copy gets what this has not received yet, by itself. Empty
/// after a move.
///
/// **Lifetime**: must outlive what waits on it, else that gets `object_gone`.
/// **Threads**: of one scheduler; one tasklet at a time waits on it.
template <class T>
class broadcast_receiver : private detail::feed_receiver {
 public:
  /// Waits for the next value. Can be a case of a `select`, as `next`.
  ///
  /// **Cancellation**: a cancel point; one that raised has received nothing.
  /// **Errors**: `channel_closed` when it is closed and all was received; `broadcast_lagged` when
  /// values were missed, once: the next call gives the oldest that is left; `std::logic_error` if
  /// another tasklet waits on this, or it was moved from; what copying `T` raises.
  [[nodiscard]] auto receive() {
    return detail::feed_operation<detail::broadcast_awaiter<T, T>>(checked());
  }
  /// As `receive`, for loops: nothing when it is closed and all was received.
  [[nodiscard]] auto next() {
    return detail::feed_operation<detail::broadcast_awaiter<T, std::optional<T>>>(checked());
  }
  /// A plain function: the next value if there is one. **Errors**: as `receive`, but for
  /// `channel_closed`.
  [[nodiscard]] std::optional<T> try_receive() {
    check_alone();
    if (!has_newer()) return std::nullopt;
    return state().take(*this);
  }

  /// How many values are there for it.
  [[nodiscard]] std::size_t available() const { return state().behind(*this); }
  [[nodiscard]] bool closed() const { return core().closed(); }

  /// For the library.
  explicit broadcast_receiver(detail::broadcast_state<T>& state) noexcept
      : feed_receiver(state, state.newest()) {}

 private:
  [[nodiscard]] detail::broadcast_state<T>& state() const {
    return detail::broadcast_state<T>::of(core());
  }
  [[nodiscard]] detail::feed_receiver& checked() {
    (void)core();
    return *this;
  }
};

}  // namespace stackless::inline STACKLESS_ABI
