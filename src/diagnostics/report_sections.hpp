#pragma once

#include <stackless/deadlock.hpp>

#include "diagnostics/page.hpp"
#include "diagnostics/tasklet_text.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace stackless::inline STACKLESS_ABI::detail {

// The parts of a report that its text and its page share.

inline constexpr std::size_t most_core_blocks = 8;

struct heading {
  std::string what;
  std::string reason;  ///< `[proven: …]`
};
[[nodiscard]] heading heading_of(const deadlock_report& report);
[[nodiscard]] std::string heading_of(const snapshot_data& state);

/// The verdict and its sentence.
[[nodiscard]] std::string reason_of(const deadlock_report& report);
/// Empty: no I/O was ever started.
[[nodiscard]] std::string sources_of(const snapshot_data& state);

/// Of the core, those that wait in the same way for the same thing are shown once: up to `most`
/// such groups.
[[nodiscard]] std::vector<std::vector<std::uint64_t>> alike_in_core(
    const deadlock_report& report, std::size_t most
);

void write_core_block(
    tasklet_printer& printer,
    page& out,
    const deadlock_report& report,
    std::span<const std::uint64_t> group
);
/// In which order the locks of a circle were taken before.
void write_lock_orders(page& out, const deadlock_report& report);
void write_core(page& out, tasklet_printer& printer, const deadlock_report& report);

/// `told`: who gets the error.
void write_groups(
    page& out,
    tasklet_printer& printer,
    std::string_view title,
    const std::vector<const waiting_group*>& groups,
    std::uint64_t told
);
void write_crowd(page& out, tasklet_printer& printer, const deadlock_report& report);
void write_ended(page& out, tasklet_printer& printer, const deadlock_report& report);

}  // namespace stackless::inline STACKLESS_ABI::detail
