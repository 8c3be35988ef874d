// What nobody should do: each gives an error or works, and never crashes.

#include <stackless/stackless.hpp>

#include "catch.hpp"

#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

namespace sl = stackless;
using sl::any_tasklet;
using sl::task;
using sl::this_tasklet::handle;

namespace {

task<> nothing() {
  co_return;
}

task<> waits(sl::channel<int> c) {
  (void)co_await c.receive();
}

std::exception_ptr boom() {
  return std::make_exception_ptr(std::runtime_error("boom"));
}

template <class Operation>
task<bool> is_misuse(Operation operation) {
  try {
    co_await operation;
  } catch (const std::logic_error&) {
    co_return true;
  }
  co_return false;
}

}  // namespace

TEST_CASE("operations on oneself") {
  sl::run([]() -> task<> {
    const auto body = []() -> task<> {
      const any_tasklet me = handle();
      co_await me.run();
      co_await me.switch_to();
      me.insert();
      CHECK_THROWS_AS(me.remove(), std::logic_error);
      CHECK_THROWS_AS(co_await me.join(), std::logic_error);
      CHECK_THROWS_WITH(co_await me.raise(boom()), "boom");
      CHECK_THROWS_WITH(me.raise_pending(boom()), "boom");
      CHECK_THROWS_AS(me.kill_pending(), sl::tasklet_exit);
      co_await me.kill();
      FAIL("it went on after it had killed itself");
    };
    const auto t = sl::spawn(body);
    CHECK_THROWS_AS(co_await t.join(), sl::tasklet_killed);
  });
}

TEST_CASE("operations on main, by others") {
  std::string order;
  const auto body = [&]() -> task<> {
    const auto other = [&]() -> task<> {
      const any_tasklet main = sl::main_tasklet();
      co_await main.run();  // ready
      main.insert();
      main.remove();
      main.remove();
      CHECK(main.paused());
      main.insert();
      co_await main.switch_to();
      order += "other ";
    };
    const auto t = sl::spawn(other);
    co_await sl::yield();
    co_await sl::yield();
    order += "main ";
    if (t.paused()) t.insert();
    co_await t.join();
  };
  sl::run(body);
  CHECK(order == "main other ");
}

TEST_CASE("main killed or raised in by another tasklet ends the run with that error") {
  SECTION("kill") {
    CHECK_THROWS_AS(
        sl::run([]() -> task<> {
          sl::spawn([]() -> task<> { co_await sl::main_tasklet().kill(); });
          co_await sl::drain();
        }),
        sl::tasklet_exit
    );
  }
  SECTION("raise") {
    CHECK_THROWS_WITH(
        sl::run([]() -> task<> {
          sl::spawn([]() -> task<> { co_await sl::main_tasklet().raise(boom()); });
          co_await sl::drain();
        }),
        "boom"
    );
  }
}

TEST_CASE("operations on an ended tasklet") {
  sl::run([]() -> task<> {
    const any_tasklet t = sl::spawn(nothing);
    co_await t.join();
    CHECK(co_await is_misuse(t.run()));
    CHECK(co_await is_misuse(t.switch_to()));
    CHECK(co_await is_misuse(t.raise(boom())));
    CHECK_THROWS_AS(t.insert(), std::logic_error);
    CHECK_THROWS_AS(t.raise_pending(boom()), std::logic_error);
    t.remove();
    t.kill_pending();
    co_await t.kill();
    co_await t.join();
    CHECK_FALSE(t.next_in_ring());
    CHECK(t.stack().empty());
  });
}

TEST_CASE("operations on a blocked tasklet") {
  sl::run([]() -> task<> {
    sl::channel<int> c;
    const any_tasklet t = sl::spawn(waits, c);
    co_await sl::drain();
    CHECK(co_await is_misuse(t.run()));
    CHECK(co_await is_misuse(t.switch_to()));
    CHECK_THROWS_AS(t.insert(), std::logic_error);
    CHECK_THROWS_AS(t.remove(), std::logic_error);
    CHECK(c.waiting() == std::vector<any_tasklet>{t});
    CHECK(c.balance() == -1);
    t.kill_pending();
    t.kill_pending();
    CHECK(c.waiting().empty());
    co_await sl::drain();
    CHECK_FALSE(t.alive());
  });
}

