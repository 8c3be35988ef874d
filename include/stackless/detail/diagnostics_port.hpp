#pragma once

#include <stackless/detail/config.hpp>

#include <chrono>
#include <exception>
#include <string>
#include <vector>

namespace stackless::inline STACKLESS_ABI {
struct deadlock_report;
}  // namespace stackless::inline STACKLESS_ABI

namespace stackless::inline STACKLESS_ABI::detail {

class scheduler_core;
struct tasklet_block;

// What the core asks of the diagnosis above it.

/// A `deadlock_error` about the state of `core`, to be raised in `told` (null: out of `run`). The
/// waits are still in place when it is called. Falls back to a one-line error when memory is short;
/// never fails.
[[nodiscard]] std::exception_ptr make_deadlock_error(
    scheduler_core& core, const tasklet_block* told
) noexcept;

[[nodiscard]] bool is_deadlock(const std::exception_ptr& error) noexcept;

/// Groups that are likely stuck while `core` runs on. \throws std::bad_alloc
[[nodiscard]] std::vector<deadlock_report> find_stalls_in(const scheduler_core& core);

/// Prints every tasklet of `core` to standard error, since that signal asked for it, so long ago.
/// None of them runs.
void print_tasklets(
    const scheduler_core& core, int signal, std::chrono::nanoseconds waited
) noexcept;

/// Prints the report of `deadlock`, a `deadlock_error`, to standard error and terminates.
[[noreturn]] void terminate_with_deadlock(const std::exception_ptr& deadlock) noexcept;

/// Prints every tasklet of `core` to standard error and terminates.
[[noreturn]] void terminate_with_report(scheduler_core& core, const char* why) noexcept;

}  // namespace stackless::inline STACKLESS_ABI::detail
