// What sync_test.cpp asks of mutexes and the like, of all else that can be waited for: served in
// order, cancelled, killed, and in a race with a time limit.

#include "waiting.hpp"

#include <optional>
#include <stdexcept>

using namespace waiting_test;

namespace {

waiting_traits one_for_all() {
  waiting_traits traits;
  traits.one_grant_each = false;
  return traits;
}

}  // namespace

STACKLESS_TEST("event: waiting") {
  event e;
  co_await check_waiting(
      [&](log_type& log, std::string name) -> task<> {
        co_await e.wait();
        log.push_back(name);
      },
      [&] { e.set(); }, [&] { e.reset(); }, one_for_all()
  );
}

STACKLESS_TEST("latch: waiting") {
  std::optional<latch> l;
  co_await check_waiting(
      [&](log_type& log, std::string name) -> task<> {
        co_await l->wait();
        log.push_back(name);
      },
      [&] { l->count_down(); }, [&] { l.emplace(1); }, one_for_all()
  );
}

STACKLESS_TEST("shared_mutex: waiting to write") {
  shared_mutex m;
  std::optional<shared_mutex::guard> held;
  co_await check_waiting(
      [&](log_type& log, std::string name) -> task<> {
        const auto guard = co_await m.lock();
        log.push_back(name);
      },
      [&] { held.reset(); }, [&] { held = m.try_lock(); }
  );
}

STACKLESS_TEST("shared_mutex: waiting to read") {
  shared_mutex m;
  std::optional<shared_mutex::guard> held;
  co_await check_waiting(
      [&](log_type& log, std::string name) -> task<> {
        const auto guard = co_await m.lock_shared();
        log.push_back(name);
      },
      [&] { held.reset(); }, [&] { held = m.try_lock(); }, one_for_all()
  );
}

STACKLESS_TEST("channel: waiting to receive") {
  channel<int> c;
  waiting_traits traits;
  traits.passed_on = false;  // as in the ancestor: what a killed tasklet was given dies with it
  co_await check_waiting(
      [&](log_type& log, std::string name) -> task<> {
        (void)co_await c.receive();
        log.push_back(name);
      },
      [&] { (void)c.try_send(1); }, [] {}, traits
  );
  CHECK(c.balance() == 0);
}

STACKLESS_TEST("channel: waiting to send") {
  channel<int> c;
  waiting_traits traits;
  traits.passed_on = false;  // it was sent
  co_await check_waiting(
      [&](log_type& log, std::string name) -> task<> {
        co_await c.send(1);
        log.push_back(name);
      },
      [&] { (void)c.try_receive(); }, [] {}, traits
  );
  CHECK(c.balance() == 0);
}

STACKLESS_TEST("buffered channel: waiting for room") {
  channel<int> c(1);
  (void)c.try_send(0);
  waiting_traits traits;
  traits.passed_on = false;  // it was sent
  co_await check_waiting(
      [&](log_type& log, std::string name) -> task<> {
        co_await c.send(1);
        log.push_back(name);
      },
      [&] { (void)c.try_receive(); }, [] {}, traits
  );
  CHECK(c.balance() == 0);
}

STACKLESS_TEST("channel ends: waiting to receive and to send") {
  waiting_traits traits;
  traits.passed_on = false;
  auto [tx, rx] = make_channel<int>();
  auto& sends = tx;
  auto& receives = rx;
  co_await check_waiting(
      [&](log_type& log, std::string name) -> task<> {
        (void)co_await receives.receive();
        log.push_back(name);
      },
      [&] { (void)sends.try_send(1); }, [] {}, traits
  );
  co_await check_waiting(
      [&](log_type& log, std::string name) -> task<> {
        co_await sends.send(1);
        log.push_back(name);
      },
      [&] { (void)receives.try_receive(); }, [] {}, traits
  );
}

STACKLESS_TEST("watch: waiting") {
  const watch<int> level(0);
  co_await check_waiting(
      [&](log_type& log, std::string name) -> task<> {
        auto rx = level.subscribe();
        co_await rx.changed();
        log.push_back(name);
      },
      [&] { level.set(1); }, [] {}, one_for_all()
  );
  CHECK(level.receivers() == 0);
}

