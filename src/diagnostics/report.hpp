#pragma once

#include <stackless/deadlock.hpp>

#include <cstdint>
#include <vector>

namespace stackless::inline STACKLESS_ABI::detail {

/// What is wrong in the state of a quiescent scheduler. `told`: who gets the error; 0: the caller
/// of `run`.
[[nodiscard]] deadlock_report make_report(snapshot_data state, std::uint64_t told);

/// Of a scheduler that runs on.
[[nodiscard]] std::vector<deadlock_report> stall_reports(const snapshot_data& state);

}  // namespace stackless::inline STACKLESS_ABI::detail
