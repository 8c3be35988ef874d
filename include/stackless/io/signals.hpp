#pragma once

#include <stackless/detail/awaited_once.hpp>
#include <stackless/io/error.hpp>
#include <stackless/io/operation.hpp>
#include <stackless/io/readiness.hpp>
#include <stackless/task.hpp>

#include <array>
#include <csignal>  // SIGINT and the others
#include <cstddef>
#include <initializer_list>
#include <system_error>

namespace stackless::inline STACKLESS_ABI::io {

class signal_operation;

/// Takes signals as they come in, one `wait` each: `io::signal_set stop{SIGINT, SIGTERM};`. While
/// it lives, the signals are blocked on this thread, and neither their handlers nor their default
/// actions run. Make it before other threads are started: a thread that does not block them takes
/// them away.
///
/// **Errors**: the constructor raises `io_error`.
/// **Lifetime**: the destructor unblocks what the constructor had blocked; a signal that is still
/// pending then does what it would have done. On the thread that made it.
class signal_set {
 public:
  signal_set(std::initializer_list<int> signals);
  signal_set(const signal_set&) = delete;
  signal_set& operator=(const signal_set&) = delete;
  ~signal_set();

  /// Waits for one of the signals, and gives its number. Signals of the same number that come in
  /// before they are waited for count once.
  ///
  /// **Cancellation**: a cancel point. A signal that was taken meanwhile is lost.
  /// **Errors**: `io_error`; with `error` given it is set instead, and the result is -1.
  signal_operation wait() noexcept;
  signal_operation wait(std::error_code& error) noexcept;

  /// Waits until `wait` would not have to. A case for `select`.
  readiness_operation readable() noexcept;
  readiness_operation readable(std::error_code& error) noexcept;

 private:
  detail::io_handle handle_;
  std::array<std::byte, 128> blocked_{};  // a sigset_t: what was not blocked before
};

/// What `signal_set::wait` returns, to be awaited: gives the signal's number.
class [[STACKLESS_OPERATION]] signal_operation final : public detail::io_call {
 public:
  signal_operation(detail::io_resource* resource, std::error_code* error) noexcept;

  [[nodiscard]] detail::io_awaiter<signal_operation> make_awaiter() noexcept {
    return detail::io_awaiter<signal_operation>(*this);
  }

 private:
  friend class detail::io_awaiter<signal_operation>;
  int take();

  alignas(8) std::array<std::byte, 128> info_;  // a signalfd_siginfo
};

}  // namespace stackless::inline STACKLESS_ABI::io
