#include <stackless/stackless.hpp>
#include <stackless/testing.hpp>

#include "catch.hpp"
#include "waiting.hpp"

#include <chrono>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

using namespace std::chrono_literals;
using namespace stackless;
using stackless::testing::wait_all_blocked;
using waiting_test::check_waiting;
using waiting_test::log_type;

STACKLESS_TEST("mutex: waiting") {
  mutex m;
  std::optional<mutex_guard> held;
  co_await check_waiting(
      [&](log_type& log, std::string name) -> task<> {
        const mutex_guard guard = co_await m.lock();
        log.push_back(name);
      },
      [&] { held.reset(); }, [&] { held = m.try_lock(); }
  );
}

STACKLESS_TEST("semaphore: waiting") {
  semaphore s(0);
  co_await check_waiting(
      [&](log_type& log, std::string name) -> task<> {
        semaphore_unit unit = co_await s.acquire();
        unit.keep();
        log.push_back(name);
      },
      [&] { s.release(); }, [] {}
  );
  CHECK(s.available() == 0);
}

STACKLESS_TEST("auto_event: waiting") {
  auto_event e;
  co_await check_waiting(
      [&](log_type& log, std::string name) -> task<> {
        co_await e.wait();
        log.push_back(name);
      },
      [&] { e.set(); }, [] {}
  );
  CHECK_FALSE(e.is_set());
}

STACKLESS_TEST("condition_variable: waiting") {
  mutex m;
  condition_variable changed;
  co_await check_waiting(
      [&](log_type& log, std::string name) -> task<> {
        mutex_guard guard = co_await m.lock();
        co_await changed.wait(guard);
        CHECK(guard.owns_lock());
        log.push_back(name);
      },
      [&] { changed.notify_one(); }, [] {}
  );
  CHECK_FALSE(m.is_locked());
}

STACKLESS_TEST("mutex: one at a time, and plain functions") {
  mutex m("m");
  int inside = 0;
  int most = 0;
  const auto enters = [&]() -> task<> {
    const mutex_guard guard = co_await m.lock();
    most = std::max(most, ++inside);
    co_await yield();
    --inside;
  };
  co_await with_nursery([&](nursery& n) -> task<> {
    for (int i = 0; i < 5; ++i) n.spawn(enters);
    co_return;
  });
  CHECK(most == 1);
  {
    const auto guard = m.try_lock();
    CHECK(guard);
    CHECK(m.is_locked());
    CHECK_FALSE(m.try_lock());
  }
  CHECK_FALSE(m.is_locked());
}

STACKLESS_TEST("mutex: a guard can be moved to another tasklet, and its owner ends: it is broken") {
  mutex m("accounts");
  mutex_guard kept;
  auto owner = spawn("owner", [&]() -> task<> { kept = co_await m.lock(); });
  auto waits = spawn([&]() -> task<> { const mutex_guard guard = co_await m.lock(); });
  std::string text;
  try {
    co_await waits.join();
  } catch (const broken_mutex& error) {
    text = error.what();
  }
  CHECK_THAT(text, contains_text("'accounts'"));
  CHECK_THAT(text, contains_text("#2 owner"));
  CHECK_THROWS_AS(m.try_lock(), broken_mutex);
  bool refused = false;
  try {
    const mutex_guard guard = co_await m.lock();
  } catch (const broken_mutex&) {
    refused = true;
  }
  CHECK(refused);
  kept.unlock();
  m.repair();
  CHECK(m.try_lock());
  co_await owner.join();
}

STACKLESS_TEST("mutex: a guard that was disowned is another tasklet's to unlock") {
  mutex m;
  mutex_guard kept = co_await m.lock();
  kept.disown();
  auto other = spawn([&]() -> task<> {
    co_await yield();
    kept.unlock();
  });
  const mutex_guard again = co_await m.lock();  // waits, and is no circle of one
  co_await other.join();
}

STACKLESS_TEST("lock_all takes them in one order, whatever order they are named in") {
  mutex a;
  mutex b;
  int done = 0;
  co_await with_nursery([&](nursery& n) -> task<> {
    n.spawn([&]() -> task<> {
      const auto guards = co_await lock_all(a, b);
      co_await yield();
      done += guards[0].core() == &a.core() && guards[1].core() == &b.core();
    });
    n.spawn([&]() -> task<> {
      const auto guards = co_await lock_all(b, a);
      co_await yield();
      done += guards[0].core() == &b.core() && guards[1].core() == &a.core();
    });
    co_return;
  });
  CHECK(done == 2);
  CHECK_FALSE(a.is_locked());
  CHECK_FALSE(b.is_locked());
}

