#include "diagnostics/verdict.hpp"

#include "diagnostics/decisive.hpp"
#include "diagnostics/knot.hpp"

#include <algorithm>
#include <memory>
#include <unordered_set>

namespace stackless::inline STACKLESS_ABI::detail {

namespace {

using index = wait_graph::index;

const tasklet_info& info_of(const snapshot_data& state, std::uint64_t id) {
  return state.tasklets[index_of(state, id)];
}

bool has_ended(const snapshot_data& state, std::uint64_t tasklet) {
  return tasklet != 0 && state.find_tasklet(tasklet) == nullptr;
}

/// A value was offered in vain before `t` began to wait. Later it would have been taken.
bool missed_a_value(const snapshot_data& state, const tasklet_info& t) {
  const object_info* object = state.find_object(t.waits.object);
  if (object != nullptr && object->kind == object_kind::condition_variable)
    return t.waits.operation == operation_kind::wait && object->last &&
           object->last->outcome == operation_outcome::dropped && !waits_for_condition(t);
  if (t.waits.operation != operation_kind::receive) return false;
  return object != nullptr && object->last && object->last->operation == operation_kind::send &&
         object->last->attempted_only && object->last->outcome == operation_outcome::dropped;
}

/// Whoever knows the heap or the globals may reach a handle that is in no tasklet's frame. None of
/// the others does if each of them waits for the end of one of `core`.
bool others_may_reach(
    const snapshot_data& state,
    const wait_facts& facts,
    const std::vector<std::uint64_t>& core,
    const object_info& object
) {
  if (!held_outside(object)) return false;
  for (index other = 0; other < facts.tasklets(); ++other)
    if (!facts.is_quiet(other) &&
        !std::binary_search(core.begin(), core.end(), state.tasklets[facts.stand_in(other)].id))
      return true;
  return false;
}

/// Those who wait for the end of `t` and are the only ones who could do what it waits for: the one
/// with the lowest id, and who stands between them. Empty: there are none, or that is not certain.
std::vector<std::uint64_t> joins_that_close_a_circle(
    const snapshot_data& state, const wait_facts& facts, index t, const object_info& object
) {
  if (others_may_reach(state, facts, {state.tasklets[t].id}, object)) return {};
  index helper = wait_graph::none;
  bool outside = !state.tracked;
  for (const holder_info& holder : object.holders) {
    if (!could_help(object, holder)) continue;
    outside |= holder.tasklet == 0;
    const index h = index_of(state, holder.tasklet);
    if (h != wait_graph::none && h != t && facts.stand_in(h) == t) helper = std::min(helper, h);
  }
  for (index other = 0; outside && helper == wait_graph::none && other < state.tasklets.size();
       ++other)
    if (other != t && facts.stand_in(other) == t) helper = other;
  if (helper == wait_graph::none) return {};

  // Somebody who has ended may be the one who should have done it.
  const std::uint64_t helper_id = state.tasklets[helper].id;
  const std::uint64_t last = object.last ? object.last->tasklet : 0;
  if (has_ended(state, last) || (!state.ended.empty() && last != helper_id)) return {};

  std::vector<std::uint64_t> circle;
  for (index member = helper; member != t; member = facts.joined_by(member))
    circle.push_back(state.tasklets[member].id);
  circle.push_back(state.tasklets[t].id);
  return circle;
}

/// The same for a select: each of its cases is on a channel, and leads to the same joins.
std::vector<std::uint64_t> joins_around_a_select(
    const snapshot_data& state, const wait_facts& facts, index t
) {
  std::vector<std::uint64_t> circle;
  for (const wait_case& each : state.tasklets[t].waits.cases) {
    const object_info* object = state.find_object(each.object);
    if (object == nullptr || object->kind != object_kind::channel) return {};
    std::vector<std::uint64_t> its = joins_that_close_a_circle(state, facts, t, *object);
    if (its.empty() || (!circle.empty() && its != circle)) return {};
    circle = std::move(its);
  }
  return circle;
}

/// It was handed to nobody who is known, or is held by readers, and the last to lock it is gone.
bool locker_has_ended(const snapshot_data& state, const object_info& object) {
  const bool is_lock =
      object.kind == object_kind::mutex || object.kind == object_kind::shared_mutex;
  return is_lock && object.tasklet == 0 && object.last &&
         (object.last->operation == operation_kind::lock ||
          object.last->operation == operation_kind::lock_shared) &&
         object.last->outcome == operation_outcome::done && has_ended(state, object.last->tasklet);
}

/// The only one to read a shared_mutex, and it waits to write: no unlock came after its lock.
bool reads_it_itself(const tasklet_info& t, const object_info& object) {
  return object.kind == object_kind::shared_mutex && object.tasklet == 0 && object.count == 1 &&
         t.waits.operation == operation_kind::lock && object.last &&
         object.last->operation == operation_kind::lock_shared &&
         object.last->outcome == operation_outcome::done && object.last->tasklet == t.id;
}

bool held_by_nobody_else(const object_info& object, std::uint64_t tasklet) {
  return std::all_of(object.holders.begin(), object.holders.end(), [&](const holder_info& h) {
    return h.tasklet == tasklet || h.tasklet == 0 || !could_help(object, h);
  });
}

/// Who waits for the same signal is held up by the same thing, and not by the one who came first.
void add_equals(const snapshot_data& state, const wait_facts& facts, finding& found) {
  const tasklet_info& subject = info_of(state, found.subject);
  const object_info* object = state.find_object(subject.waits.object);
  const bool is_signal = subject.waits.cases.empty() && object->kind != object_kind::mutex &&
                         object->kind != object_kind::shared_mutex &&
                         object->kind != object_kind::once;
  if (!is_signal) return;
  for (index t = 0; t < facts.tasklets(); ++t) {
    const tasklet_info& other = state.tasklets[t];
    if (facts.is_stuck(t) && other.id != subject.id && other.waits.object == object->id)
      found.core.push_back(other.id);
  }
  std::sort(found.core.begin(), found.core.end());
}

void judge_alone(const snapshot_data& state, const wait_facts& facts, finding& found) {
  const tasklet_info& t = info_of(state, found.core.front());
  found.subject = t.id;
  if (t.never_started && t.state == tasklet_state::paused) {
    found.why = verdict::never_started;
    return;
  }
  const object_info* object = state.find_object(t.waits.object);
  if (!waits_for_others(t) || is_join(t) || object == nullptr) return;
  if (object->kind != object_kind::channel) {
    if (missed_a_value(state, t)) {
      found.why = verdict::lost_notification;
    } else if (reads_it_itself(t, *object)) {
      found.why = verdict::self_wait;
    } else if (locker_has_ended(state, *object)) {
      found.why = verdict::owner_exited_holding_lock;
    } else if (found.only_core) {
      found.why = verdict::never_signalled;
      auto circle = joins_around_a_select(state, facts, index_of(state, t.id));
      if (circle.empty()) {
        add_equals(state, facts, found);
        return;
      }
      found.why = verdict::join_cycle;
      found.core = std::move(circle);
    }
    return;
  }
  if (missed_a_value(state, t)) {
    found.why = verdict::lost_notification;
    return;
  }
  // The host could do it, a tasklet of another scheduler, or one that knows where the handle is.
  if (state.host_driven && held_outside(*object)) return;
  if (others_may_reach(state, facts, found.core, *object)) return;
  if (!found.only_core) return;
  const index self = index_of(state, t.id);
  if (auto circle = joins_that_close_a_circle(state, facts, self, *object); !circle.empty()) {
    found.why = verdict::join_cycle;
    found.core = std::move(circle);
  } else if (t.waits.operation == operation_kind::send && object->capacity != 0) {
    found.why = verdict::buffer_full_without_receiver;
  } else if (state.tracked && state.ended.empty() && held_by_nobody_else(*object, t.id)) {
    found.why = verdict::self_wait;
  } else {
    found.why = verdict::orphaned_channel;
  }
}

/// Each of the core waits by itself only, or in a select whose every case leads back to the core.
void judge_together(const snapshot_data& state, const wait_facts& facts, finding& found) {
  bool all_receive = true;
  bool all_send = true;
  bool all_join = true;
  bool same_object = true;
  const std::uint64_t object = info_of(state, found.core.front()).waits.object;
  const object_info* channel = state.find_object(object);
  const auto look_at = [&](operation_kind operation) {
    all_receive &= operation == operation_kind::receive;
    all_send &= operation == operation_kind::send;
  };
  for (std::uint64_t id : found.core) {
    const tasklet_info& t = info_of(state, id);
    if (t.waits.cases.empty()) look_at(t.waits.operation);
    for (const wait_case& each : t.waits.cases) look_at(each.operation);
    all_join &= is_join(t);
    same_object &= t.waits.object == object;  // a select is an object of its own
    if (found.subject == 0 && missed_a_value(state, t)) found.subject = id;
  }
  if (found.subject != 0) {
    found.why = verdict::lost_notification;
  } else if (const std::uint64_t loner = loner_among(state, facts, found); loner != 0) {
    found.core = {loner};
    judge_alone(state, facts, found);
    found.handles_only = true;
  } else if (all_join) {
    found.why = verdict::join_cycle;
  } else if (same_object && (all_receive || all_send) && channel != nullptr &&
             ((state.host_driven && held_outside(*channel)) ||
              others_may_reach(state, facts, found.core, *channel))) {
    found.why = verdict::unknown;
  } else if (auto senders = senders_to_nobody(state, facts, found);
             !same_object && !senders.empty()) {
    found.core = std::move(senders);
    found.why = verdict::buffer_full_without_receiver;
  } else if (same_object && all_receive) {
    found.why = verdict::orphaned_channel;
  } else if (same_object && all_send) {
    found.why = verdict::buffer_full_without_receiver;
  } else if (all_receive) {
    found.why = verdict::mutual_receive;
  } else {
    found.why = verdict::circular_wait;
  }
}

}  // namespace

const object_info* waited_for(const snapshot_data& state, std::uint64_t tasklet) {
  const tasklet_info* t = state.find_tasklet(tasklet);
  return t == nullptr ? nullptr : state.find_object(t->waits.object);
}

namespace {

/// Follows locks to their owners and joins to those who are joined. The circle that this ends in;
/// `visited`: which start each has been seen from, so that nobody is followed twice.
std::vector<index> circle_of_owners(
    const wait_facts& facts, index start, std::vector<index>& visited
) {
  index t = start;
  while (t != wait_graph::none && visited[t] == wait_graph::none) {
    visited[t] = start;
    t = facts.needed_by(t);
  }
  if (t == wait_graph::none || visited[t] != start) return {};
  std::vector<index> circle;
  for (index member = t; circle.empty() || member != t; member = facts.needed_by(member))
    circle.push_back(member);
  return circle;
}

/// Nothing but the owners could end such a circle, whatever else goes on.
bool judge_owners(const snapshot_data& state, const wait_facts& facts, index told, finding& found) {
  std::vector<index> visited(state.tasklets.size(), wait_graph::none);
  std::vector<index> circle;
  if (told != wait_graph::none) {
    circle = circle_of_owners(facts, told, visited);
  } else {
    for (index t = 0; t < state.tasklets.size() && circle.empty(); ++t)
      circle = circle_of_owners(facts, t, visited);
  }
  if (circle.empty()) return false;
  std::sort(circle.begin(), circle.end());
  bool any_lock = false;
  for (index t : circle) {
    any_lock |= !is_join(state.tasklets[t]);
    found.core.push_back(state.tasklets[t].id);
  }
  found.why = circle.size() == 1 ? verdict::self_wait
              : any_lock         ? verdict::lock_cycle
                                 : verdict::join_cycle;
  return true;
}

/// No end is left that could send, or receive, whatever else goes on.
bool judge_orphans(
    const snapshot_data& state, const wait_facts& facts, index told, finding& found
) {
  index first = told;
  for (index t = 0; told == wait_graph::none && first == wait_graph::none; ++t) {
    if (t == facts.tasklets()) return false;
    if (facts.is_orphaned(t)) first = t;
  }
  if (!facts.is_orphaned(first)) return false;
  const tasklet_info& subject = state.tasklets[first];
  for (index t = 0; t < facts.tasklets(); ++t)
    if (facts.is_orphaned(t) && state.tasklets[t].waits.object == subject.waits.object)
      found.core.push_back(state.tasklets[t].id);
  found.subject = subject.id;
  found.why = verdict::orphaned_channel;
  return true;
}

/// It may come to free others without anybody's help.
bool goes_on(const tasklet_info& t) {
  if (t.state == tasklet_state::ready || t.state == tasklet_state::running) return true;
  return is_held_up(t) && t.state == tasklet_state::blocked && !waits_for_others(t) &&
         t.waits.operation != operation_kind::suspend && t.waits.operation != operation_kind::drain;
}

/// What the core waits for; of the cases of a select each.
std::unordered_set<std::uint64_t> objects_of(const snapshot_data& state, const finding& found) {
  std::unordered_set<std::uint64_t> objects;
  for (std::uint64_t id : found.core) {
    const wait_info& waits = info_of(state, id).waits;
    if (waits.cases.empty()) objects.insert(waits.object);
    for (const wait_case& each : waits.cases) objects.insert(each.object);
  }
  objects.erase(0);
  return objects;
}

void mark_those_behind(const snapshot_data& state, const wait_graph& graph, finding& found) {
  std::vector<index> members;
  for (std::uint64_t id : found.core) members.push_back(index_of(state, id));
  const std::unordered_set<std::uint64_t> objects = objects_of(state, found);
  const auto queues_with_it = [&](index t) {
    const tasklet_info& info = state.tasklets[t];
    return is_held_up(info) && info.waits.cases.empty() && waits_for_others(info) &&
           objects.contains(info.waits.object);
  };
  for (index t = 0; t < state.tasklets.size(); ++t)
    if (queues_with_it(t)) members.push_back(t);
  const std::vector<bool> behind = graph.leads_to(members);
  std::vector<index> free;
  if (can_go_on(state))
    for (index t = 0; t < state.tasklets.size(); ++t)
      if (goes_on(state.tasklets[t])) free.push_back(t);
  std::vector<bool> may_be_freed;
  if (!free.empty()) may_be_freed = graph.leads_to(free);
  for (index t = 0; t < state.tasklets.size(); ++t) {
    const bool leads_there = behind[t] && (may_be_freed.empty() || !may_be_freed[t]);
    found.behind[t] = queues_with_it(t) || leads_there ? 1 : 0;
  }
}

}  // namespace

bool is_held_up(const tasklet_info& t) {
  return (t.state == tasklet_state::blocked || t.state == tasklet_state::paused) && !t.wakes_nobody;
}

bool can_go_on(const snapshot_data& state) {
  const source_info& sources = state.sources;
  return sources.io_in_flight + sources.timers + sources.foreign > sources.silent ||
         std::any_of(state.tasklets.begin(), state.tasklets.end(), [](const tasklet_info& t) {
           return t.state == tasklet_state::ready || t.state == tasklet_state::running;
         });
}

std::optional<finding> find_owner_circle(const snapshot_data& state, std::uint64_t told) {
  finding found;
  found.behind.assign(state.tasklets.size(), 0);
  const auto facts = std::make_shared<wait_facts>(state);
  if (!judge_owners(state, *facts, told == 0 ? wait_graph::none : index_of(state, told), found))
    return std::nullopt;
  mark_those_behind(state, wait_graph(facts, reach::by_handle), found);
  return found;
}

std::vector<finding> find_stuck(const snapshot_data& state, std::size_t most, std::uint64_t told) {
  std::vector<finding> all;
  const index told_index = told == 0 ? wait_graph::none : index_of(state, told);
  if (!state.tracked || (told != 0 && told_index == wait_graph::none)) return all;
  const wait_graph graph(state, reach::by_reference);
  const wait_facts& facts = graph.facts();
  std::vector<bool> asked_for(state.tasklets.size(), told == 0);
  if (told != 0) asked_for = graph.reached_from(told_index);
  const auto judge = [&](const std::vector<index>& members) {
    finding found;
    found.behind.assign(state.tasklets.size(), 0);
    for (index t : members) found.core.push_back(state.tasklets[t].id);
    if (members.size() == 1) {
      judge_alone(state, facts, found);
    } else {
      judge_together(state, facts, found);
    }
    if (found.why == verdict::orphaned_channel || found.why == verdict::self_wait ||
        found.why == verdict::buffer_full_without_receiver)
      found.why = verdict::leaked;
    mark_those_behind(state, graph, found);
    all.push_back(std::move(found));
  };
  for (std::vector<index>& members : graph.knots()) {
    const bool stuck = std::all_of(members.begin(), members.end(), [&](index t) {
      return facts.is_stuck(t) && !state.tasklets[t].has_way_out && !facts.could_be_anybodys(t);
    });
    if (!stuck) continue;
    for (const std::vector<index>& part : untied(graph, std::move(members))) {
      if (std::none_of(part.begin(), part.end(), [&](index t) { return asked_for[t]; })) continue;
      if (all.size() == most) return all;
      judge(part);
    }
  }
  return all;
}

namespace {

/// Who promised to wake nobody is not held up itself: he who needs its lock, or its end, is.
bool judge_waiter_for_quiet(
    const snapshot_data& state, const wait_facts& facts, index quiet, index told, finding& found
) {
  if (!facts.is_quiet(quiet)) return false;
  const auto needs_it = [&](index t) { return facts.is_stuck(t) && facts.needed_by(t) == quiet; };
  index waiter = 0;
  if (told != wait_graph::none && needs_it(told)) {
    waiter = told;
  } else {
    while (waiter < facts.tasklets() && !needs_it(waiter)) ++waiter;
  }
  if (waiter == facts.tasklets()) return false;
  found.core = {state.tasklets[waiter].id};
  found.subject = found.core.front();
  if (!is_join(state.tasklets[waiter])) found.why = verdict::never_signalled;
  return true;
}

/// I/O is no wait for other tasklets, but for the bytes that those have not let go of.
void judge_buffers(const snapshot_data& state, finding& found) {
  if (found.why != verdict::unknown) return;
  for (std::uint64_t id : found.core) {
    const object_info* object = state.find_object(info_of(state, id).waits.object);
    if (object == nullptr || object->kind != object_kind::buffer_pool) continue;
    found.subject = id;
    found.why = verdict::never_signalled;
    return;
  }
}

}  // namespace

finding find_verdict(const snapshot_data& state, std::uint64_t told) {
  finding found;
  found.behind.assign(state.tasklets.size(), 0);
  if (state.tasklets.empty()) return found;

  const auto facts = std::make_shared<wait_facts>(state);
  const index told_index = told == 0 ? wait_graph::none : index_of(state, told);
  const bool is_judged = judge_orphans(state, *facts, told_index, found) ||
                         judge_owners(state, *facts, told_index, found);
  const wait_graph by_handle(facts, reach::by_handle);
  if (is_judged) {
    mark_those_behind(state, by_handle, found);
    return found;
  }
  const knot chosen = find_knot(by_handle, wait_graph(facts, reach::by_reference), told_index);
  found.only_core = chosen.closed;
  for (index t : chosen.members) found.core.push_back(state.tasklets[t].id);

  if (found.core.size() > 1) {
    judge_together(state, *facts, found);
  } else if (found.core.size() == 1 &&
             !judge_waiter_for_quiet(state, *facts, chosen.members.front(), told_index, found)) {
    judge_alone(state, *facts, found);
  }
  judge_buffers(state, found);
  const bool told_waits_elsewhere =
      told_index != wait_graph::none &&
      std::find(found.core.begin(), found.core.end(), told) == found.core.end();
  if (found.why == verdict::unknown && told_waits_elsewhere &&
      waits_for_others(info_of(state, found.core.front())))
    found.why = verdict::queued_behind_a_deadlock;

  mark_those_behind(state, by_handle, found);
  return found;
}

}  // namespace stackless::inline STACKLESS_ABI::detail
