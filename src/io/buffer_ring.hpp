#pragma once

#include <stackless/detail/config.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>

struct io_uring;
struct io_uring_buf_ring;

namespace stackless::inline STACKLESS_ABI::detail {

/// Buffers lent to the kernel, which picks one when there is something to receive: a ring that is
/// mapped into both (Linux 5.19).
class buffer_ring {
 public:
  /// Room for `buffers`; null if the kernel has no such rings, or no memory.
  [[nodiscard]] static std::unique_ptr<buffer_ring> make(
      io_uring& ring, std::uint32_t buffers, std::uint16_t first_group
  ) noexcept;
  buffer_ring(const buffer_ring&) = delete;
  buffer_ring& operator=(const buffer_ring&) = delete;
  ~buffer_ring();

  [[nodiscard]] std::uint16_t group() const noexcept { return group_; }
  void provide(std::uint16_t index, std::byte* data, std::uint32_t size) noexcept;

  /// From here on the kernel takes none of them. False: it did not listen, and may write into those
  /// that it has.
  [[nodiscard]] bool withdraw() noexcept;

 private:
  buffer_ring(io_uring& ring, io_uring_buf_ring* entries, std::uint32_t count) noexcept
      : ring_(ring), entries_(entries), count_(count) {}

  io_uring& ring_;
  io_uring_buf_ring* entries_;
  std::uint32_t count_;
  std::uint16_t group_ = 0;
  bool registered_ = false;
};

}  // namespace stackless::inline STACKLESS_ABI::detail
