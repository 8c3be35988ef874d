#pragma once

#include <stackless/detail/io_awaiter.hpp>
#include <stackless/io/bytes.hpp>

#include <cstddef>
#include <cstdint>
#include <system_error>

namespace stackless::inline STACKLESS_ABI::io {

/// A single read or write, to be awaited: gives the number of bytes moved. Made by the functions of
/// files and streams.
class [[nodiscard("an operation happens only when it is awaited")]] transfer_operation final
    : public detail::io_call {
 public:
  transfer_operation(
      detail::io_code code,
      detail::io_resource* resource,
      mutable_bytes into,
      std::uint64_t offset,
      std::error_code* error,
      std::size_t* moved = nullptr
  ) noexcept;
  transfer_operation(
      detail::io_code code,
      detail::io_resource* resource,
      const_bytes from,
      std::uint64_t offset,
      std::error_code* error,
      std::size_t* moved = nullptr
  ) noexcept;

  [[nodiscard]] detail::io_awaiter<transfer_operation> make_awaiter() noexcept {
    return detail::io_awaiter<transfer_operation>(*this);
  }

 private:
  friend class detail::io_awaiter<transfer_operation>;
  std::size_t take();
};

/// A single operation without a result, to be awaited.
class [[nodiscard("an operation happens only when it is awaited")]] plain_operation final
    : public detail::io_call {
 public:
  plain_operation(
      detail::io_code code,
      detail::io_resource* resource,
      std::uint32_t flags,
      std::error_code* error
  ) noexcept;

  [[nodiscard]] detail::io_awaiter<plain_operation> make_awaiter() noexcept {
    return detail::io_awaiter<plain_operation>(*this);
  }

 private:
  friend class detail::io_awaiter<plain_operation>;
  void take();
};

}  // namespace stackless::inline STACKLESS_ABI::io
