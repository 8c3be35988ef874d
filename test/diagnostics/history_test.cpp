#include <stackless/stackless.hpp>

#include "catch.hpp"

#include <algorithm>
#include <optional>
#include <stdexcept>
#include <string>

using namespace stackless;

#if STACKLESS_TRACKING

namespace {

template <class F>
deadlock_report report_of(F program, bool keep_history) {
  scheduler_options options;
  options.keep_history = keep_history;
  try {
    run(options, program);
  } catch (const deadlock_error& error) {
    return error.report();
  }
  FAIL("no deadlock");
  return {};
}

const object_info& object_of_core(const deadlock_report& report) {
  const tasklet_info* t = report.find_tasklet(report.core.at(0));
  REQUIRE(t != nullptr);
  const object_info* object = report.find_object(t->waits.object);
  REQUIRE(object != nullptr);
  return *object;
}

task<> busy_channel() {
  const channel<int> numbers(channel_name("numbers"), 1);
  co_await numbers.send(1);          // buffered
  (void)numbers.try_send(2);         // dropped
  (void)co_await numbers.receive();  // delivered
  const auto other = spawn(
      "receiver",
      [](channel<int> from) -> task<> {
        (void)co_await from.receive();  // blocked
        throw std::runtime_error("it has had enough");
      },
      numbers
  );
  co_await yield();
  co_await numbers.send(3);  // delivered
  try {
    co_await other.join();
  } catch (const std::runtime_error&) {
  }
  (void)co_await numbers.receive();  // blocked for ever
}

/// Outlives the run: at teardown main's frame goes first.
struct connection {
  mutex m{object_name("m")};
  condition_variable ready{object_name("ready")};
  bool happened = false;

  task<> read(bool with_condition) {
    co_await yield();
    mutex_guard guard = co_await m.lock();
    if (with_condition) {
      co_await ready.wait(guard, [this] { return happened; });
    } else {
      co_await ready.wait(guard);
    }
  }
  task<> notify() {
    ready.notify_one();
    co_return;
  }
};

task<> notified_too_early(connection& c, bool with_condition) {
  const auto reader = spawn("reader", [&c, with_condition] { return c.read(with_condition); });
  const auto notifier = spawn("notifier", [&c] { return c.notify(); });
  co_await notifier.join();
  co_await reader.join();
}

}  // namespace

TEST_CASE("a history says what was done with a channel, by whom, and how it went") {
  const deadlock_report report = report_of(busy_channel, true);
  const object_info& numbers = object_of_core(report);
  const auto& past = numbers.history;
  REQUIRE(past.size() == 6);
  CHECK(past[0].outcome == operation_outcome::buffered);
  CHECK(past[0].operation == operation_kind::send);
  CHECK(past[0].at.line != 0);
  CHECK(past[1].outcome == operation_outcome::dropped);
  CHECK(past[1].attempted_only);
  CHECK(past[2].operation == operation_kind::receive);
  CHECK(past[2].outcome == operation_outcome::delivered);
  CHECK(past[3].outcome == operation_outcome::blocked);
  CHECK(past[3].tasklet_name == "receiver");
  CHECK(past[4].outcome == operation_outcome::delivered);
  CHECK(past[4].tasklet == 1);
  CHECK(past[5].outcome == operation_outcome::blocked);
  CHECK(past[5].operation == operation_kind::receive);
  CHECK(std::is_sorted(past.begin(), past.end(), [](const auto& a, const auto& b) {
    return a.step < b.step;
  }));
  CHECK(past.back().step > past.front().step);
  CHECK(past.back().step == report.state.find_tasklet(report.core.front())->waits.since_step);
  const std::string text = to_text(report);
  INFO(text);
  CHECK(text.find("send, buffered") != std::string::npos);
  CHECK(text.find("try_send, DROPPED") != std::string::npos);
  // one who has ended, and touched it before the last
  CHECK(text.find("#2 receiver   step") != std::string::npos);
  CHECK(text.find("it has had enough") != std::string::npos);
}

TEST_CASE("without the option there is no history, and the last operation all the same") {
  const deadlock_report report = report_of(busy_channel, false);
  const object_info& numbers = object_of_core(report);
  CHECK(numbers.history.empty());
  REQUIRE(numbers.last.has_value());
  CHECK(numbers.last->outcome == operation_outcome::delivered);
}

TEST_CASE("a history keeps the last eight") {
  const auto program = []() -> task<> {
    const channel<int> numbers(channel_name("numbers"), 100);
    for (int i = 0; i < 20; ++i) co_await numbers.send(i);
    while (numbers.size() != 0) (void)numbers.try_receive();
    (void)co_await numbers.receive();
  };
  const deadlock_report report = report_of(program, true);
  const auto& past = object_of_core(report).history;
  REQUIRE(past.size() == 8);
  CHECK(past[6].operation == operation_kind::receive);
  CHECK(past[6].attempted_only);
  CHECK(past[7].outcome == operation_outcome::blocked);
}