STACKLESS_TEST("broadcast: waiting") {
  const broadcast<int> news(4);
  co_await check_waiting(
      [&](log_type& log, std::string name) -> task<> {
        auto rx = news.subscribe();
        (void)co_await rx.receive();
        log.push_back(name);
      },
      [&] { news.send(1); }, [] {}, one_for_all()
  );
  CHECK(news.receivers() == 0);
}

STACKLESS_TEST("oneshot: one waits at a time, and the next gets what the one before left") {
  std::optional<oneshot_sender<int>> tx;
  std::optional<oneshot_receiver<int>> rx;
  const auto make = [&] {
    auto ends = make_oneshot<int>();
    tx.emplace(std::move(ends.first));
    rx.emplace(std::move(ends.second));
  };
  make();
  // Two tasklets may wait: the value is the first one's.
  log_type log;
  const auto waits = [&](std::string name) -> task<> {
    try {
      (void)co_await rx->receive();
      log.push_back(name);
    } catch (const std::logic_error&) {
      log.push_back(name + " came too late");
    }
  };
  auto first = spawn(waits, std::string("first"));
  auto second = spawn(waits, std::string("second"));
  co_await wait_all_blocked();
  tx->send(1);
  co_await first.join();
  co_await second.join();
  CHECK(log == log_type{"first", "second came too late"});

  make();
  log.clear();
  bool raised = false;
  try {
    co_await with_nursery([&](nursery& n) -> task<> {
      n.spawn(waits, std::string("sibling"));
      n.spawn([]() -> task<> {
        co_await sleep_for(1s);
        throw std::range_error("a child's");
      });
      co_return;
    });
  } catch (const std::range_error&) {
    raised = true;
  }
  CHECK(raised);
  tx->send(2);
  co_await waits("next");
  CHECK(log == log_type{"next"});
}

STACKLESS_TEST("who holds something fails: the next one gets it, and the error is its own") {
  mutex m;
  shared_mutex table;
  semaphore pool(1);
  const auto tries = [&](int what, bool fails) -> task<std::string> {
    mutex_guard guard;
    shared_mutex::guard writing;
    semaphore_unit unit;
    if (what == 0) guard = co_await m.lock();
    if (what == 1) writing = co_await table.lock();
    if (what == 2) unit = co_await pool.acquire();
    co_await sleep_for(1s);
    if (fails) throw std::range_error("failed");
    co_return "has it";
  };
  for (const int what : {0, 1, 2}) {
    auto fails = spawn(tries, what, true);
    auto next = spawn(tries, what, false);
    CHECK_THROWS_AS(co_await fails.join(), std::range_error);
    CHECK(co_await next.join() == "has it");
  }
}

STACKLESS_TEST("barrier: a child's error cancels its sibling, which has not arrived") {
  barrier b(2);
  bool raised = false;
  try {
    co_await with_nursery([&](nursery& n) -> task<> {
      n.spawn([&]() -> task<> { (void)co_await b.arrive_and_wait(); });
      n.spawn([]() -> task<> {
        co_await sleep_for(1s);
        throw std::range_error("a child's");
      });
      co_return;
    });
  } catch (const std::range_error&) {
    raised = true;
  }
  CHECK(raised);
  CHECK_FALSE(co_await move_on_after(1s, [&]() -> task<> { (void)co_await b.arrive_and_wait(); }));
}

STACKLESS_TEST("sleeping and deadlines: a limit at the very time, in both orders") {
  const auto ends_at_the_limit = [](auto waits) -> task<> {
    // The limit is set first: it cancels.
    CHECK_FALSE(co_await move_on_after(1s, waits));
    // The sleep is begun first: it ends, and the next await raises.
    bool ended = false;
    bool went_on = false;
    co_await with_cancel_scope([&](cancel_scope& scope) -> task<> {
      auto limit = spawn([&]() -> task<> {
        co_await sleep_for(1s);
        scope.cancel();
      });
      co_await waits();
      ended = true;
      co_await limit.join();
      co_await checkpoint();
      went_on = true;
    });
    CHECK(ended);
    CHECK_FALSE(went_on);
  };
  const auto sleeps = []() -> task<> { co_await sleep_for(1s); };
  const auto waits_for_it = []() -> task<> {
    const deadline at(1s);
    co_await at.wait();
  };
  const auto selects = []() -> task<> {
    channel<int> never;
    (void)co_await select(never.receive(), after(1s));
  };
  co_await ends_at_the_limit(sleeps);
  co_await ends_at_the_limit(waits_for_it);
  co_await ends_at_the_limit(selects);
}

