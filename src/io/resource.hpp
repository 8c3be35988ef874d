#pragma once

#include <stackless/detail/io_port.hpp>
#include <stackless/detail/io_resource.hpp>
#include <stackless/task.hpp>

#include <cstdint>
#include <system_error>

namespace stackless::inline STACKLESS_ABI::detail {

/// Ends the operations in flight, then closes. Whatever is thrown at it, the descriptor is closed
/// or will be with its last operation.
task<> close_resource(io_resource* resource, std::error_code* error);

/// The `io_direction`s whose position is unknown when a transfer was left in the middle.
[[nodiscard]] std::uint8_t directions_of(io_code code, std::uint64_t offset) noexcept;

/// For operations that would take bytes from a stream whose receiver takes them.
/// \throws std::logic_error
void check_not_pooled(const io_resource* resource);

/// The cancel point of a transfer of no bytes.
void check_current_tasklet();

}  // namespace stackless::inline STACKLESS_ABI::detail
