#include "diagnostics/purpose.hpp"
#include "diagnostics/verdict.hpp"
#include "diagnostics/wording.hpp"

#include <algorithm>
#include <functional>
#include <unordered_map>
#include <unordered_set>

namespace stackless::inline STACKLESS_ABI::detail {

namespace {

std::size_t mixed(std::size_t hash, std::size_t value) {
  return hash ^ (value + 0x9e3779b97f4a7c15U + (hash << 6U) + (hash >> 2U));
}

std::size_t hash_of(const tasklet_info& t, bool behind) {
  std::size_t hash = (static_cast<std::size_t>(t.state) << 8U) +
                     (static_cast<std::size_t>(t.waits.operation) << 1U) + (behind ? 1 : 0);
  for (const stack_frame& f : t.stack) {
    hash = mixed(hash, (static_cast<std::size_t>(f.line) << 12U) + f.column);
    hash = mixed(hash, std::hash<std::string_view>{}(f.function));
  }
  return hash;
}

bool waits_alike(const tasklet_info& a, const tasklet_info& b) {
  return a.state == b.state && a.waits.operation == b.waits.operation &&
         a.never_started == b.never_started && a.stack == b.stack;
}

}  // namespace

std::vector<waiting_group> group_crowd(const snapshot_data& state, const finding& found) {
  const std::unordered_set<std::uint64_t> core(found.core.begin(), found.core.end());
  std::vector<waiting_group> groups;
  std::unordered_multimap<std::size_t, std::size_t> by_hash;
  for (std::size_t i = 0; i < state.tasklets.size(); ++i) {
    const tasklet_info& t = state.tasklets[i];
    if (core.contains(t.id)) continue;
    const bool behind = i < found.behind.size() && found.behind[i] != 0;
    const std::size_t hash = hash_of(t, behind);
    const auto [begin, end] = by_hash.equal_range(hash);
    const auto same = std::find_if(begin, end, [&](const auto& entry) {
      const waiting_group& group = groups[entry.second];
      return group.behind_core == behind &&
             waits_alike(*state.find_tasklet(group.tasklets.front()), t);
    });
    if (same != end) {
      groups[same->second].tasklets.push_back(t.id);
    } else {
      by_hash.emplace(hash, groups.size());
      groups.push_back({{t.id}, behind});
    }
  }
  std::sort(groups.begin(), groups.end(), [](const waiting_group& a, const waiting_group& b) {
    return a.tasklets.size() != b.tasklets.size() ? a.tasklets.size() > b.tasklets.size()
                                                  : a.tasklets.front() < b.tasklets.front();
  });
  return groups;
}

const tasklet_info* receiver_that_joins(const snapshot_data& state, const finding& found) {
  const object_info* object = waited_for(state, found.core.front());
  if (object == nullptr) return nullptr;
  const tasklet_info* joins_another = nullptr;
  std::uint64_t asked = 0;
  for (const holder_info& holder : object->holders) {
    if (holder.tasklet == asked || !could_help(*object, holder)) continue;
    asked = holder.tasklet;
    const tasklet_info* t = state.find_tasklet(holder.tasklet);
    if (t == nullptr || !is_join(*t) || t->wakes_nobody) continue;
    if (joins_one_of(state, *t, found.core)) return t;
    if (joins_another == nullptr && t->waits.operation == operation_kind::join) joins_another = t;
  }
  return joins_another;
}

std::string whom_it_joins(
    const snapshot_data& state, const finding& found, const tasklet_info& joiner
) {
  const bool one = found.core.size() == 1;
  if (joins_one_of(state, joiner, found.core))
    return one ? called(state, found.core.front(), found.core) : "them";
  return called(state, state.find_object(joiner.waits.object)->tasklet, found.core);
}

}  // namespace stackless::inline STACKLESS_ABI::detail
