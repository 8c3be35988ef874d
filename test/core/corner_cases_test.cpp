#include <stackless/stackless.hpp>
#include <stackless/testing.hpp>

#include "catch.hpp"

#include <chrono>
#include <stdexcept>
#include <string>
#include <vector>

// Programs that once went wrong, each named by what happened.

using namespace std::chrono_literals;
using stackless::any_tasklet;
using stackless::channel;
using stackless::drain;
using stackless::run;
using stackless::run_result;
using stackless::scheduler;
using stackless::sleep_for;
using stackless::spawn;
using stackless::suspend;
using stackless::task;
using stackless::yield;

namespace {

task<> raises(std::string text) {
  co_await yield();
  throw std::runtime_error(text);
}

task<> joins(any_tasklet t) {
  co_await t.join();
}

/// What is raised in main over some turns.
task<std::vector<std::string>> errors_seen() {
  std::vector<std::string> seen;
  for (int i = 0; i < 4; ++i) {
    try {
      co_await yield();
    } catch (const std::exception& error) {
      seen.emplace_back(error.what());
    }
  }
  co_return seen;
}

}  // namespace

TEST_CASE("a result that holds the last handle of a channel outlived the current tasklet") {
  const auto maker = []() -> task<channel<int>> {
    channel<int> made;
    co_return made;
  };
  run([&]() -> task<> {
    (void)spawn(maker);
    co_await drain();
  });
}

TEST_CASE("times at the ends of the clock overflowed") {
  run([]() -> task<> {
    co_await sleep_for(std::chrono::nanoseconds::min());
    co_await stackless::sleep_until(stackless::time_point::min());
    co_await stackless::move_on_after(std::chrono::nanoseconds::max(), []() -> task<> {
      co_await yield();
    });
  });
  scheduler host;
  host.spawn([]() -> task<> {
    channel<int> never;
    try {
      co_await never.receive();
    } catch (const stackless::tasklet_exit&) {
    }
    co_await yield();
  });
  (void)host.run_ready();
  host.shutdown(std::chrono::nanoseconds::max());
  CHECK(host.alive() == 0);
}

STACKLESS_TEST("an error was delivered twice when its joiner was killed before the end") {
  auto bad = spawn(raises, std::string("E"));
  auto joiner = spawn(joins, any_tasklet(bad));
  co_await yield();  // bad has yielded, the joiner waits
  bad.remove();
  joiner.kill_pending();
  bad.insert();
  const auto seen = co_await errors_seen();
  CHECK(seen == std::vector<std::string>{"E"});
}

STACKLESS_TEST("an error that a handler had dealt with came back from a killed joiner") {
  int handled = 0;
  stackless::set_error_handler([&](const any_tasklet&, const std::exception_ptr&) { ++handled; });
  auto bad = spawn(raises, std::string("E"));
  auto joiner = spawn(joins, any_tasklet(bad));
  co_await yield();
  bad.remove();
  joiner.kill_pending();
  bad.insert();
  const auto seen = co_await errors_seen();
  CHECK(handled == 1);
  CHECK(seen.empty());
}

STACKLESS_TEST("an error that one joiner had went to main for another that was killed") {
  std::string first;
  auto bad = spawn(raises, std::string("E"));
  auto takes = spawn([&]() -> task<> {
    try {
      co_await bad.join();
    } catch (const std::exception& error) {
      first = error.what();
    }
  });
  auto dies = spawn(joins, any_tasklet(bad));
  co_await yield();
  co_await bad.run();  // it ends, both are woken
  dies.kill_pending();
  const auto seen = co_await errors_seen();
  CHECK(first == "E");
  CHECK(seen.empty());
}

STACKLESS_TEST("an error whose only joiner is killed after the end goes on to main") {
  auto bad = spawn(raises, std::string("E"));
  auto dies = spawn(joins, any_tasklet(bad));
  co_await yield();
  co_await bad.run();
  dies.kill_pending();
  const auto seen = co_await errors_seen();
  CHECK(seen == std::vector<std::string>{"E"});
}

STACKLESS_TEST("an error vanished behind the kill of who should have got it") {
  auto runner = spawn([]() -> task<> { co_await drain(); });
  auto bad = spawn([]() -> task<> {
    co_await suspend();
    throw std::runtime_error("E");
  });
  co_await yield();
  bad.insert();
  runner.kill_pending();
  const auto seen = co_await errors_seen();
  CHECK(seen == std::vector<std::string>{"E"});
}

