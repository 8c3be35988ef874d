#pragma once

#include <stackless/io/address.hpp>
#include <stackless/task.hpp>

#include <cstdint>
#include <string>
#include <system_error>
#include <vector>

namespace stackless::inline STACKLESS_ABI::io {

/// The addresses of a host, in the order in which they are to be tried, for TCP. `host`: a name, or
/// a numeric address (IPv6 with or without brackets). `service`: a port, a name such as "https", or
/// empty for port 0.
///
/// Numeric addresses with a numeric port, and "localhost" (127.0.0.1, then ::1), are answered at
/// once. Others are asked of the system's resolver (`getaddrinfo`) on a thread of the pool (see
/// `offload`), so that the loop goes on.
///
/// **Cancellation**: a cancel point. At once: a question that is under way is left to its thread,
/// and its answer is thrown away.
/// **Errors**: `io_error` with `errc::unknown_host` when there is no such host, or it has no
/// address; with a code of `resolver_category` and its text for other failures, such as
/// a resolver that does not answer; `std::system_error` if no thread can be started.
[[nodiscard]] task<std::vector<socket_address>> resolve_all(
    std::string host, std::string service = {}
);

/// The first of them.
[[nodiscard]] task<socket_address> resolve(std::string host, std::string service);
[[nodiscard]] task<socket_address> resolve(std::string host, std::uint16_t port);

/// Failures of the system's resolver. The values are its `EAI_…`.
[[nodiscard]] const std::error_category& resolver_category() noexcept;

}  // namespace stackless::inline STACKLESS_ABI::io
