#include <stackless/stackless.hpp>

#include "catch.hpp"

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

using namespace std::chrono_literals;
using namespace stackless;

namespace {

/// The report of a program that must deadlock.
template <class F>
deadlock_report report_of(F program) {
  try {
    run(program);
  } catch (const deadlock_error& error) {
    INFO(error.what());
    CHECK(std::string(error.what()).size() < 65536);
    return error.report();
  }
  FAIL("no deadlock");
  return {};
}

scheduler_options virtual_time() {
  scheduler_options options;
  options.clock = clock_choice::virtual_time;
  return options;
}

/// Takes `first`, lets the others take theirs, and then wants `second`.
task<> takes_two(mutex& first, mutex& second) {
  const mutex_guard a = co_await first.lock();
  co_await yield();
  const mutex_guard b = co_await second.lock();
}

task<> ring_of_locks(std::size_t count, std::optional<deadlock_report>& report) {
  std::vector<std::unique_ptr<mutex>> locks;
  for (std::size_t i = 0; i < count; ++i)
    locks.push_back(std::make_unique<mutex>("lock " + std::to_string(i)));
  try {
    co_await with_nursery([&](nursery& n) -> task<> {
      for (std::size_t i = 0; i < count; ++i)
        n.spawn("p" + std::to_string(i), [&, i]() -> task<> {
          co_await takes_two(*locks[i], *locks[(i + 1) % count]);
        });
      n.spawn("busy", []() -> task<> {  // the others go on
        for (;;) co_await sleep_for(1s);
      });
      co_return;
    });
  } catch (const deadlock_error& error) {
    report = error.report();
  }
}

}  // namespace

TEST_CASE("a mutex locked twice is raised at once") {
  std::string text;
  run([&]() -> task<> {
    auto busy = spawn_daemon([]() -> task<> {
      for (;;) co_await sleep_for(1h);
    });
    mutex m("m");
    const mutex_guard guard = co_await m.lock();
    try {
      const mutex_guard again = co_await m.lock();
    } catch (const deadlock_error& error) {
      CHECK(error.report().why == verdict::self_wait);
      text = error.what();
    }
  });
  CHECK_THAT(text, contains_text("mutex 'm', which it owns itself"));
  CHECK_THAT(text, contains_text("the other goes on"));
}

TEST_CASE("lock cycles of two and five are raised at once, though others run on") {
  for (const std::size_t count : {2U, 5U}) {
    std::optional<deadlock_report> report;
    run(virtual_time(), [&]() -> task<> { co_await ring_of_locks(count, report); });
    REQUIRE(report);
    CHECK(report->why == verdict::lock_cycle);
    CHECK(report->certainty == grade::proven);
    CHECK(report->core.size() == count);
    const std::string text = to_text(*report);
    for (std::size_t i = 0; i < count; ++i)
      CHECK_THAT(text, contains_text("lock " + std::to_string(i)));
    CHECK_THAT(text, contains_text("lock_all("));
  }
}

TEST_CASE("a join cycle is raised at once, though others run on") {
  std::optional<deadlock_report> report;
  run(virtual_time(), [&]() -> task<> {
    spawn_daemon([]() -> task<> {
      for (;;) co_await sleep_for(1s);
    });
    any_tasklet second;
    auto first = spawn("first", [&]() -> task<> {
      co_await yield();
      co_await second.join();
    });
    second = spawn("second", [&]() -> task<> {
      try {
        co_await first.join();
      } catch (const deadlock_error&) {  // what ended the first
      }
    });
    try {
      co_await first.join();
    } catch (const deadlock_error& error) {
      report = error.report();
    }
  });
  REQUIRE(report);
  CHECK(report->why == verdict::join_cycle);
  CHECK(report->core.size() == 2);
}

