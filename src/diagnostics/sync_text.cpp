#include "diagnostics/lock_text.hpp"
#include "diagnostics/tasklet_text.hpp"
#include "diagnostics/wording.hpp"

#include <fmt/format.h>

// What reports say about the objects of sync/, and about nurseries.

namespace stackless::inline STACKLESS_ABI::detail {

std::string tasklet_printer::sync_operation_of(const tasklet_info& t, const object_info& object)
    const {
  const std::string made = wants_a_name(object)  ? "give it a name"
                           : object.name.empty() ? ""
                                                 : made_text(object);
  std::string state;
  switch (object.kind) {
  case object_kind::mutex:
  case object_kind::shared_mutex:
    state = object.tasklet != 0 ? "owned by " + numbered(state_, object.tasklet)
            : object.count != 0 ? counted(object.count, "reader", "readers")
                                : "locked outside tasklets";
    break;
  case object_kind::once:
    if (object.tasklet != 0) state = "run by " + numbered(state_, object.tasklet);
    break;
  case object_kind::semaphore:
    state = counted(object.count, "unit", "units");
    break;
  case object_kind::latch:
    state = fmt::format("{} short", object.count);
    break;
  case object_kind::barrier:
    state = fmt::format("{} missing", object.count);
    break;
  default:
    break;
  }
  const std::string details = state + (state.empty() || made.empty() ? "" : ", ") + made;
  const std::string_view operation = t.waits.operation == operation_kind::wait      ? "wait for"
                                     : t.waits.operation == operation_kind::arrive  ? "wait at"
                                     : object.kind == object_kind::once             ? "wait for"
                                     : t.waits.operation == operation_kind::acquire ? "acquire of"
                                     : t.waits.operation == operation_kind::lock    ? "lock of"
                                                                                 : "lock_shared of";
  return fmt::format(
      "{} {}{}", operation, called(object), details.empty() ? "" : "  (" + details + ")"
  );
}

/// What it has locked, or runs, and others wait for. Who reads a shared_mutex is not known.
void tasklet_printer::locks_held(const tasklet_info& t) {
  std::string text;
  for (const object_info& object : state_.objects) {
    const bool is_known = object.kind == object_kind::mutex ||
                          object.kind == object_kind::shared_mutex ||
                          object.kind == object_kind::once;
    if (!is_known || object.tasklet != t.id || object.waiting == 0) continue;
    const source_place at = locked_at(object);
    text += (text.empty() ? "" : ", ") + called(object);
    if (at.line != 0) text += " since " + place(at.file, at.line, at.column);
  }
  if (!text.empty()) out_.paragraph(std::string(6, ' ') + "holds: ", text);
}

std::string tasklet_printer::sync_prospects(const tasklet_info& t, const object_info& object)
    const {
  const auto with_condition = [&](std::uint64_t id) {
    const tasklet_info* other = state_.find_tasklet(id);
    return fmt::format(
        "{} ({})", numbered(state_, id), other == nullptr ? "ended" : condition(*other)
    );
  };
  switch (object.kind) {
  case object_kind::mutex:
  case object_kind::shared_mutex:
    if (object.tasklet == t.id) return "nobody: it is the owner itself";
    return object.tasklet == 0 ? "an unlock" : "an unlock by " + with_condition(object.tasklet);
  case object_kind::once:
    if (object.tasklet == t.id) return "nobody: it runs it itself";
    return object.tasklet == 0 ? "the end of its run"
                               : "the end of its run by " + with_condition(object.tasklet);
  case object_kind::semaphore:
    return "a release";
  case object_kind::oneshot:
    return "a send, or the end of its sender.  " + holders_of(object, t.id);
  case object_kind::watch:
    return "a set, or its close.  " + holders_of(object, t.id);
  case object_kind::broadcast:
    return "a send, or its close.  " + holders_of(object, t.id);
  case object_kind::external_source:
    return object.count == 0 ? "a notify, but it has no notifier"
                             : "a notify by " + counted(object.count, "notifier", "notifiers");
  case object_kind::remote:
    return object.count == 0 ? "a send, but it has no sender"
                             : "a send by " + counted(object.count, "sender", "senders");
  case object_kind::event:
    return "a set";
  case object_kind::condition_variable:
    return "a notify";
  case object_kind::latch:
    return counted(object.count, "count_down", "count_downs");
  case object_kind::barrier:
    return counted(object.count, "more arrival", "more arrivals");
  case object_kind::start:
    return with_condition(object.tasklet) + ", when it says that it has started, or ends";
  case object_kind::nursery:
    return fmt::format(
        "the end of {}{}", object.children == 1 ? "its child" : "its children",
        object.tasklet == 0 ? "" : "; longest waits " + with_condition(object.tasklet)
    );
  default:
    return {};
  }
}

}  // namespace stackless::inline STACKLESS_ABI::detail
