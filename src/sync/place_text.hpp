#pragma once

#include <stackless/detail/site.hpp>

#include <string>
#include <string_view>

namespace stackless::inline STACKLESS_ABI::detail {

/// What is made in a container has no place that would help to find it.
inline constexpr std::string_view by_standard_library = "by a container or make_unique";

inline bool is_in_standard_library(std::string_view file) noexcept {
  const auto has = [&](std::string_view part) { return file.find(part) != file.npos; };
  return has("/include/c++/") || has("/c++/v1/") || (has("/c++/") && has("/bits/"));
}

/// `@file.cpp:12`, for what has no name of its own; nothing without tracking.
inline std::string place_text([[maybe_unused]] site made_at) {
#if STACKLESS_TRACKING
  std::string_view file = made_at.file_name();
  if (is_in_standard_library(file)) return " made " + std::string(by_standard_library);
  file.remove_prefix(file.rfind('/') + 1);
  return "@" + std::string(file) + ":" + std::to_string(made_at.line());
#else
  return {};
#endif
}

}  // namespace stackless::inline STACKLESS_ABI::detail
