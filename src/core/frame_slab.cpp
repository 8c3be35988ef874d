#include <stackless/detail/frame_slab.hpp>

#include <algorithm>
#include <cstdint>
#include <functional>
#include <utility>
#include <vector>

#include <sys/mman.h>

namespace stackless::inline STACKLESS_ABI::detail::frame_slab {

constinit thread_local free_lists<frame_unit> free_frames{};
constinit thread_local free_lists<block_unit> free_blocks{};

namespace {

constexpr std::size_t chunk_size = std::size_t{64} * 1024;
constexpr std::align_val_t chunk_alignment{frame_unit};

struct chunk {
  std::byte* memory;
  std::size_t size;
  std::size_t block_size;
  std::size_t unit;  // 0: one block of its own
};

constinit thread_local bool table_gone = false;

// Kept by address so that an address can be looked up; touched once per chunk, never per block.
// Chunks stay mapped until the thread ends: a warm slab is the point of having one.
class chunk_table {
 public:
  chunk_table() = default;
  chunk_table(const chunk_table&) = delete;
  chunk_table& operator=(const chunk_table&) = delete;
  // A handle of static storage may outlive the thread's table: what is still in use stays mapped.
  ~chunk_table() {
    table_gone = true;
    release_unused<frame_unit>();
    release_unused<block_unit>();
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

  [[nodiscard]] const void* address() const noexcept { return &chunks_; }

  void reserve_one() {
    if (chunks_.size() == chunks_.capacity()) chunks_.reserve(2 * chunks_.size() + 16);
  }

 private:
  template <std::size_t Unit>
  void release_unused() noexcept {
    for (std::size_t index = 0; index < classes; ++index) {
      const auto in_class = [index](const chunk& c) {
        return c.unit == Unit && c.block_size == (index + 1) * Unit;
      };
      std::size_t in_use = 0;
      for (const chunk& c : chunks_)
        if (in_class(c)) in_use += c.size / c.block_size;
      free_block*& head = lists_of<Unit>().head[index];
      for (const free_block* b = head; b != nullptr; b = b->next) --in_use;
      if (in_use != 0) continue;
      head = nullptr;
      for (const chunk& c : chunks_)
        if (in_class(c)) ::munmap(c.memory, c.size);
    }
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
constinit thread_local free_lists<frame_unit> frames_set_aside{};
constinit thread_local free_lists<block_unit> blocks_set_aside{};

// From the kernel: malloc, asked for aligned memory of this size, loses a quarter of it to
// fragments.
std::byte* map_memory(std::size_t size) {
  void* memory = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  return static_cast<std::byte*>(memory);
}

// A chunk of blocks of one class, linked so that they are handed out in address order: neighbours
// in time are neighbours in memory.
template <std::size_t Unit>
void* first_of_new_chunk(std::size_t index) {
  const std::size_t block_size = (index + 1) * Unit;
  if (!table_gone) chunks().reserve_one();
  std::byte* memory = map_memory(chunk_size);
  if (!table_gone) chunks().add({memory, chunk_size, block_size, Unit});
  free_block* head = nullptr;
  for (std::size_t count = chunk_size / block_size; --count > 0;)
    head = new (memory + count * block_size) free_block{head};
  lists_of<Unit>().head[index] = head;
  return memory;
}

void* block_of_its_own(std::size_t size) {
  if (!table_gone) chunks().reserve_one();
  auto* memory = static_cast<std::byte*>(::operator new(size, chunk_alignment));
  if (!table_gone) chunks().add({memory, size, size, 0});
  return memory;
}

}  // namespace

template <std::size_t Unit>
void* allocate_slow(std::size_t size) {
  if (fail_next) {
    fail_next = false;
    free_frames = std::exchange(frames_set_aside, {});
    free_blocks = std::exchange(blocks_set_aside, {});
    throw std::bad_alloc();
  }
  const std::size_t index = (size - 1) / Unit;
  if (STACKLESS_ADDRESS_SANITIZER || index >= classes) return block_of_its_own(size);
  return first_of_new_chunk<Unit>(index);
}

template void* allocate_slow<frame_unit>(std::size_t);
template void* allocate_slow<block_unit>(std::size_t);

void deallocate_slow(void* block) noexcept {
  if (!table_gone) chunks().remove(static_cast<std::byte*>(block));
  ::operator delete(block, chunk_alignment);
}

const void* chunk_table_address() noexcept {
  return chunks().address();
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
  frames_set_aside = std::exchange(free_frames, {});
  blocks_set_aside = std::exchange(free_blocks, {});
}

}  // namespace stackless::inline STACKLESS_ABI::detail::frame_slab
