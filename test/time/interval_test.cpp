#include <stackless/stackless.hpp>

#include "catch.hpp"

#include <chrono>
#include <stdexcept>
#include <variant>
#include <vector>

using namespace std::chrono_literals;
using namespace stackless;

namespace {

scheduler_options virtual_time() {
  scheduler_options options;
  options.clock = clock_choice::virtual_time;
  return options;
}

struct seen_tick {
  std::chrono::nanoseconds due;
  std::chrono::nanoseconds came;

  friend bool operator==(const seen_tick&, const seen_tick&) = default;
};

/// The first tick of four is followed by work of 35 ms, where a period has 10.
std::vector<seen_tick> ticks_after_a_delay(missed_ticks policy) {
  std::vector<seen_tick> seen;
  run(virtual_time(), [&]() -> task<> {
    const time_point start = now();
    interval ticks(10ms, policy);
    for (int i = 0; i < 6; ++i) {
      const time_point due = co_await ticks.tick();
      seen.push_back({due - start, now() - start});
      if (i == 0) co_await sleep_for(35ms);
    }
  });
  return seen;
}

}  // namespace

TEST_CASE("an interval ticks once a period, whatever the work between takes") {
  std::vector<std::chrono::nanoseconds> seen;
  run(virtual_time(), [&]() -> task<> {
    const time_point start = now();
    interval ticks(10ms);
    for (int i = 0; i < 4; ++i) {
      const time_point due = co_await ticks.tick();
      CHECK(due == now());
      seen.push_back(due - start);
      co_await sleep_for(7ms);
    }
  });
  CHECK(seen == std::vector<std::chrono::nanoseconds>{10ms, 20ms, 30ms, 40ms});
}

TEST_CASE("ticks that were missed: burst, delay, skip") {
  CHECK(
      ticks_after_a_delay(missed_ticks::burst) ==
      std::vector<seen_tick>{
          {10ms, 10ms}, {20ms, 45ms}, {30ms, 45ms}, {40ms, 45ms}, {50ms, 50ms}, {60ms, 60ms}
      }
  );
  CHECK(
      ticks_after_a_delay(missed_ticks::delay) ==
      std::vector<seen_tick>{
          {10ms, 10ms}, {20ms, 45ms}, {55ms, 55ms}, {65ms, 65ms}, {75ms, 75ms}, {85ms, 85ms}
      }
  );
  CHECK(
      ticks_after_a_delay(missed_ticks::skip) ==
      std::vector<seen_tick>{
          {10ms, 10ms}, {20ms, 45ms}, {50ms, 50ms}, {60ms, 60ms}, {70ms, 70ms}, {80ms, 80ms}
      }
  );
}

TEST_CASE("skip: a tick that is late by whole periods is followed by one a period later") {
  run(virtual_time(), []() -> task<> {
    const time_point start = now();
    interval ticks(10ms, missed_ticks::skip);
    co_await sleep_for(30ms);
    CHECK(co_await ticks.tick() == start + 10ms);
    CHECK(ticks.next() == start + 40ms);
  });
}

TEST_CASE("late ticks let the others run, and all who wait at a time get the same one") {
  std::vector<int> order;
  run(virtual_time(), [&]() -> task<> {
    interval ticks(1s);
    const auto waits = [&](int name) -> task<> {
      CHECK(co_await ticks.tick() == ticks.next() - 1s);
      order.push_back(name);
    };
    const auto a = spawn(waits, 1);
    const auto b = spawn(waits, 2);
    co_await a.join();
    co_await b.join();
    CHECK(now() == time_point{} + 1s);
    co_await sleep_for(5s);
    const auto other = [&]() -> task<> {
      for (int i = 0; i < 3; ++i) {
        order.push_back(10);
        co_await yield();
      }
    };
    const auto c = spawn(other);
    for (int i = 0; i < 3; ++i) {
      co_await ticks.tick();
      order.push_back(20);
    }
    co_await c.join();
  });
  CHECK(order == std::vector<int>{1, 2, 10, 20, 10, 20, 10, 20});
}

TEST_CASE("a first tick at once, and a reset") {
  run(virtual_time(), []() -> task<> {
    const time_point start = now();
    interval ticks(10ms, start);
    CHECK(co_await ticks.tick() == start);
    CHECK(now() == start);
    co_await sleep_for(4ms);
    ticks.reset();
    CHECK(co_await ticks.tick() == start + 14ms);
    CHECK(co_await ticks.tick() == start + 24ms);
  });
}

TEST_CASE("a reset while somebody waits: that tick comes as it was") {
  run(virtual_time(), []() -> task<> {
    const time_point start = now();
    interval ticks(10ms);
    const auto waits = [&]() -> task<> { CHECK(co_await ticks.tick() == start + 10ms); };
    const auto waiter = spawn(waits);
    co_await sleep_for(4ms);
    ticks.reset();
    co_await waiter.join();
    CHECK(now() == start + 10ms);
    CHECK(ticks.next() == start + 14ms);
  });
}

