#pragma once

#include <stackless/detail/site.hpp>
#include <stackless/detail/wait.hpp>
#include <stackless/snapshot.hpp>

namespace stackless::inline STACKLESS_ABI::detail {

class scheduler_core;
struct frame;

[[nodiscard]] operation_kind operation_of(wait_kind kind) noexcept;

[[nodiscard]] snapshot_data take_snapshot(const scheduler_core& core);

[[nodiscard]] stack_frame frame_from(const char* function, const site& at);

/// The frame and its callers, innermost first.
[[nodiscard]] async_stack stack_from(const frame* innermost);

}  // namespace stackless::inline STACKLESS_ABI::detail
