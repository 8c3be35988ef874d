#include "diagnostics/report_sections.hpp"

#include "diagnostics/lock_text.hpp"
#include "diagnostics/verdict.hpp"
#include "diagnostics/wait_graph.hpp"
#include "diagnostics/wording.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace stackless::inline STACKLESS_ABI::detail {

namespace {

constexpr std::size_t most_groups = 10;
constexpr std::size_t most_ended = 6;

bool is_blocked_for_ever(const tasklet_info& t) {
  return t.state == tasklet_state::blocked && !t.wakes_nobody;
}

std::string foreign_of(const source_info& sources) {
  return sources.foreign == 0 ? "" : fmt::format(", {} foreign", sources.foreign);
}

std::string beliefs(const source_info& sources) {
  std::string text = fmt::format(
      "none runnable, {} I/O in flight, {}", sources.io_in_flight,
      counted(sources.timers, "timer", "timers")
  );
  text += foreign_of(sources);
  if (sources.silent != 0)
    text +=
        fmt::format(", of which {} wake{} nobody", sources.silent, sources.silent == 1 ? "s" : "");
  return text;
}

/// A circle of owners was found, not that nobody else holds what they wait for.
bool is_owner_circle(verdict why) {
  return why == verdict::lock_cycle || why == verdict::join_cycle || why == verdict::self_wait;
}

/// The channel whose one side is gone for ever, if that is what it comes down to.
const object_info* orphaned_channel_of(const deadlock_report& report) {
  if (report.why != verdict::orphaned_channel || report.core.empty()) return nullptr;
  const tasklet_info* t = report.find_tasklet(report.core.front());
  return t != nullptr && is_orphaned(report.state, *t) ? report.find_object(t->waits.object)
                                                       : nullptr;
}

/// The last of a circle to begin to wait closed it.
std::string_view mark_of(const deadlock_report& report, const tasklet_info& t) {
  if (t.id != report.raised_in) return {};
  const bool is_circle = report.why == verdict::lock_cycle || report.why == verdict::join_cycle;
  const bool is_last = std::all_of(report.core.begin(), report.core.end(), [&](std::uint64_t id) {
    const tasklet_info* other = report.find_tasklet(id);
    return id == t.id || (other != nullptr && other->waits.since_step < t.waits.since_step);
  });
  return is_circle && is_last ? "   <- closed the circle, gets this error"
                              : "   <- gets this error";
}

/// A circle of locks whose members all wait at the same place, as a table. False: it is none.
bool write_circle(page& out, tasklet_printer& printer, const deadlock_report& report) {
  if (report.why != verdict::lock_cycle) return false;
  const std::vector<std::string> table = lock_table(report, lock_circle(report.state, report.core));
  for (const std::string& line : table) out.line(line);
  if (table.empty()) return false;
  out.blank();
  printer.shared_block(report.core);
  out.blank();
  return true;
}

std::string name_or_place_of(const object_info& object) {
  return (object.name.empty() ? made_text(object) : in_quotes(object.name)) + ordinal_of(object);
}

}  // namespace

heading heading_of(const deadlock_report& report) {
  const auto& tasklets = report.state.tasklets;
  const std::string all = counted(tasklets.size(), "tasklet", "tasklets");
  const auto blocked =
      static_cast<std::size_t>(std::count_if(tasklets.begin(), tasklets.end(), is_blocked_for_ever)
      );
  const bool is_proven = report.certainty == grade::proven;
  const bool others_go_on = can_go_on(report.state);
  if (report.core.empty() && !is_proven)
    return {
        fmt::format("no deadlock: {} of {} blocked", blocked, all),
        others_go_on ? "[the others go on]" : "[nobody waits for ever]"
    };
  std::string what;
  std::string reason;
  if (const object_info* object = orphaned_channel_of(report)) {
    what = fmt::format(
        "deadlock: {} can never be woken", report.core.size() == 1
                                               ? numbered(report.state, report.core.front())
                                               : fmt::format("{} tasklets", report.core.size())
    );
    reason = fmt::format(
        "{} {} has no {} end left", kind_of(*object), name_or_place_of(*object),
        object->senders_gone ? "send" : "receive"
    );
  } else if (!others_go_on) {
    // Others who are paused are no part of it; in the core they are what it comes down to.
    const auto paused = static_cast<std::size_t>(std::count_if(
        report.core.begin(), report.core.end(),
        [&](std::uint64_t id) {
          const tasklet_info* t = report.find_tasklet(id);
          return t != nullptr && t->state == tasklet_state::paused;
        }
    ));
    what = fmt::format(
        "deadlock: {} of {} blocked{} forever", blocked + paused, all, is_proven ? "" : ", it seems"
    );
    reason = beliefs(report.state.sources);
  } else if (is_proven) {
    std::size_t behind = 0;
    for (const waiting_group& group : report.crowd)
      if (group.behind_core) behind += group.tasklets.size();
    const std::size_t others = tasklets.size() - report.core.size() - behind;
    what = fmt::format(
        "deadlock: {} of {} blocked forever{}, the other{} on", report.core.size(), all,
        behind == 0
            ? ""
            : fmt::format(" and {} behind {}", behind, report.core.size() == 1 ? "it" : "them"),
        others == 1   ? std::string(" goes")
        : others == 0 ? std::string("s go")
                      : fmt::format("s ({}) go", others)
    );
    reason = "each waits for what only the next one could end";
  } else {
    what = fmt::format(
        "stall: {} of {} blocked, it seems forever; the others go on", report.core.size(), all
    );
    reason = is_owner_circle(report.why) ? "a deadline or a cancel scope may end one of the waits"
                                         : "nobody else holds what they wait for";
  }
  return {std::move(what), fmt::format("[{}: {}]", is_proven ? "proven" : "likely", reason)};
}

