#include <stackless/combine.hpp>
#include <stackless/stackless.hpp>
#include <stackless/testing.hpp>

#include "catch.hpp"

#include <chrono>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

using namespace std::chrono_literals;
using namespace stackless;
using stackless::testing::wait_all_blocked;

namespace {

task<int> number_after(std::chrono::seconds time, int number) {
  co_await sleep_for(time);
  co_return number;
}

task<std::string> text_after(std::chrono::seconds time, const std::string& text) {
  co_await sleep_for(time);
  co_return text;
}

task<int> fails_after(std::chrono::seconds time, std::string text) {
  co_await sleep_for(time);
  throw std::runtime_error(text);
}

task<> sleep_for_task() {
  co_await sleep_for(2s);
}

task<> logs_end(std::vector<std::string>& log, std::string name) {
  try {
    co_await sleep_for(1h);
  } catch (const cancelled&) {
    log.push_back(name);
    throw;
  }
}

}  // namespace

STACKLESS_TEST("when_all runs at the same time and gives all results") {
  const auto start = now();
  auto [number, text, nothing] = co_await when_all(
      number_after(1s, 7), text_after(3s, std::string("a temporary that lives long enough")),
      sleep_for_task()
  );
  CHECK(number == 7);
  CHECK(text == "a temporary that lives long enough");
  CHECK(nothing == std::monostate());
  CHECK(now() - start == 3s);
}

STACKLESS_TEST("when_all: the first error cancels the others") {
  std::vector<std::string> log;
  std::string text;
  const auto start = now();
  try {
    co_await when_all(logs_end(log, "cut"), fails_after(1s, "failed"));
  } catch (const std::runtime_error& error) {
    text = error.what();
  }
  CHECK(text == "failed");
  CHECK(log == std::vector<std::string>{"cut"});
  CHECK(now() - start == 1s);
}

STACKLESS_TEST("when_any: the first to end, and the losers are cancelled and waited for") {
  std::vector<std::string> log;
  auto first = co_await when_any(number_after(2s, 1), text_after(1s, "won"), logs_end(log, "cut"));
  REQUIRE(first.index() == 1);
  CHECK(std::get<1>(first) == "won");
  CHECK(log == std::vector<std::string>{"cut"});

  std::string text;
  try {
    (void)co_await when_any(number_after(2s, 1), fails_after(1s, "first"));
  } catch (const std::runtime_error& error) {
    text = error.what();
  }
  CHECK(text == "first");
}

STACKLESS_TEST("first_success passes failures over") {
  auto first = co_await first_success(fails_after(1s, "a"), number_after(2s, 5));
  REQUIRE(first.index() == 1);
  CHECK(std::get<1>(first) == 5);

  std::exception_ptr raised;
  try {
    (void)co_await first_success(fails_after(2s, "late"), fails_after(1s, "early"));
  } catch (const std::runtime_error& error) {
    raised = std::current_exception();
    CHECK(error.what() == std::string("early"));
  }
  CHECK(suppressed(raised).size() == 1);
}

namespace {

/// Cleans up in a shield, by a wait for what nobody does.
task<int> stuck_in_its_end() {
  try {
    co_await sleep_for(1h);
  } catch (const cancelled&) {
  }
  event never(object_name("never"));
  const auto wait = [&]() -> task<> { co_await never.wait(); };
  co_await shield(wait);
  co_return 0;
}

task<int> waits_for(event& what) {
  co_await what.wait();
  co_return 0;
}

}  // namespace

STACKLESS_TEST("when_any: a deadlock of a loser is raised in place of the result") {
  CHECK_THROWS_AS(co_await when_any(number_after(1s, 1), stuck_in_its_end()), deadlock_error);
}

STACKLESS_TEST("when_any: a deadlock of a loser is raised in place of an error, which is kept") {
  std::exception_ptr error;
  try {
    (void)co_await when_any(fails_after(1s, "first"), stuck_in_its_end());
  } catch (const deadlock_error&) {
    error = std::current_exception();
  }
  REQUIRE(error != nullptr);
  REQUIRE(suppressed(error).size() == 1);
  CHECK(describe(suppressed(error)[0]) == "std::runtime_error: first");
}

STACKLESS_TEST("when_any: a deadlock of one that was cancelled from outside is raised") {
  const auto race = []() -> task<> {
    (void)co_await when_any(number_after(2s, 1), stuck_in_its_end());
  };
  CHECK_THROWS_AS(co_await move_on_after(1s, race), deadlock_error);
}

STACKLESS_TEST("first_success passes no deadlock over") {
  CHECK_THROWS_AS(co_await first_success(number_after(1s, 1), stuck_in_its_end()), deadlock_error);

  event never(object_name("never"));
  std::exception_ptr error;
  try {
    (void)co_await first_success(fails_after(1s, "early"), waits_for(never), waits_for(never));
  } catch (const deadlock_error&) {
    error = std::current_exception();
  }
  REQUIRE(error != nullptr);
  // The second one who waits was cancelled, and has found no deadlock of its own.
  REQUIRE(suppressed(error).size() == 1);
  CHECK(describe(suppressed(error)[0]) == "std::runtime_error: early");
}

