#include "diagnostics/report.hpp"

#include <stackless/detail/diagnostics_port.hpp>
#include <stackless/detail/scheduler_core.hpp>

#include "diagnostics/snapshot.hpp"
#include "diagnostics/verdict.hpp"
#include "diagnostics/wording.hpp"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <exception>
#include <new>
#include <utility>

namespace stackless::inline STACKLESS_ABI {

namespace detail {

namespace {

std::exception_ptr make_short_error() noexcept {
  try {
    deadlock_report report;
    report.explanation = "there was no memory left to tell why";
    return std::make_exception_ptr(deadlock_error(std::move(report)));
  } catch (...) {
    return std::make_exception_ptr(std::bad_alloc());
  }
}

/// For when memory is short, and so made before that.
const std::exception_ptr& short_error() noexcept {
  static const std::exception_ptr error = make_short_error();
  return error;
}

[[maybe_unused]] const std::exception_ptr& made_at_start = short_error();

void write_out(std::string_view text) noexcept {
  (void)std::fwrite(text.data(), 1, text.size(), stderr);
}

}  // namespace

namespace {

deadlock_report report_of(snapshot_data state, finding found, grade certainty) {
  deadlock_report report;
  report.state = std::move(state);
  report.why = found.why;
  report.certainty = certainty;
  report.explanation = explain(report.state, found);
  report.advice = advise(report.state, found);
  report.crowd = group_crowd(report.state, found);
  report.core = std::move(found.core);
  return report;
}

}  // namespace

deadlock_report make_report(snapshot_data state, std::uint64_t told) {
  finding found = find_verdict(state, told);
  deadlock_report report = report_of(std::move(state), std::move(found), grade::proven);
  report.raised_in = told;
  return report;
}

std::vector<deadlock_report> stall_reports(const snapshot_data& state) {
  std::vector<deadlock_report> reports;
  constexpr std::size_t most_reports = 16;
  for (finding& found : find_stuck(state, most_reports))
    reports.push_back(report_of(state, std::move(found), grade::likely));
  return reports;
}

std::exception_ptr make_deadlock_error(scheduler_core& core, const tasklet_block* told) noexcept {
  try {
    return std::make_exception_ptr(
        deadlock_error(make_report(take_snapshot(core), told == nullptr ? 0 : told->id))
    );
  } catch (...) {
    return short_error();
  }
}

bool is_deadlock(const std::exception_ptr& error) noexcept {
  try {
    std::rethrow_exception(error);
  } catch (const deadlock_error&) {
    return true;
  } catch (...) {
    return false;
  }
}

std::vector<deadlock_report> find_stalls_in(const scheduler_core& core) {
  return stall_reports(take_snapshot(core));
}

void print_tasklets(
    const scheduler_core& core, int signal, std::chrono::nanoseconds waited
) noexcept {
  constexpr std::chrono::milliseconds prompt(100);
  try {
    write_out("stackless: asked by signal " + std::to_string(signal));
    if (waited >= prompt) {
      write_out(
          " " + age_text(waited) +
          " ago: until now tasklets kept the thread, or the host did not drive the scheduler"
      );
    }
    write_out("\n\n");
    snapshot_data state = take_snapshot(core);
    for (tasklet_info& t : state.tasklets)  // the loop does, between two of them
      if (t.state == tasklet_state::running) t.state = tasklet_state::ready;
    write_out(to_text(state));
    write_out("\n");
  } catch (...) {
    write_out("(there was no memory left for a list of the tasklets)\n");
  }
  (void)std::fflush(stderr);
}

void terminate_with_deadlock(const std::exception_ptr& deadlock) noexcept {
  try {
    std::rethrow_exception(deadlock);
  } catch (const deadlock_error& error) {
    write_out("stackless: ");
    write_out(error.what());
    write_out("\n");
  } catch (...) {
    write_out("stackless: deadlock (there was no memory left for a report)\n");
  }
  (void)std::fflush(stderr);
  std::terminate();
}

void terminate_with_report(scheduler_core& core, const char* why) noexcept {
  write_out("stackless: ");
  write_out(why);
  write_out("\n\n");
  try {
    write_out(to_text(take_snapshot(core)));
  } catch (...) {
    write_out("(there was no memory left for a report)\n");
  }
  (void)std::fflush(stderr);
  std::terminate();
}

}  // namespace detail

std::vector<deadlock_report> find_stalls() {
  return detail::stall_reports(detail::take_snapshot(detail::running_scheduler()));
}

std::vector<deadlock_report> find_stalls(const snapshot_data& state) {
  return detail::stall_reports(state);
}

deadlock_report explain(snapshot_data state, std::uint64_t told) {
  using detail::finding;
  const bool any_held_up =
      std::any_of(state.tasklets.begin(), state.tasklets.end(), detail::is_held_up);
  if (any_held_up && !detail::can_go_on(state)) return detail::make_report(std::move(state), told);

  if (std::optional<finding> circle = detail::find_owner_circle(state, told)) {
    const bool way_out =
        std::any_of(circle->core.begin(), circle->core.end(), [&](std::uint64_t id) {
          return state.find_tasklet(id)->has_way_out;
        });
    return detail::report_of(
        std::move(state), std::move(*circle), way_out ? grade::likely : grade::proven
    );
  }

  std::vector<finding> stuck = detail::find_stuck(state, 1, told);
  if (!stuck.empty())
    return detail::report_of(std::move(state), std::move(stuck.front()), grade::likely);

  deadlock_report report;
  report.certainty = grade::likely;
  report.explanation =
      any_held_up ? "nothing that is blocked is known to be stuck" : "nothing waits for ever";
  report.state = std::move(state);
  return report;
}

deadlock_error::deadlock_error(deadlock_report report)
    : std::runtime_error(to_text(report)),
      report_(std::make_shared<const deadlock_report>(std::move(report))) {}

}  // namespace stackless::inline STACKLESS_ABI
