// barrier, once and lock_all: who comes first is first, and what is left by one who does not stay.

#include "waiting.hpp"

#include <optional>
#include <stdexcept>

using namespace waiting_test;

STACKLESS_TEST("barrier: who waited goes on in the order in which they came, before the last") {
  barrier b(4);
  log_type log;
  const auto arrives = [&](std::string name) -> task<> {
    const bool last = co_await b.arrive_and_wait();
    log.push_back(last ? name + ", the last" : name);
    co_await yield();
  };
  for (int round = 0; round < 2; ++round) {
    log.clear();
    std::vector<tasklet<>> all;
    for (const char* name : {"a", "b", "c", "d"}) all.push_back(spawn(arrives, std::string(name)));
    for (const auto& t : all) co_await t.join();
    CHECK(log == log_type{"d, the last", "a", "b", "c"});
  }
}

STACKLESS_TEST("barrier: cancelled while it waits, and released and cancelled in the same turn") {
  barrier b(2);
  cancel_scope* scope = nullptr;
  bool arrived = false;
  const auto arrives = [&]() -> task<> {
    co_await with_cancel_scope([&](cancel_scope& s) -> task<> {
      scope = &s;
      arrived = false;
      (void)co_await b.arrive_and_wait();
      arrived = true;
    });
  };
  auto cut = spawn(arrives);
  co_await wait_all_blocked();
  scope->cancel();
  co_await cut.join();
  CHECK_FALSE(arrived);
  auto both = spawn(arrives);
  co_await wait_all_blocked();
  CHECK(co_await b.arrive_and_wait());  // the one that was cancelled counts no more
  scope->cancel();
  co_await both.join();
  CHECK(arrived);
}

STACKLESS_TEST("barrier: of one party, and from a tasklet killed after its release") {
  barrier alone(1);
  CHECK(co_await alone.arrive_and_wait());
  CHECK(co_await alone.arrive_and_wait());
  barrier b(2);
  auto killed = spawn([&]() -> task<> { (void)co_await b.arrive_and_wait(); });
  co_await wait_all_blocked();
  CHECK(co_await b.arrive_and_wait());
  co_await killed.kill();  // it had arrived: the round is over for all
  CHECK_FALSE(co_await move_on_after(1s, [&]() -> task<> { (void)co_await b.arrive_and_wait(); }));
}

STACKLESS_TEST("once: from within itself it is told at once, and the next call can do it") {
  once setup("setup");
  std::string text;
  int runs = 0;
  const auto tries = [&]() -> task<> {
    ++runs;
    if (runs == 1) co_await setup.run([]() -> task<> { co_return; });
  };
  try {
    co_await setup.run(tries);
  } catch (const deadlock_error& error) {
    CHECK(error.report().why == verdict::self_wait);
    text = error.what();
  }
  CHECK_THAT(text, contains_text("once 'setup', which it runs itself"));
  CHECK_THAT(text, contains_text("nobody: it runs it itself"));
  CHECK_FALSE(setup.done());
  co_await setup.run(tries);
  CHECK(runs == 2);
  CHECK(setup.done());
  bool ran = false;
  co_await setup.run([&]() -> task<> {
    ran = true;
    co_return;
  });
  CHECK_FALSE(ran);
}

STACKLESS_TEST("once: an error is its own caller's, and those who waited try in their order") {
  once setup;
  event go;
  log_type log;
  const auto needs = [&](std::string name, bool fails) -> task<> {
    try {
      co_await setup.run([&]() -> task<> {
        log.push_back(name);
        co_await go.wait();
        if (fails) throw std::runtime_error(name);
      });
      log.push_back(name + " has it");
    } catch (const std::runtime_error& error) {
      log.push_back(std::string(error.what()) + " failed");
    }
  };
  std::vector<tasklet<>> all;
  all.push_back(spawn(needs, std::string("a"), true));
  all.push_back(spawn(needs, std::string("b"), true));
  all.push_back(spawn(needs, std::string("c"), false));
  all.push_back(spawn(needs, std::string("d"), false));
  co_await wait_all_blocked();
  go.set();
  for (const auto& t : all) co_await t.join();
  CHECK(log == log_type{"a", "a failed", "b", "b failed", "c", "c has it", "d has it"});
}

