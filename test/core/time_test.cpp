#include <stackless/stackless.hpp>

#include "catch.hpp"

#include <chrono>
#include <random>
#include <string>
#include <vector>

using namespace std::chrono_literals;
using stackless::channel;
using stackless::clock_choice;
using stackless::drain;
using stackless::now;
using stackless::scheduler_options;
using stackless::sleep_for;
using stackless::sleep_until;
using stackless::spawn;
using stackless::task;
using stackless::yield;

namespace {

scheduler_options virtual_time() {
  scheduler_options options;
  options.clock = clock_choice::virtual_time;
  return options;
}

}  // namespace

TEST_CASE("sleepers wake in the order of their deadlines") {
  std::vector<int> order;
  const auto sleeps = [&](int seconds) -> task<> {
    co_await sleep_for(std::chrono::seconds(seconds));
    order.push_back(seconds);
  };
  stackless::run(virtual_time(), [&]() -> task<> {
    for (const int seconds : {5, 1, 4, 2, 3}) spawn(sleeps, seconds);
    co_await drain();
  });
  CHECK(order == std::vector<int>{1, 2, 3, 4, 5});
}

TEST_CASE("equal deadlines wake first come, first served") {
  std::vector<int> order;
  const auto sleeps = [&](int name) -> task<> {
    co_await sleep_for(1s);
    order.push_back(name);
  };
  stackless::run(virtual_time(), [&]() -> task<> {
    for (int name = 0; name < 50; ++name) spawn(sleeps, name);
    co_await drain();
  });
  std::vector<int> expected;
  for (int name = 0; name < 50; ++name) expected.push_back(name);
  CHECK(order == expected);
}

TEST_CASE("virtual time: long sleeps take none, and end exactly at their deadline") {
  const auto before = std::chrono::steady_clock::now();
  stackless::run(virtual_time(), []() -> task<> {
    const auto start = now();
    CHECK(start == stackless::time_point{});
    co_await sleep_for(std::chrono::hours(24 * 365));
    CHECK(now() - start == std::chrono::hours(24 * 365));
    co_await sleep_until(now() + 5ns);
    CHECK(now() - start == std::chrono::hours(24 * 365) + 5ns);
  });
  CHECK(std::chrono::steady_clock::now() - before < 10s);
}

TEST_CASE("virtual time stands still while tasklets run") {
  stackless::run(virtual_time(), []() -> task<> {
    const auto start = now();
    const auto sleeps = []() -> task<> { co_await sleep_for(1s); };
    const auto t = spawn(sleeps);
    for (int i = 0; i < 1000; ++i) co_await yield();
    CHECK(now() == start);
    CHECK(t.blocked());
    co_await t.join();
    CHECK(now() == start + 1s);
  });
}

TEST_CASE("a deadline that is past lets the others run once") {
  std::vector<std::string> order;
  const auto other = [&]() -> task<> {
    order.emplace_back("other");
    co_return;
  };
  const auto options = GENERATE(scheduler_options{}, virtual_time());
  stackless::run(options, [&]() -> task<> {
    spawn(other);
    co_await sleep_until(now() - 1s);
    order.emplace_back("past");
    spawn(other);
    co_await sleep_for(0s);
    order.emplace_back("zero");
    spawn(other);
    co_await sleep_for(-5s);
    order.emplace_back("negative");
  });
  CHECK(order == std::vector<std::string>{"other", "past", "other", "zero", "other", "negative"});
}

TEST_CASE("the longest sleep does not wrap round into the past") {
  stackless::run(virtual_time(), []() -> task<> {
    bool woken = false;
    const auto sleeps = [&]() -> task<> {
      co_await sleep_for(std::chrono::nanoseconds::max());
      woken = true;
    };
    const auto t = spawn(sleeps);
    co_await sleep_for(1h);
    CHECK_FALSE(woken);
    co_await t.join();
    CHECK(woken);
  });
  stackless::run([]() -> task<> {
    const auto sleeps = []() -> task<> { co_await sleep_for(std::chrono::nanoseconds::max()); };
    const auto t = spawn(sleeps);
    co_await sleep_for(1ms);
    CHECK(t.blocked());
    co_await t.kill();
  });
}

TEST_CASE("the steady clock: a sleep takes at least as long as it says") {
  const auto before = std::chrono::steady_clock::now();
  stackless::run([]() -> task<> { co_await sleep_for(20ms); });
  const auto taken = std::chrono::steady_clock::now() - before;
  CHECK(taken >= 20ms);
  CHECK(taken < 10s);
}

