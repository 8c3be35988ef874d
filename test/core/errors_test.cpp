#include <stackless/stackless.hpp>

#include "catch.hpp"
#include "process.hpp"

#include <chrono>
#include <csignal>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

using namespace std::chrono_literals;
using stackless::channel;
using stackless::drain;
using stackless::main_tasklet;
using stackless::run;
using stackless::scheduler;
using stackless::scheduler_options;
using stackless::spawn;
using stackless::spawn_daemon;
using stackless::suppressed;
using stackless::suspend;
using stackless::task;
using stackless::tasklet;
using stackless::tasklet_exit;
using stackless::yield;

namespace {

using log_type = std::vector<std::string>;

std::exception_ptr error(const char* text) {
  return std::make_exception_ptr(std::runtime_error(text));
}

std::string text_of(const std::exception_ptr& e) {
  try {
    std::rethrow_exception(e);
  } catch (const std::exception& known) {
    return known.what();
  } catch (const tasklet_exit&) {
    return "exit";
  }
}

log_type texts_of(const std::vector<std::exception_ptr>& errors) {
  log_type texts;
  for (const auto& e : errors) texts.push_back(text_of(e));
  return texts;
}

task<> fails(const char* text) {
  throw std::runtime_error(text);
  co_return;
}

task<> waits(channel<int> c) {
  (void)co_await c.receive();
}

task<> yields_once() {
  co_await yield();
}

/// Swallows every exit, for ever.
task<> swallows() {
  for (;;) {
    try {
      co_await yield();
    } catch (const tasklet_exit&) {
    }
  }
}

scheduler_options short_grace() {
  scheduler_options options;
  options.shutdown_grace = 100ms;
  return options;
}

}  // namespace

// Who gets an uncaught error
// -----------------------------------------------------------------------

TEST_CASE("an uncaught error goes to those who join, and to nobody else") {
  log_type log;
  const auto main = [&]() -> task<> {
    const auto t = spawn(fails, "e");
    const auto joins = [&]() -> task<> {
      try {
        co_await t.join();
      } catch (const std::runtime_error& e) {
        log.push_back(std::string("join ") + e.what());
      }
    };
    t.remove();
    spawn(joins);
    co_await yield();
    t.insert();
    co_await drain();
    log.emplace_back("drain ok");
  };
  run(main);
  CHECK(log == log_type{"join e", "drain ok"});
}

TEST_CASE("the innermost drain gets it, not main") {
  log_type log;
  const auto main = [&]() -> task<> {
    const auto inner = [&]() -> task<> {
      spawn(fails, "e");
      try {
        co_await drain();
      } catch (const std::runtime_error& e) {
        log.push_back(std::string("inner ") + e.what());
      }
    };
    spawn(inner);
    co_await drain();
    log.emplace_back("main ok");
  };
  run(main);
  CHECK(log == log_type{"inner e", "main ok"});
}

TEST_CASE("a later join rethrows a copy of an error that main has got") {
  log_type log;
  const auto main = [&]() -> task<> {
    const auto t = spawn(fails, "e");
    for (int i = 0; i < 2; ++i) {
      try {
        if (i == 0)
          co_await drain();
        else
          co_await t.join();
      } catch (const std::runtime_error& e) {
        log.emplace_back(e.what());
      }
    }
  };
  run(main);
  CHECK(log == log_type{"e", "e"});
}

TEST_CASE("main whose send has happened gets an error at its next await") {
  log_type log;
  channel<int> c;
  const auto main = [&]() -> task<> {
    const auto receives_then_fails = [&]() -> task<> {
      (void)co_await c.receive();
      throw std::runtime_error("e");
    };
    spawn(receives_then_fails);
    co_await drain();
    co_await c.send(1);  // the receiver runs at once, and fails
    log.emplace_back("sent");
    try {
      co_await yield();
    } catch (const std::runtime_error& e) {
      log.emplace_back(e.what());
    }
    co_await yield();
    log.emplace_back("end");
  };
  run(main);
  CHECK(log == log_type{"sent", "e", "end"});
}

TEST_CASE("main that was woken with a value gets the value, and an error at its next await") {
  log_type log;
  channel<int> c;
  const auto main = [&]() -> task<> {
    const auto sends = [&]() -> task<> {
      (void)c.try_send(7);
      throw std::runtime_error("e");
      co_return;
    };
    spawn(sends);
    const int v = co_await c.receive();
    log.push_back(std::to_string(v));
    try {
      co_await c.send(1);  // any await that may wait, before it does
    } catch (const std::runtime_error& e) {
      log.emplace_back(e.what());
    }
    CHECK(c.balance() == 0);
  };
  run(main);
  CHECK(log == log_type{"7", "e"});
}

