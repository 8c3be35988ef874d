#pragma once

#include <stackless/task.hpp>

#include <optional>
#include <type_traits>

namespace stackless::inline STACKLESS_ABI::detail {

template <class T>
struct completion_of {
  using type = std::optional<T>;
};
template <>
struct completion_of<void> {
  using type = bool;
};

/// What a body gives that may be cut short: whether it ran to its end, or its result.
template <class T>
using completion = typename completion_of<T>::type;

/// Scope functions use their callable in place, so a temporary one lives in the co_await's full
/// expression, where GCC 12 destroys by-value captures twice.
template <class F>
constexpr void check_scope_callable() noexcept {
#if STACKLESS_DOUBLE_DESTROYS_AGGREGATES
  static_assert(
      std::is_lvalue_reference_v<F> || std::is_trivially_destructible_v<std::remove_reference_t<F>>,
      "GCC 12 destroys the by-value captures of a closure in a co_await expression twice: "
      "capture by reference, or give the closure a name and pass that"
  );
#endif
}

}  // namespace stackless::inline STACKLESS_ABI::detail