TEST_CASE("a history is its channel's own: a new one at the same place begins with none") {
  const auto program = []() -> task<> {
    {
      const channel<int> first(4);
      co_await first.send(1);
    }
    const channel<int> second(4);
    (void)co_await second.receive();
  };
  CHECK(object_of_core(report_of(program, true)).history.size() == 1);
}

TEST_CASE("a select's operations are in the history") {
  const auto program = []() -> task<> {
    const channel<int> numbers(channel_name("numbers"), 1);
    (void)co_await select(numbers.send(1));
    (void)co_await select(numbers.next());
    (void)co_await numbers.receive();
  };
  const auto report = report_of(program, true);
  const auto& past = object_of_core(report).history;
  REQUIRE(past.size() == 3);
  CHECK(past[0].outcome == operation_outcome::buffered);
  CHECK(past[1].outcome == operation_outcome::delivered);
}

TEST_CASE("a notify before the wait is a lost notification") {
  const bool history = GENERATE(false, true);
  connection c;
  const auto program = [&c] { return notified_too_early(c, false); };
  const deadlock_report report = report_of(program, history);
  INFO(to_text(report));
  CHECK(report.why == verdict::lost_notification);
  const object_info& ready = object_of_core(report);
  CHECK(ready.kind == object_kind::condition_variable);
  REQUIRE(ready.last.has_value());
  CHECK(ready.last->operation == operation_kind::notify);
  CHECK(ready.last->outcome == operation_outcome::dropped);
  CHECK(ready.last->tasklet_name == "notifier");
  CHECK(ready.history.size() == (history ? 2U : 0U));
  CHECK(report.explanation.find("BEFORE") != std::string::npos);
  CHECK(report.advice.find("condition") != std::string::npos);
  const std::string text = to_text(report);
  CHECK(text.find("notify, DROPPED, 0 waiters") != std::string::npos);
  CHECK((text.find("wait, began to wait") != std::string::npos) == history);
}

TEST_CASE("who waits for a condition has lost no notify, and is not told to wait for one") {
  connection c;
  const auto program = [&c] { return notified_too_early(c, true); };
  const deadlock_report report = report_of(program, false);
  CHECK(report.why == verdict::never_signalled);
  CHECK(
      report.explanation ==
      "'reader' waits for condition_variable 'ready', and nobody is left who could notify it: "
      "'main' waits for its end"
  );
  CHECK_THAT(
      report.advice, starts_with_text("notify condition_variable 'ready' after each change")
  );
}

TEST_CASE("a semaphore's history says who took its units, also without waiting") {
  const bool history = GENERATE(false, true);
  const auto program = []() -> task<> {
    semaphore units(object_name("units"), 2);
    {
      const auto first = co_await units.acquire();
    }
    const auto tried = units.try_acquire();
    const auto taker = spawn("taker", [&]() -> task<> {
      const auto kept = co_await units.acquire();
      co_await suspend();
    });
    co_await yield();
    const auto never = co_await units.acquire();
  };
  const deadlock_report report = report_of(program, history);
  const std::string text = to_text(report);
  INFO(text);
  const auto& units = report.state.objects.front();
  REQUIRE(units.last.has_value());
  CHECK(units.last->operation == operation_kind::acquire);
  CHECK(units.last->tasklet_name == "taker");
  CHECK(units.last->at.line != 0);
  CHECK_THAT(text, contains_text("#2 taker, acquire, taken, history_test.cpp:"));
  CHECK(units.history.size() == (history ? 5U : 0U));
  if (!history) return;
  CHECK(units.history[1].operation == operation_kind::release);
  CHECK(units.history[2].attempted_only);
  CHECK(units.history[4].outcome == operation_outcome::blocked);
}

TEST_CASE("of an auto_event is known who used a set up, and that two were one") {
  const bool history = GENERATE(false, true);
  const auto program = []() -> task<> {
    auto_event more(object_name("more"));
    more.set();
    more.set();
    const auto user = spawn("user", [&]() -> task<> { co_await more.wait(); });
    co_await user.join();
    co_await more.wait();
  };
  const deadlock_report report = report_of(program, history);
  const std::string text = to_text(report);
  INFO(text);
  const object_info& more = object_of_core(report);
  CHECK(more.type == "auto_event");
  CHECK_THAT(report.explanation, contains_text("'main' waits for auto_event 'more'"));
  REQUIRE(more.last.has_value());
  CHECK(more.last->operation == operation_kind::wait);
  CHECK(more.last->tasklet_name == "user");
  CHECK_THAT(text, contains_text("#2 user, wait, used it up, history_test.cpp:"));
  CHECK(more.history.size() == (history ? 4U : 0U));
  if (!history) return;
  CHECK(more.history[1].outcome == operation_outcome::merged);
  CHECK_THAT(text, contains_text("#1 main, set, merged: it was set already"));
}

