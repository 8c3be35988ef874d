#pragma once

#include "diagnostics/verdict.hpp"
#include "diagnostics/wait_facts.hpp"

#include <cstdint>
#include <vector>

namespace stackless::inline STACKLESS_ABI::detail {

// Of several who hold each other up some may be the cause, and the rest only wait for those.

/// One of the core whom no other of it could help: it has a handle of the channel that it waits on,
/// so it was not given a reference, and no other has one. Who has joins one of them. 0: there is
/// none.
[[nodiscard]] std::uint64_t loner_among(
    const snapshot_data& state, const wait_facts& facts, const finding& found
);

/// Those of the core who wait to send on one channel, if no other of it has a handle of that: who
/// could receive joins one of the core. The others wait behind them. Empty: there is no such.
[[nodiscard]] std::vector<std::uint64_t> senders_to_nobody(
    const snapshot_data& state, const wait_facts& facts, const finding& found
);

}  // namespace stackless::inline STACKLESS_ABI::detail
