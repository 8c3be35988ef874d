#include <stackless/channel.hpp>
#include <stackless/scheduler.hpp>
#include <stackless/time.hpp>

#include "catch.hpp"

#include <chrono>
#include <stdexcept>

using stackless::task;

TEST_CASE("statistics count what there is") {
  stackless::scheduler scheduler;
  CHECK(scheduler.statistics().spawned == 0);
  CHECK(scheduler.statistics().alive == 0);
  CHECK(scheduler.statistics().io_backend.empty());

  stackless::channel<int> channel;
  const auto wait = [&]() -> task<> { (void)co_await channel.next(); };
  const auto sleep = []() -> task<> { co_await stackless::sleep_for(std::chrono::hours(1)); };
  scheduler.spawn(wait);
  scheduler.spawn(wait);
  const auto sleeper = scheduler.spawn(sleep);
  CHECK(scheduler.statistics().runnable == 3);
  scheduler.run_ready();
  const stackless::scheduler_statistics waiting = scheduler.statistics();
  CHECK(waiting.spawned == 3);
  CHECK(waiting.alive == 3);
  CHECK(waiting.daemons == 0);
  CHECK(waiting.runnable == 0);
  CHECK(waiting.timers == 1);
  CHECK(waiting.switches == 2);

  channel.close();
  sleeper.kill_pending();
  scheduler.run();
  const stackless::scheduler_statistics ended = scheduler.statistics();
  CHECK(ended.spawned == 3);
  CHECK(ended.alive == 0);
  CHECK(ended.timers == 0);
  CHECK(ended.switches >= waiting.switches);
}

TEST_CASE("statistics from inside") {
  CHECK_THROWS_AS(stackless::statistics(), std::logic_error);
  stackless::run([]() -> task<> {
    const auto body = []() -> task<> { co_await stackless::suspend(); };
    const auto daemon = stackless::spawn_daemon(body);
    const stackless::scheduler_statistics numbers = stackless::statistics();
    CHECK(numbers.spawned == 2);
    CHECK(numbers.alive == 2);
    CHECK(numbers.daemons == 1);
    CHECK(numbers.runnable == 2);
    co_return;
  });
}
