#pragma once

#include <stackless/detail/io_port.hpp>

#include <climits>

namespace stackless::inline STACKLESS_ABI::detail {

/// What `attempt` gives when the descriptor is not ready.
inline constexpr int would_block = INT_MIN;

/// Performs the operation with a plain system call that may block: for threads of their own.
[[nodiscard]] int perform_blocking(const io_operation& operation) noexcept;

/// Performs the operation if that does not block. `connecting`: the connection was begun before.
[[nodiscard]] int attempt(const io_operation& operation, bool connecting) noexcept;

/// Whether its descriptor is a file or a directory: always "ready", and slow. < 0: a negated errno
[[nodiscard]] int is_on_disk(int descriptor) noexcept;

}  // namespace stackless::inline STACKLESS_ABI::detail