STACKLESS_TEST("when_any: an error that comes first is raised, though a loser comes to its end") {
  channel<int> values(2);
  const auto fails = [&]() -> task<int> {
    (void)co_await values.receive();
    throw std::runtime_error("first");
  };
  const auto succeeds = [&]() -> task<int> { co_return co_await values.receive(); };
  const auto feeds = [&]() -> task<> {
    co_await sleep_for(1s);
    (void)values.try_send(1);
    (void)values.try_send(2);  // in the same turn
  };
  const auto feeder = spawn(feeds);
  CHECK_THROWS_WITH(co_await when_any(fails(), succeeds()), "first");
  (void)values.try_send(1);
  (void)values.try_send(2);
  const auto got = co_await first_success(fails(), succeeds());
  CHECK(got.index() == 1);

  const auto ends_in_a_shield = []() -> task<> {
    co_await shield([]() -> task<> { co_await sleep_for(2s); });
  };
  const auto fails_alone = []() -> task<> {
    co_await sleep_for(1s);
    throw std::runtime_error("alone");
  };
  CHECK_THROWS_WITH(co_await when_any(fails_alone(), ends_in_a_shield()), "alone");
  co_await feeder.join();
}

STACKLESS_TEST("combinations are cancelled as a whole") {
  std::vector<std::string> log;
  CHECK_FALSE(co_await move_on_after(1s, [&]() -> task<> {
    (void)co_await when_all(logs_end(log, "a"), logs_end(log, "b"));
  }));
  CHECK_FALSE(co_await move_on_after(1s, [&]() -> task<> {
    (void)co_await when_any(logs_end(log, "c"), logs_end(log, "d"));
  }));
  CHECK(log == std::vector<std::string>{"a", "b", "c", "d"});
}

STACKLESS_TEST("as_result: errors as values, but neither cancellation nor kills") {
  auto good = co_await as_result([] { return number_after(1s, 3); });
  REQUIRE(good);
  CHECK(good.value() == 3);
  auto bad = co_await as_result([] { return fails_after(1s, "failed"); });
  CHECK_FALSE(bad);
  CHECK_THAT(describe(bad.error()), contains_text("failed"));
  CHECK_THROWS_WITH(bad.value(), "failed");
  auto nothing = co_await as_result([]() -> task<> { co_return; });
  CHECK(nothing);
  bool passed = true;
  CHECK_FALSE(co_await move_on_after(1s, [&]() -> task<> {
    (void)co_await as_result([]() -> task<> { co_await sleep_for(1h); });
    passed = false;
  }));
  CHECK(passed);
}

STACKLESS_TEST("finally: the cleanup runs in a shield, whatever has happened") {
  std::vector<std::string> log;
  const auto cleanup = [&](bool failed) -> task<> {
    co_await sleep_for(1s);
    log.emplace_back(failed ? "failed" : "went well");
  };
  const int value = co_await finally([] { return number_after(1s, 4); }, cleanup);
  CHECK(value == 4);
  std::string text;
  try {
    (void)co_await finally([] { return fails_after(1s, "body"); }, cleanup);
  } catch (const std::runtime_error& error) {
    text = error.what();
  }
  CHECK(text == "body");
  CHECK_FALSE(co_await move_on_after(1s, [&]() -> task<> {
    co_await finally([]() -> task<> { co_await sleep_for(1h); }, cleanup);
  }));
  CHECK(log == std::vector<std::string>{"went well", "failed", "failed"});

  auto victim = spawn([&]() -> task<> {
    co_await finally([]() -> task<> { co_await sleep_for(1h); }, cleanup);
  });
  co_await wait_all_blocked();
  co_await victim.kill();
  CHECK(victim.alive());
  co_await sleep_for(2s);
  CHECK_FALSE(victim.alive());
  CHECK(log.size() == 4);
}

STACKLESS_TEST("finally: an error of the cleanup does not hide the body's") {
  const auto fails = [](bool) -> task<> {
    co_await yield();
    throw std::out_of_range("cleanup");
  };
  std::exception_ptr raised;
  try {
    (void)co_await finally([] { return fails_after(1s, "body"); }, fails);
  } catch (const std::runtime_error&) {
    raised = std::current_exception();
  }
  REQUIRE(raised);
  CHECK(suppressed(raised).size() == 1);
  bool cleanup_raised = false;
  try {
    co_await finally([]() -> task<> { co_return; }, fails);
  } catch (const std::out_of_range&) {
    cleanup_raised = true;
  }
  CHECK(cleanup_raised);
}

