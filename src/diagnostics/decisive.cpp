#include "diagnostics/decisive.hpp"

#include <algorithm>
#include <unordered_map>
#include <unordered_set>
#include <utility>

namespace stackless::inline STACKLESS_ABI::detail {

namespace {

using index = wait_facts::index;

const tasklet_info& info_of(const snapshot_data& state, std::uint64_t id) {
  return state.tasklets[index_of(state, id)];
}

/// Owners of locks that others of the core wait for: they hold those up, whatever they were about
/// to do.
std::unordered_set<index> needed_owners(
    const snapshot_data& state, const wait_facts& facts, const finding& found
) {
  std::unordered_set<index> owners;
  for (std::uint64_t id : found.core) {
    const index waiter = index_of(state, id);
    if (const index owner = facts.needed_by(waiter); owner != waiter) owners.insert(owner);
  }
  return owners;
}

/// Of the core, by the channel.
std::unordered_map<std::uint64_t, std::vector<std::uint64_t>> senders_by_channel(
    const snapshot_data& state, const finding& found
) {
  std::unordered_map<std::uint64_t, std::vector<std::uint64_t>> senders;
  for (std::uint64_t id : found.core) {
    const wait_info& waits = info_of(state, id).waits;
    if (waits.operation == operation_kind::send) senders[waits.object].push_back(id);
  }
  return senders;
}

bool contains(const std::vector<std::uint64_t>& sorted, std::uint64_t id) {
  return std::binary_search(sorted.begin(), sorted.end(), id);
}

}  // namespace

std::uint64_t loner_among(
    const snapshot_data& state, const wait_facts& facts, const finding& found
) {
  if (!state.tracked) return 0;
  const auto needed = needed_owners(state, facts, found);
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
    if (is_own && !is_helped && !needed.contains(index_of(state, id))) return id;
  }
  return 0;
}

std::vector<std::uint64_t> senders_to_nobody(
    const snapshot_data& state, const wait_facts& facts, const finding& found
) {
  if (!state.tracked) return {};
  auto senders = senders_by_channel(state, found);
  const auto needed = needed_owners(state, facts, found);
  for (std::uint64_t id : found.core) {
    // In the order of the core, and each channel once.
    auto group = senders.extract(info_of(state, id).waits.object);
    if (group.empty()) continue;
    const object_info* object = state.find_object(group.key());
    if (held_outside(*object)) continue;
    finding part;
    part.core = std::move(group.mapped());
    std::vector<std::uint64_t> with_handle;
    bool any_other = false;
    for (const holder_info& h : object->holders) {
      with_handle.push_back(h.tasklet);
      any_other |= could_help(*object, h) && contains(found.core, h.tasklet) &&
                   !contains(part.core, h.tasklet);
    }
    std::sort(with_handle.begin(), with_handle.end());
    // Who was given a reference only shares it with others, and who has a lock holds them up.
    const bool any_tied =
        std::any_of(part.core.begin(), part.core.end(), [&](std::uint64_t sender) {
          return needed.contains(index_of(state, sender)) || !contains(with_handle, sender);
        });
    if (!any_other && !any_tied && receiver_that_joins(state, part) != nullptr) return part.core;
  }
  return {};
}

}  // namespace stackless::inline STACKLESS_ABI::detail