TEST_CASE("main that is joining gets the result first") {
  log_type log;
  const auto gives = []() -> task<int> { co_return 5; };
  const auto main = [&]() -> task<> {
    const auto t = spawn(gives);
    spawn(fails, "e");
    const int v = co_await t.join();
    log.push_back(std::to_string(v));
    try {
      co_await yield();
    } catch (const std::runtime_error& e) {
      log.emplace_back(e.what());
    }
  };
  run(main);
  CHECK(log == log_type{"5", "e"});
}

TEST_CASE("an error for main that ends before its next await leaves run") {
  channel<int> c;
  const auto main = [&]() -> task<> {
    const auto receives_then_fails = [&]() -> task<> {
      (void)co_await c.receive();
      throw std::runtime_error("e");
    };
    spawn(receives_then_fails);
    co_await drain();
    co_await c.send(1);
  };
  CHECK_THROWS_WITH(run(main), "e");
}

TEST_CASE("an error when main has returned: the rest are killed, then run throws it") {
  log_type log;
  channel<int> c;
  const auto victim = [&]() -> task<> {
    try {
      (void)co_await c.receive();
    } catch (const tasklet_exit&) {
      log.emplace_back("victim exit");
      throw;
    }
  };
  const auto main = [&]() -> task<> {
    spawn(victim);
    spawn(fails, "late");
    co_return;
  };
  CHECK_THROWS_WITH(run(main), "late");
  CHECK(log == log_type{"victim exit"});
}

TEST_CASE("an error that leaves main ends all others") {
  log_type log;
  channel<int> c;
  const auto held = std::make_shared<int>(0);
  const auto victim = [&](std::shared_ptr<int>) -> task<> {
    try {
      (void)co_await c.receive();
    } catch (const tasklet_exit&) {
      log.emplace_back("exit");
      throw;
    }
  };
  const auto main = [&]() -> task<> {
    spawn(victim, held);
    spawn(victim, held);
    co_await drain();
    const auto never_ran = spawn(victim, held);
    throw std::runtime_error("main");
  };
  CHECK_THROWS_WITH(run(main), "main");
  CHECK(log == log_type{"exit", "exit"});
  CHECK(held.use_count() == 1);
}

TEST_CASE("tasklet_exit that leaves main leaves run") {
  const auto main = []() -> task<> { co_await stackless::this_tasklet::handle().kill(); };
  CHECK_THROWS_AS(run(main), tasklet_exit);
}

TEST_CASE("an error raised at a tasklet that ends before its next await is not dropped") {
  log_type log;
  tasklet<> t;
  channel<int> c;
  const auto body = [&]() -> task<> { (void)co_await c.receive(); };
  const auto main = [&]() -> task<> {
    t = spawn(body);
    co_await drain();
    (void)c.try_send(1);
    t.raise_pending(error("late"));
    try {
      co_await drain();
    } catch (const std::runtime_error& e) {
      log.emplace_back(e.what());
    }
  };
  run(main);
  CHECK(log == log_type{"late"});
}

// Suppressed errors
// --------------------------------------------------------------------------------

TEST_CASE("later errors before main has its turn are suppressed by the first, in their order") {
  log_type log;
  std::exception_ptr first;
  const auto main = [&]() -> task<> {
    const auto raises_twice = []() -> task<> {
      spawn(fails, "3");
      main_tasklet().remove();
      main_tasklet().raise_pending(error("1"));
      main_tasklet().raise_pending(error("2"));
      main_tasklet().remove();
      main_tasklet().insert();  // behind the one that fails
      co_return;
    };
    spawn(raises_twice);
    try {
      co_await yield();
    } catch (const std::runtime_error& e) {
      log.emplace_back(e.what());
      first = std::current_exception();
    }
    co_await drain();
    log.emplace_back("ok");
  };
  run(main);
  CHECK(log == log_type{"1", "ok"});
  CHECK(texts_of(suppressed(first)) == log_type{"2", "3"});
}

TEST_CASE("errors during teardown are suppressed by its reason, in their order") {
  channel<int> c;
  const auto stubborn = [&](const char* text) -> task<> {
    try {
      (void)co_await c.receive();
    } catch (const tasklet_exit&) {
      throw std::runtime_error(text);
    }
  };
  const auto main = [&]() -> task<> {
    spawn(stubborn, "b");
    spawn(stubborn, "c");
    co_await drain();
    throw std::runtime_error("a");
  };
  std::exception_ptr got;
  try {
    run(main);
  } catch (...) {
    got = std::current_exception();
  }
  REQUIRE(got);
  CHECK(text_of(got) == "a");
  CHECK(texts_of(suppressed(got)) == log_type{"b", "c"});
}

TEST_CASE("an error without others has no suppressed ones, nor has a null") {
  CHECK(suppressed(error("x")).empty());
  CHECK(suppressed(nullptr).empty());
}

