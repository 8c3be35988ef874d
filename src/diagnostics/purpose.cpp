#include "diagnostics/purpose.hpp"

#include "diagnostics/wait_facts.hpp"
#include "diagnostics/wording.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <vector>

namespace stackless::inline STACKLESS_ABI::detail {

namespace {

using id_list = std::span<const std::uint64_t>;

std::string purpose_of(
    const snapshot_data& state, operation_kind operation, std::uint64_t object_id, id_list among
) {
  const object_info* object = state.find_object(object_id);
  if (object == nullptr) return "for ever";
  if (object->kind == object_kind::buffer_pool)
    return object->capacity == 1
               ? "for the buffer of its buffer_pool, which is in use"
               : fmt::format(
                     "for a buffer of its buffer_pool: all {} are in use", object->capacity
                 );
  const auto owner = [&] { return called(state, object->tasklet, among); };
  switch (operation) {
  case operation_kind::receive:
    return "to receive from " + called(*object);
  case operation_kind::send:
    return "to send on " + called(*object);
  case operation_kind::lock:
  case operation_kind::lock_shared:
    return "for " + called(*object) +
           (object->tasklet == 0                ? ""
            : object->kind == object_kind::once ? ", run by " + owner()
                                                : " of " + owner());
  case operation_kind::wait:
  case operation_kind::acquire:
  case operation_kind::arrive:
  case operation_kind::select:
    return "for " + called(*object);
  case operation_kind::start:
    return "for the start of " + owner();
  case operation_kind::join_nursery:
    return "for the children of " + called(*object);
  default:
    return "for the end of " + owner();
  }
}

bool is_in(id_list core, std::uint64_t id) {
  return std::binary_search(core.begin(), core.end(), id);
}

/// Who wants a lock of the core's says most about why it is stuck, who only joins it least.
enum interest : std::uint8_t { wants_its_lock, waits_elsewhere, waits_for_its_end };

interest interest_of(const snapshot_data& state, const tasklet_info& t, id_list core) {
  if (joins_one_of(state, t, core)) return waits_for_its_end;
  const object_info* object = state.find_object(t.waits.object);
  const bool is_lock =
      t.waits.operation == operation_kind::lock || t.waits.operation == operation_kind::lock_shared;
  return is_lock && object != nullptr && is_in(core, object->tasklet) ? wants_its_lock
                                                                      : waits_elsewhere;
}

}  // namespace

std::string purpose_of(const snapshot_data& state, const tasklet_info& t, id_list among) {
  constexpr std::size_t most_cases = 3;
  if (t.waits.cases.empty() || t.waits.cases.size() > most_cases)
    return purpose_of(state, t.waits.operation, t.waits.object, among);
  std::string text;
  for (const wait_case& each : t.waits.cases)
    text += (text.empty() ? "" : ", or ") + purpose_of(state, each.operation, each.object, among);
  return text;
}

std::string place_of(const snapshot_data& state, std::uint64_t tasklet) {
  const tasklet_info* t = state.find_tasklet(tasklet);
  if (t == nullptr || t->stack.empty()) return {};
  const stack_frame innermost = without_library(t->stack).front();
  return innermost.line == 0 ? "" : " (" + place(innermost.file, innermost.line) + ")";
}

bool joins_one_of(const snapshot_data& state, const tasklet_info& t, id_list core) {
  if (!is_join(t)) return false;
  const object_info* target = state.find_object(t.waits.object);
  return target != nullptr &&
         (is_in(core, target->tasklet) ||
          std::any_of(target->unfinished.begin(), target->unfinished.end(), [&](std::uint64_t id) {
            return is_in(core, id);
          }));
}

std::string those_left(const snapshot_data& state, id_list core) {
  constexpr std::size_t most_told = 2;
  std::array<std::vector<const tasklet_info*>, 3> first;  // by interest
  std::size_t left = 0;
  for (const tasklet_info& t : state.tasklets) {
    if (t.wakes_nobody || !waits_for_others(t) || is_in(core, t.id)) continue;
    ++left;
    auto& alike = first[interest_of(state, t, core)];
    if (alike.size() < most_told) alike.push_back(&t);
  }
  std::vector<const tasklet_info*> told;
  for (const auto& alike : first)
    for (const tasklet_info* t : alike)
      if (told.size() < most_told) told.push_back(t);
  if (told.empty()) return {};

  std::vector<std::uint64_t> named(core.begin(), core.end());
  for (const tasklet_info* t : told) named.push_back(t->id);
  std::vector<std::string> items;
  for (const tasklet_info* t : told) {
    const bool its_end = core.size() == 1 && interest_of(state, *t, core) == waits_for_its_end;
    items.push_back(fmt::format(
        "{} waits {}", called(state, t->id, named),
        its_end ? "for its end" : purpose_of(state, *t, named)
    ));
  }
  if (left > told.size()) items.push_back(counted(left - told.size(), "more waits", "more wait"));
  return ": " + listed(items, items.size());
}

}  // namespace stackless::inline STACKLESS_ABI::detail
