// What the primitives of sync/ say when they are misused, and what is left of them then.

#include "waiting.hpp"

#include <limits>
#include <memory>
#include <optional>
#include <stdexcept>
#include <type_traits>
#include <utility>

using namespace waiting_test;

namespace {

template <class T>
constexpr bool stays_where_it_is =
    !std::is_copy_constructible_v<T> && !std::is_move_constructible_v<T> &&
    !std::is_copy_assignable_v<T> && !std::is_move_assignable_v<T>;

static_assert(stays_where_it_is<mutex> && stays_where_it_is<shared_mutex>);
static_assert(stays_where_it_is<semaphore> && stays_where_it_is<condition_variable>);
static_assert(stays_where_it_is<event> && stays_where_it_is<auto_event>);
static_assert(stays_where_it_is<latch> && stays_where_it_is<barrier> && stays_where_it_is<once>);

/// Two wait for `object` when it is destroyed: both are told, in their order.
template <class T, class Wait>
task<> check_destroyed(std::unique_ptr<T> object, Wait wait) {
  log_type log;
  T& waited_for = *object;
  const auto waits = [&](std::string name) -> task<> {
    try {
      co_await wait(waited_for);
    } catch (const object_gone&) {
      log.push_back(name);
    }
  };
  auto first = spawn(waits, std::string("first"));
  auto second = spawn(waits, std::string("second"));
  auto killed = spawn(waits, std::string("killed"));
  co_await wait_all_blocked();
  CHECK(log.empty());
  object.reset();
  killed.kill_pending();  // told and killed: it is killed
  co_await first.join();
  co_await second.join();
  CHECK(log == log_type{"first", "second"});
}

}  // namespace

namespace {

/// What one is told who waits for `object` when it is destroyed.
template <class T, class Wait>
task<std::string> told_of(std::unique_ptr<T> object, Wait wait) {
  std::string told;
  T& waited_for = *object;
  auto waiter = spawn([&]() -> task<> {
    try {
      co_await wait(waited_for);
    } catch (const object_gone& e) {
      told = e.what();
    }
    co_await yield();  // the error has gone with its handler
  });
  co_await wait_all_blocked();
  object.reset();
  co_await waiter.join();
  co_return told;
}

}  // namespace

STACKLESS_TEST("destroyed while tasklets wait: the error names what was destroyed") {
  const auto waits = [](auto& e) -> task<> { co_await e.wait(); };
  const auto acquires = [](semaphore& s) -> task<> { (void)co_await s.acquire(); };
  const auto selects = [](event& e) -> task<> {
    channel<int> never;
    (void)co_await select(never.receive(), e.wait());
  };
  const std::string begin = "what it waited for was destroyed: ";
#if STACKLESS_TRACKING
  const std::string place = ", made misuse_test.cpp:";
  const std::string short_place = "@misuse_test.cpp:";
#else
  const std::string place;
  const std::string short_place;
#endif
  std::string told = co_await told_of(std::make_unique<event>(object_name("done")), waits);
  CHECK_THAT(told, starts_with_text(begin + "event 'done'" + place));
  told = co_await told_of(std::make_unique<auto_event>(object_name("more")), waits);
  CHECK_THAT(told, starts_with_text(begin + "auto_event 'more'" + place));
  told = co_await told_of(std::make_unique<semaphore>(object_name("units"), 0), acquires);
  CHECK_THAT(told, starts_with_text(begin + "semaphore 'units'" + place));
  told = co_await told_of(std::make_unique<event>(object_name("done")), selects);
  CHECK_THAT(told, starts_with_text(begin + "event 'done'" + place));
  auto unnamed = std::make_unique<event>(detail::site::current());
  told = co_await told_of(std::move(unnamed), waits);
  CHECK_THAT(told, starts_with_text(begin + "event" + short_place));
}

STACKLESS_TEST("destroyed when the lock was granted, and its new owner had not run: it is named") {
  auto m = std::make_unique<mutex>(object_name("table"));
  std::string told;
  auto guard = std::make_unique<mutex_guard>();
  *guard = co_await m->lock();
  auto waiter = spawn([&]() -> task<> {
    try {
      const auto locked = co_await m->lock();
    } catch (const object_gone& e) {
      told = e.what();
    }
  });
  co_await wait_all_blocked();
  guard.reset();
  m.reset();
  co_await waiter.join();
  CHECK_THAT(told, starts_with_text("what it waited for was destroyed: mutex 'table'"));
}

