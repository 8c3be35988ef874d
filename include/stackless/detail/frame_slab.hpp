#pragma once

#include <stackless/detail/config.hpp>

#include <cstddef>
#include <new>

namespace stackless::inline STACKLESS_ABI::detail {

/// Memory for coroutine frames and control blocks: per-thread free lists of 64-byte size classes.
/// Under AddressSanitizer every block comes from the global allocator, so that misuse is seen.
namespace frame_slab {

inline constexpr std::size_t alignment = 64;
inline constexpr std::size_t classes = 16;  // up to 1 KiB; larger blocks go to the global allocator

struct free_block {
  free_block* next;
};

struct free_lists {
  free_block* head[classes];
};

#if defined(__SANITIZE_ADDRESS__)
#define STACKLESS_SLAB_PASS_THROUGH 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define STACKLESS_SLAB_PASS_THROUGH 1
#endif
#endif
#ifndef STACKLESS_SLAB_PASS_THROUGH
#define STACKLESS_SLAB_PASS_THROUGH 0
#endif

[[gnu::tls_model("initial-exec")]] extern constinit thread_local free_lists free_blocks;

/// \throws std::bad_alloc
[[nodiscard, gnu::returns_nonnull]] void* allocate_slow(std::size_t size);
void deallocate_slow(void* block, std::size_t size) noexcept;

[[nodiscard]] inline void* allocate(std::size_t size) {
#if !STACKLESS_SLAB_PASS_THROUGH
  const std::size_t index = (size - 1) / alignment;
  if (index < classes) [[likely]] {
    if (free_block* block = free_blocks.head[index]) [[likely]] {
      free_blocks.head[index] = block->next;
      return block;
    }
  }
#endif
  return allocate_slow(size);
}

inline void deallocate(void* block, std::size_t size) noexcept {
#if !STACKLESS_SLAB_PASS_THROUGH
  const std::size_t index = (size - 1) / alignment;
  if (index < classes) [[likely]] {
    free_blocks.head[index] = new (block) free_block{free_blocks.head[index]};
    return;
  }
#endif
  deallocate_slow(block, size);
}

struct extent {
  const std::byte* begin = nullptr;
  const std::byte* end = nullptr;
  [[nodiscard]] bool contains(const void* address) const noexcept {
    return begin <= address && address < end;
  }
};

/// The block that `address` lies in, empty when it lies in none of this thread's blocks.
/// Used by diagnosis only: O(log chunks).
[[nodiscard]] extent block_of(const void* address) noexcept;

/// Makes this thread's next allocation throw `std::bad_alloc`, once. For tests of exhaustion.
void fail_next_allocation() noexcept;

}  // namespace frame_slab

}  // namespace stackless::inline STACKLESS_ABI::detail