STACKLESS_TEST("join: waiting") {
  std::optional<event> ends;
  std::optional<tasklet<>> t;
  waiting_traits traits = one_for_all();
  traits.takes_effect_at_once = false;  // the tasklet has to run
  co_await check_waiting(
      [&](log_type& log, std::string name) -> task<> {
        co_await t->join();
        log.push_back(name);
      },
      [&] { ends->set(); },
      [&] {
        if (ends) ends->set();
        ends.emplace();
        t = spawn([](event& e) -> task<> { co_await e.wait(); }, borrow(*ends));
      },
      traits
  );
  ends->set();
  co_await t->join();
}

STACKLESS_TEST("select: waiting for an event, among others") {
  auto_event e;
  channel<int> never;
  co_await check_waiting(
      [&](log_type& log, std::string name) -> task<> {
        (void)co_await select(never.receive(), e.wait());
        log.push_back(name);
      },
      [&] { e.set(); }, [] {}
  );
  CHECK_FALSE(e.is_set());
  CHECK(never.balance() == 0);
}

STACKLESS_TEST("select: waiting for a lock, among others") {
  mutex m;
  channel<int> never;
  std::optional<mutex_guard> held;
  co_await check_waiting(
      [&](log_type& log, std::string name) -> task<> {
        const auto got = co_await select(never.receive(), m.lock());
        CHECK(std::get<1>(got).owns_lock());
        log.push_back(name);
      },
      [&] { held.reset(); }, [&] { held = m.try_lock(); }
  );
}

STACKLESS_TEST("barrier: killed while it waits, it has not arrived, and a limit in both orders") {
  barrier b(2);
  const auto arrives = [&]() -> task<> { (void)co_await b.arrive_and_wait(); };
  auto killed = spawn(arrives);
  co_await wait_all_blocked();
  co_await killed.kill();
  CHECK_FALSE(co_await move_on_after(1s, arrives));
  auto other = spawn([&]() -> task<> {
    co_await sleep_for(1s);
    CHECK(co_await b.arrive_and_wait());
  });
  CHECK(co_await move_on_after(2s, arrives));
  co_await other.join();
}

STACKLESS_TEST("once: in order, and cancelled, killed or too late, it leaves it to the next") {
  once setup;
  event go;
  log_type log;
  const auto needs = [&](std::string name) -> task<> {
    co_await setup.run([&]() -> task<> {
      log.push_back(name);
      co_await go.wait();
    });
  };
  auto first = spawn(needs, std::string("first"));
  auto second = spawn(needs, std::string("second"));
  auto third = spawn(needs, std::string("third"));
  auto fourth = spawn(needs, std::string("fourth"));
  co_await wait_all_blocked();
  CHECK(log == log_type{"first"});
  co_await third.kill();  // while it waits for the first
  co_await first.kill();  // while it runs
  co_await wait_all_blocked();
  CHECK(log == log_type{"first", "second"});
  CHECK_FALSE(co_await move_on_after(1s, [&] { return needs("late"); }));
  co_await second.kill();
  co_await wait_all_blocked();
  CHECK(log == log_type{"first", "second", "fourth"});
  auto opens = spawn([&]() -> task<> {
    co_await sleep_for(1s);
    go.set();
  });
  CHECK(co_await move_on_after(2s, [&] { return needs("in time"); }));
  co_await fourth.join();
  co_await opens.join();
  CHECK(setup.done());
  CHECK(log.size() == 3);
}

TEST_CASE("with a select around one of the locks of a cycle nothing is raised") {
  bool gave_up = false;
  scheduler_options options;
  options.clock = clock_choice::virtual_time;
  run(options, [&]() -> task<> {
    mutex a("a");
    mutex b("b");
    co_await with_nursery([&](nursery& n) -> task<> {
      n.spawn([&]() -> task<> {
        const mutex_guard first = co_await a.lock();
        co_await yield();
        const mutex_guard second = co_await b.lock();
      });
      n.spawn([&]() -> task<> {
        const mutex_guard second = co_await b.lock();
        co_await yield();
        const auto got = co_await select(a.lock(), after(1s));
        gave_up = got.index() == 1;
      });
      co_return;
    });
  });
  CHECK(gave_up);
}
