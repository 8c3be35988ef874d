#include <stackless/detail/io_message.hpp>

#include <algorithm>
#include <cstring>

#include <sys/socket.h>
#include <sys/un.h>

namespace stackless::inline STACKLESS_ABI::detail {

message_call::message_call(
    io_code code, io_resource* resource, void* data, std::size_t size, std::error_code* error
) noexcept
    : io_call(code, resource, error), size_(size) {
  static_assert(sizeof(sockaddr_un) <= longest_address);
  static_assert(sizeof(msghdr) <= sizeof header_ && sizeof(iovec) <= sizeof vector_);
  iovec vector{};
  vector.iov_base = data;
  vector.iov_len = size;
  std::memcpy(vector_.data(), &vector, sizeof vector);
  operation_.data = header_.data();
  // The kernel tells how long one was of which it has cut off the end.
  if (code == io_code::receive_message) operation_.flags = MSG_TRUNC;
}

void message_call::set_address(const void* address, std::size_t size) noexcept {
  address_room_ = static_cast<std::uint32_t>(size);
  std::memcpy(address_.data(), address, size);
}

void message_call::ask_for_address() noexcept {
  address_room_ = longest_address;
}

bool message_call::ready() {
  if (io_call::ready()) return true;
  // Each time: the kernel writes into it.
  msghdr header{};
  header.msg_name = address_room_ != 0 ? address_.data() : nullptr;
  header.msg_namelen = address_room_;
  header.msg_iov = reinterpret_cast<iovec*>(vector_.data());
  header.msg_iovlen = 1;
  std::memcpy(header_.data(), &header, sizeof header);
  return false;
}

std::size_t message_call::address_size() const noexcept {
  msghdr header{};
  std::memcpy(&header, header_.data(), sizeof header);
  return std::min<std::size_t>(header.msg_namelen, longest_address);
}

std::size_t message_call::size_in_buffer() const noexcept {
  return std::min(size_, static_cast<std::size_t>(operation_.result));
}

}  // namespace stackless::inline STACKLESS_ABI::detail
