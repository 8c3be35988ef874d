#pragma once

#include <stackless/detail/feed_core.hpp>

#include <concepts>
#include <cstddef>
#include <functional>
#include <optional>
#include <type_traits>
#include <utility>

namespace stackless::inline STACKLESS_ABI {

namespace detail {

class watch_core : public feed_core {
 public:
  explicit watch_core(site here) noexcept;
  explicit watch_core(const object_name& name);
};

template <class T>
class watch_state final : public watch_core {
 public:
  template <class Origin>
  watch_state(const Origin& origin, T&& initial) : watch_core(origin), value(std::move(initial)) {}
  static watch_state& of(feed_core& core) noexcept { return static_cast<watch_state&>(core); }

  T value;
};

/// `Result`: `T`, an optional one, or nothing.
template <class T, class Result>
class watch_awaiter : public feed_awaiter {
 public:
  using feed_awaiter::feed_awaiter;

  Result await_resume() {
    constexpr bool gives_nothing_at_the_end = std::same_as<Result, std::optional<T>>;
    if (!finish_wait()) {
      if constexpr (gives_nothing_at_the_end) {
        return std::nullopt;
      } else {
        throw_closed();
      }
    }
    feed_receiver& r = receiver();
    if constexpr (std::is_void_v<Result>) {
      r.set_taken(r.core().newest());
    } else {
      Result copy(watch_state<T>::of(r.core()).value);  // if that raises, it has not seen it
      r.set_taken(r.core().newest());
      return copy;
    }
  }
};

}  // namespace detail

template <class T>
class watch_receiver;

/// The latest value of something, for all who want to know when it changes. Who is slow misses what
/// lies between, and never the latest. Copies are the same watch; empty after a move.
///
/// **Lifetime**: closed with the last copy; receivers keep the value alive.
/// **Threads**: of one scheduler.
template <class T>
class watch : private detail::feed_source {
 public:
  explicit watch(T initial, detail::site here = detail::site::current())
      : feed_source(*new detail::watch_state<T>(here, std::move(initial))) {}
  watch(const object_name& name, T initial)
      : feed_source(*new detail::watch_state<T>(name, std::move(initial))) {}

  /// Replaces the value. A plain function.
  /// **Errors**: `channel_closed`; what moving `T` raises, and nobody is told then;
  /// `std::logic_error` if this was moved from.
  /// **Wakes**: all who wait for a change, at the tail in their order. O(of these).
  void set(T value, detail::site here = detail::site::current()) const {
    core().check_open("set");
    state().value = std::move(value);
    core().announce(detail::action_kind::set, here);
  }
  /// Changes the value in place by `change(value)`, which gives false if it has left it alone:
  /// nobody is told then. What it raises goes on; nobody is told then either. As `set` in all else.
  template <class F>
    requires std::invocable<F&, T&>
  void modify(F&& change, detail::site here = detail::site::current()) const {
    core().check_open("modify");
    if constexpr (std::convertible_to<std::invoke_result_t<F&, T&>, bool>) {
      if (!std::invoke(change, state().value)) return;
    } else {
      std::invoke(change, state().value);
    }
    core().announce(detail::action_kind::set, here);
  }

  /// The value. Valid as long as this or a receiver, and changed by `set`.
  [[nodiscard]] const T& value() const { return state().value; }

  /// A receiver that has seen the value of now.
  [[nodiscard]] watch_receiver<T> subscribe() const { return watch_receiver<T>(state()); }
  [[nodiscard]] std::size_t receivers() const { return core().receivers(); }

  /// No value comes after this; receivers still get what they have not seen.
  /// **Wakes**: all who wait for a change, at the tail.
  void close(detail::site here = detail::site::current()) const { core().close(here); }
  [[nodiscard]] bool closed() const { return core().closed(); }

 private:
  [[nodiscard]] detail::watch_state<T>& state() const { return detail::watch_state<T>::of(core()); }
};

/// One who follows a watch, and the latest value that it has seen. A copy has seen the same, and
/// goes on by itself. Empty after a move.
///
/// **Lifetime**: must outlive what waits on it, else that gets `object_gone`.
/// **Threads**: of one scheduler; one tasklet at a time waits on it.
template <class T>
class watch_receiver : private detail::feed_receiver {
 public:
  /// Waits until there is a value that it has not seen, and gives the latest. Can be a case of a
  /// `select`, as the others.
  ///
  /// **Cancellation**: a cancel point; after one that raised the value is unseen.
  /// **Errors**: `channel_closed` when it is closed and the last value was seen; `std::logic_error`
  /// if another tasklet waits on this, or it was moved from; what copying `T` raises.
  [[nodiscard]] auto receive() {
    return detail::feed_operation<detail::watch_awaiter<T, T>>(checked());
  }
  /// As `receive`, for loops: nothing when it is closed and the last value was seen.
  [[nodiscard]] auto next() {
    return detail::feed_operation<detail::watch_awaiter<T, std::optional<T>>>(checked());
  }
  /// As `receive`, without a copy: the value counts as seen, and is in `value()`.
  [[nodiscard]] auto changed() {
    return detail::feed_operation<detail::watch_awaiter<T, void>>(checked());
  }
  /// A plain function: the latest value if it has not seen it, which it has then.
  /// **Errors**: `std::logic_error` as `receive`.
  [[nodiscard]] std::optional<T> try_receive() {
    check_alone();
    if (!feed_receiver::has_newer()) return std::nullopt;
    std::optional<T> copy(value());
    set_taken(core().newest());
    return copy;
  }

  /// The latest value, seen or not; it does not count as seen by this. Valid as long as this.
  [[nodiscard]] const T& value() const { return detail::watch_state<T>::of(core()).value; }
  /// There is a value that it has not seen.
  [[nodiscard]] bool has_newer() const { return feed_receiver::has_newer(); }
  [[nodiscard]] bool closed() const { return core().closed(); }

  /// For the library.
  explicit watch_receiver(detail::watch_state<T>& state) noexcept
      : feed_receiver(state, state.newest()) {}

 private:
  [[nodiscard]] detail::feed_receiver& checked() {
    (void)core();
    return *this;
  }
};

}  // namespace stackless::inline STACKLESS_ABI
