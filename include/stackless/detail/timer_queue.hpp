#pragma once

#include <stackless/detail/wait.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace stackless::inline STACKLESS_ABI::detail {

/// One pending timer. Lives in its awaiter.
struct timer final : wait_object {
  std::chrono::steady_clock::time_point deadline{};
  std::uint64_t order = 0;  ///< equal deadlines fire in the order in which they were set
  std::size_t place = 0;    ///< index in the heap
  wait* waiter = nullptr;

  [[nodiscard]] bool withdraw(wait& w) noexcept override;
  void describe(object_info& info, std::vector<const void*>& handles) const override;
};

/// Pending timers, soonest first: a binary heap of pointers. Insert and removal are O(log n).
class timer_queue {
 public:
  [[nodiscard]] bool empty() const noexcept { return heap_.empty(); }
  [[nodiscard]] std::size_t size() const noexcept { return heap_.size(); }
  [[nodiscard]] timer& soonest() const noexcept { return *heap_.front().item; }

  /// \throws std::bad_alloc; the queue is unchanged
  void insert(timer& t);
  void remove(timer& t) noexcept;

 private:
  struct entry {
    std::chrono::steady_clock::time_point deadline;
    std::uint64_t order;
    timer* item;
  };
  [[nodiscard]] static bool before(const entry& a, const entry& b) noexcept {
    return a.deadline != b.deadline ? a.deadline < b.deadline : a.order < b.order;
  }
  void put(std::size_t place, const entry& e) noexcept;
  void sift_up(std::size_t place, const entry& e) noexcept;
  void sift_down(std::size_t place, const entry& e) noexcept;

  std::vector<entry> heap_;
  std::uint64_t inserted_ = 0;
};

}  // namespace stackless::inline STACKLESS_ABI::detail
