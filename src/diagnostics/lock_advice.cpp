#include "diagnostics/lock_text.hpp"
#include "diagnostics/purpose.hpp"
#include "diagnostics/verdict.hpp"
#include "diagnostics/wait_facts.hpp"
#include "diagnostics/wording.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <unordered_map>
#include <unordered_set>
#include <vector>

// A lock that is kept over a wait, while another wants it before it goes on.

namespace stackless::inline STACKLESS_ABI::detail {

namespace {

/// What one does that waits with a lock in its hands; empty: it wants a lock itself.
std::string waits_to(const snapshot_data& state, const tasklet_info& t, const finding& found) {
  switch (t.waits.operation) {
  case operation_kind::lock:
  case operation_kind::lock_shared:
    return {};
  case operation_kind::receive:
    return "it waits to receive";
  case operation_kind::send:
    return "it waits to send";
  case operation_kind::join: {
    const object_info* target = state.find_object(t.waits.object);
    return target == nullptr
               ? "it joins"
               : "it waits for the end of " + called(state, target->tasklet, found.core);
  }
  case operation_kind::join_nursery:
    return "the end of the nursery";
  default:
    return "it waits";
  }
}

/// Who needs a lock of each one in the core to go on.
std::unordered_map<std::uint64_t, const tasklet_info*> needed_locks(
    const snapshot_data& state, const finding& found
) {
  // A circle is not broken by what is done for one outside of it.
  const bool anybody = found.why == verdict::never_signalled;
  std::unordered_set<std::uint64_t> wanted_in_the_core;
  for (std::uint64_t id : found.core)
    wanted_in_the_core.insert(state.find_tasklet(id)->waits.object);
  std::unordered_map<std::uint64_t, const tasklet_info*> needed_by;
  for (const tasklet_info& wants : state.tasklets) {
    const object_info* lock = state.find_object(wants.waits.object);
    if (lock == nullptr || wants.wakes_nobody || lock->tasklet == wants.id ||
        (lock->kind != object_kind::mutex && lock->kind != object_kind::shared_mutex) ||
        !std::binary_search(found.core.begin(), found.core.end(), lock->tasklet) ||
        !(anybody || wanted_in_the_core.contains(lock->id)))
      continue;
    const tasklet_info*& known = needed_by[lock->tasklet];
    // One of the same kind would do the same as it: another one tells more.
    const std::string& owner = state.find_tasklet(lock->tasklet)->name;
    if (known == nullptr || (known->name == owner && wants.name != owner)) known = &wants;
  }
  return needed_by;
}

}  // namespace

std::string about_lock_kept(const snapshot_data& state, const finding& found) {
  const auto needed_by = needed_locks(state, found);
  if (needed_by.empty()) return {};
  for (std::uint64_t id : found.core) {
    const auto needs = needed_by.find(id);
    if (needs == needed_by.end()) continue;
    const std::string before = waits_to(state, *state.find_tasklet(id), found);
    if (before.empty()) continue;
    const tasklet_info& needs_it = *needs->second;
    std::vector<std::uint64_t> named = found.core;
    named.push_back(needs_it.id);
    return fmt::format(
        "unlock {} in {} before {}{}: {} needs the lock to go on.",
        called(*state.find_object(needs_it.waits.object)), called(state, id, named), before,
        place_of(state, id), called(state, needs_it.id, named)
    );
  }
  return {};
}

}  // namespace stackless::inline STACKLESS_ABI::detail
