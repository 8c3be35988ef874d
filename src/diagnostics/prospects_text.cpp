#include "diagnostics/tasklet_text.hpp"
#include "diagnostics/wait_graph.hpp"
#include "diagnostics/wording.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace stackless::inline STACKLESS_ABI::detail {

namespace {

std::string_view outcome_of(const last_operation& last) {
  switch (last.outcome) {
  case operation_outcome::delivered:
    return last.woken != 0 ? "woke" : last.given_to != 0 ? "given to" : "delivered";
  case operation_outcome::buffered:
    return "buffered";
  case operation_outcome::blocked:
    return "began to wait";
  case operation_outcome::dropped:
    return last.operation == operation_kind::notify ? "DROPPED, 0 waiters"
                                                    : "DROPPED: nobody was waiting";
  case operation_outcome::refused:
    return "refused";
  case operation_outcome::closed:
    return last.operation == operation_kind::send_end ||
                   last.operation == operation_kind::receive_end
               ? "the last one is gone"
               : "closed";
  case operation_outcome::created:
    return "created";
  case operation_outcome::done:
    switch (last.operation) {
    case operation_kind::lock:
    case operation_kind::lock_shared:
    case operation_kind::acquire:
      return "taken";
    case operation_kind::wait:
      return "used it up";
    default:
      return "";
    }
  case operation_outcome::merged:
    return "merged: it was set already";
  case operation_outcome::none:
    break;
  }
  return last.operation == operation_kind::none ? "" : "began to wait";
}

}  // namespace

std::string_view condition(const tasklet_info& t) {
  if (t.wakes_nobody) return "wakes nobody";
  if (t.never_started) return t.state == tasklet_state::paused ? "never started" : "ready";
  switch (t.state) {
  case tasklet_state::running:
    return "running";
  case tasklet_state::ready:
    return "ready";
  case tasklet_state::blocked:
    return "blocked";
  case tasklet_state::paused:
    return "paused";
  }
  return "";
}

std::uint32_t tasklet_printer::shown_frame(const holder_info& holder) const {
  const tasklet_info* t = state_.find_tasklet(holder.tasklet);
  if (t == nullptr || holder.frame == holder_info::kept_arguments) return holder.frame;
  return static_cast<std::uint32_t>(shown_number(t->stack, holder.frame));
}

std::string tasklet_printer::holders_of(const object_info& object, std::uint64_t waiter) const {
  if (!state_.tracked) return "held by: not known without tracking";
  constexpr std::size_t most_holders = 6;
  // Counted ends: only the other side's can help.
  const bool sends = object.waiting_receivers != 0;
  const bool counted_ends =
      object.kind == object_kind::channel &&
      (object.senders_gone || object.receivers_gone ||
       std::any_of(object.holders.begin(), object.holders.end(), [](const holder_info& h) {
         return h.side != channel_side::both;
       }));
  const std::string label = !counted_ends ? "held by: " : sends ? "send ends: " : "receive ends: ";
  if (counted_ends && (sends ? object.senders_gone : object.receivers_gone)) return label + "none";
  std::vector<std::string> items;
  std::string own;
  std::size_t outside = 0;
  std::size_t others = 0;
  for (std::size_t i = 0; i < object.holders.size();) {
    const std::uint64_t id = object.holders[i].tasklet;
    std::set<std::uint32_t> frames;
    std::size_t handles = 0;
    for (; i < object.holders.size() && object.holders[i].tasklet == id; ++i) {
      if (!could_help(object, object.holders[i])) continue;
      ++handles;
      if (frames.size() < most_holders) frames.insert(shown_frame(object.holders[i]));
    }
    if (handles == 0) continue;
    if (id == 0) {
      outside += handles;
      continue;
    }
    if (id != waiter && ++others > most_holders) continue;
    std::string where;
    for (std::uint32_t frame : frames) {
      if (frame == holder_info::kept_arguments) {
        where += where.empty() ? "arguments" : ", arguments";
      } else {
        where += fmt::format("{}{}", where.empty() ? "frame " : ", ", frame);
      }
    }
    const tasklet_info* t = state_.find_tasklet(id);
    if (id == waiter) {
      own = "itself in " + where;
    } else {
      items.push_back(fmt::format(
          "{} {} ({})", numbered(state_, id), where, t == nullptr ? "ended" : condition(*t)
      ));
    }
  }
  if (others > most_holders) items.push_back(fmt::format("{} more", others - most_holders));
  if (!own.empty()) items.push_back(own);
  items.push_back(fmt::format("{} outside tasklets", outside));
  std::string text = label;
  for (std::size_t i = 0; i < items.size(); ++i) {
    std::replace(items[i].begin(), items[i].end(), ' ', page::joining_space);
    text += (i == 0 ? "" : ", ") + items[i];
  }
  return text;
}

