#include <stackless/stackless.hpp>
#include <stackless/testing.hpp>

#include "catch.hpp"
#include "core/process.hpp"

#include <chrono>
#include <csignal>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

using namespace std::chrono_literals;
using stackless::async_generator;
using stackless::channel;
using stackless::task;

namespace {

async_generator<int> doubled(channel<int> in) {
  while (auto x = co_await in.next()) co_yield *x * 2;
}

async_generator<int> odd(async_generator<int> in) {
  while (auto x = co_await in.next())
    if (*x % 4 != 0) co_yield *x;
}

async_generator<int> ticks() {
  for (int i = 0;; ++i) {
    co_await stackless::sleep_for(1s);
    co_yield i;
  }
}

task<> consume(channel<int> in) {
  auto all = doubled(in);
  while (co_await all.next()) {
  }
}

}  // namespace

STACKLESS_TEST("an async_generator awaits between its elements, and composes") {
  channel<int> in;
  stackless::spawn([in]() -> task<> {
    for (int i = 1; i <= 4; ++i) co_await in.send(i);
    auto closed = in;
    closed.close();
  });
  std::vector<int> got;
  auto elements = odd(doubled(in));
  while (auto x = co_await elements.next()) got.push_back(*x);
  CHECK(got == std::vector{2, 6});
  CHECK_FALSE(co_await elements.next());
}

STACKLESS_TEST("an async_generator may be long: the stack stays flat") {
  const auto numbers = []() -> async_generator<int> {
    for (int i = 1; i <= 200'000; ++i) co_yield i;
  };
  long sum = 0;
  auto all = numbers();
  while (auto x = co_await all.next()) sum += *x;
  CHECK(sum == 20'000'100'000L);
}

STACKLESS_TEST("an async_generator gives move-only values, moved ones, copies and references") {
  const auto owners = []() -> async_generator<std::unique_ptr<int>> {
    co_yield std::make_unique<int>(1);
    auto two = std::make_unique<int>(2);
    co_yield stackless::move_from(two);
  };
  auto owned = owners();
  int sum = 0;
  while (auto p = co_await owned.next()) sum += **p;
  CHECK(sum == 3);

  const auto texts = []() -> async_generator<std::string> {
    const std::string kept = "kept";
    co_yield kept;
    co_yield kept;
  };
  auto copies = texts();
  CHECK(*co_await copies.next() == "kept");
  CHECK(*co_await copies.next() == "kept");

  std::vector<int> numbers{1, 2};
  const auto each = [&]() -> async_generator<int&> {
    for (int& n : numbers) co_yield n;
  };
  auto refs = each();
  while (int* n = co_await refs.next()) *n *= 10;
  CHECK(numbers == std::vector{10, 20});
}

STACKLESS_TEST("an error of an async_generator comes out of next, and ends it") {
  const auto fails = []() -> async_generator<int> {
    co_yield 1;
    co_await stackless::yield();
    throw std::runtime_error("fails");
  };
  auto g = fails();
  CHECK(*co_await g.next() == 1);
  bool raised = false;
  try {
    (void)co_await g.next();
  } catch (const std::runtime_error& error) {
    raised = error.what() == std::string("fails");
  }
  CHECK(raised);
  CHECK_FALSE(co_await g.next());
}

STACKLESS_TEST("an async_generator that is left early destroys its locals") {
  auto kept = std::make_shared<int>(1);
  const std::weak_ptr<int> watch = kept;
  const auto holds = [](std::shared_ptr<int> p) -> async_generator<int> {
    const auto local = std::move(p);
    for (;;) co_yield *local;
  };
  {
    auto g = holds(std::move(kept));
    (void)co_await g.next();
    CHECK_FALSE(watch.expired());
  }
  CHECK(watch.expired());
  {
    auto never_read = doubled(channel<int>());
  }
}

STACKLESS_TEST("cancelling and killing reach what an async_generator awaits, and end it") {
  auto g = ticks();
  CHECK(*co_await g.next() == 0);
  const auto start = stackless::now();
  const bool in_time =
      co_await stackless::move_on_after(500ms, [&]() -> task<> { (void)co_await g.next(); });
  CHECK_FALSE(in_time);
  CHECK(stackless::now() - start == 500ms);
  CHECK_FALSE(co_await g.next());

  auto other = ticks();
  // Both at the same time: the element came first, and stands.
  CHECK(co_await stackless::move_on_after(1500ms, [&]() -> task<> {
    CHECK(*co_await other.next() == 0);
  }));
  auto reader = stackless::spawn([&]() -> task<> { (void)co_await other.next(); });
  co_await stackless::testing::wait_all_blocked();
  co_await reader.kill();
  CHECK_FALSE(reader.alive());
  CHECK_FALSE(co_await other.next());
}

STACKLESS_TEST("an async_generator has one next at a time") {
  auto g = ticks();
  auto first = stackless::spawn([&]() -> task<> { CHECK(*co_await g.next() == 0); });
  co_await stackless::testing::wait_all_blocked();
  std::string said;
  try {
    (void)co_await g.next();
  } catch (const std::logic_error& error) {
    said = error.what();
  }
  CHECK(said == "async_generator::next: another next() of it has not ended");
  co_await first.join();
  CHECK(*co_await g.next() == 1);
  auto taken = std::move(g);
  CHECK_THROWS_MATCHES(
      (void)g.next(), std::logic_error, has_message("async_generator::next: it was moved from")
  );
  CHECK(*co_await taken.next() == 2);
}

TEST_CASE("an async_generator that is destroyed while a next of it runs ends the program") {
  const auto end = process::end_of([] {
    stackless::run([]() -> task<> {
      std::optional<async_generator<int>> g(ticks());
      auto reader = stackless::spawn([&]() -> task<> { (void)co_await g->next(); });
      co_await stackless::yield();
      g.reset();
      co_await reader.join();
    });
  });
  CHECK(end.signal == SIGABRT);
#if STACKLESS_TRACKING
  CHECK_THAT(end.text, contains_text("ticks()"));
#endif
  CHECK_THAT(end.text, contains_text("was destroyed while a next() of it ran"));
}

TEST_CASE("a deadlock in an async_generator shows its body between the consumer and the channel") {
  std::string report;
  try {
    stackless::run([]() -> task<> {
      channel<int> in("numbers");
      co_await consume(in);
    });
  } catch (const stackless::deadlock_error& error) {
    report = error.what();
  }
  CHECK_THAT(report, contains_text("'numbers'"));
#if STACKLESS_TRACKING
  const auto body = report.find("   0  doubled(");
  const auto consumer = report.find("   1  consume(");
  INFO(report);
  REQUIRE(consumer != std::string::npos);
  CHECK(body < consumer);
  CHECK(
      report.substr(body, consumer - body).find("async_generator_test.cpp:") != std::string::npos
  );
#endif
}
