#pragma once

#include <stackless/detail/site.hpp>

#include <string>
#include <string_view>

namespace stackless::inline STACKLESS_ABI::detail {

/// `@file.cpp:12`, for what has no name of its own; nothing without tracking.
inline std::string place_text([[maybe_unused]] site made_at) {
#if STACKLESS_TRACKING
  std::string_view file = made_at.file_name();
  file.remove_prefix(file.rfind('/') + 1);
  return "@" + std::string(file) + ":" + std::to_string(made_at.line());
#else
  return {};
#endif
}

}  // namespace stackless::inline STACKLESS_ABI::detail
