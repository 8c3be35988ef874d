#include <stackless/stackless.hpp>

#include "catch.hpp"

#include <array>
#include <chrono>
#include <optional>
#include <string>

using namespace std::chrono_literals;
using namespace stackless;

namespace {

task<> locks(mutex& first, mutex& second) {
  const mutex_guard a = co_await first.lock();
  co_await yield();
  const mutex_guard b = co_await second.lock();
}

/// As `locks`, and has the report of its error.
task<> watches(mutex& first, mutex& second, std::optional<deadlock_report>& report) {
  try {
    co_await locks(first, second);
  } catch (const deadlock_error& error) {
    report = error.report();
  }
}

scheduler_options with_history(bool on) {
  scheduler_options options;
  options.keep_history = on;
  return options;
}

}  // namespace

#if STACKLESS_TRACKING

TEST_CASE("lock reports: which order was usual, and who breaks it") {
  mutex a("a");
  mutex b("b");
  std::optional<deadlock_report> report;
  run(with_history(true), [&]() -> task<> {
    for (int i = 0; i < 3; ++i) co_await locks(a, b);
    const auto usual = spawn("usual", locks, borrow(a), borrow(b));
    const auto other = spawn("other", watches, borrow(b), borrow(a), borrow(report));
    co_await other.join();
    co_await usual.join();
  });
  REQUIRE(report);
  CHECK(report->why == verdict::lock_cycle);
  REQUIRE(report->state.lock_orders.size() == 1);
  const lock_order_info& order = report->state.lock_orders.front();
  CHECK(order.count == 3);
  CHECK(report->find_object(order.first)->name == "a");
  CHECK(report->find_object(order.second)->name == "b");
  CHECK(order.first_at.line != 0);
  CHECK(order.second_at.line == order.first_at.line + 2);
  const std::string text = to_text(*report);
  CHECK_THAT(text, contains_text("lock cycle of 2: opposite order of mutex 'a' and mutex 'b'"));
  CHECK_THAT(text, contains_text("order before now:  'a' ("));
  CHECK_THAT(text, contains_text(": 3 times"));
  CHECK_THAT(text, contains_text("order that breaks: 'b' ("));
  CHECK_THAT(text, contains_text(": never"));
  CHECK_THAT(text, contains_text("FIX   lock mutex 'a' before mutex 'b' in #3 other"));
  CHECK_THAT(text, contains_text("holds: mutex 'a' since lock_report_test.cpp:"));
  CHECK_THAT(text, contains_text("<- closed the circle, gets this error"));
}

TEST_CASE("lock reports: nothing is counted without a history, or said of two orders") {
  for (const bool history : {false, true}) {
    mutex a("a");
    mutex b("b");
    std::optional<deadlock_report> report;
    run(with_history(history), [&]() -> task<> {
      co_await locks(a, b);
      co_await locks(b, a);
      const auto first = spawn("first", locks, borrow(a), borrow(b));
      const auto second = spawn("second", watches, borrow(b), borrow(a), borrow(report));
      co_await second.join();
      co_await first.join();
    });
    REQUIRE(report);
    CHECK(report->state.lock_orders.size() == (history ? 2U : 0U));
    const std::string text = to_text(*report);
    CHECK(text.find("order that breaks") == std::string::npos);
    CHECK((text.find("and before now:") != std::string::npos) == history);
    CHECK_THAT(text, contains_text("in the same order everywhere"));
  }
}

TEST_CASE("lock reports: a circle at one line is a table") {
  std::array<mutex, 4> forks{
      mutex(object_name("f0")), mutex(object_name("f1")), mutex(object_name("f2")),
      mutex(object_name("f3"))
  };
  std::string text;
  try {
    run([&]() -> task<> {
      any_tasklet last;
      for (std::size_t i = 0; i < forks.size(); ++i)
        last = spawn("t", locks, borrow(forks[i]), borrow(forks[(i + 1) % forks.size()]));
      co_await last.join();
    });
  } catch (const deadlock_error& error) {
    text = error.what();
  }
  CHECK_THAT(text, contains_text("lock cycle of 4"));
  CHECK_THAT(text, contains_text("   tasklet  wants  held by  holds  since"));
  CHECK_THAT(text, contains_text("   #2 t     'f1'   #3 t     'f0'   lock_report_test.cpp:"));
  CHECK_THAT(text, contains_text("#5 t closed the circle, and gets this error"));
  CHECK_THAT(text, contains_text("all 4 share these frames:"));
  CHECK_THAT(text, contains_text("FIX   lock mutex 'f0' before mutex 'f3' in #5 t"));
}

TEST_CASE("lock reports: a mutex that is gone is in no order") {
  run(with_history(true), []() -> task<> {
    mutex a("a");
    for (int i = 0; i < 3; ++i) {
      mutex b("b");
      co_await locks(a, b);
    }
    CHECK(snapshot().lock_orders.empty());
  });
}

#endif
