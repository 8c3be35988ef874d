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

/// In a stress test; a sanitizer makes each step many times as dear.
inline constexpr int scale =
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
    1;
#else
    10;
#endif

}  // namespace threads_test
