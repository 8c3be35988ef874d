#pragma once

#include <stackless/detail/config.hpp>

#include <cstddef>
#include <new>

namespace stackless::inline STACKLESS_ABI::detail {

/// Memory for coroutine frames and control blocks: per-thread free lists of size classes. Under
/// AddressSanitizer every block comes from the global allocator, so that misuse is seen.
namespace frame_slab {

/// Frames are aligned for any local, since no compiler asks for more by itself: 64 bytes.
inline constexpr std::size_t frame_unit = 64;
/// Control blocks say what they need, and come in smaller steps.
inline constexpr std::size_t block_unit = 32;
inline constexpr std::size_t classes = 16;  // of each; larger blocks go to the global allocator

struct free_block {
  free_block* next;
};

template <std::size_t Unit>
struct free_lists {
  free_block* head[classes];
};

[[gnu::tls_model("initial-exec")]] extern constinit thread_local free_lists<frame_unit> free_frames;
[[gnu::tls_model("initial-exec")]] extern constinit thread_local free_lists<block_unit> free_blocks;

template <std::size_t Unit>
[[nodiscard]] inline free_lists<Unit>& lists_of() noexcept {
  if constexpr (Unit == frame_unit) {
    return free_frames;
  } else {
    return free_blocks;
  }
}

template <std::size_t Unit>
[[nodiscard]] constexpr std::size_t index_of(std::size_t size) noexcept {
  return (size - 1) / Unit;
}

/// \throws std::bad_alloc
template <std::size_t Unit>
[[nodiscard, gnu::returns_nonnull]] void* allocate_slow(std::size_t size);
void deallocate_slow(void* block) noexcept;

/// From the free list; null when that has none.
template <std::size_t Unit = frame_unit>
[[nodiscard]] inline void* try_allocate([[maybe_unused]] std::size_t size) noexcept {
#if !STACKLESS_ADDRESS_SANITIZER
  const std::size_t index = index_of<Unit>(size);
  if (index < classes) [[likely]] {
    free_block*& head = lists_of<Unit>().head[index];
    if (free_block* block = head) [[likely]] {
      head = block->next;
      return block;
    }
  }
#endif
  return nullptr;
}

/// \throws std::bad_alloc
template <std::size_t Unit = frame_unit>
[[nodiscard]] inline void* allocate(std::size_t size) {
  if (void* block = try_allocate<Unit>(size)) [[likely]]
    return block;
  return allocate_slow<Unit>(size);
}

/// Of a class that there is a list of.
template <std::size_t Unit>
inline void put_back(void* block, std::size_t index) noexcept {
  free_block*& head = lists_of<Unit>().head[index];
  head = new (block) free_block{head};
}

template <std::size_t Unit = frame_unit>
inline void deallocate(void* block, [[maybe_unused]] std::size_t size) noexcept {
#if !STACKLESS_ADDRESS_SANITIZER
  const std::size_t index = index_of<Unit>(size);
  if (index < classes) [[likely]] {
    put_back<Unit>(block, index);
    return;
  }
#endif
  deallocate_slow(block);
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

/// The table of this thread's chunks, a `std::vector` of `{memory, size, block size, unit}`. For
/// debuggers.
[[nodiscard]] const void* chunk_table_address() noexcept;

/// Makes this thread's next allocation throw `std::bad_alloc`, once. For tests of exhaustion.
void fail_next_allocation() noexcept;

}  // namespace frame_slab

}  // namespace stackless::inline STACKLESS_ABI::detail
