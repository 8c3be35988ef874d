#pragma once

#include <stackless/detail/config.hpp>

#include <cerrno>
#include <system_error>

namespace stackless::inline STACKLESS_ABI::detail {

/// What errno says.
[[nodiscard]] inline std::error_code last_error() noexcept {
  return {errno, std::system_category()};
}

/// The system call `what` has failed: errno tells how.
[[noreturn]] inline void throw_system(const char* what) {
  throw std::system_error(last_error(), what);
}

}  // namespace stackless::inline STACKLESS_ABI::detail
