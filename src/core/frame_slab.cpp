#include <stackless/detail/frame_slab.hpp>

#include <algorithm>
#include <cstdint>
#include <functional>
#include <utility>
#include <vector>

namespace stackless::inline STACKLESS_ABI::detail::frame_slab {

constinit thread_local free_lists free_blocks{};

namespace {

constexpr std::size_t chunk_size = std::size_t{64} * 1024;
constexpr std::align_val_t block_alignment{alignment};

struct chunk {
  std::byte* memory;
  std::size_t size;
  std::size_t block_size;  // one block of its own when larger than the classes
};

constinit thread_local bool table_gone = false;

// Kept by address so that an address can be looked up; touched once per chunk, never per block. Chunks
// stay mapped until the thread ends: a warm slab is the point of having one.
class chunk_table {
 public:
  chunk_table() = default;
  chunk_table(const chunk_table&) = delete;
  chunk_table& operator=(const chunk_table&) = delete;
  // A handle of static storage may outlive the thread's table: what is still in use stays mapped.
  ~chunk_table() {
    table_gone = true;
    for (std::size_t index = 0; index < classes; ++index) {
      std::size_t blocks = 0;
      for (const chunk& c : chunks_)
        if (is_of_class(c, index)) blocks += c.size / c.block_size;
      for (const free_block* b = free_blocks.head[index]; b != nullptr; b = b->next) --blocks;
      if (blocks != 0) continue;
      free_blocks.head[index] = nullptr;
      for (const chunk& c : chunks_)
        if (is_of_class(c, index)) ::operator delete(c.memory, block_alignment);
    }
  }

  void add(const chunk& c) { chunks_.insert(place_of(c.memory), c); }

  void remove(const std::byte* memory) noexcept { chunks_.erase(place_of(memory)); }

  [[nodiscard]] const chunk* find(const std::byte* address) noexcept {
    auto after = std::upper_bound(
        chunks_.begin(), chunks_.end(), address,
        [](const std::byte* a, const chunk& c) { return std::less<>{}(a, c.memory); }
    );
    if (after == chunks_.begin()) return nullptr;
    const chunk& c = *--after;
    return address < c.memory + c.size ? &c : nullptr;
  }

  void reserve_one() { chunks_.reserve(chunks_.size() + 1); }

 private:
  static bool is_of_class(const chunk& c, std::size_t index) noexcept {
    return c.size == chunk_size && c.block_size == (index + 1) * alignment;
  }

  std::vector<chunk>::iterator place_of(const std::byte* memory) noexcept {
    return std::lower_bound(
        chunks_.begin(), chunks_.end(), memory,
        [](const chunk& c, const std::byte* m) { return std::less<>{}(c.memory, m); }
    );
  }

  std::vector<chunk> chunks_;
};

chunk_table& chunks() {
  thread_local chunk_table table;
  return table;
}

constinit thread_local bool fail_next = false;
constinit thread_local free_lists set_aside{};

std::byte* new_chunk(std::size_t size, std::size_t block_size) {
  if (table_gone) return static_cast<std::byte*>(::operator new(size, block_alignment));
  chunk_table& table = chunks();
  table.reserve_one();
  auto* memory = static_cast<std::byte*>(::operator new(size, block_alignment));
  table.add({memory, size, block_size});
  return memory;
}

}  // namespace

void* allocate_slow(std::size_t size) {
  if (fail_next) {
    fail_next = false;
    free_blocks = std::exchange(set_aside, {});
    throw std::bad_alloc();
  }
  const std::size_t index = (size - 1) / alignment;
  if (STACKLESS_SLAB_PASS_THROUGH || index >= classes) return new_chunk(size, size);

  const std::size_t block_size = (index + 1) * alignment;
  std::byte* memory = new_chunk(chunk_size, block_size);
  // Linked so that blocks are handed out in address order: neighbours in time are neighbours in memory.
  free_block* head = nullptr;
  for (std::size_t count = chunk_size / block_size; --count > 0;)
    head = new (memory + count * block_size) free_block{head};
  free_blocks.head[index] = head;
  return memory;
}

void deallocate_slow(void* block, std::size_t) noexcept {
  if (!table_gone) chunks().remove(static_cast<std::byte*>(block));
  ::operator delete(block, block_alignment);
}

extent block_of(const void* address) noexcept {
  const auto* byte = static_cast<const std::byte*>(address);
  const chunk* c = chunks().find(byte);
  if (c == nullptr) return {};
  const auto offset = static_cast<std::size_t>(byte - c->memory);
  const std::byte* begin = c->memory + offset / c->block_size * c->block_size;
  return {begin, begin + c->block_size};
}

void fail_next_allocation() noexcept {
  fail_next = true;
  set_aside = std::exchange(free_blocks, {});
}

}  // namespace stackless::inline STACKLESS_ABI::detail::frame_slab
