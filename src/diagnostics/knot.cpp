#include "diagnostics/knot.hpp"

#include <algorithm>
#include <tuple>

namespace stackless::inline STACKLESS_ABI::detail {

namespace {

using index = wait_graph::index;
using members_of_knot = std::vector<index>;

bool is_stuck(const snapshot_data& state, index t) {
  return waits_for_others(state.tasklets[t]) && !state.tasklets[t].wakes_nobody;
}

bool all_stuck(const snapshot_data& state, const members_of_knot& members) {
  return std::all_of(members.begin(), members.end(), [&](index t) { return is_stuck(state, t); });
}

/// Its own knot is what the reader of an error asks about, then the one behind which he waits.
members_of_knot best_of(
    const snapshot_data& state,
    const wait_graph& graph,
    std::vector<members_of_knot>& knots,
    index told
) {
  std::vector<bool> reached;
  if (told != wait_graph::none) reached = graph.reached_from(told);
  const auto rank = [&](const members_of_knot& members) {
    const bool own = std::binary_search(members.begin(), members.end(), told);
    const bool before = told != wait_graph::none && reached[members.front()];
    return std::tuple{!own, !before, !all_stuck(state, members), members.size(), members.front()};
  };
  members_of_knot* best = nullptr;
  for (members_of_knot& members : knots)
    if (best == nullptr || rank(members) < rank(*best)) best = &members;
  return best == nullptr ? members_of_knot{} : std::move(*best);
}

/// Of `knots` those whose members are all stuck; within `bounds`, unless that is empty.
members_of_knot best_stuck(
    const snapshot_data& state,
    const wait_graph& graph,
    std::vector<members_of_knot> knots,
    const members_of_knot& bounds,
    index told
) {
  std::erase_if(knots, [&](const members_of_knot& members) {
    return !all_stuck(state, members) ||
           (!bounds.empty() &&
            !std::includes(bounds.begin(), bounds.end(), members.begin(), members.end()));
  });
  return best_of(state, graph, knots, told);
}

}  // namespace

knot find_knot(
    const snapshot_data& state,
    const wait_graph& by_handle,
    const wait_graph& by_reference,
    index told
) {
  std::vector<members_of_knot> knots = by_reference.knots();
  members_of_knot widest = best_of(state, by_reference, knots, told);
  if (widest.empty()) return {};
  if (all_stuck(state, widest)) {
    if (widest.size() > 1) {
      // A circle that handles explain holds itself up, whatever its members could reach besides.
      members_of_knot inner = best_stuck(state, by_handle, by_handle.circles(), widest, told);
      if (!inner.empty()) {
        const bool all = inner.size() == widest.size();
        return {std::move(inner), all};
      }
      // What anybody could do ties nobody to anybody in particular.
      if (std::any_of(widest.begin(), widest.end(), [&](index t) {
            return by_reference.could_be_anybodys(state, t);
          })) {
        inner = best_stuck(state, by_handle, by_handle.knots(), widest, told);
        if (!inner.empty()) return {std::move(inner), true};
      }
    }
    return {std::move(widest), true};
  }

  // What could still go on is paused. Whoever waits for it by a handle or a join waits for it for
  // sure; a reference is no more than a possibility.
  const std::vector<bool> behind = by_handle.leads_to(widest);
  index first_stuck = wait_graph::none;
  for (index t = static_cast<index>(state.tasklets.size()); t-- > 0;) {
    if (!is_stuck(state, t)) continue;
    first_stuck = t;
    if (behind[t] && (told == wait_graph::none || t == told)) return {std::move(widest), true};
  }
  members_of_knot inner = best_stuck(state, by_handle, by_handle.circles(), {}, told);
  if (!inner.empty()) return {std::move(inner), false};
  if (told != wait_graph::none) return {{told}, false};
  if (first_stuck != wait_graph::none) return {{first_stuck}, false};
  return {std::move(widest), true};
}

}  // namespace stackless::inline STACKLESS_ABI::detail