STACKLESS_TEST("once: cancelled while another runs it") {
  once setup;
  event go;
  cancel_scope* scope = nullptr;
  int runs = 0;
  const auto does = [&]() -> task<> {
    co_await go.wait();
    ++runs;
  };
  auto runs_it = spawn([&]() -> task<> { co_await setup.run(does); });
  auto cut = spawn([&]() -> task<> {
    co_await with_cancel_scope([&](cancel_scope& s) -> task<> {
      scope = &s;
      co_await setup.run(does);
    });
  });
  co_await wait_all_blocked();
  scope->cancel();
  co_await cut.join();
  CHECK(runs == 0);
  go.set();
  co_await runs_it.join();
  CHECK(runs == 1);
}

TEST_CASE("once: a deadlock in it names it and who runs it") {
  std::string text;
  try {
    run([]() -> task<> {
      once setup("setup");
      event never("never");
      const auto needs = [&]() -> task<> {
        co_await setup.run([&]() -> task<> { co_await never.wait(); });
      };
      auto runs = spawn("r", needs);
      auto waits = spawn("w", needs);
      co_await runs.join();
      co_await waits.join();
    });
  } catch (const deadlock_error& error) {
    text = error.what();
  }
  CHECK_THAT(text, contains_text("event 'never'"));
  CHECK_THAT(text, contains_text("wait for once 'setup'  (run by #2 r"));
  CHECK(text.find("mutex") == std::string::npos);
}

TEST_CASE("once: two that need each other are a circle, raised at once, and no advice on mutexes") {
  std::string text;
  std::string json;
  scheduler_options options;
  options.clock = clock_choice::virtual_time;
  run(options, [&]() -> task<> {
    once a("a");
    once b("b");
    auto ticks = spawn_daemon("runs on", []() -> task<> {
      for (;;) co_await sleep_for(1s);
    });
    auto one = spawn("one", [&]() -> task<> {
      co_await a.run([&]() -> task<> {
        co_await yield();
        co_await b.run([]() -> task<> { co_return; });
      });
    });
    auto two = spawn("two", [&]() -> task<> {
      co_await b.run([&]() -> task<> {
        co_await yield();
        co_await a.run([]() -> task<> { co_return; });
      });
    });
    try {
      co_await two.join();
    } catch (const deadlock_error& error) {
      CHECK(error.report().why == verdict::lock_cycle);
      text = error.what();
      json = to_json(error.report());
    }
    co_await one.join();
    CHECK(a.done());
    CHECK(b.done());
  });
  CHECK_THAT(text, contains_text("waits for once 'b', run by "));
  CHECK_THAT(text, contains_text("freed by: the end of its run by #"));
  CHECK_THAT(text, contains_text("holds: once 'b'"));
  CHECK(text.find("mutex") == std::string::npos);
  CHECK(text.find("lock_all") == std::string::npos);
#if STACKLESS_TRACKING
  CHECK_THAT(text, contains_text("holds: once 'b' since turns_test.cpp:"));
#endif
  CHECK_THAT(json, contains_text("\"kind\":\"once\""));
}

STACKLESS_TEST("lock_all: waiting") {
  mutex a;
  mutex b;
  std::optional<mutex_guard> held;
  bool which = false;
  co_await check_waiting(
      [&](log_type& log, std::string name) -> task<> {
        const auto guards = co_await lock_all(a, b);
        CHECK((guards[0].owns_lock() && guards[1].owns_lock()));
        log.push_back(name);
      },
      [&] { held.reset(); }, [&] { held = ((which = !which) ? a : b).try_lock(); }
  );
  held.reset();
  CHECK_FALSE(a.is_locked());
  CHECK_FALSE(b.is_locked());
}

STACKLESS_TEST("lock_all: one that raised holds none") {
  mutex locks[2];
  for (mutex& taken : locks) {
    const auto held = taken.try_lock();
    CHECK_FALSE(co_await move_on_after(1s, [&]() -> task<> {
      const auto guards = co_await lock_all(locks[0], locks[1]);
    }));
    for (mutex& each : locks) CHECK(each.is_locked() == (&each == &taken));
  }
  // The same twice is waiting for oneself.
  bool told = false;
  try {
    const auto guards = co_await lock_all(locks[0], locks[0]);
  } catch (const deadlock_error& error) {
    told = error.report().why == verdict::self_wait;
  }
  CHECK(told);
  CHECK_FALSE(locks[0].is_locked());
  // A broken one among them.
  mutex_guard kept;
  auto owner = spawn([&]() -> task<> { kept = co_await locks[1].lock(); });
  co_await owner.join();
  bool refused = false;
  try {
    const auto guards = co_await lock_all(locks[0], locks[1]);
  } catch (const broken_mutex&) {
    refused = true;
  }
  CHECK(refused);
  CHECK_FALSE(locks[0].is_locked());
}