STACKLESS_TEST("finally: an error of the cleanup is not lost behind a cancellation or a kill") {
  const auto waits = []() -> task<> { co_await sleep_for(1h); };
  const auto fails = [](bool) -> task<> {
    co_await sleep_for(1s);
    throw std::out_of_range("cleanup");
  };
  const auto both = [&]() -> task<> { co_await finally(waits, fails); };
  std::string text;
  try {
    co_await move_on_after(1s, both);
  } catch (const std::out_of_range& error) {
    text = error.what();
  }
  CHECK(text == "cleanup");

  // The body of a nursery that a child's error has cancelled, and a child of it.
  for (const bool in_body : {true, false}) {
    std::exception_ptr raised;
    try {
      co_await with_nursery([&](nursery& n) -> task<> {
        n.spawn([] { return fails_after(1s, "child"); });
        if (!in_body) n.spawn(both);
        if (in_body) co_await both();
      });
    } catch (const std::runtime_error&) {
      raised = std::current_exception();
    }
    REQUIRE(raised);
    CHECK(describe(raised) == "std::runtime_error: child");
    REQUIRE(suppressed(raised).size() == 1);
    CHECK(describe(suppressed(raised)[0]) == "std::out_of_range: cleanup");
  }

  // A kill follows at the next await of who caught the error.
  bool went_on = false;
  bool killed = false;
  auto victim = spawn([&]() -> task<> {
    try {
      co_await both();
    } catch (const std::out_of_range&) {
      went_on = true;
    }
    try {
      co_await yield();
    } catch (const tasklet_exit&) {
      killed = true;
      throw;
    }
  });
  co_await wait_all_blocked();
  co_await victim.kill();
  co_await sleep_for(2s);
  CHECK((went_on && killed));
}

STACKLESS_TEST("finally: killed in its cleanup, the body's error is raised and the kill follows") {
  bool raised = false;
  bool killed = false;
  auto victim = spawn([&]() -> task<> {
    try {
      (void)co_await finally(
          [] { return fails_after(1s, "body"); }, [](bool) -> task<> { co_await sleep_for(1h); }
      );
    } catch (const std::runtime_error&) {
      raised = true;
    }
    try {
      co_await yield();
    } catch (const tasklet_exit&) {
      killed = true;
      throw;
    }
  });
  co_await sleep_for(2s);
  co_await victim.kill();
  co_await sleep_for(1s);
  CHECK(raised);
  CHECK(killed);
  CHECK_FALSE(victim.alive());
}

STACKLESS_TEST("combinations: killed while they wait, their tasks are cancelled first") {
  std::vector<std::string> log;
  auto all = spawn([&]() -> task<> {
    (void)co_await when_all(logs_end(log, "a"), logs_end(log, "b"));
    FAIL_CHECK("it was killed");
  });
  auto any = spawn([&]() -> task<> {
    (void)co_await when_any(logs_end(log, "c"), logs_end(log, "d"));
    FAIL_CHECK("it was killed");
  });
  auto first = spawn([&]() -> task<> {
    (void)co_await first_success(fails_after(1s, "failed"), logs_end(log, "e"));
    FAIL_CHECK("it was killed");
  });
  co_await sleep_for(2s);
  for (const auto& t : {all, any, first}) {
    co_await t.kill();
    bool killed = false;
    try {
      co_await t.join();
    } catch (const tasklet_killed&) {
      killed = true;
    }
    CHECK(killed);
  }
  CHECK(log == std::vector<std::string>{"a", "b", "c", "d", "e"});
}

STACKLESS_TEST("combinations: a limit at the very time of the result, in both orders") {
  // The limit is set first: it cancels all.
  CHECK_FALSE(co_await move_on_after(1s, []() -> task<> {
    (void)co_await when_all(number_after(1s, 1), number_after(1s, 2));
  }));
  CHECK_FALSE(co_await move_on_after(1s, []() -> task<> {
    (void)co_await when_any(number_after(1s, 1), number_after(2s, 2));
  }));
  CHECK_FALSE(co_await move_on_after(1s, []() -> task<> {
    (void)co_await first_success(number_after(1s, 1), number_after(2s, 2));
  }));
  // The result comes first: it stands, and the next await raises.
  int got = 0;
  bool went_on = false;
  co_await with_cancel_scope([&](cancel_scope& scope) -> task<> {
    const auto last = [](cancel_scope& limit) -> task<int> {
      co_await sleep_for(1s);
      limit.cancel();  // at its very end
      co_return 2;
    };
    const auto [one, two] = co_await when_all(number_after(1s, 1), last(scope));
    got = one + two;
    co_await checkpoint();
    went_on = true;
  });
  CHECK(got == 3);
  CHECK_FALSE(went_on);
  got = 0;
  co_await with_cancel_scope([&](cancel_scope& scope) -> task<> {
    const auto wins = [](cancel_scope& limit) -> task<int> {
      co_await sleep_for(1s);
      limit.cancel();
      co_return 3;
    };
    const auto any = co_await when_any(wins(scope), number_after(2s, 2));
    got = std::get<0>(any);
  });
  CHECK(got == 3);
}