STACKLESS_TEST("destroyed while one waits that is cancelled as well: no error is left over") {
  auto done = std::make_unique<event>(object_name("done"));
  std::string log;
  auto waiter = spawn([&]() -> task<> {
    try {
      co_await done->wait();
    } catch (const std::runtime_error& e) {
      log += e.what();
    }
    const auto returns = []() -> task<int> { co_return 7; };
    log += std::to_string(co_await returns());
  });
  co_await wait_all_blocked();
  done.reset();
  waiter.raise_pending(std::make_exception_ptr(std::runtime_error("told ")));
  co_await waiter.join();
  CHECK(log == "told 7");
}

STACKLESS_TEST("destroyed while tasklets wait: each of sync/ tells them, in their order") {
  co_await check_destroyed(std::make_unique<event>(), [](event& e) -> task<> {
    co_await e.wait();
  });
  co_await check_destroyed(std::make_unique<auto_event>(), [](auto_event& e) -> task<> {
    co_await e.wait();
  });
  co_await check_destroyed(std::make_unique<latch>(1), [](latch& l) -> task<> {
    co_await l.wait();
  });
  co_await check_destroyed(std::make_unique<barrier>(4), [](barrier& b) -> task<> {
    (void)co_await b.arrive_and_wait();
  });
  co_await check_destroyed(std::make_unique<semaphore>(0), [](semaphore& s) -> task<> {
    const semaphore_unit unit = co_await s.acquire();
  });
  mutex m;
  co_await check_destroyed(
      std::make_unique<condition_variable>(),
      [&](condition_variable& c) -> task<> {
        mutex_guard guard = co_await m.lock();
        try {
          co_await c.wait(guard);
        } catch (const object_gone&) {
          CHECK(guard.owns_lock());  // the mutex is still there
          throw;
        }
      }
  );
  CHECK_FALSE(m.is_locked());
  auto locked = std::make_unique<mutex>();
  const mutex_guard guard = co_await locked->lock();
  co_await check_destroyed(std::move(locked), [](mutex& l) -> task<> {
    const mutex_guard mine = co_await l.lock();
  });
  CHECK_FALSE(guard.owns_lock());
  for (const bool shared : {false, true}) {
    auto written = std::make_unique<shared_mutex>();
    const auto writing = written->try_lock();
    co_await check_destroyed(std::move(written), [shared](shared_mutex& l) -> task<> {
      if (shared) {
        const auto mine = co_await l.lock_shared();
        CHECK(mine.owns_lock());
      } else {
        const auto mine = co_await l.lock();
        CHECK(mine.owns_lock());
      }
    });
    CHECK_FALSE(writing->owns_lock());
  }
}

STACKLESS_TEST("destroyed with guards and units out: these are empty, and what they do is nothing"
) {
  auto m = std::make_unique<mutex>();
  mutex_guard guard = co_await m->lock();
  m.reset();
  CHECK_FALSE(guard.owns_lock());
  guard.unlock();
  auto s = std::make_unique<semaphore>(3);
  semaphore_unit first = co_await s->acquire();
  semaphore_unit second = co_await s->acquire();
  semaphore_unit third = std::move(first);
  second.release();
  CHECK(s->available() == 2);
  third.keep();
  first = co_await s->acquire();
  s.reset();
  first.release();
  auto table = std::make_unique<shared_mutex>();
  auto one = co_await table->lock_shared();
  auto two = co_await table->lock_shared();
  const auto three = std::move(two);
  one.unlock();
  CHECK_FALSE(table->try_lock());
  table.reset();
  CHECK_FALSE(three.owns_lock());
}

