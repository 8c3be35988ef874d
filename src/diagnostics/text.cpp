#include <stackless/deadlock.hpp>

#include "diagnostics/drawing.hpp"
#include "diagnostics/page.hpp"
#include "diagnostics/tasklet_text.hpp"
#include "diagnostics/verdict.hpp"
#include "diagnostics/wording.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace stackless::inline STACKLESS_ABI {

namespace detail {

namespace {

constexpr std::size_t most_blocks = 8;
constexpr std::size_t most_groups = 10;
constexpr std::size_t most_ended = 6;

bool is_blocked_for_ever(const tasklet_info& t) {
  return t.state == tasklet_state::blocked && !t.wakes_nobody;
}

std::string foreign_of(const source_info& sources) {
  return sources.foreign == 0 ? "" : fmt::format(", {} foreign", sources.foreign);
}

std::string beliefs(const source_info& sources, grade certainty) {
  std::string text = fmt::format(
      "[{}: none runnable, {} I/O in flight, {}", certainty == grade::proven ? "proven" : "likely",
      sources.io_in_flight, counted(sources.timers, "timer", "timers")
  );
  text += foreign_of(sources);
  if (sources.silent != 0)
    text +=
        fmt::format(", of which {} wake{} nobody", sources.silent, sources.silent == 1 ? "s" : "");
  return text + "]";
}

/// Of the core, those that wait in the same way for the same thing are shown once.
std::vector<std::vector<std::uint64_t>> alike_in_core(const deadlock_report& report) {
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
    } else if (groups.size() < most_blocks) {
      groups.push_back({id});
    }
  }
  return groups;
}

