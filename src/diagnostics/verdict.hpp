#pragma once

#include <stackless/deadlock.hpp>

#include "diagnostics/wait_graph.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace stackless::inline STACKLESS_ABI::detail {

/// What a quiescent scheduler's state comes down to.
struct finding {
  verdict why = verdict::unknown;
  std::vector<std::uint64_t> core;
  std::uint64_t subject = 0;  ///< the tasklet whose wait decides it; 0: all of the core alike
  bool only_core =
      true;  ///< nobody outside the core can reach what it waits for, not even by reference
  bool handles_only = false;         ///< others have no handle of it, but maybe a reference to one
  std::vector<std::uint8_t> behind;  ///< for each tasklet of the state: it waits for the core
};

/// `told`: the tasklet that gets the error, or 0. Of several knots its own is shown.
[[nodiscard]] finding find_verdict(const snapshot_data& state, std::uint64_t told);

/// Tasklets of which each waits for a lock that the next one owns, or for its end. `told`'s circle,
/// or for 0 the first.
[[nodiscard]] std::optional<finding> find_owner_circle(
    const snapshot_data& state, std::uint64_t told
);

/// Somebody is in the ring, or a source could wake somebody.
[[nodiscard]] bool can_go_on(const snapshot_data& state);

/// It waits, or is paused, and its waiting counts.
[[nodiscard]] bool is_held_up(const tasklet_info& t);

/// What is stuck though the scheduler is not quiescent: sets that only they themselves could free.
/// The first `most` of them, of those for which `told` waits or, for 0, of all.
[[nodiscard]] std::vector<finding> find_stuck(
    const snapshot_data& state, std::size_t most, std::uint64_t told = 0
);

/// One sentence, without a full stop.
[[nodiscard]] std::string explain(const snapshot_data& state, const finding& found);

/// What to change, and what will not help; empty unless it is certainly right.
[[nodiscard]] std::string advise(const snapshot_data& state, const finding& found);

/// It waits for a condition variable until a condition is true: it has asked after every notify
/// that came before.
[[nodiscard]] bool waits_for_condition(const tasklet_info& t);

/// Who could receive what the core waits to send, but waits for somebody's end; or null. One that
/// joins the core before all others.
[[nodiscard]] const tasklet_info* receiver_that_joins(
    const snapshot_data& state, const finding& found
);

/// Whose end that one waits for: "them" is the core.
[[nodiscard]] std::string whom_it_joins(
    const snapshot_data& state, const finding& found, const tasklet_info& joiner
);

/// The tasklets that are not in the core, by how they wait: largest group first.
[[nodiscard]] std::vector<waiting_group> group_crowd(
    const snapshot_data& state, const finding& found
);

/// The object that the tasklet waits for, or null.
[[nodiscard]] const object_info* waited_for(const snapshot_data& state, std::uint64_t tasklet);

}  // namespace stackless::inline STACKLESS_ABI::detail
