#pragma once

#include <stackless/detail/intrusive_list.hpp>
#include <stackless/detail/offload_wait.hpp>

#include <condition_variable>
#include <cstddef>
#include <mutex>

namespace stackless::inline STACKLESS_ABI::detail {

/// The threads for offloaded work: one pool a process, so that the number of threads is bounded
/// whatever the number of schedulers.
///
/// It is never destroyed, and nobody waits for its threads: at the end of the process they sleep,
/// or run what has been abandoned (a look-up of a name that nobody waits for any more).
class offload_pool {
 public:
  [[nodiscard]] static offload_pool& instance();

  offload_pool() noexcept = default;  // for tests; only ever on the heap

  /// \throws std::system_error when there is no thread and none can be started
  void submit(pool_job& job);
  /// Takes back what no thread has begun. False: it will be run, or has been.
  [[nodiscard]] bool withdraw(pool_job& job) noexcept;
  [[nodiscard]] bool is_queued(const pool_job& job) noexcept;

  [[nodiscard]] std::size_t most_threads() noexcept;
  void set_most_threads(std::size_t most);

 private:
  ~offload_pool() = default;

  void start_thread();
  void work() noexcept;

  std::mutex mutex_;
  std::condition_variable changed_;
  intrusive_list<pool_job> queued_;
  std::size_t queued_count_ = 0;
  std::size_t threads_ = 0;
  std::size_t idle_ = 0;
  std::size_t most_threads_ = 16;
};

}  // namespace stackless::inline STACKLESS_ABI::detail
