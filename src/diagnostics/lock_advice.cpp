#include "diagnostics/lock_text.hpp"
#include "diagnostics/purpose.hpp"
#include "diagnostics/verdict.hpp"
#include "diagnostics/wait_facts.hpp"
#include "diagnostics/wording.hpp"

#include <fmt/format.h>

#include <algorithm>
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

bool wanted_in_the_core(const snapshot_data& state, const finding& found, std::uint64_t lock) {
  return std::any_of(found.core.begin(), found.core.end(), [&](std::uint64_t id) {
    return state.find_tasklet(id)->waits.object == lock;
  });
}

}  // namespace

std::string about_lock_kept(const snapshot_data& state, const finding& found) {
  // A circle is not broken by what is done for one outside of it.
  const bool anybody = found.why == verdict::never_signalled;
  for (std::uint64_t id : found.core) {
    const tasklet_info& keeps = *state.find_tasklet(id);
    const std::string before = waits_to(state, keeps, found);
    if (before.empty()) continue;
    const tasklet_info* needs_it = nullptr;
    for (const tasklet_info& wants : state.tasklets) {
      const object_info* lock = state.find_object(wants.waits.object);
      const bool is_kept =
          lock != nullptr && lock->tasklet == id && wants.id != id && !wants.wakes_nobody &&
          (lock->kind == object_kind::mutex || lock->kind == object_kind::shared_mutex);
      if (!is_kept || !(anybody || wanted_in_the_core(state, found, lock->id))) continue;
      // One of the same kind would do the same as it: another one tells more.
      if (needs_it == nullptr || (needs_it->name == keeps.name && wants.name != keeps.name))
        needs_it = &wants;
    }
    if (needs_it == nullptr) continue;
    std::vector<std::uint64_t> named = found.core;
    named.push_back(needs_it->id);
    return fmt::format(
        "unlock {} in {} before {}{}: {} needs the lock to go on.",
        called(*state.find_object(needs_it->waits.object)), called(state, id, named), before,
        place_of(state, id), called(state, needs_it->id, named)
    );
  }
  return {};
}

}  // namespace stackless::inline STACKLESS_ABI::detail
