#pragma once

#include <stackless/detail/config.hpp>

#include <source_location>

namespace stackless::inline STACKLESS_ABI::detail {

#if STACKLESS_TRACKING
/// A place in the user's source. One pointer in libstdc++.
using site = std::source_location;
#else
struct site {
  static consteval site current() noexcept { return {}; }
  static constexpr unsigned line() noexcept { return 0; }
  static constexpr unsigned column() noexcept { return 0; }
  static constexpr const char* file_name() noexcept { return ""; }
  static constexpr const char* function_name() noexcept { return ""; }
};
#endif

}  // namespace stackless::inline STACKLESS_ABI::detail
