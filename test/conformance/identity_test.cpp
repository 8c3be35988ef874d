#include <stackless/stackless.hpp>

#include "catch.hpp"
#include "trace.hpp"

#include <memory>

using namespace conformance;
using stackless::any_tasklet;
using stackless::channel;
using stackless::channel_preference;
using stackless::drain;
using stackless::main_tasklet;
using stackless::spawn;
using stackless::suspend;
using stackless::task;
using stackless::tasklet;
using stackless::yield;
using stackless::this_tasklet::handle;

// LIF-03 has no counterpart: a yield gives nothing. LIF-07 is the type system's.

TEST_CASE("LIF-01 states of a tasklet through its life") {
  channel<int> c;
  c.set_preference(channel_preference::sender);
  const auto body = [&]() -> task<> {
    (void)co_await c.receive();
    co_await suspend();
  };
  const auto trace = run_case([&]() -> task<> {
    const auto t = spawn(body);
    log("setup ", flags(t));
    co_await drain();
    log("blocked ", flags(t));
    co_await c.send(1);
    log("sent ", flags(t));
    t.remove();
    log("removed ", flags(t));
    t.insert();
    log("inserted ", flags(t));
    co_await drain();
    log("sched_removed ", flags(t));
    t.insert();
    co_await drain();
    log("ended ", flags(t));
  });
  CHECK(
      trace == "setup [A--S] → blocked [A-BS] → sent [A--S] → removed [AP--] → inserted [A--S] → "
               "sched_removed [AP--] → ended [----]"
  );
}

// §9: "uncaught error while somebody joins".
TEST_CASE("LIF-04 an uncaught error goes to the joiners, not to main") {
  const auto fails = []() -> task<> {
    co_await yield();
    throw app_error("ValueError", "e");
  };
  tasklet<> t;
  const auto joins = [&](const char* name) -> task<> { co_await attempt(name, t.join()); };
  const auto trace = run_case([&]() -> task<> {
    t = spawn(fails);
    spawn(joins, "J1");
    spawn(joins, "J2");
    co_await attempt("run", drain());
  });
  CHECK(trace == "J1!ValueError(e) → J2!ValueError(e) → run ok");
}

TEST_CASE("LIF-05 current, main, is_current, is_main") {
  any_tasklet main;
  const auto a = [&]() -> task<> {
    log(handle() == main_tasklet(), " ", handle().is_main(), " ", handle().is_current(), " ",
        main.is_current(), " ", main_tasklet() == main);
    co_return;
  };
  const auto trace = run_case([&]() -> task<> {
    main = handle();
    log(handle() == main_tasklet(), " ", handle().is_main(), " ", handle().is_current());
    spawn(a);
    co_await drain();
  });
  CHECK(trace == "true true true → false false true false true");
}

// Differs: "unbind / drop of a suspended tasklet". The scheduler owns it: its destructors run at
// the end.
TEST_CASE("LIF-09 a tasklet that nobody has a handle of, blocked on its own channel, is destroyed"
) {
  const auto held = std::make_shared<int>(1);
  const auto t = [](std::shared_ptr<int>) -> task<> {
    channel<int> own;
    (void)co_await own.receive();
  };
  const auto trace = run_case(remaining::blocked_tasklets, [&]() -> task<> {
    spawn(t, held);
    co_await drain();
    log(held.use_count() > 1);
  });
  CHECK(trace == "true");
  CHECK(held.use_count() == 1);
}

// §9: "a value delivered to main, then an uncaught error arrives".
TEST_CASE("LIF-10 a value delivered to main comes first, an uncaught error at its next await") {
  channel<int> c;
  c.set_preference(channel_preference::neither);
  const auto sends = [&]() -> task<> { co_await c.send(1); };
  const auto fails = []() -> task<> {
    throw app_error("ValueError", "e");
    co_return;
  };
  const auto trace = run_case([&]() -> task<> {
    spawn(sends);
    spawn(fails);
    const int v = co_await c.receive();
    log("M ", v);
    co_await attempt("next", drain());
    co_await attempt("after", drain());
  });
  CHECK(trace == "M 1 → next!ValueError(e) → after ok");
}