TEST_CASE("describe names an error") {
  CHECK(stackless::describe(nullptr) == "no exception");
  CHECK_THAT(stackless::describe(error("boom")), contains_text("runtime_error"));
  CHECK_THAT(stackless::describe(error("boom")), contains_text("boom"));
  CHECK_THAT(
      stackless::describe(std::make_exception_ptr(tasklet_exit{})), contains_text("tasklet_exit")
  );
  CHECK_THAT(stackless::describe(std::make_exception_ptr(5)), contains_text("int"));
}

// Daemons
// ------------------------------------------------------------------------------------------

TEST_CASE("daemons are killed when only daemons remain") {
  log_type log;
  channel<int> c;
  const auto daemon = [&](const char* name) -> task<> {
    try {
      (void)co_await c.receive();
    } catch (const tasklet_exit&) {
      log.emplace_back(name);
      throw;
    }
  };
  const auto main = [&]() -> task<> {
    spawn_daemon(daemon, "a");
    spawn_daemon("named", daemon, "b");
    const auto works = []() -> task<> {
      for (int i = 0; i < 5; ++i) co_await yield();
    };
    spawn(works);
    co_return;
  };
  run(main);
  CHECK(log == log_type{"a", "b"});
}

TEST_CASE("a daemon in the ring, or asleep, or paused, or never run, is killed as well") {
  int exits = 0;
  struct counts_exit {
    int& count;
    explicit counts_exit(int& n) : count(n) {}
    counts_exit(const counts_exit&) = delete;
    counts_exit& operator=(const counts_exit&) = delete;
    ~counts_exit() { ++count; }
  };
  const auto spins = [&]() -> task<> {
    const counts_exit leaving(exits);
    for (;;) co_await yield();
  };
  const auto sleeps = [&]() -> task<> {
    const counts_exit leaving(exits);
    co_await stackless::sleep_for(1h);
  };
  const auto pauses = [&]() -> task<> {
    const counts_exit leaving(exits);
    co_await suspend();
  };
  const auto main = [&]() -> task<> {
    spawn_daemon(spins);
    spawn_daemon(sleeps);
    spawn_daemon(pauses);
    co_await yield();
    spawn_daemon(spins);
  };
  run(main);
  CHECK(exits == 3);  // the last one never entered its function
}

TEST_CASE("a daemon may end by itself, or by an error that goes to main") {
  log_type log;
  const auto main = [&]() -> task<> {
    const auto quiet = spawn_daemon(yields_once);
    co_await quiet.join();
    spawn_daemon(fails, "daemon");
    try {
      co_await drain();
    } catch (const std::runtime_error& e) {
      log.emplace_back(e.what());
    }
  };
  run(main);
  CHECK(log == log_type{"daemon"});
}

TEST_CASE("only daemons in a host's scheduler: run ends them") {
  scheduler s;
  int exits = 0;
  const auto daemon = [&]() -> task<> {
    try {
      for (;;) co_await yield();
    } catch (const tasklet_exit&) {
      ++exits;
      throw;
    }
  };
  const auto body = [&]() -> task<> {
    spawn_daemon(daemon);
    co_await yield();
  };
  s.spawn(body);
  CHECK(s.run() == stackless::run_result::all_ended);
  CHECK(exits == 1);
  CHECK(s.alive() == 0);
}

// Teardown
// -----------------------------------------------------------------------------------------

TEST_CASE("teardown is level-triggered: each await of a tasklet raises tasklet_exit") {
  int exits = 0;
  channel<int> c;
  const auto stubborn = [&]() -> task<> {
    for (int i = 0; i < 5; ++i) {
      try {
        (void)co_await c.receive();
      } catch (const tasklet_exit&) {
        ++exits;
      }
    }
    try {
      co_await yield();
    } catch (const tasklet_exit&) {
      ++exits;
    }
    try {
      co_await suspend();
    } catch (const tasklet_exit&) {
      ++exits;
    }
    try {
      co_await stackless::sleep_for(1h);
    } catch (const tasklet_exit&) {
      ++exits;
    }
    try {
      co_await drain();
    } catch (const tasklet_exit&) {
      ++exits;
    }
  };
  const auto main = [&]() -> task<> {
    spawn(stubborn);
    co_await drain();
    throw std::runtime_error("main");
  };
  CHECK_THROWS_WITH(run(main), "main");
  CHECK(exits == 9);
}

TEST_CASE("a user's kill is one-shot, unlike teardown") {
  int exits = 0;
  bool done = false;
  channel<int> c;
  const auto stubborn = [&]() -> task<> {
    try {
      (void)co_await c.receive();
    } catch (const tasklet_exit&) {
      ++exits;
    }
    co_await yield();
    done = true;
  };
  run([&]() -> task<> {
    const auto t = spawn(stubborn);
    co_await drain();
    co_await t.kill();
    co_await drain();
  });
  CHECK(exits == 1);
  CHECK(done);
}

