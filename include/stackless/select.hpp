#pragma once

#include <stackless/channel.hpp>
#include <stackless/detail/awaited_once.hpp>
#include <stackless/detail/select_core.hpp>
#include <stackless/sync/sync.hpp>
#include <stackless/tasklet.hpp>
#include <stackless/time.hpp>

#include <array>
#include <chrono>
#include <concepts>
#include <cstddef>
#include <functional>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>

namespace stackless::inline STACKLESS_ABI {

/// The case of a select that is taken when no other is ready: the select does not wait.
struct otherwise_t {
  explicit otherwise_t() = default;
};
[[nodiscard]] inline otherwise_t otherwise() noexcept {
  return otherwise_t();
}

/// A time limit, as a case of a select.
[[nodiscard]] inline detail::sleep_operation after(std::chrono::nanoseconds duration) {
  return sleep_for(duration);
}

namespace detail {

/// An awaiter that can be one of several:
///   - `bool select_ready(site)`: does it now if that is possible without a switch;
///   - `void select_begin()`: joins its object's queue, or raises and has not;
///   - `wait& select_wait()`; and `await_resume()`, if it is the one.
template <class Awaiter>
concept selectable = requires(Awaiter& awaiter, site here) {
  { awaiter.select_ready(here) } -> std::same_as<bool>;
  awaiter.select_begin();
  { awaiter.select_wait() } -> std::same_as<wait&>;
};

template <class Operation>
concept selectable_operation = awaitable_operation<Operation> &&
                               selectable<decltype(std::declval<Operation&>().make_awaiter())>;

template <class Operation>
concept select_argument =
    selectable_operation<Operation> || std::same_as<std::remove_cvref_t<Operation>, otherwise_t>;
/// Looks like one.
template <class Operation>
concept mistaken_select_argument =
    !select_argument<Operation> && (awaitable_operation<Operation> || is_task<Operation> ||
                                    std::derived_from<Operation, any_tasklet>);

template <std::size_t Number, class Operation>
struct select_case {
  using awaiter_type = decltype(std::declval<Operation&>().make_awaiter());
  using result = decltype(std::declval<awaiter_type&>().await_resume());
  static constexpr bool is_otherwise = false;

  explicit select_case(Operation& operation) : awaiter(operation.make_awaiter()) {
    if constexpr (std::derived_from<Operation, awaited_once>) operation.is_awaited();
  }
  awaiter_type awaiter;
};
template <std::size_t Number>
struct select_case<Number, otherwise_t> {
  using result = void;
  static constexpr bool is_otherwise = true;

  explicit select_case(otherwise_t&) noexcept {}
};

template <class T>
struct select_value_of {
  using type = T;
};
template <>
struct select_value_of<void> {
  using type = std::monostate;
};
template <class T>
struct select_value_of<T&> {
  using type = std::reference_wrapper<T>;
};
template <class T>
using select_value = typename select_value_of<T>::type;

template <class Numbers, class... Operations>
class select_awaiter;

template <std::size_t... N, class... Operations>
class select_awaiter<std::index_sequence<N...>, Operations...>
    : private select_case<N, Operations>... {
  static constexpr std::size_t count = sizeof...(N);
  template <std::size_t I>
  using case_at = select_case<
      I,
      std::remove_reference_t<decltype(std::get<I>(std::declval<std::tuple<Operations...>&>()))>>;

 public:
  using result = std::variant<select_value<typename select_case<N, Operations>::result>...>;

  explicit select_awaiter(bool in_order, Operations&... operations)
      : select_case<N, Operations>(operations)..., in_order_(in_order) {}
  select_awaiter(const select_awaiter&) = delete;
  select_awaiter& operator=(const select_awaiter&) = delete;

  bool await_ready(site here = site::current()) {
    scheduler_core& core = *active_scheduler;
    check_attention(*core.current());
    const std::size_t first = in_order_ ? 0 : core.select_turn++ % count;
    for (std::size_t i = 0; i < count; ++i) {
      const std::size_t number = (first + i) % count;
      if (!try_case(number, here)) continue;
      winner_ = number;
      return true;
    }
    winner_ = otherwise_number();
    if (winner_ != select_core::nobody) return true;
    core.check_switch_trap(core.others_can_run());
    return false;
  }

  template <std::derived_from<frame> Promise>
  std::coroutine_handle<> await_suspend(
      std::coroutine_handle<Promise> h, site here = site::current()
  ) {
    scheduler_core& core = *active_scheduler;
    try {
      (begin_case<N>(*core.current()), ...);
    } catch (...) {
      core_.leave_all_but(nullptr);
      throw;
    }
    return core.block(wait_, h.promise(), here);
  }

  result await_resume() {
    if (winner_ == select_core::nobody) winner_ = core_.winner();
    if (winner_ == select_core::nobody) {
      resumed(*active_scheduler->current());
      throw_object_gone();
    }
    using taker = result (*)(select_awaiter&);
    static constexpr std::array<taker, count> takers{&select_awaiter::template take_case<N>...};
    return takers[winner_](*this);
  }

 private:
  [[nodiscard]] bool try_case(std::size_t number, site here) {
    using tester = bool (*)(select_awaiter&, site);
    static constexpr std::array<tester, count> testers{&select_awaiter::template case_is_ready<N>...
    };
    return testers[number](*this, here);
  }

  template <std::size_t I>
  static bool case_is_ready(select_awaiter& self, site here) {
    if constexpr (case_at<I>::is_otherwise) {
      return false;
    } else {
      return static_cast<case_at<I>&>(self).awaiter.select_ready(here);
    }
  }

  template <std::size_t I>
  void begin_case(tasklet_block& owner) {
    if constexpr (!case_at<I>::is_otherwise) {
      auto& chosen = static_cast<case_at<I>&>(*this).awaiter;
      chosen.select_begin();
      core_.began(I, chosen.select_wait(), owner);
    }
  }

  template <std::size_t I>
  static result take_case(select_awaiter& self) {
    using value = typename case_at<I>::result;
    if constexpr (case_at<I>::is_otherwise) {
      return result(std::in_place_index<I>);
    } else if constexpr (std::is_void_v<value>) {
      static_cast<case_at<I>&>(self).awaiter.await_resume();
      return result(std::in_place_index<I>);
    } else {
      return result(std::in_place_index<I>, static_cast<case_at<I>&>(self).awaiter.await_resume());
    }
  }

  [[nodiscard]] static constexpr std::size_t otherwise_number() noexcept {
    std::size_t number = select_core::nobody;
    ((select_case<N, Operations>::is_otherwise ? number = N : number), ...);
    return number;
  }

  wait* waits_[count] = {};
  select_core core_{waits_, count};
  wait wait_{wait_kind::select, &core_};
  std::size_t winner_ = select_core::nobody;
  bool in_order_;
};

template <class... Operations>
class [[STACKLESS_OPERATION]] select_operation : public awaited_once {
 public:
  explicit select_operation(bool in_order, Operations&... operations) noexcept
      : operations_(operations...), in_order_(in_order) {}

