#include <stackless/stackless.hpp>

#include "catch.hpp"

#include <chrono>
#include <exception>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

// The table of docs/deadlock.md: on quiescence the first rule that applies decides.

using namespace std::chrono_literals;
using stackless::channel;
using stackless::clock_choice;
using stackless::deadlock_error;
using stackless::drain;
using stackless::main_tasklet;
using stackless::run;
using stackless::scheduler_options;
using stackless::sleep_for;
using stackless::spawn;
using stackless::spawn_daemon;
using stackless::suspend;
using stackless::task;
using stackless::tasklet;
using stackless::tasklet_exit;
using stackless::wakes_nobody;
using stackless::yield;

namespace {

using log_type = std::vector<std::string>;

scheduler_options virtual_time() {
  scheduler_options options;
  options.clock = clock_choice::virtual_time;
  return options;
}

task<> waits(channel<int> c) {
  (void)co_await c.receive();
}

task<> ends() {
  co_return;
}

/// Receives, and says how that ended.
task<> tries(channel<int> c, log_type& log, const char* name) {
  try {
    (void)co_await c.receive();
    log.push_back(std::string(name) + " got");
  } catch (const deadlock_error&) {
    log.push_back(std::string(name) + " deadlock");
  } catch (const tasklet_exit&) {
    log.push_back(std::string(name) + " exit");
    throw;
  }
}

}  // namespace

TEST_CASE("row 1: the innermost drain returns and says how many wait, no error") {
  log_type log;
  channel<int> c;
  const auto main = [&]() -> task<> {
    const auto inner = [&]() -> task<> {
      spawn(waits, c);
      const auto rest = co_await drain();
      log.push_back("inner " + std::to_string(rest.waiting));
    };
    spawn(waits, c);
    spawn(inner);
    const auto rest = co_await drain();
    log.push_back("main " + std::to_string(rest.waiting));
    c.close();
    co_await drain();
  };
  CHECK_THROWS_AS(run(main), stackless::channel_closed);  // of the receivers
  CHECK(log == log_type{"inner 2", "main 2"});
}

TEST_CASE("row 2: main that left by suspend or switch_to is revived silently") {
  log_type log;
  channel<int> c;
  const auto main = [&]() -> task<> {
    const auto t = spawn(waits, c);
    co_await suspend();
    log.emplace_back("suspend");
    co_await suspend();
    log.emplace_back("again");
    const auto u = spawn(waits, c);
    co_await u.switch_to();
    log.emplace_back("switch_to");
    CHECK(t.blocked());
    CHECK(u.blocked());
    co_await c.send(1);
    co_await c.send(2);
  };
  run(main);
  CHECK(log == log_type{"suspend", "again", "switch_to"});
}

TEST_CASE("row 2: main that was removed by a tasklet is revived silently") {
  bool revived = false;
  channel<int> c;
  const auto removes = [&]() -> task<> {
    main_tasklet().remove();
    (void)co_await c.receive();
  };
  const auto main = [&]() -> task<> {
    spawn(removes);
    co_await yield();
    revived = true;
    co_await c.send(1);
  };
  run(main);
  CHECK(revived);
}

TEST_CASE("row 3: the tasklet whose block emptied the ring gets the error, and may go on") {
  log_type log;
  channel<int> c;
  channel<int> d;
  channel<int> m;
  const auto last = [&]() -> task<> {
    co_await tries(d, log, "last");
    CHECK(d.balance() == 0);  // undone before it was told
    co_await c.send(1);
    co_await m.send(1);
  };
  const auto main = [&]() -> task<> {
    spawn(tries, c, stackless::borrow(log), "first");
    spawn(last);
    (void)co_await m.receive();
    log.emplace_back("main got");
  };
  run(main);
  CHECK(log == log_type{"last deadlock", "first got", "main got"});
}

TEST_CASE("row 3: main may be the one whose block did it, and goes on") {
  log_type log;
  channel<int> c;
  const auto main = [&]() -> task<> {
    co_await tries(c, log, "main");
    const auto t = spawn(tries, c, stackless::borrow(log), "T");
    co_await c.send(1);
    co_await t.join();
  };
  run(main);
  CHECK(log == log_type{"main deadlock", "T got"});
}

TEST_CASE("row 3: sends, joins and suspends deadlock as receives do") {
  int told = 0;
  channel<int> c;
  const auto main = [&]() -> task<> {
    try {
      co_await c.send(1);
    } catch (const deadlock_error&) {
      ++told;
      CHECK(c.balance() == 0);
    }
    const auto never = spawn(ends);
    never.remove();
    try {
      co_await never.join();
    } catch (const deadlock_error&) {
      ++told;
    }
    never.insert();
    co_await never.join();
  };
  run(main);
  CHECK(told == 2);
}

