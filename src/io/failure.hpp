#pragma once

#include <stackless/detail/io_resource.hpp>
#include <stackless/io/error.hpp>

#include <string>
#include <system_error>

namespace stackless::inline STACKLESS_ABI::detail {

/// Beside negated errno values, results of operations that never reached the kernel.
inline constexpr int broken_stream_result = -100'001;
inline constexpr int misaligned_result = -100'002;

[[nodiscard]] std::error_code code_of(int result) noexcept;

/// \throws io::io_error for a negative result
[[noreturn]] void throw_failure(const char* operation, int result, const io_resource* resource);

/// Names what it worked on. \throws io::io_error
[[noreturn]] void throw_failure(const io_operation& operation, const io_resource* resource);

/// A plain system call of the running function has failed: errno tells how.
[[noreturn]] void throw_errno(const char* operation, const io_resource* resource);
[[noreturn]] void throw_errno(const char* operation, int descriptor, const std::string& path);

}  // namespace stackless::inline STACKLESS_ABI::detail
