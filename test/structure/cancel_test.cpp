#include <stackless/stackless.hpp>
#include <stackless/testing.hpp>

#include "catch.hpp"

#include <chrono>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

using namespace std::chrono_literals;
using stackless::cancel_scope;
using stackless::cancelled;
using stackless::channel;
using stackless::checkpoint;
using stackless::fail_after;
using stackless::move_on_after;
using stackless::now;
using stackless::shield;
using stackless::sleep_for;
using stackless::spawn;
using stackless::task;
using stackless::timeout_error;
using stackless::with_cancel_scope;
using stackless::yield;
using stackless::testing::wait_all_blocked;

namespace {

task<> sleep_long() {
  co_await sleep_for(1h);
}

task<int> late_answer(std::chrono::milliseconds after) {
  co_await sleep_for(after);
  co_return 42;
}

}  // namespace

STACKLESS_TEST("move_on_after: who is in time gives its result, who is not is cancelled") {
  const auto start = now();
  const std::optional<int> in_time = co_await move_on_after(2s, [] { return late_answer(1s); });
  CHECK(in_time == 42);
  CHECK(now() - start == 1s);
  const std::optional<int> late = co_await move_on_after(2s, [] { return late_answer(3s); });
  CHECK_FALSE(late);
  CHECK(now() - start == 3s);
  CHECK_FALSE(co_await move_on_after(1s, sleep_long));
  CHECK(co_await move_on_after(2h, sleep_long));
}

STACKLESS_TEST("move_on_after: a limit that is past cancels at the first await that waits") {
  bool began = false;
  const bool ended = co_await move_on_after(-1s, [&]() -> task<> {
    began = true;
    co_await sleep_long();
  });
  CHECK(began);
  CHECK_FALSE(ended);
}

STACKLESS_TEST("fail_after: the error names the limit and the place") {
  std::string text;
  try {
    co_await fail_after(1500ms, sleep_long);
  } catch (const timeout_error& error) {
    text = error.what();
  }
  CHECK_THAT(text, starts_with_text("timed out after 1.5 s"));
#if STACKLESS_TRACKING
  CHECK_THAT(text, contains_text("cancel_test.cpp:"));
#endif
  CHECK(co_await fail_after(2s, [] { return late_answer(1s); }) == 42);
}

STACKLESS_TEST("fail_after: an error of the body comes out as it is") {
  bool caught = false;
  try {
    co_await fail_after(1s, []() -> task<> {
      co_await yield();
      throw std::out_of_range("mine");
    });
  } catch (const std::out_of_range&) {
    caught = true;
  }
  CHECK(caught);
}

STACKLESS_TEST("cancel: those who wait raise now, with the reason") {
  channel<int> never;
  std::string reason;
  cancel_scope* scope = nullptr;
  auto worker = spawn([&]() -> task<> {
    const bool ended = co_await with_cancel_scope([&](cancel_scope& s) -> task<> {
      scope = &s;
      try {
        co_await never.receive();
      } catch (const cancelled& error) {
        reason = error.reason();
        throw;
      }
    });
    CHECK_FALSE(ended);
  });
  co_await wait_all_blocked();
  CHECK(never.balance() == -1);
  scope->cancel("enough");
  CHECK(scope->is_cancelled());
  CHECK_FALSE(scope->deadline_passed());
  CHECK(never.balance() == 0);
  scope->cancel("once more");
  co_await worker.join();
  CHECK(reason == "enough");
}

STACKLESS_TEST("cancel is a state: one that is swallowed comes again at the next await") {
  int times = 0;
  co_await with_cancel_scope([&](cancel_scope& scope) -> task<> {
    scope.cancel();
    for (int i = 0; i < 3; ++i) {
      try {
        co_await yield();
      } catch (const cancelled&) {
        ++times;
      }
    }
  });
  CHECK(times == 3);
  co_await yield();  // outside nothing is left of it
}

