#include <stackless/stackless.hpp>

#include "catch.hpp"

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <new>
#include <set>
#include <thread>
#include <vector>

using stackless::task;
namespace frame_slab = stackless::detail::frame_slab;

namespace {

bool is_aligned(const void* block, std::size_t unit) {
  return reinterpret_cast<std::uintptr_t>(block) % unit == 0;
}

template <std::size_t Unit>
void check_all_sizes() {
  std::vector<std::pair<void*, std::size_t>> blocks;
  std::set<void*> distinct;
  for (std::size_t size = 1; size <= 1200; size += 7) {
    void* block = frame_slab::allocate<Unit>(size);
    std::memset(block, static_cast<int>(size & 0xff), size);
    CHECK(is_aligned(block, Unit));
    distinct.insert(block);
    blocks.emplace_back(block, size);
  }
  CHECK(distinct.size() == blocks.size());
  for (const auto& [block, size] : blocks) {
    const auto* bytes = static_cast<const unsigned char*>(block);
    bool intact = true;
    for (std::size_t i = 0; i < size; ++i) intact = intact && bytes[i] == (size & 0xff);
    CHECK(intact);
    frame_slab::deallocate<Unit>(block, size);
  }
}

}  // namespace

TEST_CASE("blocks of all sizes are aligned, distinct and writable") {
  check_all_sizes<frame_slab::frame_unit>();
  check_all_sizes<frame_slab::block_unit>();
}

#if !STACKLESS_ADDRESS_SANITIZER
TEST_CASE("a block that was given back is the next one of its class") {
  void* first = frame_slab::allocate(100);
  frame_slab::deallocate(first, 100);
  void* second = frame_slab::allocate(128);  // the same class
  CHECK(second == first);
  void* other = frame_slab::allocate(129);
  CHECK(other != first);
  frame_slab::deallocate(second, 128);
  frame_slab::deallocate(other, 129);
}
#endif

TEST_CASE("block_of finds the block that an address lies in") {
  for (const std::size_t size :
       {std::size_t{1}, std::size_t{64}, std::size_t{65}, std::size_t{1024}, std::size_t{1025},
        std::size_t{100'000}}) {
    auto* block = static_cast<std::byte*>(frame_slab::allocate(size));
    for (const std::byte* inside : {block, block + size / 2, block + size - 1}) {
      const auto found = frame_slab::block_of(inside);
      CHECK(found.begin == block);
      CHECK(found.contains(block + size - 1));
      CHECK_FALSE(found.contains(found.end));
    }
    frame_slab::deallocate(block, size);
  }
}

TEST_CASE("block_of knows nothing of other memory") {
  int local = 0;
  static int global = 0;
  const std::vector<int> heap(1000);
  for (const void* other :
       {static_cast<const void*>(&local), static_cast<const void*>(&global),
        static_cast<const void*>(heap.data())}) {
    const auto found = frame_slab::block_of(other);
    CHECK(found.begin == nullptr);
    CHECK_FALSE(found.contains(other));
  }
}

TEST_CASE("fail_next_allocation fails one allocation, and the free blocks are there again") {
  void* block = frame_slab::allocate(64);
  frame_slab::deallocate(block, 64);
  frame_slab::fail_next_allocation();
  CHECK_THROWS_AS((void)frame_slab::allocate(64), std::bad_alloc);
  void* again = frame_slab::allocate(64);
#if !STACKLESS_ADDRESS_SANITIZER
  CHECK(again == block);
#endif
  frame_slab::deallocate(again, 64);
}

TEST_CASE("each thread has its own blocks, a warm slab ends with its thread") {
  const auto body = [](int n) -> task<int> { co_return n; };
  for (int i = 0; i < 3; ++i) {
    int result = 0;
    std::thread([&] {
      result = stackless::run([&]() -> task<int> {
        int sum = 0;
        for (int k = 0; k < 100; ++k) {
          const auto t = stackless::spawn(body, k);
          sum += co_await t.join();
        }
        co_return sum;
      });
    }).join();
    CHECK(result == 4950);
  }
}

namespace {
thread_local stackless::tasklet<int> kept_longer;
}  // namespace

TEST_CASE("a handle may outlive its thread's slab") {
  const auto body = []() -> task<int> { co_return 1; };
  std::thread([&] {
    kept_longer = {};  // made before the slab, destroyed after it
    stackless::run([&]() -> task<> {
      kept_longer = stackless::spawn(body);
      co_await stackless::drain();
    });
  }).join();
  SUCCEED();
}