TEST_CASE("spawn during teardown throws tasklet_exit") {
  int refused = 0;
  bool ran = false;
  const auto child = [&]() -> task<> {
    ran = true;
    co_return;
  };
  channel<int> c;
  const auto dying = [&]() -> task<> {
    try {
      (void)co_await c.receive();
    } catch (const tasklet_exit&) {
      try {
        spawn(child);
      } catch (const tasklet_exit&) {
        ++refused;
      }
      throw;
    }
  };
  const auto main = [&]() -> task<> {
    spawn(dying);
    co_await drain();
    throw std::runtime_error("main");
  };
  CHECK_THROWS_WITH(run(main), "main");
  CHECK(refused == 1);
  CHECK_FALSE(ran);
}

TEST_CASE("a call during teardown runs: only awaits that may wait raise") {
  bool cleaned = false;
  channel<int> c;
  const auto cleanup = [&]() -> task<> {
    cleaned = true;
    co_return;
  };
  const auto dying = [&]() -> task<> {
    bool leaving = false;
    try {
      (void)co_await c.receive();
    } catch (const tasklet_exit&) {
      leaving = true;
    }
    if (leaving) co_await cleanup();
  };
  const auto main = [&]() -> task<> {
    spawn(dying);
    co_await drain();
    throw std::runtime_error("main");
  };
  CHECK_THROWS_WITH(run(main), "main");
  CHECK(cleaned);
}

TEST_CASE("a tasklet with a pending error that was taken out of the ring is ended too") {
  channel<int> c;
  log_type log;
  const auto body = [&]() -> task<> {
    try {
      (void)co_await c.receive();
    } catch (const std::runtime_error& e) {
      log.emplace_back(e.what());
    }
  };
  const auto main = [&]() -> task<> {
    const auto t = spawn(body);
    co_await drain();
    t.raise_pending(error("pending"));
    t.remove();
  };
  CHECK_THROWS_AS(run(short_grace(), main), stackless::deadlock_error);
  CHECK(log == log_type{"pending"});
}

TEST_CASE("a tasklet that swallows every exit ends the program after the grace period") {
  const auto end = process::end_of([] {
    const auto main = []() -> task<> {
      spawn("stubborn", swallows);
      co_await yield();
      throw std::runtime_error("main");
    };
    run(short_grace(), main);
  });
  CHECK(end.signal == SIGABRT);
  CHECK_THAT(end.text, contains_text("grace"));
}

TEST_CASE("a daemon that swallows every exit ends the program after the grace period") {
  const auto end = process::end_of([] {
    const auto main = []() -> task<> {
      spawn_daemon("stubborn", swallows);
      co_await yield();
    };
    run(short_grace(), main);
  });
  CHECK(end.signal == SIGABRT);
  CHECK_THAT(end.text, contains_text("grace"));
}

TEST_CASE("a host's shutdown has its own grace period") {
  const auto end = process::end_of([] {
    scheduler s;
    s.spawn(swallows);
    (void)s.spawn(waits, channel<int>());
    try {
      s.shutdown(50ms);
    } catch (...) {
    }
  });
  CHECK(end.signal == 0);  // it never ran, so it never swallows

  const auto stubborn = process::end_of([] {
    scheduler s;
    const auto starts = [](channel<int> c) -> task<> {
      for (;;) {
        try {
          (void)co_await c.receive();
        } catch (const tasklet_exit&) {
        }
      }
    };
    channel<int> c;
    s.spawn(starts, c);
    (void)s.run_ready();
    s.shutdown(50ms);
  });
  CHECK(stubborn.signal == SIGABRT);
  CHECK_THAT(stubborn.text, contains_text("grace"));
}

namespace {

stackless::task<> fail_in_its_second_turn() {
  co_await stackless::yield();
  throw std::runtime_error("nobody saw it");
}

stackless::task<> join_it(stackless::tasklet<> target) {
  co_await target.join();
}

}  // namespace

TEST_CASE("an error whose only joiner is killed before it runs goes to main") {
  bool seen = false;
  stackless::run([&]() -> stackless::task<> {
    const auto failing = stackless::spawn(fail_in_its_second_turn);
    const auto joiner = stackless::spawn(join_it, failing);
    co_await stackless::yield();  // failing yields, joiner waits in join
    try {
      co_await stackless::yield();  // failing ends, and its joiner is runnable behind main
      co_await joiner.kill();
      co_await stackless::yield();
    } catch (const std::runtime_error& error) {
      seen = std::string(error.what()) == "nobody saw it";
    }
  });
  CHECK(seen);
}
