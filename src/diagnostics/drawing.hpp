#pragma once

#include <stackless/deadlock.hpp>

#include <string>
#include <vector>

namespace stackless::inline STACKLESS_ABI::detail {

/// The core as lines of arrows, from tasklet to what it waits for to who could make it happen.
/// Empty where there is no circle to be shown.
[[nodiscard]] std::vector<std::string> draw_core(const deadlock_report& report);

}  // namespace stackless::inline STACKLESS_ABI::detail
