#pragma once

#include <stackless/detail/inbox.hpp>

#include <memory>
#include <utility>

namespace stackless::inline STACKLESS_ABI {

/// Stops a scheduler from wherever it is. Copies stop the same one. It is no source: that somebody
/// could stop a program keeps no deadlock from being one.
///
/// **Lifetime**: may outlive the scheduler. **Threads**: any.
class stop_handle {
 public:
  /// Every tasklet raises `tasklet_exit` at its awaits, as in a `shutdown`; then `run` raises
  /// `run_stopped` if main had not ended, and the drives of a host return. What ran when it was
  /// asked for goes on to its next await. False: the scheduler is gone.
  ///
  /// **Threads**: from any thread, at any time; async-signal-safe. No lock, no allocation; a system
  /// call only when the scheduler sleeps.
  bool request_stop() const noexcept { return inbox_ != nullptr && inbox_->request_stop(); }

  /// For the library.
  explicit stop_handle(std::shared_ptr<detail::inbox> inbox) noexcept : inbox_(std::move(inbox)) {}

 private:
  std::shared_ptr<detail::inbox> inbox_;
};

/// Of the running scheduler. **Errors**: `std::logic_error` outside of one.
[[nodiscard]] stop_handle get_stop_handle();

}  // namespace stackless::inline STACKLESS_ABI
