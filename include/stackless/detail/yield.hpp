#pragma once

#include <stackless/detail/config.hpp>
#include <stackless/error.hpp>

#include <type_traits>

namespace stackless::inline STACKLESS_ABI {

namespace detail {

/// What `move_from` gives.
template <class T>
class moved_element {
 public:
  explicit moved_element(T& element) noexcept : element_(&element) {}
  [[nodiscard]] T& get() const noexcept { return *element_; }

 private:
  T* element_;
};

/// A co_yield is a co_await to GCC 12: it destroys aggregate temporaries in it twice.
template <class U>
inline constexpr bool safe_to_yield =
    !STACKLESS_DOUBLE_DESTROYS_AGGREGATES || !std::is_aggregate_v<U> ||
    std::is_trivially_destructible_v<U>;

}  // namespace detail

/// `co_yield move_from(x)` in a generator: gives what is in `x` away, which is no temporary.
template <class T>
  requires(!std::is_const_v<T>)
[[nodiscard]] detail::moved_element<T> move_from(T& x) noexcept {
  return detail::moved_element<T>(x);
}

}  // namespace stackless::inline STACKLESS_ABI
