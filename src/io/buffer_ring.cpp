#include "buffer_ring.hpp"

#include <liburing.h>

#include <bit>
#include <cerrno>
#include <new>

#include <sys/mman.h>

namespace stackless::inline STACKLESS_ABI::detail {

// liburing 2.3 has no io_uring_setup_buf_ring.
std::unique_ptr<buffer_ring> buffer_ring::make(
    io_uring& ring, std::uint32_t buffers, std::uint16_t first_group
) noexcept {
  const std::uint32_t count = std::bit_ceil(buffers);
  void* const memory = ::mmap(
      nullptr, count * sizeof(io_uring_buf), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
      -1, 0
  );
  if (memory == MAP_FAILED) return nullptr;
  std::unique_ptr<buffer_ring> made(new (std::nothrow
  ) buffer_ring(ring, static_cast<io_uring_buf_ring*>(memory), count));
  if (!made) {
    ::munmap(memory, count * sizeof(io_uring_buf));
    return nullptr;
  }
  io_uring_buf_ring_init(made->entries_);
  std::uint16_t group = first_group;
  do {
    io_uring_buf_reg registration{};
    registration.ring_addr = reinterpret_cast<std::uintptr_t>(memory);
    registration.ring_entries = count;
    registration.bgid = group;
    const int result = io_uring_register_buf_ring(&ring, &registration, 0);
    if (result == 0) {
      made->group_ = group;
      made->registered_ = true;
      return made;
    }
    if (result != -EEXIST) return nullptr;  // else another pool has this number
  } while (++group != first_group);
  return nullptr;
}

buffer_ring::~buffer_ring() {
  // A ring that the kernel has kept stays mapped.
  if (!registered_ || withdraw())
    ::munmap(static_cast<void*>(entries_), count_ * sizeof(io_uring_buf));
}

bool buffer_ring::withdraw() noexcept {
  if (registered_ && io_uring_unregister_buf_ring(&ring_, group_) == 0) registered_ = false;
  return !registered_;
}

void buffer_ring::provide(std::uint16_t index, std::byte* data, std::uint32_t size) noexcept {
  io_uring_buf_ring_add(entries_, data, size, index, io_uring_buf_ring_mask(count_), 0);
  io_uring_buf_ring_advance(entries_, 1);
}

}  // namespace stackless::inline STACKLESS_ABI::detail
