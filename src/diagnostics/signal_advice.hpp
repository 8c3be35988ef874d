#pragma once

#include "diagnostics/verdict.hpp"

#include <string>

namespace stackless::inline STACKLESS_ABI::detail {

/// What it takes to end a wait for an event, a semaphore and the like. Who should have done it is
/// not known.
[[nodiscard]] std::string about_never_signalled(
    const snapshot_data& state,
    const finding& found,
    const tasklet_info& subject,
    const object_info& object
);

/// It waits on a condition variable without a condition.
[[nodiscard]] bool waits_bare(const tasklet_info& t);

/// It ended by an error, or was cancelled: maybe before what others wait for.
[[nodiscard]] bool was_cut_short(const ended_info& e);

}  // namespace stackless::inline STACKLESS_ABI::detail
