#pragma once

#include <stackless/detail/config.hpp>

#include <cstdint>

namespace stackless::inline STACKLESS_ABI {

/// What a handle of a channel is good for.
enum class channel_side : std::uint8_t { both, send, receive };

}  // namespace stackless::inline STACKLESS_ABI
