#pragma once

#include <stackless/detail/mailbox.hpp>

#include <atomic>
#include <chrono>
#include <optional>

namespace stackless::inline STACKLESS_ABI::detail {

class io_backend;
class scheduler_core;

/// Something a scheduler can be told from other threads.
class notice : public thread_mailbox::letter {
 public:
  /// In the scheduler's thread, once for one post or several. The last use of this object.
  virtual void arrive(scheduler_core& core) noexcept = 0;
  /// In the scheduler's thread, in place of `arrive`: the scheduler is going.
  virtual void discard() noexcept = 0;

 protected:
  ~notice() = default;
};

/// What other threads reach of a scheduler. It outlives the scheduler for as long as they hold it;
/// then it refuses what is posted.
class inbox {
 public:
  using result = thread_mailbox::result;

  inbox() noexcept = default;
  inbox(const inbox&) = delete;
  inbox& operator=(const inbox&) = delete;
  ~inbox();

  /// From any thread, and from signal handlers.
  result post(notice& n) noexcept {
    return mail_.post(n, [this] { wake(); });
  }

  /// The same: every tasklet is to end. False: the scheduler is gone.
  bool request_stop() noexcept { return post(stop_) != result::refused; }

  // The scheduler's thread ------------------------------------------------------------------------

  [[nodiscard]] bool marked() const noexcept { return mail_.marked(); }
  /// True: something has arrived.
  bool deliver(scheduler_core& core) noexcept;
  /// Before a sleep. False: do not.
  [[nodiscard]] bool fall_asleep() noexcept {
    // What is to wake it must be known before anybody finds it asleep.
    if (backend_.load(std::memory_order_relaxed) == nullptr) (void)descriptor();
    return mail_.fall_asleep();
  }
  /// Sleeps where there is no backend that could; also until `other`, if not -1, is readable.
  void sleep(std::optional<std::chrono::nanoseconds> timeout, int other) noexcept;
  /// From now on it is the backend that sleeps.
  void sleeps_in(io_backend& backend) noexcept {
    backend_.store(&backend, std::memory_order_release);
  }
  /// Readable after a wake while there is no backend. Made on first use; -1: no more descriptors.
  [[nodiscard]] int descriptor() noexcept;
  void drain_descriptor() const noexcept;
  /// Before the backend goes.
  void close() noexcept;

 private:
  struct stop_request final : notice {
    void arrive(scheduler_core& core) noexcept override;
    void discard() noexcept override {}
  };

  void wake() const noexcept;

  thread_mailbox mail_;
  stop_request stop_;
  // Both are set before the sleep that they are to end, and are read by who ends it.
  std::atomic<io_backend*> backend_{nullptr};
  std::atomic<int> descriptor_{-1};
};

}  // namespace stackless::inline STACKLESS_ABI::detail
