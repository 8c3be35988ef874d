#include "diagnostics/decisive.hpp"

#include <algorithm>
#include <iterator>
#include <unordered_set>

namespace stackless::inline STACKLESS_ABI::detail {

namespace {

using index = wait_facts::index;

const tasklet_info& info_of(const snapshot_data& state, std::uint64_t id) {
  return state.tasklets[index_of(state, id)];
}

/// One of the core waits for a lock of `owner`: it holds that up, whatever it was about to do.
bool is_needed_by_core(
    const snapshot_data& state, const wait_facts& facts, const finding& found, std::uint64_t owner
) {
  const index wanted = index_of(state, owner);
  return std::any_of(found.core.begin(), found.core.end(), [&](std::uint64_t id) {
    return id != owner && facts.needed_by(index_of(state, id)) == wanted;
  });
}

}  // namespace

std::uint64_t loner_among(
    const snapshot_data& state, const wait_facts& facts, const finding& found
) {
  if (!state.tracked) return 0;
  for (std::uint64_t id : found.core) {
    const tasklet_info& t = info_of(state, id);
    const object_info* object = state.find_object(t.waits.object);
    if (object == nullptr || object->kind != object_kind::channel) continue;
    bool is_own = false;
    // Many may hold it, and many may be asked about: the first who could help is enough.
    const bool is_helped =
        std::any_of(object->holders.begin(), object->holders.end(), [&](const holder_info& holder) {
          is_own |= holder.tasklet == id;
          if (holder.tasklet == id || !could_help(*object, holder)) return false;
          return holder.tasklet == 0 ||
                 std::binary_search(found.core.begin(), found.core.end(), holder.tasklet);
        });
    if (is_own && !is_helped && !is_needed_by_core(state, facts, found, id)) return id;
  }
  return 0;
}

std::vector<std::uint64_t> senders_to_nobody(
    const snapshot_data& state, const wait_facts& facts, const finding& found
) {
  if (!state.tracked) return {};
  std::unordered_set<std::uint64_t> seen;
  for (std::uint64_t id : found.core) {
    const wait_info& waits = info_of(state, id).waits;
    const object_info* object = state.find_object(waits.object);
    if (waits.operation != operation_kind::send || held_outside(*object) ||
        !seen.insert(waits.object).second)
      continue;
    const auto sends_on_it = [&](std::uint64_t other) {
      const wait_info& its = info_of(state, other).waits;
      return its.operation == operation_kind::send && its.object == waits.object;
    };
    finding part;
    std::copy_if(found.core.begin(), found.core.end(), std::back_inserter(part.core), sends_on_it);
    const bool any_other =
        std::any_of(object->holders.begin(), object->holders.end(), [&](const holder_info& h) {
          return could_help(*object, h) &&
                 std::binary_search(found.core.begin(), found.core.end(), h.tasklet) &&
                 !sends_on_it(h.tasklet);
        });
    // Who was given a reference only shares it with others, and who has a lock holds them up.
    const bool any_tied =
        std::any_of(part.core.begin(), part.core.end(), [&](std::uint64_t sender) {
          return is_needed_by_core(state, facts, found, sender) ||
                 std::none_of(
                     object->holders.begin(), object->holders.end(),
                     [&](const holder_info& h) { return h.tasklet == sender; }
                 );
        });
    if (!any_other && !any_tied && receiver_that_joins(state, part) != nullptr) return part.core;
  }
  return {};
}

}  // namespace stackless::inline STACKLESS_ABI::detail
