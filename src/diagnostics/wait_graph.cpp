#include "diagnostics/wait_graph.hpp"

#include <algorithm>
#include <limits>

namespace stackless::inline STACKLESS_ABI::detail {

namespace {

constexpr std::uint32_t unseen = std::numeric_limits<std::uint32_t>::max();

bool on_channel(const tasklet_info& t) {
  return t.state == tasklet_state::blocked && (t.waits.operation == operation_kind::receive ||
                                               t.waits.operation == operation_kind::send);
}

}  // namespace

wait_graph::index index_of(const snapshot_data& state, std::uint64_t tasklet) {
  const tasklet_info* t = state.find_tasklet(tasklet);
  return t == nullptr ? wait_graph::none
                      : static_cast<wait_graph::index>(t - state.tasklets.data());
}

bool waits_for_others(const tasklet_info& t) {
  if (t.state != tasklet_state::blocked) return false;
  switch (t.waits.operation) {
  case operation_kind::none:
  case operation_kind::suspend:
  case operation_kind::drain:
  case operation_kind::sleep:
  case operation_kind::io:
  case operation_kind::foreign:
    return false;
  default:
    return true;
  }
}

bool is_join(const tasklet_info& t) {
  return t.waits.operation == operation_kind::join ||
         t.waits.operation == operation_kind::join_nursery ||
         t.waits.operation == operation_kind::start;
}

wait_graph::index owner_awaited(const snapshot_data& state, const tasklet_info& t) {
  const object_info* object = state.find_object(t.waits.object);
  const bool is_lock =
      t.waits.operation == operation_kind::lock || t.waits.operation == operation_kind::lock_shared;
  return is_lock && object != nullptr ? index_of(state, object->tasklet) : wait_graph::none;
}

bool could_help(const object_info& object, const holder_info& holder) {
  if (holder.side == channel_side::both) return true;
  if (object.waiting_receivers != 0) return holder.side == channel_side::send;
  return object.waiting_senders == 0 || holder.side == channel_side::receive;
}

bool is_orphaned(const snapshot_data& state, const tasklet_info& t) {
  const object_info* object = on_channel(t) ? state.find_object(t.waits.object) : nullptr;
  if (object == nullptr) return false;
  return t.waits.operation == operation_kind::receive ? object->senders_gone
                                                      : object->receivers_gone;
}

bool wait_graph::could_be_anybodys(const snapshot_data& state, index t) const {
  const tasklet_info& info = state.tasklets[t];
  const object_info* object = state.find_object(info.waits.object);
  if (object == nullptr || is_join(info)) return false;
  if (object->kind != object_kind::channel)
    return waits_for_others(info) && owner_awaited(state, info) == none;
  return held_outside_[static_cast<std::size_t>(object - state.objects.data())];
}

wait_graph::wait_graph(const snapshot_data& state, reach how)
    : tasklets_(state.tasklets.size()), objects_(state.objects.size()) {
  find_joins(state);
  find_stand_ins();

  held_outside_.reserve(objects_);
  for (const object_info& object : state.objects)
    held_outside_.push_back(std::any_of(
        object.holders.begin(), object.holders.end(),
        [&](const holder_info& h) { return h.tasklet == 0 && could_help(object, h); }
    ));

  std::vector<edge> edges;
  edges.reserve(4 * tasklets_);
  for (index t = 0; t < tasklets_; ++t) {
    if (joined_[t] != none) {
      edges.push_back({t, joined_[t]});
    } else if (const index owner = owner_awaited(state, state.tasklets[t]); owner != none) {
      edges.push_back({t, owner});
    } else if (waits_for_others(state.tasklets[t]) && !on_channel(state.tasklets[t])) {
      if (how == reach::by_reference || !state.tracked) edges.push_back({t, everybody()});
    } else if (on_channel(state.tasklets[t])) {
      const object_info* object = state.find_object(state.tasklets[t].waits.object);
      if (object != nullptr)
        edges.push_back({t, object_node(static_cast<std::size_t>(object - state.objects.data()))});
    }
  }
  add_holders(state, how, edges);
  if (how == reach::by_reference || !state.tracked) add_descendants(state, edges);
  lay_out(edges);
}

void wait_graph::find_joins(const snapshot_data& state) {
  joined_.assign(tasklets_, none);
  for (index t = 0; t < tasklets_; ++t) {
    const tasklet_info& info = state.tasklets[t];
    if (!waits_for_others(info) || !is_join(info)) continue;
    if (const object_info* object = state.find_object(info.waits.object))
      joined_[t] = index_of(state, object->tasklet);
  }
}

void wait_graph::find_stand_ins() {
  stand_in_.assign(tasklets_, none);
  std::vector<std::uint8_t> on_path(tasklets_, 0);
  std::vector<index> path;
  for (index start = 0; start < tasklets_; ++start) {
    path.clear();
    index t = start;
    while (stand_in_[t] == none && on_path[t] == 0 && joined_[t] != none) {
      on_path[t] = 1;
      path.push_back(t);
      t = joined_[t];
    }
    if (on_path[t] != 0) {  // a cycle of joins: each of its members stands for itself
      for (index member = t; stand_in_[member] == none; member = joined_[member])
        stand_in_[member] = member;
    }
    const index end = stand_in_[t] != none ? stand_in_[t] : t;
    if (stand_in_[t] == none) stand_in_[t] = t;
    for (index member : path) {
      on_path[member] = 0;
      if (stand_in_[member] == none) stand_in_[member] = end;
    }
  }
}

void wait_graph::add_holders(const snapshot_data& state, reach how, std::vector<edge>& edges)
    const {
  for (std::size_t i = 0; i < objects_; ++i) {
    const object_info& object = state.objects[i];
    if (object.kind != object_kind::channel) continue;
    if (!state.tracked) {
      edges.push_back({object_node(i), everybody()});
      continue;
    }
    index previous = none;
    bool outside = false;
    for (const holder_info& holder : object.holders) {
      if (!could_help(object, holder)) continue;
      if (holder.tasklet == 0) {
        outside = true;
        continue;
      }
      const index t = index_of(state, holder.tasklet);
      if (t == none || t == previous) continue;
      previous = t;
      if (how == reach::by_reference) {
        edges.push_back({object_node(i), family_node(t)});
      } else if (!state.tasklets[t].wakes_nobody) {
        edges.push_back({object_node(i), stand_in_[t]});
      }
    }
    if (outside && how == reach::by_reference) edges.push_back({object_node(i), everybody()});
  }
}

void wait_graph::add_descendants(const snapshot_data& state, std::vector<edge>& edges) const {
  for (index t = 0; t < tasklets_; ++t) {
    const tasklet_info& info = state.tasklets[t];
    if (!info.wakes_nobody) {
      edges.push_back({family_node(t), stand_in_[t]});
      edges.push_back({everybody(), stand_in_[t]});
    }
    if (info.spawned_by != 0) {
      // A spawner that has ended may have been anybody's descendant.
      const index spawner = index_of(state, info.spawned_by);
      edges.push_back({spawner == none ? strays() : family_node(spawner), family_node(t)});
    }
    edges.push_back({family_node(t), strays()});
  }
}

void wait_graph::lay_out(const std::vector<edge>& edges) {
  first_.assign(node_count() + 1, 0);
  for (const edge& e : edges) ++first_[e.from + 1];
  for (std::size_t n = 1; n < first_.size(); ++n) first_[n] += first_[n - 1];
  targets_.resize(edges.size());
  std::vector<std::size_t> next(first_.begin(), first_.end() - 1);
  for (const edge& e : edges) targets_[next[e.from]++] = e.to;
}

std::vector<wait_graph::index> wait_graph::helpers(index t) const {
  std::vector<bool> seen(node_count(), false);
  std::vector<node> open{t};
  std::vector<index> found;
  while (!open.empty()) {
    const node n = open.back();
    open.pop_back();
    for (node next : successors(n)) {
      if (seen[next]) continue;
      seen[next] = true;
      if (next >= tasklets_) {
        open.push_back(next);
      } else if (next != t) {
        found.push_back(next);
      }
    }
  }
  std::sort(found.begin(), found.end());
  return found;
}

/// Tarjan's algorithm without recursion: the number of each node's strongly connected component. A
/// component's successors have smaller numbers.
std::vector<wait_graph::node> wait_graph::components() const {
  struct visit {
    node at;
    std::size_t next;
  };
  std::vector<node> component(node_count(), unseen);
  std::vector<node> order(node_count(), unseen);
  std::vector<node> lowest(node_count(), 0);
  std::vector<node> open;
  std::vector<visit> calls;
  node count = 0;
  node found = 0;
  for (node root = 0; root < node_count(); ++root) {
    if (order[root] != unseen) continue;
    calls.push_back({root, 0});
    while (!calls.empty()) {
      const node n = calls.back().at;
      if (calls.back().next == 0) {
        order[n] = lowest[n] = count++;
        open.push_back(n);
      }
      bool entered = false;
      const auto next_nodes = successors(n);
      for (std::size_t& i = calls.back().next; i < next_nodes.size();) {
        const node next = next_nodes[i++];
        if (order[next] == unseen) {
          calls.push_back({next, 0});
          entered = true;
          break;
        }
        if (component[next] == unseen) lowest[n] = std::min(lowest[n], order[next]);
      }
      if (entered) continue;
      calls.pop_back();
      if (!calls.empty()) lowest[calls.back().at] = std::min(lowest[calls.back().at], lowest[n]);
      if (lowest[n] != order[n]) continue;
      for (node member = unseen; member != n;) {
        member = open.back();
        open.pop_back();
        component[member] = found;
      }
      ++found;
    }
  }
  return component;
}

std::vector<std::vector<wait_graph::index>> wait_graph::circles() const {
  std::vector<std::vector<index>> found = groups(false);
  std::erase_if(found, [](const std::vector<index>& members) { return members.size() < 2; });
  return found;
}

std::vector<std::vector<wait_graph::index>> wait_graph::groups(bool closed) const {
  const std::vector<node> component = components();
  std::vector<std::uint8_t> has_tasklets(node_count(), 0);
  for (index t = 0; t < tasklets_; ++t) has_tasklets[component[t]] = 1;

  // By component, and in it by number: sorted by counting, for there may be millions.
  std::vector<node> first(node_count() + 1, 0);
  for (node n = 0; n < node_count(); ++n) ++first[component[n] + 1];
  for (std::size_t c = 1; c < first.size(); ++c) first[c] += first[c - 1];
  std::vector<node> by_component(node_count());
  for (node n = 0; n < node_count(); ++n) by_component[first[component[n]]++] = n;

  std::vector<std::uint8_t> leads_to_tasklets(node_count(), 0);
  std::vector<std::vector<index>> result;
  for (std::size_t begin = 0, end = 0; begin < by_component.size(); begin = end) {
    const node own = component[by_component[begin]];
    std::vector<index> members;
    for (; end < by_component.size() && component[by_component[end]] == own; ++end) {
      const node n = by_component[end];
      if (n < tasklets_) members.push_back(n);
      for (node next : successors(n)) {
        const node other = component[next];
        if (other != own && (has_tasklets[other] | leads_to_tasklets[other]) != 0)
          leads_to_tasklets[own] = 1;
      }
    }
    if ((!closed || leads_to_tasklets[own] == 0) && !members.empty())
      result.push_back(std::move(members));
  }
  return result;
}

std::vector<bool> wait_graph::reached_from(index t) const {
  std::vector<bool> seen(node_count(), false);
  std::vector<node> open{t};
  seen[t] = true;
  while (!open.empty()) {
    const node n = open.back();
    open.pop_back();
    for (node next : successors(n)) {
      if (seen[next]) continue;
      seen[next] = true;
      open.push_back(next);
    }
  }
  seen.resize(tasklets_);
  return seen;
}

std::vector<bool> wait_graph::leads_to(std::span<const index> targets) const {
  std::vector<std::size_t> first(node_count() + 1, 0);
  for (node target : targets_) ++first[target + 1];
  for (std::size_t n = 1; n < first.size(); ++n) first[n] += first[n - 1];
  std::vector<node> sources(targets_.size());
  std::vector<std::size_t> next(first.begin(), first.end() - 1);
  for (node n = 0; n < node_count(); ++n)
    for (node target : successors(n)) sources[next[target]++] = n;

  std::vector<bool> seen(node_count(), false);
  std::vector<node> open(targets.begin(), targets.end());
  for (node n : open) seen[n] = true;
  while (!open.empty()) {
    const node n = open.back();
    open.pop_back();
    for (std::size_t i = first[n]; i < first[n + 1]; ++i) {
      if (seen[sources[i]]) continue;
      seen[sources[i]] = true;
      open.push_back(sources[i]);
    }
  }
  seen.resize(tasklets_);
  return seen;
}

}  // namespace stackless::inline STACKLESS_ABI::detail