STACKLESS_TEST("a kill and an error in either order: the error is raised first, then the kill") {
  for (const bool kill_first : {true, false}) {
    std::vector<std::string> log;
    auto victim = spawn([&]() -> task<> {
      try {
        co_await suspend();
      } catch (const std::exception& error) {
        log.emplace_back(error.what());
      }
      co_await yield();
      log.emplace_back("lives on");
    });
    co_await yield();
    if (kill_first) victim.kill_pending();
    victim.raise_pending(std::make_exception_ptr(std::runtime_error("E")));
    if (!kill_first) victim.kill_pending();
    co_await yield();
    CHECK_FALSE(victim.alive());
    CHECK(log == std::vector<std::string>{"E"});
  }
  CHECK(stackless::suppressed(std::make_exception_ptr(stackless::tasklet_exit{})).empty());
}

TEST_CASE("a new channel at an old address counted as the same wait") {
  int told = 0;
  const auto probe = [&]() -> task<> {
    channel<int> fresh;
    try {
      co_await fresh.receive();
    } catch (const stackless::deadlock_error&) {
      ++told;
    }
  };
  run([&]() -> task<> {
    for (int i = 0; i < 50; ++i) co_await probe();
  });
  CHECK(told == 50);
}

TEST_CASE("a loop over two waits caught deadlocks for ever") {
  int caught = 0;
  const auto spins = [&]() -> task<> {
    channel<int> a;
    channel<int> b;
    for (;;) {
      try {
        co_await a.receive();
      } catch (const stackless::deadlock_error&) {
        ++caught;
      }
      try {
        co_await b.receive();
      } catch (const stackless::deadlock_error&) {
        ++caught;
      }
    }
  };
  CHECK_THROWS_AS(run(spins), stackless::deadlock_error);
  CHECK(caught >= 100);
  CHECK(caught <= 102);
}

TEST_CASE("remove() in a destructor at teardown left its tasklet behind") {
  static any_tasklet waiter;
  struct remover {
    ~remover() {
      if (waiter.alive()) waiter.remove();
    }
  };
  const auto waits = []() -> task<> {
    channel<int> never;
    co_await never.receive();
  };
  const auto program = [&]() -> task<> {
    spawn([&]() -> task<> {
      const remover on_exit;
      co_await waits();
    });
    waiter = spawn(waits);
    co_await yield();
    throw std::runtime_error("main");
  };
  CHECK_THROWS_WITH(run(program), "main");
  CHECK_FALSE(waiter.alive());
  waiter = {};
}

TEST_CASE("one that waits for ever in a shield at teardown is told of the deadlock") {
  bool told = false;
  const auto program = [&]() -> task<> {
    spawn([&]() -> task<> {
      co_await stackless::shield([&]() -> task<> {
        channel<int> never;
        try {
          co_await never.receive();
        } catch (const stackless::deadlock_error&) {
          told = true;
        }
      });
    });
    co_await yield();
    throw std::runtime_error("main");
  };
  CHECK_THROWS_WITH(run(program), "main");
  CHECK(told);
}

TEST_CASE("a nursery in a shield at teardown: its child that waits for ever is told") {
  bool told = false;
  const auto waits_for_ever = [&]() -> task<> {
    channel<int> never;
    try {
      co_await never.receive();
    } catch (const stackless::deadlock_error&) {
      told = true;
    }
  };
  const auto in_shield = [&]() -> task<> {
    co_await stackless::with_nursery([&](stackless::nursery& n) -> task<> {
      n.spawn(waits_for_ever);
      co_await yield();  // the child waits first, its nursery last
    });
  };
  const auto program = [&]() -> task<> {
    spawn([&]() -> task<> { co_await stackless::shield(in_shield); });
    co_await yield();
    throw std::runtime_error("main");
  };
  stackless::scheduler_options options;
  options.shutdown_grace = 60s;
  CHECK_THROWS_WITH(run(options, program), "main");
  CHECK(told);
}

STACKLESS_TEST("others ran under a switch trap while its owner slept") {
  bool other_ran = false;
  auto other = spawn([&]() -> task<> {
    co_await sleep_for(1s);
    other_ran = true;
  });
  co_await yield();
  bool refused = false;
  {
    const stackless::switch_trap guard;
    try {
      co_await sleep_for(5s);
    } catch (const stackless::switch_trap_error&) {
      refused = true;
    }
  }
  CHECK(refused);
  CHECK_FALSE(other_ran);
  co_await other.join();
}