STACKLESS_TEST("shared_mutex: readers together, writers alone, nobody overtakes") {
  shared_mutex m;
  log_type log;
  const auto reads = [&](std::string name) -> task<> {
    const auto guard = co_await m.lock_shared();
    log.push_back("+" + name);
    co_await sleep_for(1s);
    log.push_back("-" + name);
    (void)guard.owns_lock();
  };
  const auto writes = [&](std::string name) -> task<> {
    const auto guard = co_await m.lock();
    log.push_back("+" + name);
    co_await sleep_for(1s);
    log.push_back("-" + name);
    (void)guard.owns_lock();
  };
  co_await with_nursery([&](nursery& n) -> task<> {
    n.spawn(reads, std::string("r1"));
    n.spawn(reads, std::string("r2"));
    n.spawn(writes, std::string("w"));
    n.spawn(reads, std::string("r3"));
    co_await wait_all_blocked();
    CHECK_FALSE(m.try_lock_shared());
    CHECK_FALSE(m.try_lock());
  });
  CHECK(log == log_type{"+r1", "+r2", "-r1", "-r2", "+w", "-w", "+r3", "-r3"});
  CHECK(m.try_lock());
  CHECK(m.try_lock_shared());
}

STACKLESS_TEST("shared_mutex: when a waiting writer is cancelled, the readers behind it go on") {
  shared_mutex m;
  auto reading = m.try_lock_shared();
  bool read = false;
  auto writer = spawn([&]() -> task<> {
    co_await move_on_after(1s, [&]() -> task<> { const auto guard = co_await m.lock(); });
  });
  auto reader = spawn([&]() -> task<> {
    const auto guard = co_await m.lock_shared();
    read = true;
  });
  co_await wait_all_blocked();
  CHECK_FALSE(read);
  co_await writer.join();
  co_await reader.join();
  CHECK(read);
}

STACKLESS_TEST("semaphore: units come back with their guards") {
  semaphore s("pool", 2);
  int most = 0;
  int inside = 0;
  co_await with_nursery([&](nursery& n) -> task<> {
    for (int i = 0; i < 6; ++i)
      n.spawn([&]() -> task<> {
        const semaphore_unit unit = co_await s.acquire();
        most = std::max(most, ++inside);
        co_await sleep_for(1s);
        --inside;
      });
    co_return;
  });
  CHECK(most == 2);
  CHECK(s.available() == 2);
  {
    auto first = s.try_acquire();
    const auto second = s.try_acquire();
    CHECK_FALSE(s.try_acquire());
    first->release();
    CHECK(s.available() == 1);
  }
  CHECK(s.available() == 2);
}

STACKLESS_TEST("event: all who wait, and all who come later") {
  event e;
  int through = 0;
  const auto waits = [&]() -> task<> {
    co_await e.wait();
    ++through;
  };
  auto a = spawn(waits);
  auto b = spawn(waits);
  co_await wait_all_blocked();
  CHECK(through == 0);
  e.set();
  CHECK(e.is_set());
  co_await a.join();
  co_await b.join();
  co_await waits();
  CHECK(through == 3);
  e.reset();
  CHECK_FALSE(co_await move_on_after(1s, waits));
}

STACKLESS_TEST("auto_event: set before anybody comes counts once") {
  auto_event e;
  e.set();
  e.set();
  co_await e.wait();
  CHECK_FALSE(co_await move_on_after(1s, [&]() -> task<> { co_await e.wait(); }));
}

STACKLESS_TEST("condition_variable: a predicate, notify_all, and an empty guard") {
  mutex m;
  condition_variable changed("changed");
  int value = 0;
  int through = 0;
  const auto waits = [&]() -> task<> {
    mutex_guard guard = co_await m.lock();
    co_await changed.wait(guard, [&] { return value == 2; });
    ++through;
  };
  auto a = spawn(waits);
  auto b = spawn(waits);
  co_await wait_all_blocked();
  value = 1;
  changed.notify_all();
  co_await wait_all_blocked();
  CHECK(through == 0);
  value = 2;
  changed.notify_all();
  co_await a.join();
  co_await b.join();
  CHECK(through == 2);
  bool refused = false;
  try {
    mutex_guard empty;
    co_await changed.wait(empty);
  } catch (const std::logic_error&) {
    refused = true;
  }
  CHECK(refused);
}