STACKLESS_TEST("destroyed when somebody was woken and has not run: nothing is held of what is gone"
) {
  // What lets in gives nothing; what has happened has happened.
  const auto outcome_of = [](auto object, auto wait, auto grant) -> task<std::string> {
    std::string outcome;
    auto& waited_for = *object;
    const auto waits = [&]() -> task<> {
      try {
        co_await wait(waited_for);
        outcome = "done";
      } catch (const object_gone&) {
        outcome = "gone";
      }
    };
    auto one = spawn(waits);
    auto killed = spawn(waits);
    co_await wait_all_blocked();
    grant(waited_for);
    object.reset();
    co_await killed.kill();
    co_await one.join();
    co_return outcome;
  };
  const auto of_event = co_await outcome_of(
      std::make_unique<event>(), [](event& e) -> task<> { co_await e.wait(); },
      [](event& e) { e.set(); }
  );
  CHECK(of_event == "done");
  const auto of_auto_event = co_await outcome_of(
      std::make_unique<auto_event>(), [](auto_event& e) -> task<> { co_await e.wait(); },
      [](auto_event& e) {
        e.set();
        e.set();
      }
  );
  CHECK(of_auto_event == "done");
  const auto of_latch = co_await outcome_of(
      std::make_unique<latch>(1), [](latch& l) -> task<> { co_await l.wait(); },
      [](latch& l) { l.count_down(); }
  );
  CHECK(of_latch == "done");
  const auto of_semaphore = co_await outcome_of(
      std::make_unique<semaphore>(0),
      [](semaphore& s) -> task<> { const semaphore_unit unit = co_await s.acquire(); },
      [](semaphore& s) { s.release(2); }
  );
  CHECK(of_semaphore == "gone");
  auto locked = std::make_unique<mutex>();
  mutex_guard guard = co_await locked->lock();
  const auto of_mutex = co_await outcome_of(
      std::move(locked), [](mutex& m) -> task<> { const mutex_guard mine = co_await m.lock(); },
      [&](mutex&) { guard.unlock(); }
  );
  CHECK(of_mutex == "gone");
  auto written = std::make_unique<shared_mutex>();
  auto writing = written->try_lock();
  const auto of_shared = co_await outcome_of(
      std::move(written),
      [](shared_mutex& m) -> task<> {
        const auto mine = co_await m.lock_shared();
        CHECK(mine.owns_lock());
      },
      [&](shared_mutex&) { writing->unlock(); }
  );
  CHECK(of_shared == "gone");
}

STACKLESS_TEST("mutex: repair leaves one alone that is in order") {
  mutex m;
  mutex_guard guard = co_await m.lock();
  m.repair();
  CHECK(m.is_locked());
  CHECK_FALSE(m.try_lock());
  guard.unlock();
  CHECK_FALSE(m.is_locked());
}

STACKLESS_TEST("mutex: who was told that it is broken does not get it by a repair") {
  mutex m("m");
  mutex_guard kept;
  auto owner = spawn("owner", [&]() -> task<> {
    kept = co_await m.lock();
    co_await suspend();
  });
  int told = 0;
  const auto waits = [&]() -> task<> {
    try {
      const mutex_guard guard = co_await m.lock();
      FAIL_CHECK("it has the mutex, and so has another");
    } catch (const broken_mutex& error) {
      CHECK_THAT(error.what(), contains_text("owner"));
      ++told;
    }
  };
  auto one = spawn(waits);
  auto two = spawn(waits);
  auto three = spawn(waits);
  co_await wait_all_blocked();
  co_await owner.kill();
  CHECK(told == 0);  // the others have been woken, and have not run
  m.repair();
  {
    const auto mine = m.try_lock();
    REQUIRE(mine);
    co_await three.kill();  // it gives nothing back: it had nothing
    CHECK_FALSE(m.try_lock());
    co_await one.join();
    co_await two.join();
    CHECK(told == 2);
    CHECK(m.is_locked());
    kept.unlock();  // of the owner that ended: it holds nothing any more
    CHECK(m.is_locked());
    CHECK_FALSE(kept.owns_lock());
  }
  CHECK_FALSE(m.is_locked());
}

STACKLESS_TEST("mutex: a guard lives in the tasklet's callable, or in its tasklet_local") {
  mutex m;
  auto closure =
      spawn([&m, guard = mutex_guard()]() mutable -> task<> { guard = co_await m.lock(); });
  co_await closure.join();
  CHECK(m.try_lock());
  tasklet_local<mutex_guard> local;
  auto owner = spawn([&]() -> task<> { *local = co_await m.lock(); });
  co_await owner.join();
  CHECK(m.try_lock());
}