TEST_CASE("a history says whom a notify woke") {
  const bool history = GENERATE(false, true);
  mutex m(object_name("m"));
  condition_variable ready(object_name("ready"));
  const auto waits = [&]() -> task<> {
    mutex_guard guard = co_await m.lock();
    for (;;) co_await ready.wait(guard);
  };
  std::uint32_t line = 0;
  const auto program = [&]() -> task<> {
    const auto first = spawn("first", waits);
    const auto second = spawn("second", waits);
    const auto third = spawn("third", waits);
    co_await yield();
    ready.notify_one();
    co_await drain_ready();
    line = __LINE__ + 1;
    ready.notify_all();
    co_await first.join();
  };
  const deadlock_report report = report_of(program, history);
  const std::string text = to_text(report);
  INFO(text);
  if (!history) {  // then nobody looks whom it is
    CHECK_THAT(text, contains_text("#1 main, notify, delivered,"));
    return;
  }
  CHECK_THAT(text, contains_text("#1 main, notify, woke #2 first, history_test.cpp:"));
  CHECK_THAT(text, contains_text("#1 main, notify, woke #3 second and 2 more, history_test.cpp:"));
  CHECK_THAT(to_json(report), contains_text("\"given_to_name\":\"second\",\"woken\":3"));
  const auto& past = object_of_core(report).history;
  const auto woke_all =
      std::find_if(past.begin(), past.end(), [](const auto& each) { return each.woken == 3; });
  REQUIRE(woke_all != past.end());
  CHECK(woke_all->at.line == line);  // and not where that tasklet was spawned
}

TEST_CASE("a history says whom a set woke") {
  const bool automatic = GENERATE(false, true);
  event all(object_name("all"));
  auto_event one(object_name("one"));
  const auto waits = [&]() -> task<> {
    for (;;) {
      if (automatic) {
        co_await one.wait();
      } else {
        co_await all.wait();
        all.reset();
      }
    }
  };
  const auto program = [&]() -> task<> {
    const auto first = spawn("first", waits);
    const auto second = spawn("second", waits);
    co_await yield();
    automatic ? one.set() : all.set();
    co_await first.join();
  };
  const std::string text = to_text(report_of(program, true));
  INFO(text);
  CHECK_THAT(
      text, contains_text(
                automatic ? "#1 main, set, woke #2 first, history_test.cpp:"
                          : "#1 main, set, woke #2 first and 1 more, history_test.cpp:"
            )
  );
}

TEST_CASE("an event keeps its last set or reset, whoever passes") {
  const auto program = []() -> task<> {
    event done(object_name("done"));
    done.set();
    co_await done.wait();
    done.reset();
    co_await done.wait();
  };
  const deadlock_report report = report_of(program, false);
  const object_info& done = object_of_core(report);
  CHECK(done.type == "event");
  REQUIRE(done.last.has_value());
  CHECK(done.last->operation == operation_kind::reset);
}

TEST_CASE("the last operation on locks, events, semaphores and latches is known") {
  mutex lock(object_name("lock"));
  event done(object_name("done"));
  semaphore units(object_name("units"), 0);
  latch all(object_name("all"), 2);
  const auto program = [&]() -> task<> {
    done.set();
    done.reset();
    units.release();
    if (auto unit = units.try_acquire()) unit->keep();
    all.count_down();
    const mutex_guard guard = co_await lock.lock();
    spawn("e", [&]() -> task<> { co_await done.wait(); });
    spawn("s", [&]() -> task<> { (void)co_await units.acquire(); });
    spawn("l", [&]() -> task<> { co_await all.wait(); });
    spawn("m", [&]() -> task<> { (void)co_await lock.lock(); });
    co_await suspend();
    const snapshot_data state = snapshot();
    for (const object_info& object : state.objects) {
      INFO(object.name);
      REQUIRE(object.last.has_value());
      CHECK(object.last->tasklet == 1);
      CHECK(object.last->at.line != 0);
      CHECK(
          object.last->operation == (object.name == "lock"    ? operation_kind::lock
                                     : object.name == "done"  ? operation_kind::reset
                                     : object.name == "units" ? operation_kind::acquire
                                                              : operation_kind::count_down)
      );
    }
    CHECK(state.objects.size() == 4);
    throw std::runtime_error("enough");
  };
  CHECK_THROWS_AS(run(program), std::runtime_error);
}

#endif
