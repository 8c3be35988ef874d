#pragma once

#include <stackless/detail/inbox.hpp>
#include <stackless/detail/intrusive_list.hpp>

#include <atomic>
#include <cstdint>
#include <memory>
#include <thread>

namespace stackless::inline STACKLESS_ABI::detail {

/// A way into a scheduler for other threads, shared by the scheduler's end and by handles
/// elsewhere. Lives as long as one of them, or a notice on its way.
class door : public notice, public list_hook {
 public:
  // Any thread, and signal handlers.
  void retain() noexcept { references_.fetch_add(1, std::memory_order_relaxed); }
  void release() noexcept {
    if (references_.fetch_sub(1, std::memory_order_acq_rel) == 1) destroy();
  }

  // The scheduler's thread.
  /// The scheduler is going.
  void home_gone() noexcept;
  /// Nothing but doors is believed in: whether this one still is to be.
  virtual void look_again() noexcept {}

  void arrive(scheduler_core&) noexcept final {
    if (home_ != nullptr) posted();
    release();
  }
  void discard() noexcept final { release(); }

 protected:
  /// In the scheduler's thread, whose end it is.
  explicit door(scheduler_core& home);
  ~door() {
    if (linked()) unlink();  // its constructor was left by an exception
  }
  virtual void destroy() noexcept = 0;

  /// Any thread, and signal handlers: `posted` will be called in the scheduler's.
  void post() noexcept;
  /// In the scheduler's thread, for one `post` or several, while its end is there.
  virtual void posted() noexcept = 0;
  /// In the scheduler's thread, once: its end is gone, or the scheduler itself.
  virtual void cut_off() noexcept {}

  // The scheduler's thread ------------------------------------------------------------------------

  /// Whether somebody outside may still wake a tasklet through it.
  void count_as_source(bool counts) noexcept;
  [[nodiscard]] bool counts_as_source() const noexcept { return counted_; }
  /// The scheduler's end goes: nothing reaches it any more.
  void leave_home() noexcept;
  /// Null once it has left.
  [[nodiscard]] scheduler_core* home() const noexcept { return home_; }
  /// \throws std::logic_error on another thread than the scheduler's
  void check_thread() const;

  // Any thread.
  [[nodiscard]] bool is_home_thread() const noexcept {
    return std::this_thread::get_id() == thread_;
  }

 private:
  std::atomic<std::uint32_t> references_{1};
  const std::shared_ptr<inbox> inbox_;
  const std::thread::id thread_;
  scheduler_core* home_;
  bool counted_ = false;
  bool silent_;  ///< made by a tasklet that promised to wake nobody
};

}  // namespace stackless::inline STACKLESS_ABI::detail
