#pragma once

#include <stackless/deadlock.hpp>

#include <cstdint>
#include <string>
#include <vector>

namespace stackless::inline STACKLESS_ABI::detail {

class page;
struct finding;

/// A member of a circle of locks: what it holds is what the one before it wants.
struct lock_link {
  const tasklet_info* who;
  const object_info* wants;
  const object_info* holds;
};

/// The circle of mutexes that `core` is, from its first member on; empty if it is none.
[[nodiscard]] std::vector<lock_link> lock_circle(
    const snapshot_data& state, const std::vector<std::uint64_t>& core
);

/// How often `holds` was locked before `wants` before; 0: never.
[[nodiscard]] std::uint64_t times_before(const snapshot_data& state, const lock_link& link);

/// Where the tasklet locked the mutex that it owns. Line 0: not known.
[[nodiscard]] source_place locked_at(const object_info& mutex);

/// A table of a circle whose members all wait at the same place; then they are shown once.
[[nodiscard]] std::vector<std::string> lock_table(
    const deadlock_report& report, const std::vector<lock_link>& circle
);

/// What to unlock, if one of the core keeps a lock over its wait that another wants; or empty.
[[nodiscard]] std::string about_lock_kept(const snapshot_data& state, const finding& found);

/// In which order the two mutexes of a circle were locked before, and are now.
[[nodiscard]] std::vector<std::string> lock_orders(
    const deadlock_report& report, const std::vector<lock_link>& circle
);

}  // namespace stackless::inline STACKLESS_ABI::detail
