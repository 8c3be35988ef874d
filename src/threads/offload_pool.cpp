#include "threads/offload_pool.hpp"

#include "threads/quiet_thread.hpp"

#include <system_error>

namespace stackless::inline STACKLESS_ABI::detail {

offload_pool& offload_pool::instance() {
  static offload_pool& pool = *new offload_pool();
  return pool;
}

void offload_pool::start_thread() {
  ++threads_;
  try {
    quiet_thread([this] { work(); }).detach();
  } catch (...) {
    --threads_;
    throw;
  }
}

void offload_pool::submit(pool_job& job) {
  const std::lock_guard lock(mutex_);
  if (idle_ <= queued_count_ && threads_ < most_threads_) {
    try {
      start_thread();
    } catch (const std::system_error&) {
      if (threads_ == 0) throw;  // else it takes its turn
    }
  }
  queued_.push_back(job);
  ++queued_count_;
  changed_.notify_one();
}

bool offload_pool::withdraw(pool_job& job) noexcept {
  const std::lock_guard lock(mutex_);
  if (!job.linked()) return false;
  queued_.remove(job);
  --queued_count_;
  return true;
}

bool offload_pool::is_queued(const pool_job& job) noexcept {
  const std::lock_guard lock(mutex_);
  return job.linked();
}

std::size_t offload_pool::most_threads() noexcept {
  const std::lock_guard lock(mutex_);
  return most_threads_;
}

void offload_pool::set_most_threads(std::size_t most) {
  const std::lock_guard lock(mutex_);
  most_threads_ = most;
  // What waits for a thread may have one now. If none can be started, those there are go on.
  for (std::size_t unserved = queued_count_; unserved > idle_ && threads_ < most; --unserved) {
    try {
      start_thread();
    } catch (const std::system_error&) {
      break;
    }
  }
  changed_.notify_all();
}

void offload_pool::work() noexcept {
  std::unique_lock lock(mutex_);
  for (;;) {
    ++idle_;
    changed_.wait(lock, [this] { return !queued_.empty() || threads_ > most_threads_; });
    --idle_;
    if (threads_ > most_threads_) break;
    pool_job& job = queued_.front();
    queued_.remove(job);
    --queued_count_;
    lock.unlock();
    job.run();
    lock.lock();
  }
  --threads_;
  // The notification that it was woken by may have been for work.
  if (!queued_.empty()) changed_.notify_one();
}

}  // namespace stackless::inline STACKLESS_ABI::detail