std::string tasklet_printer::last_of(const object_info& object) const {
  if (object.last) return text_of(*object.last);
  return object.kind == object_kind::channel ? "nothing was ever sent or received"
                                             : "nothing was ever done with it";
}

void tasklet_printer::history_of(const object_info& object, const std::string& name) {
  const std::string margin(page::margin, ' ');
  if (!state_.tracked) return;
  if (object.history.empty()) {
    if (object.last || object.kind == object_kind::channel)
      out_.paragraph(margin + "last on " + name + ": ", last_of(object));
    return;
  }
  if (!shown_histories_.insert(object.id).second) {
    out_.line(margin + "last on " + name + ": see above");
    return;
  }
  out_.line(margin + "last on " + name + ":");
  for (const last_operation& past : object.history) out_.paragraph(margin + "  ", text_of(past));
}

std::string tasklet_printer::text_of(const last_operation& last) const {
  std::vector<std::string> items;
  if (last.tasklet != 0) {
    items.push_back(fmt::format("step {}", last.step));
    items.push_back(
        last.tasklet_name.empty() ? numbered(state_, last.tasklet)
                                  : numbered(last.tasklet, last.tasklet_name)
    );
  } else {
    items.emplace_back("from outside tasklets");
  }
  if (last.operation != operation_kind::none)
    items.push_back((last.attempted_only ? "try_" : "") + std::string(verb(last.operation)));
  if (const std::string_view outcome = outcome_of(last); !outcome.empty())
    items.emplace_back(outcome);
  if (last.given_to != 0) items.back() += " " + numbered(last.given_to, last.given_to_name);
  if (last.woken > 1) items.back() += fmt::format(" and {} more", last.woken - 1);
  if (last.at.line != 0) items.push_back(place(last.at.file, last.at.line, last.at.column));
  std::string text;
  for (std::size_t i = 0; i < items.size(); ++i) text += (i == 0 ? "" : ", ") + items[i];
  return text;
}

/// Each as if it were waited for alone.
void tasklet_printer::cases_of(const tasklet_info& t) {
  constexpr std::size_t most_cases = 8;
  const std::size_t count = t.waits.cases.size();
  const std::size_t shown = std::min(count, most_cases);
  for (std::size_t i = 0; i < shown; ++i) {
    tasklet_info alone;
    alone.id = t.id;
    alone.state = t.state;
    alone.waits.operation = t.waits.cases[i].operation;
    alone.waits.object = t.waits.cases[i].object;
    alone.waits.since_step = t.waits.since_step;
    out_.paragraph(
        fmt::format("{}case {}: ", std::string(page::margin, ' '), i + 1), operation_of(alone)
    );
    prospects_of_wait(alone, false);
  }
  if (shown < count)
    out_.line(
        std::string(page::margin, ' ') + "… and " +
        counted(count - shown, "more case", "more cases")
    );
}

void tasklet_printer::prospects(const tasklet_info& t) {
  prospects_of_wait(t, true);
}

void tasklet_printer::prospects_of_wait(const tasklet_info& t, bool with_locks) {
  if (t.waits.operation == operation_kind::select) {
    cases_of(t);
    locks_held(t);
    return;
  }
  const object_info* object = state_.find_object(t.waits.object);
  const std::string margin(page::margin, ' ');
  if (object == nullptr) return;
  if (t.waits.operation == operation_kind::join) {
    const tasklet_info* joined = state_.find_tasklet(object->tasklet);
    out_.paragraph(
        margin + "freed by: ", fmt::format(
                                   "the end of {} ({})", numbered(state_, object->tasklet),
                                   joined == nullptr ? "ended" : condition(*joined)
                               )
    );
    if (with_locks) locks_held(t);
    return;
  }
  if (object->kind != object_kind::channel) {
    const std::string who = sync_prospects(t, *object);
    if (!who.empty()) out_.paragraph(margin + "freed by: ", who);
    if (with_locks) locks_held(t);
    if (object->kind != object_kind::nursery && object->kind != object_kind::select)
      history_of(*object, called(*object));
    return;
  }
  const bool receives = t.waits.operation == operation_kind::receive;
  const std::string name = object->name.empty() ? "it" : called(*object);
  out_.paragraph(
      margin + "freed by: ", fmt::format(
                                 "a {} {}{}.  {}", receives ? "send on" : "receive from", name,
                                 receives ? " or its close" : "", holders_of(*object, t.id)
                             )
  );
  if (with_locks) locks_held(t);
  history_of(*object, name);
}

}  // namespace stackless::inline STACKLESS_ABI::detail
