#include "thread_pool.hpp"

#include "threads/quiet_thread.hpp"

#include <cerrno>
#include <new>
#include <system_error>
#include <utility>

namespace stackless::inline STACKLESS_ABI::detail {

thread_pool::thread_pool(
    int (*perform)(const io_operation&) noexcept, io_backend& announce_to
) noexcept
    : perform_(perform), announce_to_(announce_to) {}

void thread_pool::stop() noexcept {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  work_came_.notify_all();
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

void thread_pool::start_thread() {
  threads_.reserve(threads_.size() + 1);
  threads_.push_back(quiet_thread([this] { work(); }));
}

int thread_pool::submit(io_operation& operation) noexcept {
  bool short_of_threads = false;
  {
    const std::lock_guard lock(mutex_);
    short_of_threads = idle_ <= queued_count_;
  }
  if (short_of_threads && threads_.size() < most_threads) {
    try {
      start_thread();
    } catch (const std::system_error& error) {
      if (threads_.empty()) return -error.code().value();  // else it takes its turn
    } catch (const std::bad_alloc&) {
      if (threads_.empty()) return -ENOMEM;
    }
  }
  {
    const std::lock_guard lock(mutex_);
    queued_.push(operation);
    ++queued_count_;
  }
  ++outstanding_;
  work_came_.notify_one();
  return 0;
}

bool thread_pool::withdraw(io_operation& operation) noexcept {
  const std::lock_guard lock(mutex_);
  if (!queued_.remove(operation)) return false;
  --queued_count_;
  --outstanding_;
  return true;
}

operation_queue thread_pool::take_finished() noexcept {
  operation_queue taken;
  if (outstanding_ == 0) return taken;
  {
    const std::lock_guard lock(mutex_);
    taken = std::exchange(finished_, {});
  }
  for (io_operation* o = taken.front(); o != nullptr; o = o->backend_next) {
    --outstanding_;
    if (o->cancel_requested && o->result == -EINTR) o->result = -ECANCELED;
  }
  return taken;
}

void thread_pool::work() noexcept {
  std::unique_lock lock(mutex_);
  for (;;) {
    ++idle_;
    work_came_.wait(lock, [this] { return stopping_ || !queued_.empty(); });
    --idle_;
    if (queued_.empty()) return;
    io_operation& operation = queued_.pop();
    --queued_count_;
    lock.unlock();
    const int result = perform_(operation);
    lock.lock();
    operation.result = result;
    const bool first = finished_.empty();
    finished_.push(operation);
    // Under the lock: once the operation is handed back, the pool may be about to go.
    if (first) announce_to_.wake();
  }
}

}  // namespace stackless::inline STACKLESS_ABI::detail