STACKLESS_TEST(
    "cancel: the value that was handed over before is received, then the next await raises"
) {
  channel<int> values;
  cancel_scope* scope = nullptr;
  int got = 0;
  bool raised_later = false;
  auto receiver = spawn([&]() -> task<> {
    co_await with_cancel_scope([&](cancel_scope& s) -> task<> {
      scope = &s;
      got = co_await values.receive();
      try {
        co_await checkpoint();
      } catch (const cancelled&) {
        raised_later = true;
        throw;
      }
    });
  });
  co_await wait_all_blocked();
  CHECK(values.try_send(7) == stackless::send_status::sent);
  scope->cancel();
  co_await receiver.join();
  CHECK(got == 7);
  CHECK(raised_later);
}

STACKLESS_TEST("cancel: a value that was not sent stays with its sender") {
  channel<std::unique_ptr<int>> values;
  auto value = std::make_unique<int>(3);
  const bool sent =
      co_await move_on_after(1s, [&]() -> task<> { co_await values.send_from(value); });
  CHECK_FALSE(sent);
  REQUIRE(value);
  CHECK(*value == 3);
  CHECK(values.balance() == 0);
}

STACKLESS_TEST("scopes nest: the outer one cancels the inner one, and takes it") {
  std::vector<std::string> log;
  const bool outer = co_await move_on_after(1s, [&]() -> task<> {
    const bool inner = co_await move_on_after(1h, sleep_long);
    log.push_back(inner ? "inner ended" : "inner cut");  // not reached: it was not its own
  });
  CHECK_FALSE(outer);
  CHECK(log.empty());

  const bool second = co_await move_on_after(1h, [&]() -> task<> {
    const bool inner = co_await move_on_after(1s, sleep_long);
    log.push_back(inner ? "inner ended" : "inner cut");
    co_await yield();
  });
  CHECK(second);
  CHECK(log == std::vector<std::string>{"inner cut"});
}

STACKLESS_TEST("both scopes cancelled: the outer one takes it") {
  bool after_inner = false;
  const bool outer = co_await with_cancel_scope([&](cancel_scope& out) -> task<> {
    co_await with_cancel_scope([&](cancel_scope& in) -> task<> {
      out.cancel();
      in.cancel();
      co_await yield();
    });
    after_inner = true;
  });
  CHECK_FALSE(outer);
  CHECK_FALSE(after_inner);
}

STACKLESS_TEST("shield: cancellation waits outside") {
  std::vector<std::string> log;
  const bool ended = co_await with_cancel_scope([&](cancel_scope& scope) -> task<> {
    scope.cancel();
    co_await shield([&]() -> task<> {
      CHECK_FALSE(stackless::cancel_requested());
      co_await sleep_for(1s);
      log.emplace_back("shielded");
    });
    CHECK(stackless::cancel_requested());
    co_await yield();
    log.emplace_back("not reached");
  });
  CHECK_FALSE(ended);
  CHECK(log == std::vector<std::string>{"shielded"});
}

STACKLESS_TEST("shield: one that waits there is left alone when its scope is cancelled") {
  cancel_scope* scope = nullptr;
  bool done = false;
  auto worker = spawn([&]() -> task<> {
    co_await with_cancel_scope([&](cancel_scope& s) -> task<> {
      scope = &s;
      co_await shield([&]() -> task<> {
        co_await sleep_for(1s);
        done = true;
      });
      co_await sleep_long();
    });
  });
  co_await wait_all_blocked();
  scope->cancel();
  const auto start = now();
  co_await worker.join();
  CHECK(done);
  CHECK(now() - start == 1s);
}

STACKLESS_TEST("a deadline inside a shield still counts") {
  bool inner = true;
  co_await shield([&]() -> task<> { inner = co_await move_on_after(1s, sleep_long); });
  CHECK_FALSE(inner);
}

STACKLESS_TEST("a deadline can be moved and removed") {
  const auto start = now();
  const bool ended = co_await with_cancel_scope([&](cancel_scope& scope) -> task<> {
    scope.set_deadline(now() + 1s);
    scope.set_deadline(now() + 3s);
    co_await sleep_long();
  });
  CHECK_FALSE(ended);
  CHECK(now() - start == 3s);
  CHECK(co_await with_cancel_scope([&](cancel_scope& scope) -> task<> {
    scope.set_deadline(now() + 1s);
    scope.remove_deadline();
    co_await sleep_for(2s);
  }));
}