TEST_CASE("row 3 holds when main has returned") {
  log_type log;
  channel<int> c;
  const auto main = [&]() -> task<> {
    spawn(tries, c, stackless::borrow(log), "T");
    co_return;
  };
  run(main);
  CHECK(log == log_type{"T deadlock"});
}

TEST_CASE("row 3: who does not catch dies of it, main gets the same error") {
  channel<int> c;
  channel<int> m;
  bool told = false;
  const auto main = [&]() -> task<> {
    const auto t = spawn(waits, c);
    try {
      (void)co_await m.receive();
    } catch (const deadlock_error& e) {
      told = true;
      CHECK(e.report().raised_in == t.id());
    }
    CHECK_FALSE(t.alive());
  };
  run(main);
  CHECK(told);
}

TEST_CASE("row 4: a tasklet's end made it quiescent: main gets the error") {
  log_type log;
  channel<int> c;
  channel<int> d;
  const auto main = [&]() -> task<> {
    const auto other = spawn(waits, d);
    co_await yield();
    spawn(ends);
    co_await tries(c, log, "main");
    CHECK(other.blocked());
    co_await d.send(1);
  };
  run(main);
  CHECK(log == log_type{"main deadlock"});
}

TEST_CASE("row 4: the kill of the last runnable tasklet made it quiescent") {
  log_type log;
  channel<int> c;
  const auto yields = []() -> task<> {
    for (;;) co_await yield();
  };
  const auto main = [&]() -> task<> {
    const auto t = spawn(yields);
    co_await yield();
    t.kill_pending();
    co_await tries(c, log, "main");
  };
  run(main);
  CHECK(log == log_type{"main deadlock"});
}

TEST_CASE("row 5: main has returned: the rest are killed, then run throws") {
  log_type log;
  channel<int> c;
  const auto held = std::make_shared<int>(0);
  const auto waiter = [&](std::shared_ptr<int>) -> task<> { co_await tries(c, log, "T"); };
  const auto main = [&]() -> task<> {
    spawn(waiter, held);
    spawn(waiter, held);
    co_await drain();
  };
  CHECK_THROWS_AS(run(main), deadlock_error);
  CHECK(log == log_type{"T exit", "T exit"});
  CHECK(held.use_count() == 1);
}

TEST_CASE("row 5: a paused tasklet that nobody will insert is a deadlock too") {
  bool ran = false;
  const auto body = [&]() -> task<> {
    ran = true;
    co_return;
  };
  const auto main = [&]() -> task<> {
    const auto t = spawn(body);
    t.remove();
    co_return;
  };
  CHECK_THROWS_AS(run(main), deadlock_error);
  CHECK_FALSE(ran);
}

TEST_CASE("no deadlock while a sleep is pending") {
  log_type log;
  channel<int> c;
  const auto main = [&]() -> task<> {
    const auto sends = [&]() -> task<> {
      co_await sleep_for(1h);
      co_await c.send(1);
    };
    spawn(sends);
    co_await tries(c, log, "main");
    const auto sleeps = []() -> task<> { co_await sleep_for(1h); };
    spawn(sleeps);
    co_await tries(c, log, "main");  // only once the sleeper has ended
    CHECK(stackless::now() == stackless::time_point{} + 2h);
  };
  run(virtual_time(), main);
  CHECK(log == log_type{"main got", "main deadlock"});
}

TEST_CASE("the timer that is removed may make it quiescent") {
  log_type log;
  channel<int> c;
  const auto main = [&]() -> task<> {
    const auto sleeps = []() -> task<> { co_await sleep_for(1h); };
    const auto t = spawn(sleeps);
    co_await yield();
    t.kill_pending();
    co_await tries(c, log, "main");
    CHECK(stackless::now() == stackless::time_point{});
  };
  run(virtual_time(), main);
  CHECK(log == log_type{"main deadlock"});
}

// Escalation
// ---------------------------------------------------------------------------------------

TEST_CASE("the same wait deadlocks again: first main is told, then run ends") {
  channel<int> c;
  channel<int> m;
  int in_tasklet = 0;
  int in_main = 0;
  const auto stubborn = [&]() -> task<> {
    for (;;) {
      try {
        (void)co_await c.receive();
      } catch (const deadlock_error&) {
        ++in_tasklet;
      }
    }
  };
  const auto main = [&]() -> task<> {
    spawn(stubborn);
    for (;;) {
      try {
        (void)co_await m.receive();
      } catch (const deadlock_error&) {
        ++in_main;
      }
    }
  };
  CHECK_THROWS_AS(run(main), deadlock_error);
  CHECK(in_tasklet == 1);
  CHECK(in_main == 1);
}

