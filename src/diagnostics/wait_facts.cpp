#include "diagnostics/wait_facts.hpp"

#include <algorithm>

namespace stackless::inline STACKLESS_ABI::detail {

namespace {

using index = wait_facts::index;

bool on_channel(operation_kind operation) {
  return operation == operation_kind::receive || operation == operation_kind::send;
}

bool is_lock(operation_kind operation) {
  return operation == operation_kind::lock || operation == operation_kind::lock_shared;
}

bool is_join(operation_kind operation) {
  return operation == operation_kind::join || operation == operation_kind::join_nursery ||
         operation == operation_kind::start;
}

bool needs_others(operation_kind operation) {
  switch (operation) {
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

}  // namespace

index index_of(const snapshot_data& state, std::uint64_t tasklet) {
  const tasklet_info* t = state.find_tasklet(tasklet);
  return t == nullptr ? wait_facts::none : static_cast<index>(t - state.tasklets.data());
}

bool waits_for_others(const tasklet_info& t) {
  return t.state == tasklet_state::blocked && needs_others(t.waits.operation) &&
         std::all_of(t.waits.cases.begin(), t.waits.cases.end(), [](const wait_case& each) {
           return needs_others(each.operation);
         });
}

bool is_join(const tasklet_info& t) {
  return is_join(t.waits.operation);
}

bool could_help(const object_info& object, const holder_info& holder) {
  if (holder.side == channel_side::both) return true;
  const bool wanted_to_send = object.waiting_receivers != 0;
  const bool wanted_to_receive = object.waiting_senders != 0;
  // Both wait only if they are cases of one select, which does not meet itself.
  if (wanted_to_send == wanted_to_receive) return true;
  return holder.side == (wanted_to_send ? channel_side::send : channel_side::receive);
}

bool held_outside(const object_info& object) {
  return std::any_of(object.holders.begin(), object.holders.end(), [&](const holder_info& h) {
    return h.tasklet == 0 && could_help(object, h);
  });
}

bool is_orphaned(const snapshot_data& state, const tasklet_info& t) {
  if (t.state != tasklet_state::blocked || !on_channel(t.waits.operation)) return false;
  const object_info* object = state.find_object(t.waits.object);
  if (object == nullptr) return false;
  return t.waits.operation == operation_kind::receive ? object->senders_gone
                                                      : object->receivers_gone;
}

wait_facts::wait_facts(const snapshot_data& state) : tracked_(state.tracked) {
  read_objects(state);
  read_tasklets(state);
  find_stand_ins();
}

void wait_facts::read_objects(const snapshot_data& state) {
  const std::size_t count = state.objects.size();
  first_holder_.reserve(count + 1);
  holders_.reserve(2 * count);
  held_outside_.assign(count, false);
  for (std::size_t i = 0; i < count; ++i) {
    first_holder_.push_back(static_cast<std::uint32_t>(holders_.size()));
    const object_info& object = state.objects[i];
    if (object.kind != object_kind::channel) continue;
    index previous = none;
    for (const holder_info& holder : object.holders) {
      if (!could_help(object, holder)) continue;
      if (holder.tasklet == 0) {
        held_outside_[i] = true;
        continue;
      }
      const index t = index_of(state, holder.tasklet);
      if (t == none || t == previous) continue;
      previous = t;
      holders_.push_back(t);
    }
  }
  first_holder_.push_back(static_cast<std::uint32_t>(holders_.size()));
}

void wait_facts::read_wait(
    const snapshot_data& state, index t, operation_kind operation, std::uint64_t object_id
) {
  const object_info* object = state.find_object(object_id);
  awaited found;
  found.tasklet = t;
  if (on_channel(operation)) {
    if (object == nullptr) return;
    found.channel = static_cast<index>(object - state.objects.data());
  } else {
    if (object != nullptr && (is_join(operation) || is_lock(operation)))
      found.helper = index_of(state, object->tasklet);
    found.anybody = found.helper == none;
  }
  if (object != nullptr && !is_join(operation) &&
      (object->kind == object_kind::channel
           ? held_outside_[static_cast<std::size_t>(object - state.objects.data())]
           : found.anybody))
    flags_[t] |= anybodys;
  awaited_.push_back(found);
}

void wait_facts::read_tasklets(const snapshot_data& state) {
  const std::size_t count = state.tasklets.size();
  flags_.assign(count, 0);
  joined_.assign(count, none);
  needed_.assign(count, none);
  spawner_.assign(count, none);
  awaited_.reserve(count);
  for (index t = 0; t < count; ++t) {
    const tasklet_info& info = state.tasklets[t];
    if (info.wakes_nobody) flags_[t] |= wakes_nobody;
    if (info.spawned_by != 0) {
      spawner_[t] = index_of(state, info.spawned_by);
      if (spawner_[t] == none) {
        flags_[t] |= stray;
        any_stray_ = true;
      } else {
        flags_[spawner_[t]] |= parent;
      }
    }
    if (!detail::waits_for_others(info)) continue;
    flags_[t] |= waits_for_others;
    if (!info.waits.cases.empty()) {
      for (const wait_case& each : info.waits.cases)
        read_wait(state, t, each.operation, each.object);
      continue;
    }
    if (detail::is_orphaned(state, info)) flags_[t] |= orphaned;
    const std::size_t before = awaited_.size();
    read_wait(state, t, info.waits.operation, info.waits.object);
    if (awaited_.size() == before) continue;
    needed_[t] = awaited_.back().helper;
    if (detail::is_join(info)) joined_[t] = needed_[t];
  }
}

void wait_facts::find_stand_ins() {
  stand_in_.assign(tasklets(), none);
  std::vector<std::uint8_t> on_path(tasklets(), 0);
  std::vector<index> path;
  for (index start = 0; start < tasklets(); ++start) {
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

}  // namespace stackless::inline STACKLESS_ABI::detail