STACKLESS_TEST("an error handler that was stopped by tasklet_exit passed that on") {
  stackless::set_error_handler([](const any_tasklet& t, const std::exception_ptr&) {
    t.kill_pending();  // oneself: raises tasklet_exit
  });
  spawn(raises, std::string("E"));
  const auto seen = co_await errors_seen();
  CHECK(seen == std::vector<std::string>{"E"});
}

TEST_CASE("run_ready told a host to wait for a daemon") {
  scheduler host;
  host.spawn([]() -> task<> {
    stackless::spawn_daemon([]() -> task<> { co_await suspend(); });
    co_return;
  });
  CHECK(host.run_ready() == run_result::all_ended);
  host.shutdown();
}

namespace {

class meddler final : public stackless::observer {
 public:
  void on_switch(const any_tasklet&, const any_tasklet& next) override {
    const auto refused = [&](auto&& act) {
      try {
        act();
      } catch (const std::logic_error&) {
        ++refusals;
      }
    };
    channel<int> own;
    refused([&] { next.raise_pending(std::make_exception_ptr(1)); });
    refused([&] { spawn(raises, std::string("E")); });
    refused([&] { own.close(); });
    refused([&] { own.begin_closing(); });
    refused([&] { own.set_schedule_all(true); });
    refused([&] { own.set_preference(stackless::channel_preference::sender); });
    refused([&] { next.set_block_trap(true); });
    ++calls;
  }
  int refusals = 0;
  int calls = 0;
};

}  // namespace

TEST_CASE("an observer could spawn, raise and close") {
  meddler watcher;
  run([&]() -> task<> {
    stackless::set_observer(&watcher);
    spawn([]() -> task<> { co_return; });
    co_await yield();
    stackless::set_observer(nullptr);
  });
  CHECK(watcher.calls > 0);
  CHECK(watcher.refusals == 7 * watcher.calls);
}

TEST_CASE("a result that was given twice leaked the first") {
  struct bomb {
    ~bomb() noexcept(false) { throw 1; }
  };
  const auto twice = []() -> task<std::string> {
    try {
      const bomb b;
      co_return std::string(100, 'a');
    } catch (int) {
    }
    co_return std::string(100, 'b');
  };
  run([&]() -> task<> {
    const std::string result = co_await twice();
    CHECK(result == std::string(100, 'b'));
  });
}

STACKLESS_TEST("drain did not count who waits to send an error") {
  channel<int> c;
  auto sender = spawn([&]() -> task<> { co_await c.send_exception(std::make_exception_ptr(1)); });
  const auto rest = co_await drain();
  CHECK(rest.waiting == 1);
  CHECK(rest.sending == 1);
  co_await sender.kill();
}

TEST_CASE(
    "a send to a tasklet of another scheduler made its sender step aside, and tripped the trap"
) {
  std::vector<std::string> log;
  channel<int> link;
  scheduler there;
  there.spawn([&]() -> task<> {
    (void)co_await link.receive();
    (void)co_await link.receive();
    log.emplace_back("received");
  });
  (void)there.run_ready();
  scheduler here;
  here.spawn([&]() -> task<> {
    co_await link.send(1);
    log.emplace_back("sent");
  });
  here.spawn([&]() -> task<> {
    log.emplace_back("other");
    co_return;
  });
  (void)here.run_ready();
  CHECK(log == std::vector<std::string>{"sent", "other"});
  (void)there.run_ready();
  here.spawn([&]() -> task<> {
    const stackless::switch_trap guard;
    co_await link.send(2);
  });
  CHECK(here.run_ready() == run_result::all_ended);
  CHECK(there.run_ready() == run_result::all_ended);
  CHECK(log.back() == "received");
}

TEST_CASE("shutdown inside another scheduler was refused, but had begun") {
  scheduler other;
  other.spawn([]() -> task<> { co_await suspend(); });
  (void)other.run_ready();
  scheduler host;
  host.spawn([&]() -> task<> {
    CHECK_THROWS_AS(other.shutdown(), std::logic_error);
    co_return;
  });
  CHECK(host.run_ready() == run_result::all_ended);
  CHECK_NOTHROW(other.spawn([]() -> task<> { co_return; }));
  other.shutdown();
}

TEST_CASE("a sleep of no time let the others run many times, and a poll interval of 0 never polled"
) {
  int turns = 0;
  bool stop = false;
  stackless::scheduler_options options;
  options.resumes_between_polls = 0;
  run(options, [&]() -> task<> {
    spawn([&]() -> task<> {
      while (!stop) {
        ++turns;
        co_await yield();
      }
    });
    co_await sleep_for(0ns);
    CHECK(turns == 1);
    co_await sleep_for(1ms);
    stop = true;
  });
}
