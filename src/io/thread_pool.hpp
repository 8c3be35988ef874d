#pragma once

#include "operation_queue.hpp"

#include <condition_variable>
#include <cstddef>
#include <mutex>
#include <thread>
#include <vector>

namespace stackless::inline STACKLESS_ABI::detail {

/// A few threads for system calls that block and cannot be polled. They start when there is work.
class thread_pool {
 public:
  /// `perform` runs on a thread of the pool and gives the operation's result; `announce` is called
  /// there when `take_finished` has something new.
  thread_pool(int (*perform)(const io_operation&) noexcept, io_backend& announce_to) noexcept;
  thread_pool(const thread_pool&) = delete;
  thread_pool& operator=(const thread_pool&) = delete;
  ~thread_pool() { stop(); }

  /// Joins: what runs is finished first. Nothing is announced afterwards.
  void stop() noexcept;

  /// 0, or a negated errno when there is no thread and none can be started.
  [[nodiscard]] int submit(io_operation& operation) noexcept;

  /// Takes back what no thread has begun. False: it will finish.
  [[nodiscard]] bool withdraw(io_operation& operation) noexcept;

  /// Operations that have finished since the last call; `result` is set. The caller completes them.
  [[nodiscard]] operation_queue take_finished() noexcept;

  /// Operations submitted and not yet handed back. From the scheduler's thread.
  [[nodiscard]] std::size_t outstanding() const noexcept { return outstanding_; }

 private:
  static constexpr std::size_t most_threads = 4;

  void start_thread();
  void work() noexcept;

  int (*perform_)(const io_operation&) noexcept;
  io_backend& announce_to_;
  std::size_t outstanding_ = 0;

  std::mutex mutex_;
  std::condition_variable work_came_;
  operation_queue queued_;
  operation_queue finished_;
  std::size_t queued_count_ = 0;
  std::size_t idle_ = 0;
  bool stopping_ = false;
  std::vector<std::thread> threads_;  // the scheduler's thread only
};

}  // namespace stackless::inline STACKLESS_ABI::detail