TEST_CASE("main itself goes on blocking in the same wait: run ends") {
  channel<int> c;
  int told = 0;
  const auto main = [&]() -> task<> {
    for (;;) {
      try {
        (void)co_await c.receive();
      } catch (const deadlock_error&) {
        ++told;
      }
    }
  };
  CHECK_THROWS_AS(run(main), deadlock_error);
  CHECK(told == 1);
}

TEST_CASE("the same wait after somebody else has run is a new deadlock") {
  channel<int> c;
  int told = 0;
  const auto main = [&]() -> task<> {
    for (int i = 0; i < 5; ++i) {
      try {
        (void)co_await c.receive();
      } catch (const deadlock_error&) {
        ++told;
      }
      spawn(ends);
      co_await yield();
    }
  };
  run(main);
  CHECK(told == 5);
}

TEST_CASE("the same await for another object is a new deadlock") {
  std::vector<channel<int>> channels;
  for (int i = 0; i < 5; ++i) channels.emplace_back();
  int told = 0;
  const auto main = [&]() -> task<> {
    for (auto& c : channels) {
      try {
        (void)co_await c.receive();
      } catch (const deadlock_error&) {
        ++told;
      }
    }
  };
  run(main);
  CHECK(told == 5);
}

// Daemons
// ------------------------------------------------------------------------------------------

TEST_CASE("a daemon's timer is a source: it may yet wake somebody") {
  log_type log;
  channel<int> c;
  const auto daemon = [&]() -> task<> {
    co_await sleep_for(1h);
    co_await c.send(1);
  };
  const auto main = [&]() -> task<> {
    spawn_daemon(daemon);
    co_await tries(c, log, "main");
  };
  run(virtual_time(), main);
  CHECK(log == log_type{"main got"});
}

TEST_CASE("a daemon that wakes nobody hides no deadlock, and is not told of one") {
  const bool named = GENERATE(false, true);
  log_type log;
  channel<int> c;
  int daemon_errors = 0;
  const auto daemon = [&]() -> task<> {
    for (;;) {
      try {
        co_await sleep_for(1h);
      } catch (const deadlock_error&) {
        ++daemon_errors;
        throw;
      }
    }
  };
  const auto main = [&]() -> task<> {
    const auto d = named ? spawn_daemon(wakes_nobody, "heartbeat", daemon)
                         : spawn_daemon(wakes_nobody, daemon);
    co_await tries(c, log, "main");
    CHECK(d.alive());
  };
  run(virtual_time(), main);
  CHECK(log == log_type{"main deadlock"});
  CHECK(daemon_errors == 0);
}

TEST_CASE("a daemon that wakes nobody does not keep drain") {
  const auto daemon = []() -> task<> {
    for (;;) co_await sleep_for(1h);
  };
  const auto main = [&]() -> task<> {
    spawn_daemon(wakes_nobody, daemon);
    co_await drain();
    CHECK(stackless::now() == stackless::time_point{});
  };
  run(virtual_time(), main);
}

TEST_CASE("a daemon that wakes nobody still gets its time while others keep the program alive") {
  int beats = 0;
  const auto daemon = [&]() -> task<> {
    for (;;) {
      co_await sleep_for(1s);
      ++beats;
    }
  };
  run(virtual_time(), [&]() -> task<> {
    spawn_daemon(wakes_nobody, daemon);
    co_await sleep_for(10500ms);
  });
  CHECK(beats == 10);
}

TEST_CASE("a nursery's child that waits again is told once more in place of main, then run ends") {
  int told = 0;
  std::vector<std::exception_ptr> errors;
  const auto program = [&]() -> task<> {
    channel<int> never;
    co_await stackless::with_nursery([&](stackless::nursery& n) -> task<> {
      n.spawn([&]() -> task<> {
        for (;;) {
          try {
            (void)co_await never.receive();
          } catch (const deadlock_error&) {
            errors.push_back(std::current_exception());
            if (++told == 10) throw std::logic_error("it spins");
          }
        }
      });
      co_return;
    });
  };
  CHECK_THROWS_AS(run(program), deadlock_error);
  REQUIRE(told == 2);
  CHECK(errors[0] == errors[1]);  // nothing has changed: the report is not made again
}

TEST_CASE("deadlock after deadlock is no loop while others run in between") {
  int told = 0;
  run([&]() -> task<> {
    for (int i = 0; i < 250; ++i) {
      spawn(ends);
      co_await yield();
      channel<int> never;
      try {
        (void)co_await never.receive();
      } catch (const deadlock_error&) {
        ++told;
      }
    }
  });
  CHECK(told == 250);
}