TEST_CASE("the steady clock: sleeps run side by side") {
  const auto before = std::chrono::steady_clock::now();
  const auto sleeps = []() -> task<> { co_await sleep_for(50ms); };
  stackless::run([&]() -> task<> {
    for (int i = 0; i < 100; ++i) spawn(sleeps);
    co_return;
  });
  const auto taken = std::chrono::steady_clock::now() - before;
  CHECK(taken >= 50ms);
  CHECK(taken < 4s);
}

TEST_CASE("the steady clock: timers fire while others never stop running") {
  bool stop = false;
  int rounds = 0;
  const auto spins = [&]() -> task<> {
    while (!stop) {
      ++rounds;
      co_await yield();
    }
  };
  stackless::run([&]() -> task<> {
    spawn(spins);
    spawn(spins);
    co_await sleep_for(5ms);
    stop = true;
  });
  CHECK(rounds > 0);
}

TEST_CASE("kill of a sleeper removes its timer") {
  const auto before = std::chrono::steady_clock::now();
  const auto sleeps = []() -> task<> { co_await sleep_for(1h); };
  stackless::run([&]() -> task<> {
    const auto a = spawn(sleeps);
    const auto b = spawn(sleeps);
    co_await yield();
    CHECK(a.blocked());
    co_await a.kill();
    b.kill_pending();
    CHECK_FALSE(a.alive());
    const auto rest = co_await drain();  // would sleep for an hour
    CHECK(rest.waiting == 0);
  });
  CHECK(std::chrono::steady_clock::now() - before < 60s);
}

TEST_CASE("an error raised in a sleeper ends its sleep, it may sleep again") {
  std::vector<std::string> order;
  const auto sleeps = [&]() -> task<> {
    try {
      co_await sleep_for(10s);
    } catch (const std::runtime_error& e) {
      order.emplace_back(e.what());
    }
    co_await sleep_for(1s);
    order.emplace_back("slept");
  };
  stackless::run(virtual_time(), [&]() -> task<> {
    const auto t = spawn(sleeps);
    co_await sleep_for(1s);
    co_await t.raise(std::make_exception_ptr(std::runtime_error("woken")));
    co_await t.join();
    CHECK(now() == stackless::time_point{} + 2s);
  });
  CHECK(order == std::vector<std::string>{"woken", "slept"});
}

TEST_CASE("many timers, some cancelled: the others keep their order") {
  constexpr int count = 500;
  std::mt19937 random(7);
  std::vector<int> delays;
  for (int i = 0; i < count; ++i) delays.push_back(static_cast<int>(random() % 1000));
  std::vector<std::pair<int, int>> woken;  // delay, index
  const auto sleeps = [&](int i) -> task<> {
    co_await sleep_for(std::chrono::milliseconds(delays[static_cast<std::size_t>(i)]));
    woken.emplace_back(delays[static_cast<std::size_t>(i)], i);
  };
  int killed = 0;
  stackless::run(virtual_time(), [&]() -> task<> {
    std::vector<stackless::tasklet<>> all;
    for (int i = 0; i < count; ++i) all.push_back(spawn(sleeps, i));
    co_await yield();
    for (std::size_t i = 0; i < all.size(); i += 3) {
      all[i].kill_pending();
      ++killed;
    }
    co_await drain();
  });
  CHECK(woken.size() == static_cast<std::size_t>(count - killed));
  CHECK(std::is_sorted(woken.begin(), woken.end()));
}

TEST_CASE("now and sleep_for need a running scheduler") {
  CHECK_THROWS_AS((void)now(), std::logic_error);
  CHECK_THROWS_AS((void)sleep_for(1s), std::logic_error);
}

TEST_CASE("a message that arrives while others sleep is received at once") {
  stackless::run(virtual_time(), []() -> task<> {
    channel<int> c;
    const auto sends = [&]() -> task<> {
      co_await sleep_for(1s);
      co_await c.send(1);
    };
    const auto sleeps = []() -> task<> { co_await sleep_for(1h); };
    spawn(sends);
    const auto long_one = spawn(sleeps);
    (void)co_await c.receive();
    CHECK(now() == stackless::time_point{} + 1s);
    CHECK(long_one.blocked());
  });
}