STACKLESS_TEST("mutex: locked when its tasklet ends, by a destructor of a tasklet_local") {
  struct locks {
    mutex* m = nullptr;
    std::optional<mutex_guard>* into = nullptr;
    locks() = default;
    locks(locks&& other) noexcept : m(std::exchange(other.m, nullptr)), into(other.into) {}
    locks& operator=(locks&& other) noexcept {
      m = std::exchange(other.m, nullptr);
      into = other.into;
      return *this;
    }
    ~locks() {
      if (m != nullptr) *into = m->try_lock();
    }
  };
  mutex m;
  std::optional<mutex_guard> kept;
  tasklet_local<locks> local;
  auto owner = spawn([&]() -> task<> {
    local->m = &m;
    local->into = &kept;
    co_return;
  });
  co_await owner.join();
  CHECK(kept);
  CHECK_THROWS_AS(m.try_lock(), broken_mutex);  // and no owner that has been freed
}

STACKLESS_TEST("guards and units: moved onto themselves, and empty ones") {
  mutex m;
  mutex_guard guard = co_await m.lock();
  mutex_guard& same = guard;
  guard = std::move(same);
  CHECK(guard.owns_lock());
  const mutex_guard moved = std::move(guard);
  CHECK_FALSE(guard.owns_lock());  // NOLINT(bugprone-use-after-move)
  guard.unlock();
  guard.disown();
  CHECK(m.is_locked());
  semaphore s(1);
  semaphore_unit unit = co_await s.acquire();
  semaphore_unit& same_unit = unit;
  unit = std::move(same_unit);
  CHECK(s.available() == 0);
  unit.release();
  unit.release();
  CHECK(s.available() == 1);
  shared_mutex table;
  auto reading = co_await table.lock_shared();
  auto& same_reading = reading;
  reading = std::move(same_reading);
  CHECK(reading.owns_lock());
  CHECK_FALSE(table.try_lock());
  reading.unlock();
  reading.unlock();
  CHECK(table.try_lock());
}

STACKLESS_TEST("shared_mutex: a guard is another tasklet's to unlock, and its writer may end") {
  shared_mutex m;
  shared_mutex::guard kept;
  auto writer = spawn([&]() -> task<> { kept = co_await m.lock(); });
  bool through = false;
  auto reader = spawn([&]() -> task<> {
    const auto guard = co_await m.lock_shared();
    through = guard.owns_lock();
  });
  co_await writer.join();
  co_await wait_all_blocked();
  CHECK_FALSE(through);
  kept.unlock();
  co_await reader.join();
  CHECK(through);
}

STACKLESS_TEST("shared_mutex: a writer that wants it again is told at once") {
  shared_mutex m("table");
  const auto writing = co_await m.lock();
  for (const bool shared : {false, true}) {
    std::string text;
    try {
      if (shared) {
        const auto again = co_await m.lock_shared();
        FAIL_CHECK(again.owns_lock());
      } else {
        const auto again = co_await m.lock();
        FAIL_CHECK(again.owns_lock());
      }
    } catch (const deadlock_error& error) {
      text = error.what();
    }
    CHECK_THAT(text, contains_text("shared_mutex 'table', which it owns itself"));
  }
  CHECK(writing.owns_lock());
}

STACKLESS_TEST("semaphore: more units than there are numbers") {
  semaphore s("pool", 1);
  try {
    s.release(std::numeric_limits<std::size_t>::max());
    FAIL_CHECK("it was released");
  } catch (const std::logic_error& error) {
    CHECK_THAT(error.what(), contains_text("semaphore 'pool'"));
  }
  CHECK(s.available() == 1);
  s.release(0);
  CHECK(s.available() == 1);
  co_return;
}

STACKLESS_TEST("latch: below zero by more than one, nothing is counted") {
  latch l("start", 2);
  try {
    l.count_down(3);
    FAIL_CHECK("it was counted down");
  } catch (const std::logic_error& error) {
    CHECK_THAT(error.what(), contains_text("latch 'start'"));
    CHECK_THAT(error.what(), contains_text("below zero"));
  }
  CHECK(l.count() == 2);
  l.count_down(0);
  CHECK(l.count() == 2);
  l.count_down(2);
  co_await l.wait();
}