  auto make_awaiter() {
    return std::apply(
        [this](Operations&... operations) {
          return select_awaiter<std::index_sequence_for<Operations...>, Operations...>(
              in_order_, operations...
          );
        },
        operations_
    );
  }

 private:
  std::tuple<Operations&...> operations_;
  bool in_order_;
};

template <class... Operations>
constexpr void explain_select() {
  static_assert(
      !(std::derived_from<Operations, any_tasklet> || ...),
      "a tasklet is no case of a select: t.join() is"
  );
  static_assert(
      !(is_task<Operations> || ...), "a call is no case of a select, which begins nothing before "
                                     "it has chosen: spawn it, and join it in the select"
  );
  static_assert(
      !((awaitable_operation<Operations> && !selectable_operation<Operations>) || ...),
      "this operation cannot be given up half done: a case of a select for I/O is readable() or "
      "writable(), and then the operation"
  );
}

}  // namespace detail

/// Waits until one of several operations can happen, does that one, and gives its result in a
/// `std::variant` whose index is the number of the case (`std::monostate` for no result, a
/// `std::reference_wrapper` for a reference). Exactly one happens; the others have not, and leave
/// no trace. When several are ready they take turns at being first. With `otherwise()` among the
/// cases it never waits.
///
/// Cases are the operations themselves, made in the call: `receive`, `next`, `send`, `send_from`,
/// `send_exception`; `after`, `sleep_until`; `lock`, `lock_shared`, `acquire`, `wait` of sync/;
/// `readable` and `writable` of io/; and `join`. It cannot wait for both directions of one
/// channel.
///
/// **Cancellation**: a cancel point; no case has happened then.
/// **Errors**: those of the case that happened; a send on a closed channel raises.
/// `std::logic_error` for both directions of a channel.
/// **Wakes**: as the operation, but a partner always goes to the tail: no switch.
/// Allocates nothing itself. O(cases).
template <class... Operations>
  requires(sizeof...(Operations) != 0) && (detail::select_argument<Operations> && ...)
detail::select_operation<Operations...> select(Operations&&... operations) {
  return detail::select_operation<Operations...>(false, operations...);
}
/// For what cannot be a case: says why.
template <class... Operations>
  requires(detail::mistaken_select_argument<std::remove_reference_t<Operations>> || ...)
detail::sleep_operation select(Operations&&...) {
  detail::explain_select<std::remove_reference_t<Operations>...>();
  return after({});
}

/// As `select`, but of several that are ready the first in the order of the arguments happens.
template <class... Operations>
  requires(sizeof...(Operations) != 0) && (detail::select_argument<Operations> && ...)
detail::select_operation<Operations...> select_first(Operations&&... operations) {
  return detail::select_operation<Operations...>(true, operations...);
}
template <class... Operations>
  requires(detail::mistaken_select_argument<std::remove_reference_t<Operations>> || ...)
detail::sleep_operation select_first(Operations&&...) {
  detail::explain_select<std::remove_reference_t<Operations>...>();
  return after({});
}

}  // namespace stackless::inline STACKLESS_ABI