STACKLESS_TEST("yield and suspend are cancel points") {
  cancel_scope* scope = nullptr;
  int reached = 0;
  auto worker = spawn([&]() -> task<> {
    co_await with_cancel_scope([&](cancel_scope& s) -> task<> {
      scope = &s;
      co_await stackless::suspend();
      ++reached;
    });
  });
  co_await wait_all_blocked();
  scope->cancel();
  co_await worker.join();
  CHECK(reached == 0);

  auto yielder = spawn([&]() -> task<> {
    co_await with_cancel_scope([&](cancel_scope& s) -> task<> {
      scope = &s;
      co_await yield();
      ++reached;
    });
  });
  co_await yield();
  scope->cancel();
  co_await yielder.join();
  CHECK(reached == 0);
}

STACKLESS_TEST("checkpoint raises what is due, and else lets nobody run") {
  bool other_ran = false;
  auto other = spawn([&]() -> task<> {
    other_ran = true;
    co_return;
  });
  co_await checkpoint();
  CHECK_FALSE(other_ran);
  co_await other.join();
}

STACKLESS_TEST("a stop_token follows its scope") {
  std::stop_token token;
  bool told = false;
  co_await with_cancel_scope([&](cancel_scope& scope) -> task<> {
    token = scope.stop_token();
    const std::stop_callback tell(token, [&] { told = true; });
    CHECK_FALSE(token.stop_requested());
    scope.cancel();
    CHECK(token.stop_requested());
    CHECK(told);
    CHECK(scope.stop_token().stop_requested());
    co_return;
  });
  std::stop_token of_deadline;
  co_await move_on_after(1s, [&]() -> task<> { co_await sleep_long(); });
  co_await with_cancel_scope([&](cancel_scope& scope) -> task<> {
    scope.set_deadline(now() + 1s);
    of_deadline = scope.stop_token();
    co_await sleep_long();
  });
  CHECK(of_deadline.stop_requested());
}

STACKLESS_TEST("a kill inside a scope is no cancellation of it") {
  auto worker = spawn([&]() -> task<> { co_await move_on_after(1h, sleep_long); });
  co_await wait_all_blocked();
  co_await worker.kill();
  CHECK_FALSE(worker.alive());
  bool killed = false;
  try {
    co_await worker.join();
  } catch (const stackless::tasklet_killed&) {
    killed = true;
  }
  CHECK(killed);
}

STACKLESS_TEST("cancelled that nobody cancelled is an error like any other") {
  auto worker = spawn([]() -> task<> {
    co_await yield();
    throw cancelled("made up");
  });
  std::string reason;
  try {
    co_await move_on_after(1h, [&]() -> task<> { co_await worker.join(); });
  } catch (const cancelled& error) {
    reason = error.reason();
  }
  CHECK(reason == "made up");
  CHECK(stackless::describe(std::make_exception_ptr(cancelled("why"))) == "cancelled: why");
}

TEST_CASE("teardown waits outside a shield") {
  std::vector<std::string> log;
  const auto cleans_up = [&]() -> task<> {
    co_await shield([&]() -> task<> {
      co_await sleep_for(1ms);
      log.emplace_back("cleaned up");
    });
    co_await yield();
    log.emplace_back("not reached");
  };
  CHECK_THROWS_AS(
      stackless::run([&]() -> task<> {
        spawn(cleans_up);
        co_await yield();
        throw std::runtime_error("main fails");
      }),
      std::runtime_error
  );
  CHECK(log == std::vector<std::string>{"cleaned up"});
}

TEST_CASE("a deadline is a source: no deadlock while it runs, one when it is gone") {
  channel<int> never;
  bool timed_out = false;
  stackless::run([&]() -> task<> {
    timed_out = !co_await move_on_after(2ms, [&]() -> task<> { co_await never.receive(); });
  });
  CHECK(timed_out);
  CHECK_THROWS_AS(
      stackless::run([&]() -> task<> {
        co_await with_cancel_scope([&](cancel_scope&) -> task<> { co_await never.receive(); });
      }),
      stackless::deadlock_error
  );
}

TEST_CASE("scopes outside a tasklet are refused") {
  CHECK_THROWS_AS(cancel_scope(false), std::logic_error);
  CHECK_FALSE(stackless::cancel_requested());
}
