#pragma once

#include <stackless/detail/awaited_once.hpp>
#include <stackless/detail/door.hpp>
#include <stackless/detail/sync_core.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <utility>

namespace stackless::inline STACKLESS_ABI {

class scheduler;

namespace detail {

class external_core final : public sync_core, public door {
 public:
  external_core(scheduler_core& home, site here);
  external_core(scheduler_core& home, const object_name& name);

  // Any thread.
  void notify() noexcept {
    notified_.store(true, std::memory_order_release);
    post();
  }
  void add_notifier() noexcept {
    notifiers_.fetch_add(1, std::memory_order_relaxed);
    retain();
  }
  void drop_notifier() noexcept {
    if (notifiers_.fetch_sub(1, std::memory_order_acq_rel) == 1) post();
    release();
  }

  // The scheduler's thread.
  void make_notifier();
  void owner_gone() noexcept;
  bool try_take(wait& w) noexcept;
  void give_back(wait&) noexcept;
  /// \throws channel_closed when it was woken because nobody is left who could notify
  void settle(bool refused);
  void describe(object_info& info, std::vector<const void*>& handles) const override;

 private:
  ~external_core() = default;
  void destroy() noexcept override { delete this; }
  void posted() noexcept override;
  bool take_notification() noexcept {
    return notified_.load(std::memory_order_relaxed) &&
           notified_.exchange(false, std::memory_order_acq_rel);
  }
  [[nodiscard]] bool is_over() const noexcept { return had_notifiers_ && !is_live_; }

  std::atomic<bool> notified_{false};
  std::atomic<std::size_t> notifiers_{0};
  bool had_notifiers_ = false;
  bool is_live_ = false;  ///< has notifiers, as far as the scheduler knows
};

class external_awaiter : public sync_awaiter<external_core> {
 public:
  explicit external_awaiter(external_core& core) noexcept
      : sync_awaiter<external_core>(core, wait_kind::event) {}
  void await_resume() {
    finish();
    core().settle(was_refused());
  }
};

class [[STACKLESS_OPERATION]] external_operation : public awaited_once {
 public:
  explicit external_operation(external_core& core) noexcept : core_(core) {}
  external_awaiter make_awaiter() const noexcept { return external_awaiter(core_); }

 private:
  external_core& core_;
};

[[noreturn]] void throw_empty_notifier();

}  // namespace detail

/// Notifies an `external_source` from wherever it is. Copies notify the same one. Empty after a
/// move.
///
/// **Lifetime**: may outlive the source and its scheduler. While there is one the scheduler
/// believes that it may still be woken; when the last is gone, who waits gets `channel_closed`.
/// **Threads**: any; one object is not for two threads at a time, but each may have its copy.
class external_notifier {
 public:
  external_notifier(const external_notifier& other) noexcept : core_(other.core_) {
    if (core_ != nullptr) core_->add_notifier();
  }
  external_notifier(external_notifier&& other) noexcept
      : core_(std::exchange(other.core_, nullptr)) {}
  external_notifier& operator=(external_notifier other) noexcept {
    std::swap(core_, other.core_);
    return *this;
  }
  ~external_notifier() {
    if (core_ != nullptr) core_->drop_notifier();
  }

  /// Lets one tasklet through, the first that waits or else the next to come. Twice before that is
  /// once. What was written before this call is seen by the tasklet.
  ///
  /// **Errors**: `std::logic_error` if it was moved from.
  /// **Threads**: from any thread, also at the same time for one object; async-signal-safe. No
  /// lock, no allocation; a system call only when the scheduler sleeps.
  void notify() const {
    if (core_ == nullptr) detail::throw_empty_notifier();
    core_->notify();
  }

  /// For the library.
  explicit external_notifier(detail::external_core& core) noexcept : core_(&core) {}

 private:
  detail::external_core* core_;
};

/// Something outside the scheduler that tasklets wait for: another thread, a signal handler, a
/// library with threads of its own. As an `auto_event`, but set through `external_notifier`s, from
/// anywhere.
///
/// **Lifetime**: who waits when it goes gets `object_gone`.
/// **Threads**: its own functions are for the scheduler's thread.
class external_source {
 public:
  /// Of the running scheduler. **Errors**: `std::logic_error` outside of one.
  explicit external_source(detail::site here = detail::site::current());
  explicit external_source(const object_name& name);
  /// For a host.
  external_source(scheduler& home, const object_name& name);
  external_source(const external_source&) = delete;
  external_source& operator=(const external_source&) = delete;
  ~external_source() { core_->owner_gone(); }

  /// A handle for another thread. **Errors**: `std::logic_error` on another thread than the
  /// scheduler's.
  [[nodiscard]] external_notifier notifier() const {
    core_->make_notifier();
    return external_notifier(*core_);
  }

  /// Waits for a notification; goes on at once if there is one. Can be a case of a `select`.
  ///
  /// **Cancellation**: a cancel point; one that raised has not used it up.
  /// **Errors**: `channel_closed` once the last notifier has gone and nothing is left of what it
  /// told.
  [[nodiscard]] detail::external_operation wait() const noexcept {
    return detail::external_operation(*core_);
  }

 private:
  detail::external_core* core_;
};

}  // namespace stackless::inline STACKLESS_ABI
