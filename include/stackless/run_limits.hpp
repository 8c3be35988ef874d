#pragma once

#include <stackless/detail/config.hpp>

#include <chrono>
#include <cstdint>
#include <optional>

namespace stackless::inline STACKLESS_ABI {

/// Why a drive came back.
enum class run_result : std::uint8_t {
  all_ended,   ///< no tasklet is left but daemons
  idle,        ///< the rest wait
  steps_used,  ///< `run_limits::steps`
  time_used,   ///< `run_limits::time`
  slice_used   ///< `run_limits::slice`
};

/// What ends a drive early. Tasklets are never interrupted: limits count and look at the clock
/// between two turns. The next drive begins with the tasklet that was due.
struct run_limits {
  std::optional<std::uint64_t> steps = {};  ///< turns in all; a tasklet may have several
  std::optional<std::chrono::nanoseconds> time = {
  };  ///< for all turns; the first one always happens
  std::optional<std::chrono::nanoseconds> slice = {};  ///< for any one turn
};

}  // namespace stackless::inline STACKLESS_ABI
