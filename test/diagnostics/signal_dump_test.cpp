#include <stackless/io/io.hpp>
#include <stackless/scheduler.hpp>
#include <stackless/stackless.hpp>

#include "catch.hpp"
#include "core/process.hpp"

#include <atomic>
#include <chrono>
#include <csignal>
#include <system_error>
#include <thread>

#include <unistd.h>

using namespace stackless;
using namespace std::chrono_literals;

namespace {

scheduler_options with_dump(io_choice io = io_choice::automatic) {
  scheduler_options options;
  options.dump_on_signal = true;
  options.io = io;
  return options;
}

/// A signal of this process when the program is likely to sleep. It is handled on another thread,
/// so that it interrupts no system call of the loop's.
class sender_of {
 public:
  explicit sender_of(int signal)
      : thread_([signal] {
          std::this_thread::sleep_for(100ms);
          ::pthread_kill(::pthread_self(), signal);
          std::this_thread::sleep_for(500ms);
          std::fputs("the sender has waited\n", stderr);
        }) {}
  sender_of(const sender_of&) = delete;
  sender_of& operator=(const sender_of&) = delete;
  ~sender_of() { thread_.join(); }

 private:
  std::thread thread_;
};

task<> sleeper(std::chrono::milliseconds time) {
  co_await sleep_for(time);
}

task<> sleeps() {
  const auto t = spawn("sleeper", sleeper, 800ms);
  co_await t.join();
  std::fputs("went on\n", stderr);
}

task<> uses_io() {
  io::signal_set signals{SIGUSR1};
  const auto waits = [](io::signal_set& s) -> task<> { (void)co_await s.wait(); };
  const auto reader = spawn("reader", waits, borrow(signals));
  co_await sleep_for(800ms);
  ::raise(SIGUSR1);
  co_await reader.join();
  std::fputs("went on\n", stderr);
}

void check_dump(const process::end& end, const std::string& part) {
  INFO(end.text);
  CHECK(end.signal == 0);
  CHECK_THAT(end.text, starts_with_text("stackless: asked by signal "));
  CHECK(end.text.find(part) < end.text.find("the sender has waited"));
  CHECK(end.text.find("went on") != std::string::npos);
}

}  // namespace

TEST_CASE("a signal prints all tasklets of a loop that sleeps for a timer, and it sleeps on") {
  for (const io_choice io : {io_choice::none, io_choice::automatic}) {
    const auto began = std::chrono::steady_clock::now();
    const process::end end = process::end_of([&] {
      const sender_of quit(SIGQUIT);
      run(with_dump(io), sleeps);
    });
    check_dump(end, "#2 sleeper   blocked ");
    CHECK_THAT(end.text, contains_text("#1 main   blocked "));
    CHECK_THAT(end.text, contains_text("0 running"));
    CHECK(std::chrono::steady_clock::now() - began >= 800ms);
  }
}

TEST_CASE("a signal prints all tasklets of a loop that sleeps for I/O") {
  for (const io_choice io : {io_choice::uring, io_choice::epoll}) {
    try {
      scheduler probe(with_dump(io));
      probe.spawn([]() -> task<> {
        const io::signal_set unused{SIGUSR1};
        co_return;
      });
      probe.run();
    } catch (const std::system_error&) {
      continue;  // no io_uring here
    }
    const process::end end = process::end_of([&] {
      const sender_of quit(SIGQUIT);
      run(with_dump(io), uses_io);
    });
    check_dump(end, "#2 reader   blocked ");
  }
}

TEST_CASE("a loop that never sleeps answers too, and to the signal of its choice") {
  const process::end end = process::end_of([] {
    const sender_of other(SIGUSR2);
    scheduler_options options = with_dump();
    options.dump_signal = SIGUSR2;
    run(options, []() -> task<> {
      const auto until = std::chrono::steady_clock::now() + 800ms;
      while (std::chrono::steady_clock::now() < until) co_await yield();
      std::fputs("went on\n", stderr);
    });
  });
  check_dump(end, "#1 main   ready");
}