void write_core(page& out, tasklet_printer& printer, const deadlock_report& report) {
  const auto groups = alike_in_core(report);
  std::size_t shown = 0;
  for (const auto& group : groups) {
    // The one who reads this as an exception looks for himself.
    const auto told = std::find(group.begin(), group.end(), report.raised_in);
    const tasklet_info& t =
        *report.find_tasklet(told != group.end() ? report.raised_in : group.front());
    printer.block(t, t.id == report.raised_in);
    printer.prospects(t);
    if (group.size() > 1) {
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
  if (report.certainty == grade::likely) return;  // they are none of its business
  write_groups(out, printer, "blocked apart from that", apart, told);
  write_groups(out, printer, "not counted (paused, or they wake nobody)", others, told);
}

bool touched_by(const object_info& object, std::uint64_t tasklet) {
  const auto by = [&](const last_operation& done) { return done.tasklet == tasklet; };
  return (object.last && by(*object.last)) ||
         std::any_of(object.history.begin(), object.history.end(), by);
}

void write_ended(page& out, tasklet_printer& printer, const deadlock_report& report) {
  const bool any_may_matter = report.why == verdict::orphaned_channel ||
                              report.why == verdict::leaked || report.why == verdict::self_wait ||
                              report.why == verdict::buffer_full_without_receiver;
  std::vector<const ended_info*> shown;
  for (const ended_info& ended : report.state.ended) {
    const bool touched = std::any_of(report.core.begin(), report.core.end(), [&](std::uint64_t id) {
      const tasklet_info* t = report.find_tasklet(id);
      const object_info* object = t == nullptr ? nullptr : report.find_object(t->waits.object);
      return object != nullptr && touched_by(*object, ended.id);
    });
    if (touched || any_may_matter || !ended.error.empty()) shown.push_back(&ended);
  }
  if (shown.empty()) return;
  if (shown.size() > most_ended) shown.erase(shown.begin(), shown.end() - most_ended);
  out.line("ended before:");
  for (const ended_info* ended : shown) printer.ended(*ended);
  out.blank();
}

/// It was found while the program runs.
bool others_go_on(const deadlock_report& report) {
  const source_info& sources = report.state.sources;
  return sources.io_in_flight + sources.timers + sources.foreign > sources.silent ||
         std::any_of(
             report.state.tasklets.begin(), report.state.tasklets.end(),
             [](const tasklet_info& t) {
               return t.state == tasklet_state::ready || t.state == tasklet_state::running;
             }
         );
}

std::string write_report(const deadlock_report& report) {
  if (report.state.tasklets.empty())
    return "deadlock" + (report.explanation.empty() ? "" : ": " + report.explanation);
  page out;
  const auto& tasklets = report.state.tasklets;
  const auto blocked =
      static_cast<std::size_t>(std::count_if(tasklets.begin(), tasklets.end(), is_blocked_for_ever)
      );
  if (report.certainty == grade::likely) {
    out.row(
        {fmt::format(
             "stall: {} of {} blocked, it seems forever; the others go on", report.core.size(),
             counted(tasklets.size(), "tasklet", "tasklets")
         ),
         "[likely: nobody else holds what they wait for]"},
        3, 10
    );
  } else if (others_go_on(report)) {
    out.row(
        {fmt::format(
             "deadlock: {} of {} blocked forever, the others go on", report.core.size(),
             counted(tasklets.size(), "tasklet", "tasklets")
         ),
         "[proven: each waits for what only the next one could end]"},
        3, 10
    );
  } else {
    out.row(
        {fmt::format(
             "deadlock: {} of {} blocked forever", blocked,
             counted(tasklets.size(), "tasklet", "tasklets")
         ),
         beliefs(report.state.sources, report.certainty)},
        3, 10
    );
  }
  out.blank();
  std::string why(to_string(report.why));
  if (!report.explanation.empty()) why += ": " + report.explanation;
  out.paragraph("WHY   ", why);
  out.blank();
  if (const auto drawing = draw_core(report); !drawing.empty()) {
    for (const std::string& line : drawing) out.line(line);
    out.blank();
  }

  tasklet_printer printer(out, report.state);
  for (std::size_t i = 0; i < std::min(report.core.size(), most_blocks); ++i)
    if (const tasklet_info* t = report.find_tasklet(report.core[i])) printer.make_room_for(*t);
  write_core(out, printer, report);
  write_crowd(out, printer, report);
  write_ended(out, printer, report);
  if (!report.state.sources.io_backend.empty()) {
    out.line(fmt::format(
        "sources believed in: {} with {} in flight, {}", printable(report.state.sources.io_backend),
        counted(report.state.sources.io_in_flight, "operation", "operations"),
        counted(report.state.sources.timers, "timer", "timers") + foreign_of(report.state.sources)
    ));
    out.blank();
  }
  if (!report.advice.empty()) out.paragraph("FIX   ", report.advice);
  std::string text = std::move(out).take();
  while (text.ends_with('\n')) text.pop_back();
  return text;
}

std::string write_snapshot(const snapshot_data& state) {
  page out;
  std::size_t running = 0;
  std::size_t ready = 0;
  std::size_t paused = 0;
  for (const tasklet_info& t : state.tasklets) {
    running += t.state == tasklet_state::running ? 1 : 0;
    ready += t.state == tasklet_state::ready ? 1 : 0;
    paused += t.state == tasklet_state::paused ? 1 : 0;
  }
  out.line(fmt::format(
      "{} at step {}: {} running, {} ready, {} blocked, {} paused; {} I/O in flight, {}",
      counted(state.tasklets.size(), "tasklet", "tasklets"), state.step, running, ready,
      state.tasklets.size() - running - ready - paused, paused, state.sources.io_in_flight,
      counted(state.sources.timers, "timer", "timers") + foreign_of(state.sources)
  ));
  out.blank();

  finding nobody;
  const std::vector<waiting_group> groups = group_crowd(state, nobody);
  std::vector<const waiting_group*> crowds;
  tasklet_printer printer(out, state);
  constexpr std::size_t most_single = 40;
  std::size_t singles = 0;
  for (const waiting_group& group : groups) {
    const tasklet_info& first = *state.find_tasklet(group.tasklets.front());
    if (group.tasklets.size() > 1 || ++singles > most_single) {
      crowds.push_back(&group);
    } else {
      printer.make_room_for(first);
    }
  }
  singles = 0;
  for (const waiting_group& group : groups) {
    if (group.tasklets.size() > 1 || ++singles > most_single) continue;
    const tasklet_info& t = *state.find_tasklet(group.tasklets.front());
    printer.block(t, false);
    printer.prospects(t);
    out.blank();
  }
  write_groups(out, printer, singles == 0 ? "in groups" : "and in groups", crowds, 0);
  std::string text = std::move(out).take();
  while (text.ends_with("\n\n")) text.pop_back();
  return text;
}

}  // namespace

}  // namespace detail

std::string_view to_string(verdict why) noexcept {
  switch (why) {
  case verdict::mutual_receive:
    return "mutual receive";
  case verdict::circular_wait:
    return "circular wait";
  case verdict::lock_cycle:
    return "lock cycle";
  case verdict::self_wait:
    return "self wait";
  case verdict::join_cycle:
    return "join cycle";
  case verdict::orphaned_channel:
    return "orphaned channel";
  case verdict::owner_exited_holding_lock:
    return "owner exited holding a lock";
  case verdict::lost_notification:
    return "lost notification";
  case verdict::buffer_full_without_receiver:
    return "no receiver";
  case verdict::leaked:
    return "leaked";
  case verdict::never_started:
    return "never started";
  case verdict::queued_behind_a_deadlock:
    return "queued behind a deadlock";
  case verdict::never_signalled:
    return "never signalled";
  case verdict::unknown:
    break;
  }
  return "unknown";
}

std::string to_text(const deadlock_report& report) {
  return detail::write_report(report);
}

std::string to_text(const snapshot_data& data) {
  return detail::write_snapshot(data);
}

std::string to_string(const async_stack& stack) {
  detail::frame_table table;
  const async_stack shown = detail::without_library(stack);
  table.make_room_for(shown);
  std::string text;
  for (std::size_t i = 0; i < shown.size(); ++i) text += table.row(i, shown[i]) + "\n";
  return text;
}

}  // namespace stackless::inline STACKLESS_ABI
