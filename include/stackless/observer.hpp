#pragma once

#include <stackless/deadlock.hpp>
#include <stackless/tasklet.hpp>

#include <string>

namespace stackless::inline STACKLESS_ABI {

/// A tasklet is about to send or to receive.
struct channel_action {
  std::string channel;  ///< as reports name it
  any_tasklet tasklet;
  bool sending = false;
  bool will_block = false;
};

/// Is told what happens in a scheduler. Override what is of interest.
///
/// **Errors**: what `on_channel` throws is raised by the operation it was told of, which has not
/// happened; what `on_switch` throws is delivered as an error that nobody caught. The functions
/// must not use tasklets and channels other than to look at them: `std::logic_error`.
/// **Lifetime**: must outlive its time as the scheduler's observer.
/// Complexity: while one is set, every switch costs a turn of the loop; unset, nothing.
class observer {
 public:
  observer() = default;
  observer(const observer&) = delete;
  observer& operator=(const observer&) = delete;
  virtual ~observer() = default;

  /// Just before `next` runs. `previous` ran last, and may have ended; empty for none.
  virtual void on_switch(const any_tasklet& previous, const any_tasklet& next);

  /// Nothing can run: the scheduler is about to sleep, or to return to its host. `previous` ran
  /// last, and may have ended; empty for none.
  virtual void on_sleep(const any_tasklet& previous) noexcept;
  /// `next` is the first to run after that. `on_switch` follows, unless it ran last, too.
  virtual void on_wake(const any_tasklet& next) noexcept;

  /// Before each awaited send and receive, also of one that then fails.
  virtual void on_channel(const channel_action& action);

  /// Some tasklets are likely stuck for ever while the others go on (`find_stalls`). Once for each
  /// group. Looked for when the scheduler is about to sleep and something has run since, for a
  /// twentieth of the time at most. What it throws is delivered as an error that nobody caught.
  virtual void on_stall(const deadlock_report& report);
};

/// Sets the observer of the running scheduler, null for none, and gives the one before.
/// **Errors**: `std::logic_error` outside a running scheduler.
observer* set_observer(observer* watcher);
[[nodiscard]] observer* current_observer();

}  // namespace stackless::inline STACKLESS_ABI
