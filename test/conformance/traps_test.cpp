#include <stackless/stackless.hpp>

#include "catch.hpp"
#include "trace.hpp"

#include <optional>

using namespace conformance;
using stackless::channel;
using stackless::channel_preference;
using stackless::drain;
using stackless::run_count;
using stackless::spawn;
using stackless::switch_trap;
using stackless::task;
using stackless::yield;
using stackless::this_tasklet::handle;

TEST_CASE("TRP-01 under the trap a yield fails and changes nothing") {
  const auto trace = run_case([]() -> task<> {
    spawn(says, "A");
    {
      const switch_trap trap;
      co_await attempt("yield", yield());
    }
    co_await drain();
    log("M");
  });
  CHECK(trace == "yield!TRAP → A → M");
}

TEST_CASE("TRP-03 under the trap a drain fails") {
  const auto trace = run_case([]() -> task<> {
    spawn(says, "A");
    {
      const switch_trap trap;
      co_await attempt("drain", drain());
      log(run_count());
    }
    co_await drain();
    log("M");
  });
  CHECK(trace == "drain!TRAP → 2 → A → M");
}

TEST_CASE("TRP-05 under the trap the run of a paused tasklet fails, it stays paused") {
  const auto trace = run_case([]() -> task<> {
    const auto p = spawn_paused(says, "P");
    {
      const switch_trap trap;
      co_await attempt("P.run", p.run());
      log(flags(p));
    }
    co_await p.run();
    log("M");
  });
  CHECK(trace == "P.run!TRAP → [AP--] → P → M");
}

TEST_CASE("TRP-07 under the trap a send that needs no switch works") {
  channel<int> c;
  c.set_preference(channel_preference::sender);
  const auto r = [&]() -> task<> { log("R ", co_await c.receive()); };
  const auto trace = run_case([&]() -> task<> {
    spawn(r);
    co_await drain();
    {
      const switch_trap trap;
      co_await attempt("send", c.send(1));
      log(c.balance());
    }
    co_await drain();
    log("M");
  });
  CHECK(trace == "send ok → 0 → R 1 → M");
}

TEST_CASE("TRP-09 under the trap kill and raise fail, the target stays as it was") {
  channel<int> c;
  const auto body = [&]() -> task<> {
    try {
      (void)co_await c.receive();
    } catch (...) {
      log("V!", error_name());
      throw;
    }
  };
  const auto trace = run_case([&]() -> task<> {
    const auto v = spawn(body);
    co_await drain();
    {
      const switch_trap trap;
      co_await attempt("kill", v.kill());
      log(flags(v), " ", c.balance());
      co_await attempt("raise", v.raise(value_error("x")));
      log(flags(v), " ", c.balance());
    }
    co_await v.kill();
    log(flags(v));
  });
  CHECK(trace == "kill!TRAP → [A-BS] -1 → raise!TRAP → [A-BS] -1 → V!TaskletExit → [----]");
}

TEST_CASE("TRP-11 under the trap a switch to oneself is allowed, and a yield alone") {
  const auto trace = run_case([]() -> task<> {
    {
      const switch_trap trap;
      co_await attempt("self", handle().switch_to());
      co_await attempt("yield", yield());
    }
    log("M");
  });
  CHECK(trace == "self ok → yield ok → M");
}

TEST_CASE("TRP-13 the trap is the scheduler's, and goes with its guard") {
  const auto a = []() -> task<> {
    {
      const switch_trap trap;
      co_await attempt("A", yield());
    }
    co_await yield();
    log("A2");
  };
  const auto trace = run_case([&]() -> task<> {
    spawn(a);
    spawn(says, "B");
    co_await drain();
    log("M");
  });
  CHECK(trace == "A!TRAP → B → A2 → M");
}

// Cases that are not printed, from the same rule.

TEST_CASE("under the trap an operation that would wait fails and leaves no wait behind") {
  channel<int> c;
  const auto trace = run_case([&]() -> task<> {
    spawn(says, "A");
    {
      const switch_trap outer;
      const switch_trap inner;
      co_await attempt("receive", c.receive());
      co_await attempt("send", c.send(1));
      co_await attempt("suspend", stackless::suspend());
      co_await attempt("sleep", stackless::sleep_for(std::chrono::milliseconds(1)));
      log(c.balance(), " ", run_count());
    }
    co_await drain();
  });
  CHECK(trace == "receive!TRAP → send!TRAP → suspend!TRAP → sleep!TRAP → 0 2 → A");
}

TEST_CASE("under the trap a receive from a sender that is preferred fails, the value stays") {
  channel<int> c;
  c.set_preference(channel_preference::sender);
  const auto s = [&]() -> task<> {
    co_await c.send(7);
    log("S");
  };
  const auto trace = run_case([&]() -> task<> {
    spawn(s);
    co_await drain();
    {
      const switch_trap trap;
      co_await attempt("receive", c.receive());
      log(c.balance());
    }
    const int v = co_await c.receive();
    log("M ", v);
  });
  CHECK(trace == "receive!TRAP → 1 → S → M 7");
}

TEST_CASE("under the trap a pending kill works") {
  const auto trace = run_case([]() -> task<> {
    const auto a = spawn(says, "A");
    {
      const switch_trap trap;
      a.kill_pending();
      log(flags(a));
    }
    co_await drain();
    log(flags(a));
  });
  CHECK(trace == "[A--S] → [----]");
}

TEST_CASE("a switch trap needs a running scheduler") {
  CHECK_THROWS_AS(switch_trap(), std::logic_error);
}
