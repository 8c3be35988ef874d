#include "diagnostics/knot.hpp"

#include <algorithm>
#include <tuple>

namespace stackless::inline STACKLESS_ABI::detail {

namespace {

using index = wait_graph::index;
using members_of_knot = std::vector<index>;

bool all_stuck(const wait_graph& graph, const members_of_knot& members) {
  return std::all_of(members.begin(), members.end(), [&](index t) {
    return graph.facts().is_stuck(t);
  });
}

/// Its own knot is what the reader of an error asks about, then the one behind which he waits.
members_of_knot best_of(const wait_graph& graph, std::vector<members_of_knot>& knots, index told) {
  if (knots.size() < 2) return knots.empty() ? members_of_knot{} : std::move(knots.front());
  std::vector<bool> reached;
  if (told != wait_graph::none) reached = graph.reached_from(told);
  const auto rank = [&](const members_of_knot& members) {
    const bool own = std::binary_search(members.begin(), members.end(), told);
    const bool before = told != wait_graph::none && reached[members.front()];
    return std::tuple{!own, !before, !all_stuck(graph, members), members.size(), members.front()};
  };
  members_of_knot* best = &knots.front();
  auto best_rank = rank(*best);
  for (members_of_knot& members : knots)
    if (const auto its_rank = rank(members); its_rank < best_rank) {
      best = &members;
      best_rank = its_rank;
    }
  return std::move(*best);
}

/// Of `knots` those whose members are all stuck; within `bounds`, unless that is empty.
std::vector<members_of_knot> stuck_within(
    const wait_graph& graph, std::vector<members_of_knot> knots, const members_of_knot& bounds
) {
  std::vector<bool> inside(graph.facts().tasklets(), bounds.empty());
  for (index t : bounds) inside[t] = true;
  std::erase_if(knots, [&](const members_of_knot& members) {
    return !std::all_of(members.begin(), members.end(), [&](index t) {
      return inside[t] && graph.facts().is_stuck(t);
    });
  });
  return knots;
}

members_of_knot best_stuck(
    const wait_graph& graph,
    std::vector<members_of_knot> knots,
    const members_of_knot& bounds,
    index told
) {
  knots = stuck_within(graph, std::move(knots), bounds);
  return best_of(graph, knots, told);
}

}  // namespace

std::vector<members_of_knot> untied(const wait_graph& by_reference, members_of_knot members) {
  std::vector<members_of_knot> parts;
  if (members.size() > 1 && by_reference.facts().any_stray()) {
    const wait_graph by_descent(by_reference.facts_shared(), reach::by_descent);
    parts = stuck_within(by_descent, by_descent.knots(), members);
  }
  if (parts.empty()) parts.push_back(std::move(members));
  return parts;
}

knot find_knot(const wait_graph& by_handle, const wait_graph& by_reference, index told) {
  const wait_facts& facts = by_reference.facts();
  std::vector<members_of_knot> knots = by_reference.knots();
  members_of_knot widest = best_of(by_reference, knots, told);
  if (widest.empty()) return {};
  if (all_stuck(by_reference, widest)) {
    if (widest.size() == 1) return {std::move(widest), true};
    // A circle that handles explain holds itself up, whatever its members could reach besides.
    members_of_knot inner = best_stuck(by_handle, by_handle.circles(), widest, told);
    if (!inner.empty()) {
      const bool all = inner.size() == widest.size();
      return {std::move(inner), all};
    }
    // What anybody could do ties nobody to anybody in particular.
    if (std::any_of(widest.begin(), widest.end(), [&](index t) {
          return facts.could_be_anybodys(t);
        })) {
      inner = best_stuck(by_handle, by_handle.knots(), widest, told);
      if (!inner.empty()) return {std::move(inner), true};
    }
    std::vector<members_of_knot> parts = untied(by_reference, std::move(widest));
    return {best_of(by_handle, parts, told), true};
  }

  // What could still go on is paused. Whoever waits for it by a handle or a join waits for it for
  // sure; a reference is no more than a possibility.
  const std::vector<bool> behind = by_handle.leads_to(widest);
  index first_stuck = wait_graph::none;
  for (auto t = static_cast<index>(facts.tasklets()); t-- > 0;) {
    if (!facts.is_stuck(t)) continue;
    first_stuck = t;
    if (behind[t] && (told == wait_graph::none || t == told)) return {std::move(widest), true};
  }
  members_of_knot inner = best_stuck(by_handle, by_handle.circles(), {}, told);
  if (!inner.empty()) return {std::move(inner), false};
  if (told != wait_graph::none) return {{told}, false};
  if (first_stuck != wait_graph::none) return {{first_stuck}, false};
  return {std::move(widest), true};
}

}  // namespace stackless::inline STACKLESS_ABI::detail
