#pragma once

#include <stackless/detail/io_awaiter.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <system_error>

namespace stackless::inline STACKLESS_ABI::detail {

/// One datagram to be sent or received, with the address at its other end.
class message_call : public io_call {
 protected:
  static constexpr std::size_t longest_address = 112;  // a sockaddr_un, and a little

  message_call(
      io_code code, io_resource* resource, void* data, std::size_t size, std::error_code* error
  ) noexcept;
  ~message_call() = default;

  /// Where it goes. None: to the peer that the socket is connected to.
  void set_address(const void* address, std::size_t size) noexcept;
  /// It is wanted.
  void ask_for_address() noexcept;

  bool ready();

  /// The bytes of the address at `address_`, of one that came.
  [[nodiscard]] std::size_t address_size() const noexcept;
  /// The result is what was sent; this is what found room.
  [[nodiscard]] std::size_t size_in_buffer() const noexcept;

  alignas(8) std::array<std::byte, longest_address> address_;

 private:
  alignas(8) std::array<std::byte, 56> header_;  // a msghdr
  alignas(8) std::array<std::byte, 16> vector_;  // an iovec
  std::size_t size_;
  std::uint32_t address_room_ = 0;
};

}  // namespace stackless::inline STACKLESS_ABI::detail
