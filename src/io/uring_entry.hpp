#pragma once

#include <stackless/detail/io_port.hpp>

struct io_uring_sqe;

namespace stackless::inline STACKLESS_ABI::detail {

/// What an operation looks like to the kernel; nothing for those that threads do.
void prepare_entry(io_uring_sqe& into, const io_operation& o) noexcept;

/// What to poll for before an operation that a non-blocking descriptor has refused; 0: no operation
/// that waits.
[[nodiscard]] short readiness_for(io_code code) noexcept;

}  // namespace stackless::inline STACKLESS_ABI::detail