TEST_CASE("operations on a tasklet that never ran") {
  sl::run([]() -> task<> {
    const auto never = []() -> task<> {
      FAIL("it was to be killed before its first run");
      co_return;
    };
    const any_tasklet ready = sl::spawn(never);
    co_await ready.kill();
    CHECK_FALSE(ready.alive());
    const any_tasklet paused = sl::spawn(never);
    paused.remove();
    paused.remove();
    co_await paused.kill();
    CHECK_FALSE(paused.alive());
    const any_tasklet raised = sl::spawn(never);
    raised.raise_pending(boom());
    CHECK_THROWS_WITH(co_await raised.join(), "boom");
    const any_tasklet switched = sl::spawn(nothing);
    switched.remove();
    co_await switched.run();
    CHECK_FALSE(switched.alive());
  });
}

TEST_CASE("a handle of no tasklet, and a null error") {
  const any_tasklet none;
  CHECK_THROWS_AS(none.name(), std::logic_error);
  CHECK_THROWS_AS(none.insert(), std::logic_error);
  CHECK_THROWS_AS(none.kill(), std::logic_error);
  sl::run([]() -> task<> {
    const any_tasklet t = sl::spawn(nothing);
    CHECK_THROWS_AS(t.raise(nullptr), std::invalid_argument);
    CHECK_THROWS_AS(t.raise_pending(nullptr), std::invalid_argument);
    co_await t.join();
  });
}

TEST_CASE("plain functions from the host, outside the drive") {
  sl::channel<int> c;
  sl::scheduler s;
  const any_tasklet t = s.spawn(waits, c);
  t.remove();
  CHECK(t.paused());
  t.insert();
  CHECK(s.run_ready() == sl::run_result::idle);
  CHECK(t.blocked());
  CHECK_THROWS_AS(t.insert(), std::logic_error);
  CHECK(c.try_send(1) == sl::send_status::sent);
  CHECK(t.next_in_ring() == t);
  CHECK(s.run_ready() == sl::run_result::all_ended);
  CHECK_FALSE(c.try_receive());
  CHECK_THROWS_AS(handle(), std::logic_error);
  CHECK_THROWS_AS(sl::spawn(nothing), std::logic_error);
}

TEST_CASE("two tasklets that kill each other") {
  sl::run([]() -> task<> {
    std::vector<any_tasklet> pair;
    int cleaned = 0;
    const auto killer = [&](std::size_t other) -> task<> {
      const std::shared_ptr<void> at_exit(nullptr, [&](void*) { ++cleaned; });
      co_await sl::yield();
      co_await pair[other].kill();
      co_await sl::yield();
      co_await pair[other].kill();
    };
    pair.push_back(sl::spawn(killer, std::size_t{1}));
    pair.push_back(sl::spawn(killer, std::size_t{0}));
    co_await sl::drain();
    CHECK_FALSE(pair[0].alive());
    CHECK_FALSE(pair[1].alive());
    CHECK(cleaned == 2);
  });
}

TEST_CASE("a tasklet kills the one in whose drain it runs") {
  std::string order;
  sl::run([&]() -> task<> {
    any_tasklet runner;
    const auto drains = [&]() -> task<> {
      const auto kills = [&]() -> task<> {
        co_await runner.kill();
        order += "killer ";
      };
      sl::spawn(kills);
      try {
        co_await sl::drain();
      } catch (const sl::tasklet_exit&) {
        order += "runner ";
        throw;
      }
    };
    runner = sl::spawn(drains);
    co_await sl::drain();
    CHECK_FALSE(runner.alive());
    order += "main";
  });
  CHECK(order == "runner killer main");
}

TEST_CASE("a tasklet that swallows every kill is ended by teardown") {
  int swallowed = 0;
  const auto stubborn = [&]() -> task<> {
    for (int i = 0; i < 5; ++i) {
      try {
        co_await sl::suspend();
      } catch (const sl::tasklet_exit&) {
        ++swallowed;
      }
    }
  };
  SECTION("of run") {
    const auto main = [&]() -> task<> {
      const auto t = sl::spawn(stubborn);
      co_await sl::yield();
      co_await t.kill();
      CHECK(t.alive());
      CHECK(swallowed == 1);
      throw std::runtime_error("the end");
    };
    CHECK_THROWS_WITH(sl::run(main), "the end");
    CHECK(swallowed == 5);
  }
  SECTION("of a host") {
    sl::scheduler s;
    const auto t = s.spawn(stubborn);
    (void)s.run_ready();
    s.shutdown();
    CHECK_FALSE(t.alive());
    CHECK(swallowed == 5);
  }
}