TEST_CASE("a list that had to wait for a tasklet that awaited nothing says so") {
  const process::end end = process::end_of([] {
    run(with_dump(), []() -> task<> {
      ::raise(SIGQUIT);
      std::this_thread::sleep_for(300ms);
      co_await sleep_for(1ms);
    });
  });
  CHECK_THAT(end.text, contains_text("asked by signal 3 3"));  // some 300 ms ago
  CHECK_THAT(end.text, contains_text("ms ago: until now tasklets kept the thread"));
}

TEST_CASE("a list that came at once says nothing of a wait") {
  const process::end end = process::end_of([] {
    run(with_dump(), []() -> task<> {
      ::raise(SIGQUIT);
      co_await sleep_for(1ms);
    });
  });
  CHECK_THAT(end.text, starts_with_text("stackless: asked by signal 3\n"));
}

TEST_CASE("every scheduler that takes the signal answers, also on another thread") {
  const process::end end = process::end_of([] {
    const sender_of quit(SIGQUIT);
    std::thread other([] { run(with_dump(), sleeps); });
    run(with_dump(), sleeps);
    other.join();
  });
  CHECK(end.signal == 0);
  const std::size_t first = end.text.find("asked by signal 3");
  CHECK(first != std::string::npos);
  CHECK(end.text.find("asked by signal 3", first + 1) != std::string::npos);
}

TEST_CASE("a host-driven scheduler answers when it is driven next") {
  const process::end end = process::end_of([] {
    scheduler s(with_dump());
    s.spawn("waits", []() -> task<> { co_await suspend(); });
    s.run_ready();
    ::raise(SIGQUIT);
    std::fputs("raised\n", stderr);
    s.run_ready();
    s.shutdown();
  });
  INFO(end.text);
  CHECK(end.signal == 0);
  CHECK_THAT(
      end.text, starts_with_text("raised\nstackless: asked by signal 3\n\n1 tasklet at step ")
  );
  CHECK_THAT(end.text, contains_text("#1 waits   paused "));
}

TEST_CASE("each scheduler of several says which it is, by its thread") {
  const process::end end = process::end_of([] {
    std::atomic<int> ready = 0;
    const auto waits_to_be_asked = [&]() -> task<> {
      ++ready;
      while (ready != 2) co_await yield();
      co_await sleep_for(800ms);
    };
    std::thread worker([&] {
      ::pthread_setname_np(::pthread_self(), "worker");
      run(with_dump(), waits_to_be_asked);
    });
    const sender_of quit(SIGQUIT);
    run(with_dump(), waits_to_be_asked);
    worker.join();
    std::fputs("went on\n", stderr);
  });
  check_dump(end, "#1 main   blocked ");
  CHECK_THAT(end.text, contains_text("scheduler of thread "));
  CHECK_THAT(end.text, contains_text(" 'worker': 1 tasklet at step "));
}

TEST_CASE("without the option the signal does what it did, and after the last scheduler again") {
  CHECK(process::end_of([] {
          const sender_of quit(SIGQUIT);
          run(sleeps);
        }).signal == SIGQUIT);
  CHECK(process::end_of([] {
          {
            const scheduler first(with_dump());
            scheduler second(with_dump());
          }
          ::raise(SIGQUIT);
        }).signal == SIGQUIT);
}

TEST_CASE("a dump signal that cannot be handled is refused") {
  scheduler_options options = with_dump();
  options.dump_signal = SIGKILL;
  CHECK_THROWS_AS(scheduler(options), std::system_error);
  options.dump_signal = 4711;
  CHECK_THROWS_AS(scheduler(options), std::system_error);
  CHECK_NOTHROW(scheduler(with_dump()));
}

TEST_CASE("signals that come while schedulers come and go do no harm") {
  const process::end end = process::end_of([] {
    std::atomic<bool> done = false;
    const scheduler keep(with_dump());  // so that none of the signals ends the process
    std::thread sender([&] {
      while (!done) ::kill(::getpid(), SIGQUIT);
    });
    std::thread other([] {
      for (int i = 0; i < 200; ++i) run(with_dump(), []() -> task<> { co_await yield(); });
    });
    for (int i = 0; i < 200; ++i) run(with_dump(), []() -> task<> { co_await yield(); });
    other.join();
    done = true;
    sender.join();
  });
  CHECK(end.signal == 0);
}
