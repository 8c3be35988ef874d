#pragma once

#include <stackless/task.hpp>
#include <stackless/tasklet.hpp>

#include <concepts>
#include <type_traits>

namespace stackless::inline STACKLESS_ABI::detail {

// Overloads that say what is wrong with a spawn or a run, where the compiler would only list
// candidates. They match nothing but what looks like a mistake: other functions of these names stay
// callable.

/// What stands before the callable.
template <class First>
inline constexpr bool precedes_callable = std::is_convertible_v<First, tasklet_name>;

template <class F>
concept looks_callable = is_task<F> || std::is_function_v<std::remove_pointer_t<F>> ||
                         std::is_member_function_pointer_v<F> || requires { &F::operator(); };

template <class F, class... A>
struct spawn_mistake {
  static constexpr bool found = looks_callable<F> && !task_function<F, A...>;

  static constexpr void explain() {
    if constexpr (is_task<F>) {
      static_assert(
          !found, "a task cannot be handed over, pass the function and its arguments: spawn(f, x), "
                  "not spawn(f(x))"
      );
    } else if constexpr (std::invocable<F&, A...>) {
      static_assert(
          !found, "this function returns no task; a lambda that awaits says what it returns: "
                  "[]() -> stackless::task<> { ... }"
      );
    } else if constexpr (std::invocable<F&, A&...>) {
      static_assert(
          !found, "this function takes an argument by reference, which the tasklet could outlive: "
                  "take it by value, or pass borrow(x) on purpose"
      );
    } else {
      static_assert(!found, "this function cannot be called with these arguments");
    }
  }
};

template <class First, class Second, class... Rest>
  requires precedes_callable<First>
struct spawn_mistake<First, Second, Rest...> : spawn_mistake<Second, Rest...> {};

template <class... A>
concept mistaken_spawn = sizeof...(A) != 0 && spawn_mistake<std::decay_t<A>...>::found;

template <class... A>
constexpr void explain_spawn() {
  spawn_mistake<std::decay_t<A>...>::explain();
}

}  // namespace stackless::inline STACKLESS_ABI::detail
