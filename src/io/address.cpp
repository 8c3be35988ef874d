#include <stackless/io/address.hpp>

#include "native_address.hpp"

#include <algorithm>
#include <charconv>
#include <cstring>

#include <arpa/inet.h>
#include <net/if.h>

namespace stackless::inline STACKLESS_ABI {

namespace io {

namespace {

template <class Number>
std::optional<Number> parse_number(std::string_view text) noexcept {
  Number value = 0;
  const char* end = text.data() + text.size();
  const auto result = std::from_chars(text.data(), end, value);
  if (result.ec != std::errc() || result.ptr != end || text.empty()) return std::nullopt;
  return value;
}

std::optional<std::uint32_t> parse_scope(const std::string& text) {
  if (const auto number = parse_number<std::uint32_t>(text)) return number;
  const unsigned index = ::if_nametoindex(text.c_str());
  if (index == 0) return std::nullopt;
  return index;
}

}  // namespace

// ip_address
// ---------------------------------------------------------------------------------------

ip_address ip_address::v4(const std::array<std::uint8_t, 4>& bytes) noexcept {
  ip_address result;
  std::copy(bytes.begin(), bytes.end(), result.bytes_.begin());
  return result;
}

ip_address ip_address::v6(const std::array<std::uint8_t, 16>& bytes, std::uint32_t scope) noexcept {
  ip_address result;
  result.version_ = ip_version::v6;
  result.scope_ = scope;
  result.bytes_ = bytes;
  return result;
}

ip_address ip_address::any(ip_version version) noexcept {
  ip_address result;
  result.version_ = version;
  return result;
}

ip_address ip_address::loopback(ip_version version) noexcept {
  if (version == ip_version::v4) return v4({127, 0, 0, 1});
  ip_address result = any(version);
  result.bytes_.back() = 1;
  return result;
}

bool ip_address::is_loopback() const noexcept {
  if (version_ == ip_version::v4) return bytes_[0] == 127;
  return bytes_ == loopback(ip_version::v6).bytes_;
}

bool ip_address::is_any() const noexcept {
  return bytes_ == any(version_).bytes_;
}

std::optional<ip_address> ip_address::parse(std::string_view text) {
  if (text.find('\0') != std::string_view::npos) return std::nullopt;
  if (text.find(':') == std::string_view::npos) {
    std::array<std::uint8_t, 4> bytes{};
    if (::inet_pton(AF_INET, std::string(text).c_str(), bytes.data()) != 1) return std::nullopt;
    return v4(bytes);
  }
  std::uint32_t scope = 0;
  if (const auto percent = text.find('%'); percent != std::string_view::npos) {
    const auto parsed = parse_scope(std::string(text.substr(percent + 1)));
    if (!parsed) return std::nullopt;
    scope = *parsed;
    text = text.substr(0, percent);
  }
  std::array<std::uint8_t, 16> bytes{};
  if (::inet_pton(AF_INET6, std::string(text).c_str(), bytes.data()) != 1) return std::nullopt;
  return v6(bytes, scope);
}

std::string to_string(const ip_address& address) {
  const int family = address.version() == ip_version::v4 ? AF_INET : AF_INET6;
  std::array<char, INET6_ADDRSTRLEN> text{};
  ::inet_ntop(family, address.bytes().data(), text.data(), text.size());
  std::string result = text.data();
  if (address.scope() != 0) result += "%" + std::to_string(address.scope());
  return result;
}

// socket_address
// -----------------------------------------------------------------------------------

std::optional<socket_address> socket_address::parse(std::string_view text) {
  const auto colon = text.rfind(':');
  if (colon == std::string_view::npos) return std::nullopt;
  const auto port = parse_number<std::uint16_t>(text.substr(colon + 1));
  std::string_view host = text.substr(0, colon);
  // Without brackets nobody can tell where an IPv6 address ends.
  const bool bracketed = host.size() >= 2 && host.front() == '[' && host.back() == ']';
  if (bracketed) host = host.substr(1, host.size() - 2);
  const auto ip = ip_address::parse(host);
  if (!port || !ip || bracketed != (ip->version() == ip_version::v6)) return std::nullopt;
  return socket_address(*ip, *port);
}

std::string to_string(const socket_address& address) {
  std::string host = to_string(address.ip());
  if (address.ip().version() == ip_version::v6) host = "[" + host + "]";
  return host + ":" + std::to_string(address.port());
}

}  // namespace io

namespace detail {

native_address to_native(const io::socket_address& address) noexcept {
  native_address result;
  if (address.ip().version() == io::ip_version::v4) {
    sockaddr_in native{};
    native.sin_family = AF_INET;
    native.sin_port = htons(address.port());
    std::memcpy(&native.sin_addr, address.ip().bytes().data(), sizeof native.sin_addr);
    std::memcpy(&result.storage, &native, sizeof native);
    result.size = sizeof native;
  } else {
    sockaddr_in6 native{};
    native.sin6_family = AF_INET6;
    native.sin6_port = htons(address.port());
    native.sin6_scope_id = address.ip().scope();
    std::memcpy(&native.sin6_addr, address.ip().bytes().data(), sizeof native.sin6_addr);
    std::memcpy(&result.storage, &native, sizeof native);
    result.size = sizeof native;
  }
  return result;
}

io::socket_address from_native(const native_address& address) noexcept {
  if (address.storage.ss_family == AF_INET) {
    sockaddr_in native{};
    std::memcpy(&native, &address.storage, sizeof native);
    std::array<std::uint8_t, 4> bytes{};
    std::memcpy(bytes.data(), &native.sin_addr, bytes.size());
    return {io::ip_address::v4(bytes), ntohs(native.sin_port)};
  }
  if (address.storage.ss_family == AF_INET6) {
    sockaddr_in6 native{};
    std::memcpy(&native, &address.storage, sizeof native);
    std::array<std::uint8_t, 16> bytes{};
    std::memcpy(bytes.data(), &native.sin6_addr, bytes.size());
    return {io::ip_address::v6(bytes, native.sin6_scope_id), ntohs(native.sin6_port)};
  }
  return {};
}

bool address_of(int descriptor, socket_end end, native_address& address) noexcept {
  address.size = sizeof address.storage;
  const int result = end == socket_end::local
                         ? ::getsockname(descriptor, address.get(), &address.size)
                         : ::getpeername(descriptor, address.get(), &address.size);
  return result == 0;
}

std::string address_text(int descriptor, socket_end end) {
  native_address address;
  if (!address_of(descriptor, end, address)) return {};
  return io::to_string(from_native(address));
}

}  // namespace detail

}  // namespace stackless::inline STACKLESS_ABI
