#pragma once

#include <stackless/detail/frame.hpp>

#include <cstdint>
#include <exception>
#include <string>
#include <vector>

namespace stackless::inline STACKLESS_ABI::detail {

// The way that an exception takes through coroutines, joins and channels. Kept beside it, for as
// long as it lives; nothing is done until something is thrown, and what cannot be noted for want
// of memory is left out.

/// The coroutine `f` of the current tasklet ends by the exception that is being handled: it is kept
/// for whoever awaits.
void leave_by_error(const frame& f) noexcept;

/// Raises `error` in `f`, a coroutine of the current tasklet.
[[noreturn]] void rethrow_in(const frame& f, std::exception_ptr error);
/// In the current coroutine of the current tasklet. `ended`: the tasklet that it comes from, when
/// others may be told of the same end; 0 for none.
[[noreturn]] void rethrow_here(std::exception_ptr error, std::uint64_t ended = 0);

/// A tasklet that an exception has been in.
struct traced_tasklet {
  std::uint64_t id = 0;
  std::string name;  ///< empty: there was no memory for it
  std::uint64_t spawner = 0;
  bool is_main = false;
  bool spawn_site_known = false;
  site spawned_at{};
};

/// A coroutine that it was raised in, or has left.
struct traced_frame {
  const frame* identity = nullptr;
  const char* function = nullptr;
  site at{};
  std::uint64_t tasklet = 0;
};

struct error_trace {
  static constexpr std::size_t most_frames = 256;

  std::vector<traced_frame> frames;      ///< innermost first
  std::vector<traced_tasklet> tasklets;  ///< in order of their first frame
  std::size_t left_out = 0;              ///< frames from the middle, when there were too many
  bool incomplete = false;               ///< memory was short
};

/// A copy, empty for an exception that was in no coroutine. \throws std::bad_alloc
[[nodiscard]] error_trace find_trace(const std::exception_ptr& error);

}  // namespace stackless::inline STACKLESS_ABI::detail
