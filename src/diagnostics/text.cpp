#include <stackless/deadlock.hpp>

#include "diagnostics/drawing.hpp"
#include "diagnostics/page.hpp"
#include "diagnostics/report_sections.hpp"
#include "diagnostics/tasklet_text.hpp"
#include "diagnostics/verdict.hpp"
#include "diagnostics/wording.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace stackless::inline STACKLESS_ABI {

namespace detail {

namespace {

std::string write_report(const deadlock_report& report) {
  if (report.state.tasklets.empty())
    return (report.certainty == grade::proven ? "deadlock" : "no deadlock") +
           (report.explanation.empty() ? "" : ": " + report.explanation);
  page out;
  const auto [what, reason] = heading_of(report);
  out.row({what, reason}, 3, 10);
  out.blank();
  out.paragraph("WHY   ", reason_of(report));
  out.blank();
  if (const auto drawing = draw_core(report); !drawing.empty()) {
    for (const std::string& line : drawing) out.line(line);
    out.blank();
  }

  tasklet_printer printer(out, report.state);
  write_core(out, printer, report);
  write_lock_orders(out, report);
  write_crowd(out, printer, report);
  write_ended(out, printer, report);
  if (const std::string sources = sources_of(report.state); !sources.empty()) {
    out.line(sources);
    out.blank();
  }
  if (!report.advice.empty()) out.paragraph("FIX   ", report.advice);
  std::string text = std::move(out).take();
  while (text.ends_with('\n')) text.pop_back();
  return text;
}

std::string write_snapshot(const snapshot_data& state) {
  page out;
  out.line(heading_of(state));
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
    printer.block(t);
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