TEST_CASE("a tick that was cancelled, or whose tasklet was killed, is still to come") {
  run(virtual_time(), []() -> task<> {
    const time_point start = now();
    interval ticks(10ms);
    CHECK_FALSE(co_await move_on_after(4ms, [&]() -> task<> { (void)co_await ticks.tick(); }));
    CHECK(ticks.next() == start + 10ms);
    const auto waits = [&]() -> task<> { (void)co_await ticks.tick(); };
    const auto killed = spawn(waits);
    co_await yield();
    co_await killed.kill();
    CHECK(ticks.next() == start + 10ms);
    CHECK(snapshot().sources.timers == 0);
    CHECK(co_await ticks.tick() == start + 10ms);
  });
}

TEST_CASE("a sibling's error cancels who waits for a tick, which is still to come") {
  run(virtual_time(), []() -> task<> {
    const time_point start = now();
    interval ticks(10ms);
    const auto waits = [&]() -> task<> { (void)co_await ticks.tick(); };
    const auto fails = []() -> task<> {
      co_await sleep_for(4ms);
      throw std::runtime_error("a sibling");
    };
    const auto body = [&](nursery& n) -> task<> {
      n.spawn(waits);
      n.spawn(fails);
      co_return;
    };
    CHECK_THROWS_AS(co_await with_nursery(body), std::runtime_error);
    CHECK(now() == start + 4ms);
    CHECK(snapshot().sources.timers == 0);
    CHECK(co_await ticks.tick() == start + 10ms);
  });
}

TEST_CASE("a limit at the very time of a tick: who was set first wins") {
  run(virtual_time(), []() -> task<> {
    const time_point start = now();
    interval ticks(10ms);
    // The limit is set first, and has cancelled the wait before the tick comes.
    CHECK_FALSE(co_await move_on_after(10ms, [&]() -> task<> { (void)co_await ticks.tick(); }));
    CHECK(ticks.next() == start + 10ms);
    ticks.reset();
    bool ticked = false;
    const bool in_time = co_await with_cancel_scope([&](cancel_scope& scope) -> task<> {
      const auto cancels = [](cancel_scope& to_cancel) -> task<> {
        co_await sleep_for(10ms);
        to_cancel.cancel();
      };
      // This tick is waited for before the one who cancels begins to sleep.
      const auto canceller = spawn(cancels, borrow(scope));
      (void)co_await ticks.tick();
      ticked = true;
      co_await canceller.join();
    });
    CHECK(ticked);
    CHECK_FALSE(in_time);
  });
}

TEST_CASE("a tick as a case of a select") {
  std::vector<std::size_t> cases;
  run(virtual_time(), [&]() -> task<> {
    interval ticks(10ms);
    const channel<int> c;
    const auto sends = [](channel<int> out) -> task<> {
      co_await sleep_for(15ms);
      co_await out.send(1);
    };
    spawn(sends, c);
    for (int i = 0; i < 3; ++i)
      cases.push_back((co_await select(ticks.tick(), c.receive())).index());
  });
  CHECK(cases == std::vector<std::size_t>{0, 1, 0});
}

TEST_CASE("intervals: misuse") {
  CHECK_THROWS_AS(interval(1s), std::logic_error);  // outside a scheduler
  run([]() -> task<> {
    CHECK_THROWS_AS(interval(0s), std::logic_error);
    CHECK_THROWS_AS(interval(-1s, now()), std::logic_error);
    co_return;
  });
}

TEST_CASE("an interval of the longest period there is") {
  run(virtual_time(), []() -> task<> {
    interval ticks(std::chrono::nanoseconds::max(), now() + 1s, missed_ticks::burst);
    (void)co_await ticks.tick();
    CHECK(ticks.next() == time_point::max());
  });
}

TEST_CASE("a deadline hands down what is left over") {
  run(virtual_time(), []() -> task<> {
    const deadline limit(1s);
    CHECK(limit.at() == now() + 1s);
    co_await sleep_for(400ms);
    CHECK(limit.remaining() == 600ms);
    CHECK_FALSE(limit.passed());
    CHECK(limit.within(100ms).remaining() == 100ms);
    CHECK(limit.within(2s) == limit);
    CHECK(limit.within(2s) > limit.within(100ms));
    bool timed_out = false;
    try {
      co_await fail_after(limit.remaining(), []() -> task<> { co_await sleep_for(1h); });
    } catch (const timeout_error&) {
      timed_out = true;
    }
    CHECK(timed_out);
    CHECK(now() == limit.at());
    CHECK(limit.passed());
    CHECK(limit.remaining() == 0ns);
    co_await sleep_for(1s);
    CHECK(limit.remaining() == 0ns);
    const bool in_time =
        co_await move_on_after(limit.remaining(), []() -> task<> { co_await sleep_for(1h); });
    CHECK_FALSE(in_time);
  });
}

TEST_CASE("waiting for a deadline, alone and in a select") {
  run(virtual_time(), []() -> task<> {
    const deadline limit(now() + 3s);
    const channel<int> never;
    const auto got = co_await select(never.receive(), limit.wait());
    CHECK(got.index() == 1);
    CHECK(limit.passed());
    co_await limit.wait();
    CHECK(now() == limit.at());
  });
  CHECK_THROWS_AS(deadline(1s), std::logic_error);
  CHECK_THROWS_AS(deadline(time_point{}).passed(), std::logic_error);
}
