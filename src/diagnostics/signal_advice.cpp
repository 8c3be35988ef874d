#include "diagnostics/signal_advice.hpp"

#include "diagnostics/lock_text.hpp"
#include "diagnostics/purpose.hpp"
#include "diagnostics/wording.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace stackless::inline STACKLESS_ABI::detail {

namespace {

/// How many coroutines of `condition_variable::wait` it is in. (The one with a condition awaits the
/// one without.)
std::ptrdiff_t waits_within(const tasklet_info& t) {
  return std::count_if(t.stack.begin(), t.stack.end(), [](const stack_frame& frame) {
    return frame.in_library &&
           frame.function.find("condition_variable::wait") != frame.function.npos;
  });
}

/// The end that would have to send stays with the one who waits.
std::string about_kept_sender(const tasklet_info& subject, const object_info& object) {
  const bool alone = !object.holders.empty() &&
                     std::all_of(object.holders.begin(), object.holders.end(), [&](const auto& h) {
                       return h.tasklet == subject.id;
                     });
  if (!alone) return {};
  return fmt::format(
      "move the sending end of {} to who sends: while {} keeps it itself, it is not told when "
      "nobody sends any more.",
      called(object), in_quotes(subject.name)
  );
}

/// Each case is a receive, and who sent last on its channel came to its end.
std::string about_select(const snapshot_data& state, const tasklet_info& subject) {
  constexpr std::size_t most_named = 4;
  std::vector<std::string> names;
  for (const wait_case& each : subject.waits.cases) {
    const object_info* object = state.find_object(each.object);
    if (each.operation != operation_kind::receive || object == nullptr || !object->last ||
        object->last->operation != operation_kind::send)
      return {};
    const auto sender =
        std::find_if(state.ended.begin(), state.ended.end(), [&](const ended_info& e) {
          return e.id == object->last->tasklet;
        });
    if (sender == state.ended.end() || sender->killed || was_cut_short(*sender)) return {};
    names.push_back(called(*object));
  }
  return fmt::format(
      "close {} when the last sender on it is done: then the select ends instead of waiting.",
      listed(names, most_named)
  );
}

std::string about_event(
    const snapshot_data& state,
    const finding& found,
    const object_info& object,
    bool somebody_failed
) {
  const std::string name = called(object);
  if (object.last && object.last->operation == operation_kind::reset) {
    const source_place& at = object.last->at;
    return fmt::format(
        "set {} after its reset{} too: a reset takes back what was set before, also for those who "
        "come to wait later.",
        name, at.line == 0 ? "" : " (" + place(at.file, at.line) + ")"
    );
  }
  // Set before the wait it lets pass all the same.
  std::string text;
  const auto joiner =
      std::find_if(state.tasklets.begin(), state.tasklets.end(), [&](const tasklet_info& t) {
        return joins_one_of(state, t, found.core);
      });
  if (joiner != state.tasklets.end() && !somebody_failed) {
    text = fmt::format(
        "set {} before {} waits for the end of {}{}, or on every path of who else should.", name,
        called(state, joiner->id, found.core),
        found.core.size() == 1 ? called(state, found.core.front(), found.core) : "those",
        place_of(state, joiner->id)
    );
  } else {
    text = fmt::format(
        "set {} on every path of who should, also one that fails. What another thread is to set is "
        "an external_source.",
        name
    );
  }
  if (object.type == "auto_event")
    text += " Sets for which nobody waits yet count as one: a semaphore counts them.";
  return text;
}

}  // namespace

bool waits_for_condition(const tasklet_info& t) {
  return waits_within(t) > 1;
}

bool waits_bare(const tasklet_info& t) {
  return waits_within(t) == 1;
}

bool was_cut_short(const ended_info& e) {
  return !e.error.empty() || !e.cancelled.empty();
}

std::string about_never_signalled(
    const snapshot_data& state,
    const finding& found,
    const tasklet_info& subject,
    const object_info& object
) {
  // One that failed may be the one that is missing: then a smaller number is no remedy.
  const bool somebody_failed = std::any_of(state.ended.begin(), state.ended.end(), was_cut_short);
  const tasklet_info* needed = state.find_tasklet(object.tasklet);
  if (needed != nullptr && needed->wakes_nobody)
    return fmt::format(
        "spawn {} without wakes_nobody: others wait for what it holds.",
        numbered(needed->id, needed->name)
    );
  if (!somebody_failed)
    if (std::string advice = about_lock_kept(state, found); !advice.empty()) return advice;
  switch (object.kind) {
  case object_kind::event:
    return about_event(state, found, object, somebody_failed);
  case object_kind::semaphore:
    return fmt::format(
        "a unit of {} comes back when the guard that acquired it ends; more come by its release() "
        "alone, on every path of who should call it.",
        called(object)
    );
  case object_kind::latch:
    if (somebody_failed)
      return fmt::format(
          "count {} down {} more, also on a path that fails.", called(object),
          counted(object.count, "time", "times")
      );
    return fmt::format(
        "count {} down {} more, or make it for {} fewer. Who waits for it does not count.",
        called(object), counted(object.count, "time", "times"), object.count
    );
  case object_kind::barrier:
    if (somebody_failed)
      return fmt::format(
          "{} more {} to arrive at {}: who fails before never does. A nursery around them cancels "
          "the others then.",
          object.count, object.count == 1 ? "has" : "have", called(object)
      );
    // Who has ended may have arrived before: then it was for as many as it should be.
    if (!state.ended.empty())
      return fmt::format(
          "{} more {} to arrive at {}: who ends before the others no longer does.", object.count,
          object.count == 1 ? "has" : "have", called(object)
      );
    return fmt::format(
        "{} more {} to arrive at {}, or make it for {} fewer.", object.count,
        object.count == 1 ? "has" : "have", called(object), object.count
    );
  case object_kind::condition_variable:
    if (!waits_for_condition(subject)) return {};
    return fmt::format(
        "notify {} after each change of what {} waits for: its condition was false when last "
        "asked.",
        called(object), in_quotes(subject.name)
    );
  case object_kind::oneshot:
  case object_kind::watch:
  case object_kind::broadcast:
    return about_kept_sender(subject, object);
  case object_kind::buffer_pool:
    return "let pooled_bytes go before the next receive, reset() does; or copy what is kept. A "
           "larger pool only puts this off, if more is kept each time.";
  case object_kind::select:
    return about_select(state, subject);
  default:
    return {};
  }
}

}  // namespace stackless::inline STACKLESS_ABI::detail
