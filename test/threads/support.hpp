#pragma once

#include <stackless/io/file.hpp>
#include <stackless/stackless.hpp>

#include <array>
#include <chrono>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

namespace threads_test {

inline stackless::scheduler_options options_of(stackless::io_choice choice) {
  stackless::scheduler_options options;
  options.io = choice;
  return options;
}

/// Every way to sleep that this machine has.
inline std::vector<stackless::io_choice> ways_to_sleep() {
  using stackless::io_choice;
  return {io_choice::none, io_choice::epoll, io_choice::automatic};
}

/// An engine is started by the first I/O; without one the scheduler sleeps by itself.
inline stackless::task<> start_engine(stackless::io_choice choice) {
  if (choice != stackless::io_choice::none) (void)co_await stackless::io::open("/dev/null");
}

/// Joins at the end of the scope, whatever happens there.
class threads {
 public:
  threads() = default;
  threads(const threads&) = delete;
  threads& operator=(const threads&) = delete;
  ~threads() { join(); }

  template <class F>
  void start(F f) {
    list_.emplace_back(std::move(f));
  }
  void join() {
    for (std::thread& t : list_) t.join();
    list_.clear();
  }

 private:
  std::vector<std::thread> list_;
};

/// Lets two timers of one instant fire in one look at the clock, on a machine that stops for as
/// long as it likes.
class one_instant {
 public:
  explicit one_instant(std::chrono::milliseconds ahead)
      : at_(std::chrono::steady_clock::now() + ahead) {}

  [[nodiscard]] std::chrono::steady_clock::time_point at() const noexcept { return at_; }

  /// To be spawned behind those who set the timers: keeps the thread until both are due.
  stackless::task<> hold() {
    timers_were_set_ = std::chrono::steady_clock::now() < at_;
    while (std::chrono::steady_clock::now() < at_) {
    }
    co_return;
  }

  /// If not, the instant had come before both timers were set: to be tried again, further ahead.
  [[nodiscard]] bool timers_were_set() const noexcept { return timers_were_set_; }

 private:
  std::chrono::steady_clock::time_point at_;
  bool timers_were_set_ = false;
};

/// In a stress test; a sanitizer makes each step many times as dear.
inline constexpr int scale =
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
    1;
#else
    10;
#endif

}  // namespace threads_test