STACKLESS_TEST("condition_variable: cancelled, it has locked again before it raises") {
  mutex m;
  condition_variable changed;
  bool held = false;
  auto waits = spawn([&]() -> task<> {
    co_await move_on_after(1s, [&]() -> task<> {
      mutex_guard guard = co_await m.lock();
      try {
        co_await changed.wait(guard);
      } catch (const cancelled&) {
        held = guard.owns_lock();
        throw;
      }
    });
  });
  co_await wait_all_blocked();
  {
    const mutex_guard guard = co_await m.lock();
    co_await sleep_for(2s);
    CHECK_FALSE(held);
    CHECK(guard.owns_lock());
  }
  co_await waits.join();
  CHECK(held);
}

STACKLESS_TEST("latch: opens at zero, for good") {
  latch l(2);
  bool through = false;
  auto waits = spawn([&]() -> task<> {
    co_await l.wait();
    through = true;
  });
  co_await wait_all_blocked();
  l.count_down();
  co_await wait_all_blocked();
  CHECK_FALSE(through);
  l.count_down();
  co_await waits.join();
  CHECK(through);
  co_await l.wait();
  CHECK_THROWS_AS(l.count_down(), std::logic_error);
  CHECK(l.count() == 0);
}

STACKLESS_TEST("barrier: round after round, and one that is cancelled has not arrived") {
  barrier b(3);
  CHECK_THROWS_AS(barrier(0), std::logic_error);
  log_type log;
  int last = 0;
  co_await with_nursery([&](nursery& n) -> task<> {
    for (const int i : {1, 2, 3})
      n.spawn([&, i]() -> task<> {
        for (int round = 0; round < 2; ++round) {
          co_await sleep_for(std::chrono::seconds(i));
          if (co_await b.arrive_and_wait()) ++last;
          log.push_back(std::to_string(round));
        }
      });
    co_return;
  });
  CHECK(last == 2);
  CHECK(log == log_type{"0", "0", "0", "1", "1", "1"});
  CHECK_FALSE(co_await move_on_after(1s, [&]() -> task<> { (void)co_await b.arrive_and_wait(); }));
  auto one = spawn([&]() -> task<> { (void)co_await b.arrive_and_wait(); });
  auto two = spawn([&]() -> task<> { (void)co_await b.arrive_and_wait(); });
  co_await wait_all_blocked();
  CHECK_FALSE(one.block().ended);
  CHECK(co_await b.arrive_and_wait());
  co_await one.join();
  co_await two.join();
}

STACKLESS_TEST("once: one runs while the others wait, and one that failed leaves it to the next") {
  once setup;
  int runs = 0;
  int failed = 0;
  const auto needs = [&]() -> task<> {
    try {
      co_await setup.run([&]() -> task<> {
        co_await sleep_for(1s);
        if (++runs == 1) throw std::runtime_error("first try");
      });
    } catch (const std::runtime_error&) {
      ++failed;
    }
  };
  co_await with_nursery([&](nursery& n) -> task<> {
    for (int i = 0; i < 3; ++i) n.spawn(needs);
    co_return;
  });
  CHECK(runs == 2);
  CHECK(failed == 1);
  CHECK(setup.done());
}

STACKLESS_TEST("what is destroyed while somebody waits for it tells him so") {
  auto gone = std::make_unique<event>();
  bool told = false;
  auto waits = spawn([&]() -> task<> {
    try {
      co_await gone->wait();
    } catch (const object_gone&) {
      told = true;
    }
  });
  co_await wait_all_blocked();
  gone.reset();
  co_await waits.join();
  CHECK(told);
}

STACKLESS_TEST("a switch trap refuses to wait, and changes nothing") {
  mutex m;
  auto owner = spawn([&]() -> task<> {
    const mutex_guard guard = co_await m.lock();
    co_await sleep_for(1s);
  });
  co_await wait_all_blocked();
  bool refused = false;
  {
    const switch_trap trap;
    try {
      const mutex_guard guard = co_await m.lock();
    } catch (const switch_trap_error&) {
      refused = true;
    }
  }
  CHECK(refused);
  co_await owner.join();
  CHECK(m.try_lock());
}

TEST_CASE("from plain functions, outside of a scheduler") {
  mutex m;
  auto guard = m.try_lock();
  CHECK(guard);
  guard.reset();
  semaphore s(1);
  CHECK(s.try_acquire());
  event e;
  e.set();
  latch l(1);
  l.count_down();
  run([&]() -> task<> {
    co_await e.wait();
    co_await l.wait();
    const mutex_guard again = co_await m.lock();
  });
}
