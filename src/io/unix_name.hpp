#pragma once

#include <stackless/detail/config.hpp>

#include <string>

#include <sys/socket.h>
#include <sys/un.h>

namespace stackless::inline STACKLESS_ABI::detail {

/// A path, or an abstract name, as the kernel wants it.
struct unix_name {
  sockaddr_un native{};
  socklen_t size = 0;

  [[nodiscard]] const sockaddr* get() const noexcept {
    return reinterpret_cast<const sockaddr*>(&native);
  }
};

/// "@x" is the abstract name "x". 0, or a negated errno.
[[nodiscard]] int parse(const std::string& path, unix_name& name) noexcept;

/// What `parse` reads; empty for a socket without a name.
[[nodiscard]] std::string text_of(const sockaddr_un& name, std::size_t size);

/// Gives the socket its name; a socket file of that type which nobody has open is replaced.
/// 0, or a negated errno.
[[nodiscard]] int bind_unix(
    int descriptor, const std::string& path, const unix_name& name, int type
) noexcept;

}  // namespace stackless::inline STACKLESS_ABI::detail