TEST_CASE("with a deadline around one of the locks nothing is raised") {
  bool timed_out = false;
  run(virtual_time(), [&]() -> task<> {
    mutex a("a");
    mutex b("b");
    co_await with_nursery([&](nursery& n) -> task<> {
      n.spawn([&]() -> task<> { co_await takes_two(a, b); });
      n.spawn([&]() -> task<> {
        const mutex_guard second = co_await b.lock();
        co_await yield();
        timed_out = !co_await move_on_after(1s, [&]() -> task<> {
          const mutex_guard first = co_await a.lock();
        });
      });
      co_return;
    });
  });
  CHECK(timed_out);
}

TEST_CASE("a lock, and a channel on its way back: a circle too") {
  const auto report = report_of([]() -> task<> {
    mutex m("m");
    const channel<int> c("c");
    const auto holds = [&m](channel<int> in) -> task<> {
      const mutex_guard guard = co_await m.lock();
      (void)co_await in.receive();
    };
    const auto sends = [&m](channel<int> out) -> task<> {
      co_await yield();
      const mutex_guard guard = co_await m.lock();
      co_await out.send(1);
    };
    co_await with_nursery([&](nursery& n) -> task<> {
      n.spawn("holds", holds, c);
      n.spawn("sends", sends, c);
      co_return;
    });
  });
  CHECK_THAT(to_text(report), contains_text("mutex 'm'"));
}

TEST_CASE("a deadlock through each primitive names it") {
  const auto text_of = [](auto program) {
    const deadlock_report report = report_of(program);
    CHECK(report.why == verdict::never_signalled);
    std::string text = to_text(report);
    for (std::size_t at; (at = text.find("\n      ")) != std::string::npos;)
      text.replace(at, std::min(text.find_first_not_of(' ', at + 1), text.size()) - at, " ");
    return text;
  };
  CHECK_THAT(
      text_of([]() -> task<> {
        event e("ready");
        co_await e.wait();
      }),
      contains_text("event 'ready', and nobody is left who could set it")
  );
  CHECK_THAT(
      text_of([]() -> task<> {
        auto_event e("tick");
        co_await e.wait();
      }),
      contains_text("'tick'")
  );
  CHECK_THAT(
      text_of([]() -> task<> {
        semaphore s("pool", 1);
        const semaphore_unit first = co_await s.acquire();
        const semaphore_unit second = co_await s.acquire();
      }),
      contains_text("semaphore 'pool', and nobody is left who could release it")
  );
  CHECK_THAT(
      text_of([]() -> task<> {
        mutex m("m");
        condition_variable c("changed");
        mutex_guard guard = co_await m.lock();
        co_await c.wait(guard);
      }),
      contains_text("condition_variable 'changed', and nobody is left who could notify it")
  );
  CHECK_THAT(
      text_of([]() -> task<> {
        latch l("start", 2);
        l.count_down();
        co_await l.wait();
      }),
      contains_text("1 short")
  );
  CHECK_THAT(
      text_of([]() -> task<> {
        barrier b("round", 2);
        (void)co_await b.arrive_and_wait();
      }),
      contains_text("1 missing")
  );
  CHECK_THAT(
      text_of([]() -> task<> {
        shared_mutex m("table");
        const auto reading = co_await m.lock_shared();
        const auto also = co_await m.lock_shared();
        const auto writing = co_await m.lock();
      }),
      contains_text("shared_mutex 'table'")
  );
}

TEST_CASE("a full buffer without a receiver, and a nursery that waits for its child") {
  const auto report = report_of([]() -> task<> {
    channel<int> c("c", 1);
    co_await with_nursery([&](nursery& n) -> task<> {
      n.spawn(
          "stuck",
          [](channel<int> out) -> task<> {
            co_await out.send(1);
            co_await out.send(2);
          },
          c
      );
      co_return;
    });
  });
  const std::string text = to_text(report);
  CHECK_THAT(text, contains_text("stuck"));
  CHECK_THAT(text, contains_text("nursery"));
  CHECK_THAT(text, contains_text("(1 child)"));
}
