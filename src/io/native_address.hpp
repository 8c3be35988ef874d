#pragma once

#include <stackless/io/address.hpp>

#include <string>

#include <netinet/in.h>
#include <sys/socket.h>

namespace stackless::inline STACKLESS_ABI::detail {

/// An address as the kernel wants it.
struct native_address {
  sockaddr_storage storage{};
  socklen_t size = 0;

  [[nodiscard]] sockaddr* get() noexcept { return reinterpret_cast<sockaddr*>(&storage); }
  [[nodiscard]] const sockaddr* get() const noexcept {
    return reinterpret_cast<const sockaddr*>(&storage);
  }
};

[[nodiscard]] native_address to_native(const io::socket_address& address) noexcept;

/// An unspecified address with port 0 for families that are not the internet's.
[[nodiscard]] io::socket_address from_native(const native_address& address) noexcept;

enum class socket_end { local, peer };

/// False: errno tells why.
[[nodiscard]] bool address_of(int descriptor, socket_end end, native_address& address) noexcept;

/// Empty when there is none.
[[nodiscard]] std::string address_text(int descriptor, socket_end end);

}  // namespace stackless::inline STACKLESS_ABI::detail