std::string heading_of(const snapshot_data& state) {
  std::size_t running = 0;
  std::size_t ready = 0;
  std::size_t paused = 0;
  for (const tasklet_info& t : state.tasklets) {
    running += t.state == tasklet_state::running ? 1 : 0;
    ready += t.state == tasklet_state::ready ? 1 : 0;
    paused += t.state == tasklet_state::paused ? 1 : 0;
  }
  return fmt::format(
      "{}{} at step {}: {} running, {} ready, {} blocked, {} paused; {} I/O in flight, {}",
      state.scheduler.empty() ? "" : "scheduler of " + state.scheduler + ": ",
      counted(state.tasklets.size(), "tasklet", "tasklets"), state.step, running, ready,
      state.tasklets.size() - running - ready - paused, paused, state.sources.io_in_flight,
      counted(state.sources.timers, "timer", "timers") + foreign_of(state.sources)
  );
}

std::string reason_of(const deadlock_report& report) {
  std::string why(to_string(report.why));
  if (report.why == verdict::lock_cycle) why += fmt::format(" of {}", report.core.size());
  if (report.explanation.empty()) return why;
  return report.core.empty() ? report.explanation : why + ": " + report.explanation;
}

std::string sources_of(const snapshot_data& state) {
  if (state.sources.io_backend.empty()) return {};
  return fmt::format(
      "sources believed in: {} ({}) with {} in flight, {}", printable(state.sources.io_backend),
      printable(state.sources.io_backend_reason),
      counted(state.sources.io_in_flight, "operation", "operations"),
      counted(state.sources.timers, "timer", "timers") + foreign_of(state.sources)
  );
}

std::vector<std::vector<std::uint64_t>> alike_in_core(
    const deadlock_report& report, std::size_t most
) {
  std::vector<std::vector<std::uint64_t>> groups;
  for (std::uint64_t id : report.core) {
    const tasklet_info* t = report.find_tasklet(id);
    if (t == nullptr) continue;
    const auto same = std::find_if(groups.begin(), groups.end(), [&](const auto& group) {
      const tasklet_info& first = *report.find_tasklet(group.front());
      return first.waits.object == t->waits.object && first.waits.operation == t->waits.operation &&
             first.state == t->state && first.stack == t->stack;
    });
    if (same != groups.end()) {
      same->push_back(id);
    } else if (groups.size() < most) {
      groups.push_back({id});
    }
  }
  return groups;
}

void write_core_block(
    tasklet_printer& printer,
    page& out,
    const deadlock_report& report,
    std::span<const std::uint64_t> group
) {
  // The one who reads this as an exception looks for himself.
  const auto told = std::find(group.begin(), group.end(), report.raised_in);
  const tasklet_info& t =
      *report.find_tasklet(told != group.end() ? report.raised_in : group.front());
  printer.block(t, mark_of(report, t));
  printer.prospects(t);
  if (group.size() == 1) return;
  std::string others;
  constexpr std::size_t most_names = 4;
  std::size_t named = 0;
  for (std::uint64_t id : group) {
    if (id == t.id) continue;
    if (++named > most_names) break;
    others += (named == 1 ? "" : ", ") + numbered(report.state, id);
  }
  if (group.size() - 1 > most_names)
    others += fmt::format(" and {} more", group.size() - 1 - most_names);
  out.paragraph("      the same holds for: ", others);
}

