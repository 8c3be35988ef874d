#include "diagnostics/wait_graph.hpp"

#include <algorithm>
#include <limits>
#include <utility>

namespace stackless::inline STACKLESS_ABI::detail {

namespace {

constexpr std::uint32_t unseen = std::numeric_limits<std::uint32_t>::max();

}  // namespace

wait_graph::wait_graph(const snapshot_data& state, reach how)
    : wait_graph(std::make_shared<wait_facts>(state), how) {}

wait_graph::wait_graph(std::shared_ptr<const wait_facts> facts, reach how)
    : facts_(std::move(facts)) {
  // Without tracking nobody is known to hold anything, so everybody may.
  if (!facts_->tracked() && how == reach::by_handle) how = reach::by_descent;
  number_families(how);
  lay_out(how);
}

/// A tasklet without children is its own family.
void wait_graph::number_families(reach how) {
  if (how == reach::by_handle || !facts_->tracked()) return;
  for (index t = 0; t < facts_->tasklets(); ++t) {
    if (!facts_->has_children(t)) continue;
    if (family_.empty()) family_.assign(facts_->tasklets(), none);
    family_[t] = static_cast<node>(strays() + 1 + families_++);
  }
}

/// Visits the nodes that stand for `t` and its descendants.
template <class Visit>
void wait_graph::each_of_family(reach how, index t, Visit visit) const {
  if (!family_.empty() && family_[t] != none) {
    visit(family_[t]);
    return;
  }
  if (!facts_->is_quiet(t)) visit(facts_->stand_in(t));
  if (how == reach::by_reference && facts_->any_stray()) visit(strays());
}

template <class Visit>
void wait_graph::each_edge(reach how, Visit visit) const {
  const wait_facts& facts = *facts_;
  const auto tasklets = static_cast<index>(facts.tasklets());
  bool anybody = false;
  for (const wait_facts::awaited& each : facts.all_awaited()) {
    if (each.helper != none) {
      visit(each.tasklet, each.helper);
    } else if (each.channel != none) {
      visit(each.tasklet, object_node(each.channel));
    } else if (each.anybody && how != reach::by_handle) {
      visit(each.tasklet, everybody());
      anybody = true;
    }
  }
  for (index object = 0; object < facts.objects(); ++object) {
    if (!facts.tracked() || (facts.held_outside(object) && how != reach::by_handle)) {
      visit(object_node(object), everybody());
      anybody = true;
    }
    for (index t : facts.holders(object)) {
      if (how == reach::by_handle) {
        if (!facts.is_quiet(t)) visit(object_node(object), facts.stand_in(t));
      } else if (facts.tracked()) {
        each_of_family(how, t, [&](node n) { visit(object_node(object), n); });
      }
    }
  }
  if (anybody)
    for (index t = 0; t < tasklets; ++t)
      if (!facts.is_quiet(t)) visit(everybody(), facts.stand_in(t));
  if (how == reach::by_handle || !facts.tracked()) return;

  const bool any_stray = how == reach::by_reference && facts.any_stray();
  for (index t = 0; t < tasklets; ++t) {
    const index spawner = facts.spawner(t);
    if (spawner != none) each_of_family(how, t, [&](node n) { visit(family_[spawner], n); });
    if (any_stray && facts.is_stray(t)) each_of_family(how, t, [&](node n) { visit(strays(), n); });
    if (!facts.has_children(t)) continue;
    if (!facts.is_quiet(t)) visit(family_[t], facts.stand_in(t));  // strays: by way of its children
  }
}

void wait_graph::lay_out(reach how) {
  // Twice over the edges is cheaper than a list of them.
  first_.assign(node_count() + 2, 0);
  each_edge(how, [this](node from, node) { ++first_[from + 2]; });
  for (std::size_t n = 2; n < first_.size(); ++n) first_[n] += first_[n - 1];
  targets_.resize(first_.back());
  each_edge(how, [this](node from, node to) { targets_[first_[from + 1]++] = to; });
  first_.pop_back();
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
      if (next >= facts_->tasklets()) {
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
void wait_graph::find_components() const {
  if (!component_.empty()) return;
  struct visit {
    node at;
    node next;
  };
  component_.assign(node_count(), unseen);
  std::vector<node> order(node_count(), unseen);
  std::vector<node> lowest(node_count());
  std::vector<node> open;
  std::vector<visit> calls;
  node count = 0;
  node found = 0;
  for (node root = 0; root < node_count(); ++root) {
    if (order[root] != unseen) continue;
    calls.push_back({root, first_[root]});
    order[root] = lowest[root] = count++;
    open.push_back(root);
    while (!calls.empty()) {
      visit& call = calls.back();
      const node n = call.at;
      const node end = first_[n + 1];
      node low = lowest[n];
      node entered = unseen;
      while (call.next != end) {
        const node next = targets_[call.next++];
        if (order[next] == unseen) {
          entered = next;
          break;
        }
        if (component_[next] == unseen) low = std::min(low, order[next]);
      }
      lowest[n] = low;
      if (entered != unseen) {
        calls.push_back({entered, first_[entered]});
        order[entered] = lowest[entered] = count++;
        open.push_back(entered);
        continue;
      }
      calls.pop_back();
      if (!calls.empty()) lowest[calls.back().at] = std::min(lowest[calls.back().at], low);
      if (low != order[n]) continue;
      for (node member = unseen; member != n;) {
        member = open.back();
        open.pop_back();
        component_[member] = found;
      }
      ++found;
    }
  }
}

std::vector<std::vector<wait_graph::index>> wait_graph::groups(bool closed, std::size_t least)
    const {
  find_components();
  const auto tasklets = static_cast<index>(facts_->tasklets());
  // Of each component its tasklets, by number: sorted by counting, for there may be millions.
  std::vector<node> first(node_count() + 2, 0);
  for (index t = 0; t < tasklets; ++t) ++first[component_[t] + 2];
  for (std::size_t c = 2; c < first.size(); ++c) first[c] += first[c - 1];
  std::vector<index> members(tasklets);
  for (index t = 0; t < tasklets; ++t) members[first[component_[t] + 1]++] = t;

  std::vector<std::uint8_t> open(node_count(), 0);  // leads to tasklets of another component
  if (closed) {
    // Successors have smaller numbers, so in that order theirs is known.
    std::vector<node> first_node(node_count() + 2, 0);
    for (node n = 0; n < node_count(); ++n) ++first_node[component_[n] + 2];
    for (std::size_t c = 2; c < first_node.size(); ++c) first_node[c] += first_node[c - 1];
    std::vector<node> by_component(node_count());
    for (node n = 0; n < node_count(); ++n) by_component[first_node[component_[n] + 1]++] = n;
    for (node n : by_component) {
      const node own = component_[n];
      for (node next : successors(n)) {
        const node other = component_[next];
        if (other != own && (open[other] != 0 || first[other] != first[other + 1])) open[own] = 1;
      }
    }
  }
  std::vector<std::vector<index>> result;
  for (node c = 0; c < node_count(); ++c)
    if (first[c + 1] - first[c] >= least && open[c] == 0)
      result.emplace_back(members.begin() + first[c], members.begin() + first[c + 1]);
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
  seen.resize(facts_->tasklets());
  return seen;
}

std::vector<bool> wait_graph::leads_to(std::span<const index> targets) const {
  std::vector<node> first(node_count() + 2, 0);
  for (node target : targets_) ++first[target + 2];
  for (std::size_t n = 2; n < first.size(); ++n) first[n] += first[n - 1];
  std::vector<node> sources(targets_.size());
  for (node n = 0; n < node_count(); ++n)
    for (node target : successors(n)) sources[first[target + 1]++] = n;

  std::vector<bool> seen(node_count(), false);
  std::vector<node> open(targets.begin(), targets.end());
  for (node n : open) seen[n] = true;
  while (!open.empty()) {
    const node n = open.back();
    open.pop_back();
    for (node i = first[n]; i < first[n + 1]; ++i) {
      if (seen[sources[i]]) continue;
      seen[sources[i]] = true;
      open.push_back(sources[i]);
    }
  }
  seen.resize(facts_->tasklets());
  return seen;
}

}  // namespace stackless::inline STACKLESS_ABI::detail
