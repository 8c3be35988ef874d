#pragma once

#include <stackless/detail/site.hpp>

#include <coroutine>

namespace stackless::inline STACKLESS_ABI::detail {

/// One link of an async stack: the first base of every coroutine promise of ours.
struct frame {
  frame* parent;  ///< who resumes when this coroutine returns; null in a tasklet's root; set when
                  ///< it is called
#if STACKLESS_TRACKING
  site at{};                       ///< the co_await that this coroutine was last suspended at
  const char* function = nullptr;  ///< the coroutine's name, as the compiler spells it
#endif

  void suspended_at([[maybe_unused]] site here) noexcept {
#if STACKLESS_TRACKING
    at = here;
#endif
  }

  /// A coroutine's address follows from its promise's, since `frame` is the promise's first base
  /// and no promise of ours is over-aligned (`promise` asserts both).
  [[nodiscard]] std::coroutine_handle<> handle() noexcept {
    return std::coroutine_handle<frame>::from_promise(*this);
  }
};

}  // namespace stackless::inline STACKLESS_ABI::detail
