#pragma once

#include <stackless/snapshot.hpp>

#include <cstdint>
#include <span>
#include <string>

namespace stackless::inline STACKLESS_ABI::detail {

/// What a tasklet waits for, behind "waits": "to receive from 'c'", "for the end of 'x'". `among`:
/// whose names the sentence has to tell apart.
[[nodiscard]] std::string purpose_of(
    const snapshot_data& state, const tasklet_info& t, std::span<const std::uint64_t> among
);

/// What those wait for who are left beside the core, and so cannot help it: ": 'x' waits for …".
/// Empty when nobody is left.
[[nodiscard]] std::string those_left(
    const snapshot_data& state, std::span<const std::uint64_t> core
);

/// The line at which it waits, in parentheses behind a space; empty: not known.
[[nodiscard]] std::string place_of(const snapshot_data& state, std::uint64_t tasklet);

/// It waits for the end of one of the core.
[[nodiscard]] bool joins_one_of(
    const snapshot_data& state, const tasklet_info& t, std::span<const std::uint64_t> core
);

}  // namespace stackless::inline STACKLESS_ABI::detail
