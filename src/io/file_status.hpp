#pragma once

#include <stackless/io/file_status.hpp>

#include <time.h>

struct statx;

namespace stackless::inline STACKLESS_ABI::detail {

/// What to ask statx for.
[[nodiscard]] unsigned status_mask() noexcept;
[[nodiscard]] io::file_status status_of(const struct statx& native) noexcept;
[[nodiscard]] timespec native_time(io::file_time time) noexcept;
[[nodiscard]] io::file_type type_of_mode(unsigned mode) noexcept;

[[nodiscard]] io::direct_alignment direct_alignment_of(int descriptor) noexcept;

}  // namespace stackless::inline STACKLESS_ABI::detail
