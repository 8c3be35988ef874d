#pragma once

#include <stackless/detail/wait.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace stackless::inline STACKLESS_ABI::detail {

class scheduler_core;

/// One pending timer. Whoever wants it owns it.
class timer {
 public:
  timer() noexcept = default;
  timer(const timer&) = delete;
  timer& operator=(const timer&) = delete;

  std::chrono::steady_clock::time_point deadline{};
  std::uint64_t order = 0;  ///< equal deadlines fire in the order in which they were set
  std::size_t place = 0;    ///< index in the heap
  bool silent = false;      ///< of a tasklet that wakes nobody

  /// Its time has come; it is in the queue no more.
  virtual void fire(scheduler_core& core) noexcept = 0;

 protected:
  ~timer() = default;
};

/// Wakes the one who sleeps.
class sleep_timer final : public timer, public wait_object {
 public:
  explicit sleep_timer(wait& sleeper) noexcept : sleeper_(sleeper) {}

  void fire(scheduler_core& core) noexcept override;
  [[nodiscard]] bool withdraw(wait& w) noexcept override;
  void describe(object_info& info, std::vector<const void*>& handles) const override;

 private:
  wait& sleeper_;
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
