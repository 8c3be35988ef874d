#pragma once

#include <stackless/detail/config.hpp>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <optional>

namespace stackless::inline STACKLESS_ABI::detail {

class io_backend;

/// A signal asks for a list of a scheduler's tasklets. Its handler sets a flag and ends the loop's
/// sleep; the loop prints.
class signal_dump {
 public:
  /// \throws std::system_error for a number that is no signal to be handled
  explicit signal_dump(int signal);
  signal_dump(const signal_dump&) = delete;
  signal_dump& operator=(const signal_dump&) = delete;
  /// Gives the signal back to whom it belonged before, with the last scheduler that took it.
  ~signal_dump();

  [[nodiscard]] int signal() const noexcept { return signal_; }

  /// Where the loop sleeps from now on.
  void wake_through(io_backend& backend) noexcept { backend_ = &backend; }
  /// For a loop that has no backend: readable after a signal.
  [[nodiscard]] int descriptor() const noexcept { return wake_descriptor_; }
  void drain_descriptor() const noexcept;

  /// How long ago it was asked for, if it was since the last time.
  [[nodiscard]] std::optional<std::chrono::nanoseconds> take_request() noexcept {
    if (requested_at_.load(std::memory_order_relaxed) == 0) [[likely]]
      return std::nullopt;
    return std::chrono::nanoseconds(now() - requested_at_.exchange(0));
  }

 private:
  static void handle(int signal) noexcept;
  /// Nanoseconds of the steady clock.
  [[nodiscard]] static std::int64_t now() noexcept;
  void request() noexcept;

  // Read by the handler, on any thread.
  std::atomic<signal_dump*> next_ = nullptr;
  std::atomic<io_backend*> backend_ = nullptr;
  std::atomic<std::int64_t> requested_at_ = 0;  // 0: it was not
  int wake_descriptor_ = -1;
  int signal_;
};

}  // namespace stackless::inline STACKLESS_ABI::detail