void write_lock_orders(page& out, const deadlock_report& report) {
  if (report.why != verdict::lock_cycle) return;
  const std::vector<std::string> lines =
      lock_orders(report, lock_circle(report.state, report.core));
  for (const std::string& line : lines) out.line(line);
  if (!lines.empty()) out.blank();
}

void write_core(page& out, tasklet_printer& printer, const deadlock_report& report) {
  if (write_circle(out, printer, report)) return;
  for (std::size_t i = 0; i < std::min(report.core.size(), most_core_blocks); ++i)
    if (const tasklet_info* t = report.find_tasklet(report.core[i])) printer.make_room_for(*t);
  std::size_t shown = 0;
  for (const auto& group : alike_in_core(report, most_core_blocks)) {
    write_core_block(printer, out, report, group);
    out.blank();
    shown += group.size();
  }
  if (shown < report.core.size()) {
    out.line(fmt::format("{} more in the core", report.core.size() - shown));
    out.blank();
  }
}

void write_groups(
    page& out,
    tasklet_printer& printer,
    std::string_view title,
    const std::vector<const waiting_group*>& groups,
    std::uint64_t told
) {
  if (groups.empty()) return;
  std::size_t total = 0;
  for (const waiting_group* group : groups) total += group->tasklets.size();
  out.line(fmt::format("{}: {}", title, total));
  const std::size_t shown = std::min(groups.size(), most_groups);
  for (std::size_t i = 0; i < shown; ++i) {
    printer.group(groups[i]->tasklets, told);
    total -= groups[i]->tasklets.size();
  }
  if (shown < groups.size())
    out.line(fmt::format(
        "   … and {} in {}", counted(total, "more", "more"),
        counted(groups.size() - shown, "other group", "other groups")
    ));
  out.blank();
}

void write_crowd(page& out, tasklet_printer& printer, const deadlock_report& report) {
  std::vector<const waiting_group*> behind;
  std::vector<const waiting_group*> apart;
  std::vector<const waiting_group*> others;
  for (const waiting_group& group : report.crowd) {
    if (group.tasklets.empty()) continue;
    const tasklet_info* first = report.find_tasklet(group.tasklets.front());
    if (first == nullptr || first->state == tasklet_state::ready ||
        first->state == tasklet_state::running)
      continue;
    (group.behind_core ? behind : is_blocked_for_ever(*first) ? apart : others).push_back(&group);
  }
  const std::uint64_t told = report.raised_in;
  const std::string_view title =
      report.core.size() == 1 ? "waiting behind it" : "waiting behind them";
  write_groups(out, printer, title, behind, told);
  if (report.certainty == grade::likely || orphaned_channel_of(report) != nullptr ||
      can_go_on(report.state))
    return;  // they are none of its business
  write_groups(out, printer, "blocked apart from that", apart, told);
  write_groups(out, printer, "not counted (paused, or they wake nobody)", others, told);
}

namespace {

bool touched_by(const object_info* object, std::uint64_t tasklet) {
  const auto by = [&](const last_operation& done) { return done.tasklet == tasklet; };
  return object != nullptr && ((object->last && by(*object->last)) ||
                               std::any_of(object->history.begin(), object->history.end(), by));
}

}  // namespace

void write_ended(page& out, tasklet_printer& printer, const deadlock_report& report) {
  const bool any_may_matter =
      report.why == verdict::orphaned_channel || report.why == verdict::leaked ||
      report.why == verdict::self_wait || report.why == verdict::buffer_full_without_receiver ||
      report.why == verdict::mutual_receive || report.why == verdict::never_signalled ||
      report.why == verdict::unknown;
  std::vector<const ended_info*> shown;
  for (const ended_info& ended : report.state.ended) {
    const bool touched = std::any_of(report.core.begin(), report.core.end(), [&](std::uint64_t id) {
      const tasklet_info* t = report.find_tasklet(id);
      return t != nullptr &&
             (touched_by(report.find_object(t->waits.object), ended.id) ||
              std::any_of(t->waits.cases.begin(), t->waits.cases.end(), [&](const wait_case& each) {
                return touched_by(report.find_object(each.object), ended.id);
              }));
    });
    const bool cut_short = !ended.error.empty() || !ended.cancelled.empty();
    if (touched || any_may_matter || cut_short) shown.push_back(&ended);
  }
  if (shown.empty()) return;
  if (shown.size() > most_ended) shown.erase(shown.begin(), shown.end() - most_ended);
  out.line("ended before:");
  for (const ended_info* ended : shown) printer.ended(*ended);
  out.blank();
}

}  // namespace stackless::inline STACKLESS_ABI::detail
