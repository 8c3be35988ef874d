#pragma once

#include <stackless/detail/config.hpp>

#include <string>
#include <string_view>

namespace stackless::inline STACKLESS_ABI::detail {

/// A function as people write it, whichever compiler spelled it: `fetch(channel<int>&)`. Without
/// return type; a lambda is `lambda(int) in hello`.
[[nodiscard]] std::string clean_function(std::string_view spelled);

/// As `clean_function`, without parameters: `fetch`, `lambda in hello`.
[[nodiscard]] std::string short_function(std::string_view spelled);

/// A type without the library's and the standard library's inner namespaces and default arguments.
[[nodiscard]] std::string clean_type(std::string_view spelled);

}  // namespace stackless::inline STACKLESS_ABI::detail