STACKLESS_TEST("barrier: a switch trap refuses to wait, and it has not arrived") {
  barrier b(2);
  auto other = spawn([]() -> task<> { co_await sleep_for(1s); });  // who would run meanwhile
  {
    const switch_trap trap;
    bool refused = false;
    try {
      (void)co_await b.arrive_and_wait();
    } catch (const switch_trap_error&) {
      refused = true;
    }
    CHECK(refused);
  }
  CHECK_FALSE(co_await move_on_after(1s, [&]() -> task<> { (void)co_await b.arrive_and_wait(); }));
  co_await other.join();
}

STACKLESS_TEST("condition_variable: an empty guard says so, and notifying nobody does nothing") {
  condition_variable changed("changed");
  changed.notify_one();
  changed.notify_all();
  mutex_guard empty;
  std::string text;
  try {
    co_await changed.wait(empty);
  } catch (const std::logic_error& error) {
    text = error.what();
  }
  CHECK_THAT(text, contains_text("the guard holds no mutex"));
}

STACKLESS_TEST("condition_variable: its mutex breaks meanwhile, and a kill is not lost in that") {
  for (const bool killed : {false, true}) {
    mutex m("m");
    condition_variable changed;
    mutex_guard kept;
    bool told = false;
    bool held = true;
    auto waits = spawn([&]() -> task<> {
      mutex_guard guard = co_await m.lock();
      try {
        co_await changed.wait(guard);
      } catch (const broken_mutex&) {
        told = true;
        held = guard.owns_lock();
      }
      co_await yield();  // a kill is raised here
      CHECK_FALSE(killed);
    });
    co_await wait_all_blocked();
    auto owner = spawn([&]() -> task<> { kept = co_await m.lock(); });
    co_await owner.join();
    if (killed) {
      co_await waits.kill();
    } else {
      changed.notify_one();
    }
    co_await wait_all_blocked();
    CHECK(told);
    CHECK_FALSE(held);
    CHECK(waits.block().ended);
    CHECK(waits.block().killed == killed);
  }
}

TEST_CASE("a deadlock ends main, and the locks in its frame, before those who hold them") {
  bool guard_is_empty = false;
  std::string seen;
  try {
    run([&]() -> task<> {
      mutex m("m");
      condition_variable changed("changed");
      event never("never");
      once setup("setup");
      auto holds = spawn("holds", [&]() -> task<> {
        mutex_guard guard = co_await m.lock();
        try {
          co_await never.wait();
        } catch (const tasklet_exit&) {
          guard_is_empty = !guard.owns_lock();
          throw;
        }
      });
      auto waits = spawn("waits", [&]() -> task<> {
        mutex other("other");
        mutex_guard guard = co_await other.lock();
        co_await changed.wait(guard);
      });
      auto locks = spawn("locks", [&]() -> task<> { const auto guard = co_await m.lock(); });
      auto sets_up = spawn("sets up", [&]() -> task<> {
        co_await setup.run([&]() -> task<> { co_await never.wait(); });
      });
      co_await holds.join();
    });
  } catch (const deadlock_error& error) {
    seen = error.what();
  }
  CHECK_THAT(seen, contains_text("event 'never'"));
  CHECK(guard_is_empty);
}

STACKLESS_TEST("condition_variable: its mutex goes while a tasklet waits") {
  for (const bool notified : {false, true}) {
    auto m = std::make_unique<mutex>();
    condition_variable changed;
    bool told = false;
    auto waits = spawn([&]() -> task<> {
      mutex_guard guard = co_await m->lock();
      try {
        co_await changed.wait(guard);
      } catch (const object_gone&) {
        told = !guard.owns_lock();
      }
    });
    co_await wait_all_blocked();
    m.reset();
    if (notified) {
      changed.notify_one();
      co_await waits.join();
      CHECK(told);
    } else {
      co_await waits.kill();
      CHECK_FALSE(told);
      CHECK(waits.block().killed);
    }
  }
}
