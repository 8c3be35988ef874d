#pragma once

#include <stackless/detail/io_port.hpp>

#include <climits>
#include <cstddef>
#include <cstdint>

namespace stackless::inline STACKLESS_ABI::detail {

/// What `send_file` gives for a piece that is not in memory, or of which nobody can tell.
inline constexpr int not_in_memory = INT_MIN;

/// 1: the byte at `offset`, or at the file's position, is in memory. 0: the file ends before it.
/// Otherwise `not_in_memory`.
[[nodiscard]] int look_at(int file, std::uint64_t offset) noexcept;

/// Sends up to `length` bytes of a file from `offset` on, or from its position, to a socket that is
/// non-blocking: as many as there is room for. Waits neither for the peer nor, as a rule, for the
/// disk (docs/io.md). Gives their number, 0 at the file's end, `not_in_memory`, or a negated errno.
[[nodiscard]] int send_file(
    int socket, int file, std::uint64_t offset, std::size_t length
) noexcept;

}  // namespace stackless::inline STACKLESS_ABI::detail
