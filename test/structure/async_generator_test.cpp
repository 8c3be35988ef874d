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

struct surroundings {
  channel<int> in;
  channel<int> out;
  stackless::mutex m;
  int locals = 0;  ///< of bodies that have begun
};

class counted_local {
 public:
  explicit counted_local(int& count) : count_(count) { ++count_; }
  counted_local(const counted_local&) = delete;
  counted_local& operator=(const counted_local&) = delete;
  ~counted_local() { --count_; }

 private:
  int& count_;
};

// Each gives one element, and then waits in its own way.
async_generator<int> waits_in_receive(surroundings& s) {
  const counted_local here(s.locals);
  co_yield 0;
  const int got = co_await s.in.receive();
  co_yield got;
}
async_generator<int> waits_in_send(surroundings& s) {
  const counted_local here(s.locals);
  co_yield 0;
  co_await s.out.send(1);
  co_yield 1;
}
async_generator<int> waits_in_select(surroundings& s) {
  const counted_local here(s.locals);
  int value = 1;
  co_yield 0;
  const auto got = co_await stackless::select(s.in.receive(), s.out.send_from(value), s.m.lock());
  co_yield static_cast<int>(got.index());
}
async_generator<int> waits_in_nursery(surroundings& s) {
  const counted_local here(s.locals);
  co_yield 0;
  const auto body = [&](stackless::nursery& n) -> task<> {
    n.spawn([&]() -> task<> {
      const counted_local child(s.locals);
      (void)co_await s.in.receive();
    });
    co_await s.out.send(1);
  };
  co_await stackless::with_nursery(body);
  co_yield 1;
}
async_generator<int> waits_in_another(surroundings& s) {
  const counted_local here(s.locals);
  auto inner = waits_in_select(s);
  while (auto element = co_await inner.next()) co_yield *element;
}

using generator_function = async_generator<int> (*)(surroundings&);
constexpr generator_function all_that_wait[] = {
    waits_in_receive, waits_in_send, waits_in_select, waits_in_nursery, waits_in_another
};

/// Reads on until it waits, with the lock taken so that a select has to.
task<> reads_all(async_generator<int>& g) {
  for (;;) {
    const std::optional<int> element = co_await g.next();  // in a condition GCC 12 gets it wrong
    if (!element) co_return;
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
  auto third = ticks();
  // The limit was set first: it has cancelled the body, which has ended.
  CHECK_FALSE(co_await stackless::move_on_after(1s, [&]() -> task<> {
    (void)co_await third.next();
  }));
  CHECK_FALSE(co_await third.next());
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

STACKLESS_TEST(
    "an async_generator is abandoned wherever it waits: its consumer is cancelled or killed"
) {
  for (const generator_function make : all_that_wait)
    for (const bool own : {false, true})
      for (const bool killed : {false, true}) {
        surroundings s;
        auto held = s.m.try_lock();
        std::optional<async_generator<int>> kept(make(s));
        const auto consumes = [&]() -> task<> {
          // Its own one goes with its frame; the other one outlives it.
          auto mine = make(s);
          async_generator<int>& which = own ? mine : *kept;
          co_await reads_all(which);
        };
        auto consumer = stackless::spawn([&]() -> task<> {
          const bool in_time = co_await stackless::move_on_after(1s, consumes);
          CHECK_FALSE(in_time);
        });
        co_await stackless::testing::wait_all_blocked();
        CHECK(s.locals > 0);
        if (killed) {
          co_await consumer.kill();
          co_await stackless::testing::wait_all_blocked();
        } else {
          co_await consumer.join();
        }
        CHECK_FALSE(consumer.alive());
        CHECK(s.locals == 0);
        CHECK(s.in.balance() == 0);
        CHECK(s.out.balance() == 0);
        const auto element = co_await kept->next();
        CHECK(element.has_value() == own);  // it has ended, or was never begun
        held.reset();
        CHECK(s.m.try_lock());
      }
}

TEST_CASE("an async_generator that waits is ended by teardown") {
  for (const generator_function make : all_that_wait) {
    surroundings s;
    const auto held = s.m.try_lock();
    const auto program = [&]() -> task<> {
      auto g = make(s);
      auto consumer = stackless::spawn([&]() -> task<> { co_await reads_all(g); });
      co_await stackless::yield();
      stackless::spawn([&]() -> task<> {
        auto own = make(s);
        co_await reads_all(own);
      });
      co_await stackless::yield();
      co_await consumer.kill();
      while (consumer.alive()) co_await stackless::yield();  // its generator outlives it
      throw std::runtime_error("main ends");
    };
    CHECK_THROWS_AS(stackless::run(program), std::runtime_error);
    CHECK(s.locals == 0);
    CHECK(s.in.balance() == 0);
    CHECK(s.out.balance() == 0);
  }
}

TEST_CASE("an async_generator that is destroyed wherever it waits ends the program") {
  for (const generator_function make : all_that_wait) {
    const auto end = process::end_of([make] {
      stackless::run([make]() -> task<> {
        surroundings s;
        const auto held = s.m.try_lock();
        std::optional<async_generator<int>> g(make(s));
        auto reader = stackless::spawn([&]() -> task<> { co_await reads_all(*g); });
        co_await stackless::testing::wait_all_blocked();
        g.reset();
        co_await reader.join();
      });
    });
    CHECK(end.signal == SIGABRT);
    CHECK_THAT(end.text, contains_text("was destroyed while a next() of it ran"));
  }
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
