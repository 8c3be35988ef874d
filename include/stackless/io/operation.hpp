#pragma once

#include <stackless/detail/awaited_once.hpp>
#include <stackless/detail/io_awaiter.hpp>
#include <stackless/io/bytes.hpp>
#include <stackless/io/file_status.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <system_error>

namespace stackless::inline STACKLESS_ABI::io {

/// A single read or write, to be awaited: gives the number of bytes moved. Made by the functions of
/// files and streams.
class [[STACKLESS_OPERATION]] transfer_operation final : public detail::io_call {
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

/// A transfer of all the bytes of a buffer, to be awaited. The engine goes on by itself after a
/// part that the kernel has moved; the tasklet runs again when all have, or none will.
class [[STACKLESS_OPERATION]] whole_transfer_operation final : public detail::io_call {
 public:
  whole_transfer_operation(
      detail::io_code code,
      detail::io_resource* resource,
      mutable_bytes into,
      std::uint64_t offset,
      std::size_t* done
  ) noexcept;
  whole_transfer_operation(
      detail::io_code code,
      detail::io_resource* resource,
      const_bytes from,
      std::uint64_t offset,
      std::size_t* done
  ) noexcept;

  [[nodiscard]] detail::io_awaiter<whole_transfer_operation> make_awaiter() noexcept {
    return detail::io_awaiter<whole_transfer_operation>(*this);
  }

 private:
  friend class detail::io_awaiter<whole_transfer_operation>;
  bool ready();
  void take();
  [[noreturn]] void throw_end_of_file(std::size_t moved);

  void* data_;
  std::size_t size_;
  std::uint64_t offset_;
  std::size_t* done_;
};

/// A read into, or a write from, several buffers one after the other: gives the number of bytes
/// moved. Made by the functions of files. The buffers are noted when it is made; of more than 1024,
/// which is the system's limit, the first are taken.
class [[STACKLESS_OPERATION]] vectored_operation final : public detail::io_call {
 public:
  vectored_operation(
      detail::io_resource* resource,
      std::span<const mutable_bytes> into,
      std::uint64_t offset,
      std::error_code* error
  );
  vectored_operation(
      detail::io_resource* resource,
      std::span<const const_bytes> from,
      std::uint64_t offset,
      std::error_code* error
  );

  [[nodiscard]] detail::io_awaiter<vectored_operation> make_awaiter() noexcept {
    return detail::io_awaiter<vectored_operation>(*this);
  }

 private:
  friend class detail::io_awaiter<vectored_operation>;
  static constexpr std::size_t vector_size = 2 * sizeof(void*);  // of an iovec
  static constexpr std::size_t few = 8;

  template <class Bytes>
  void note(std::span<const Bytes> buffers);
  std::size_t take();

  alignas(void*) std::array<std::byte, few * vector_size> few_;
  std::unique_ptr<std::byte[]> many_;
};

/// A single operation without a result, to be awaited.
class [[STACKLESS_OPERATION]] plain_operation final : public detail::io_call {
 public:
  plain_operation(
      detail::io_code code,
      detail::io_resource* resource,
      std::uint32_t flags,
      std::error_code* error
  ) noexcept;
  /// For those on a part of a file. `mode`: how.
  plain_operation(
      detail::io_code code,
      detail::io_resource* resource,
      std::uint64_t offset,
      std::uint64_t size,
      std::uint32_t mode,
      std::error_code* error
  ) noexcept;

  [[nodiscard]] detail::io_awaiter<plain_operation> make_awaiter() noexcept {
    return detail::io_awaiter<plain_operation>(*this);
  }

 private:
  friend class detail::io_awaiter<plain_operation>;
  void take();
};

/// What `file::set_times` returns, to be awaited.
class [[nodiscard("an operation happens only when it is awaited")]] times_operation final
    : public detail::io_call {
 public:
  times_operation(
      detail::io_resource* file, file_time accessed, file_time modified, std::error_code* error
  ) noexcept;

  [[nodiscard]] detail::io_awaiter<times_operation> make_awaiter() noexcept {
    return detail::io_awaiter<times_operation>(*this);
  }

 private:
  friend class detail::io_awaiter<times_operation>;
  void take();

  alignas(8) std::array<std::byte, 32> native_;  // two timespec
};

}  // namespace stackless::inline STACKLESS_ABI::io
