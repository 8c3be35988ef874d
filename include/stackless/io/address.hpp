#pragma once

#include <stackless/detail/config.hpp>

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace stackless::inline STACKLESS_ABI::io {

enum class ip_version : std::uint8_t { v4, v6 };

/// A numeric IPv4 or IPv6 address. The default is 0.0.0.0.
class ip_address {
 public:
  ip_address() noexcept = default;
  /// As in `ip_address::v4({127, 0, 0, 1})`.
  [[nodiscard]] static ip_address v4(const std::array<std::uint8_t, 4>& bytes) noexcept;
  /// `scope`: the interface's index, for link-local addresses.
  [[nodiscard]] static ip_address v6(
      const std::array<std::uint8_t, 16>& bytes, std::uint32_t scope = 0
  ) noexcept;

  /// All addresses of this host, for a listener.
  [[nodiscard]] static ip_address any(ip_version version = ip_version::v4) noexcept;
  [[nodiscard]] static ip_address loopback(ip_version version = ip_version::v4) noexcept;

  /// "192.0.2.1", "2001:db8::1", "fe80::1%eth0" (also with the interface's index). Nothing else: no
  /// names, no brackets, no ports.
  [[nodiscard]] static std::optional<ip_address> parse(std::string_view text);

  [[nodiscard]] ip_version version() const noexcept { return version_; }
  [[nodiscard]] bool is_loopback() const noexcept;
  [[nodiscard]] bool is_any() const noexcept;
  [[nodiscard]] std::uint32_t scope() const noexcept { return scope_; }
  /// In network order; IPv4 uses the first four.
  [[nodiscard]] const std::array<std::uint8_t, 16>& bytes() const noexcept { return bytes_; }

  friend auto operator<=>(const ip_address&, const ip_address&) = default;
  friend bool operator==(const ip_address&, const ip_address&) = default;

 private:
  ip_version version_ = ip_version::v4;
  std::uint32_t scope_ = 0;
  std::array<std::uint8_t, 16> bytes_{};
};

/// What `parse` reads. A scope is written as a number.
[[nodiscard]] std::string to_string(const ip_address& address);

/// An IP address and a port.
class socket_address {
 public:
  socket_address() noexcept = default;
  socket_address(const ip_address& ip, std::uint16_t port) noexcept : ip_(ip), port_(port) {}

  /// "192.0.2.1:80" or "[2001:db8::1]:80".
  [[nodiscard]] static std::optional<socket_address> parse(std::string_view text);

  [[nodiscard]] const ip_address& ip() const noexcept { return ip_; }
  [[nodiscard]] std::uint16_t port() const noexcept { return port_; }

  friend auto operator<=>(const socket_address&, const socket_address&) = default;
  friend bool operator==(const socket_address&, const socket_address&) = default;

 private:
  ip_address ip_;
  std::uint16_t port_ = 0;
};

/// What `parse` reads.
[[nodiscard]] std::string to_string(const socket_address& address);

}  // namespace stackless::inline STACKLESS_ABI::io
