#include <stackless/stackless.hpp>

#include "catch.hpp"
#include "trace.hpp"

using namespace conformance;
using stackless::any_tasklet;
using stackless::channel;
using stackless::drain;
using stackless::main_tasklet;
using stackless::run_count;
using stackless::spawn;
using stackless::suspend;
using stackless::task;
using stackless::yield;

TEST_CASE("ORD-01 drain runs the ring in creation order") {
  const auto trace = run_case([]() -> task<> {
    spawn(says, "A");
    spawn(says, "B");
    spawn(says, "C");
    co_await drain();
    log("M");
  });
  CHECK(trace == "A → B → C → M");
}

TEST_CASE("ORD-03 yield goes round robin under drain") {
  const auto trace = run_case([]() -> task<> {
    spawn(says_twice, "A");
    spawn(says_twice, "B");
    spawn(says_twice, "C");
    co_await drain();
    log("M");
  });
  CHECK(trace == "A1 → B1 → C1 → A2 → B2 → C2 → M");
}

TEST_CASE("ORD-05 a tasklet spawned inside a tasklet goes to the tail") {
  const auto trace = run_case([]() -> task<> {
    const auto a = []() -> task<> {
      log("A");
      spawn(says, "D");
      log("A'");
      co_return;
    };
    spawn(a);
    spawn(says, "B");
    spawn(says, "C");
    co_await drain();
    log("M");
  });
  CHECK(trace == "A → A' → B → C → D → M");
}

TEST_CASE("ORD-07 drain with nothing else to run comes back at once") {
  const auto trace = run_case([]() -> task<> {
    co_await drain();
    log("M");
    log("rc ", run_count());
  });
  CHECK(trace == "M → rc 1");
}

TEST_CASE("ORD-09 t.run() of a runnable tasklet that yields keeps its place in the ring") {
  const auto trace = run_case([]() -> task<> {
    spawn(says, "A");
    const auto b = spawn(says_twice, "B");
    spawn(says, "C");
    co_await b.run();
    log("M");
    co_await drain();
    log("M2");
  });
  CHECK(trace == "B1 → C → M → A → B2 → M2");
}

TEST_CASE("ORD-11 t.run() of a paused tasklet: the caller is next after it") {
  const auto trace = run_case([]() -> task<> {
    const auto p = spawn_paused(says_twice, "P");
    spawn(says, "A");
    spawn(says, "C");
    co_await p.run();
    log("M");
    co_await drain();
    log("M2");
  });
  CHECK(trace == "P1 → M → A → C → P2 → M2");
}

TEST_CASE("ORD-13 t.run() of a paused tasklet from inside a tasklet") {
  any_tasklet p;
  const auto a = [&]() -> task<> {
    log("A1");
    co_await p.run();
    log("A2");
  };
  const auto trace = run_case([&]() -> task<> {
    p = spawn_paused(says, "P");
    spawn(a);
    spawn(says, "B");
    co_await drain();
    log("M");
  });
  CHECK(trace == "A1 → P → A2 → B → M");
}

TEST_CASE("ORD-15 remove takes a runnable tasklet out, insert brings it back at the tail") {
  const auto trace = run_case([]() -> task<> {
    spawn(says, "A");
    const auto b = spawn(says, "B");
    spawn(says, "C");
    b.remove();
    log("B ", flags(b));
    co_await drain();
    log("M1");
    b.insert();
    co_await drain();
    log("M2");
  });
  CHECK(trace == "B [AP--] → A → C → M1 → B → M2");
}

TEST_CASE("ORD-17 suspend yields and leaves the ring") {
  const auto suspends = []() -> task<> {
    log("A1");
    co_await suspend();
    log("A2");
  };
  const auto trace = run_case([&]() -> task<> {
    const auto a = spawn(suspends);
    spawn(says, "B");
    co_await drain();
    log("M1 ", flags(a));
    a.insert();
    co_await drain();
    log("M2 ", flags(a));
  });
  CHECK(trace == "A1 → B → M1 [AP--] → A2 → M2 [----]");
}

TEST_CASE("ORD-19 switch_to: the caller leaves the ring until somebody inserts it") {
  const auto wakes_main = []() -> task<> {
    log("A main.paused=", static_cast<int>(main_tasklet().paused()));
    main_tasklet().insert();
    log("A'");
    co_return;
  };
  const auto trace = run_case([&]() -> task<> {
    const auto a = spawn(wakes_main);
    spawn(says, "B");
    co_await a.switch_to();
    log("M");
  });
  CHECK(trace == "A main.paused=1 → A' → B → M");
}

TEST_CASE("ORD-21 switch_to and nobody inserts main: it is revived when the ring runs dry") {
  const auto trace = run_case([]() -> task<> {
    const auto a = spawn(says, "A");
    spawn(says, "B");
    co_await a.switch_to();
    log("M");
  });
  CHECK(trace == "A → B → M");
}

TEST_CASE("ORD-23 run() on oneself does nothing") {
  const auto runs_itself = []() -> task<> {
    log("A1");
    co_await stackless::this_tasklet::handle().run();
    log("A2");
  };
  const auto trace = run_case([&]() -> task<> {
    spawn(runs_itself);
    spawn(says, "B");
    co_await drain();
    log("M");
  });
  CHECK(trace == "A1 → A2 → B → M");
}

TEST_CASE("ORD-25 main alone: suspend comes back at once") {
  const auto trace = run_case([]() -> task<> {
    co_await suspend();
    log("M rc ", run_count());
  });
  CHECK(trace == "M rc 1");
}

TEST_CASE("ORD-27 main in suspend, inserted by a tasklet, takes its place in the ring") {
  const auto wakes_main = []() -> task<> {
    log("A1");
    main_tasklet().insert();
    co_await yield();
    log("A2");
  };
  const auto trace = run_case([&]() -> task<> {
    spawn(wakes_main);
    spawn(says_twice, "B");
    co_await suspend();
    log("M");
    co_await drain();
    log("M2");
  });
  CHECK(trace == "A1 → B1 → M → A2 → B2 → M2");
}

TEST_CASE("ORD-31 a tasklet spawns three and runs the first") {
  const auto bar = []() -> task<> {
    const auto d = spawn(says, "d");
    spawn(says, "c");
    spawn(says, "m");
    co_await d.run();
    log("end");
  };
  const auto trace = run_case([&]() -> task<> {
    spawn(says, "r");
    spawn(bar);
    spawn(says, "k");
    co_await drain();
    log("M");
  });
  CHECK(trace == "r → d → c → m → end → k → M");
}

TEST_CASE("ORD-33 a tasklet's drain does not return while main only yields") {
  const auto drains = []() -> task<> {
    log("W1");
    co_await drain();
    log("W2");
  };
  const auto trace = run_case([&]() -> task<> {
    spawn(says_twice, "X");
    const auto w = spawn(drains);
    for (int i = 1; i <= 4; ++i) {
      co_await yield();
      log("M", i);
    }
    log("W ", flags(w));
    co_await w.run();
    log("Mend");
  });
  CHECK(trace == "X1 → W1 → M1 → X2 → M2 → M3 → M4 → W [AP--] → W2 → Mend");
}

TEST_CASE("ORD-35 a tasklet wakes main explicitly out of its drain") {
  const auto runs_main = []() -> task<> {
    log("A1");
    co_await main_tasklet().run();
    log("A2");
  };
  const auto trace = run_case([&]() -> task<> {
    spawn(runs_main);
    spawn(says, "B");
    co_await drain();
    log("M");
    co_await drain();
    log("M2");
  });
  CHECK(trace == "A1 → M → A2 → B → M2");
}

TEST_CASE("ORD-37 main woken early while a nested drain is open: the inner one becomes runnable") {
  const auto waker = []() -> task<> {
    log("Wk1");
    co_await main_tasklet().run();
    log("Wk2");
  };
  const auto r = [&]() -> task<> {
    spawn(waker);
    co_await drain();
    log("R");
  };
  const auto trace = run_case([&]() -> task<> {
    spawn(says_twice, "X");
    spawn(r);
    co_await drain();
    log("M1");
    co_await drain();
    log("M2");
  });
  CHECK(trace == "X1 → X2 → Wk1 → M1 → Wk2 → R → M2");
}

TEST_CASE("ORD-39 spawn and remove make a tasklet alive and paused, its life ends with its function"
) {
  const auto trace = run_case([]() -> task<> {
    const auto t = spawn_paused(says, "f");
    log(flags(t));
    co_await t.run();
    log(flags(t));
  });
  CHECK(trace == "[AP--] → f → [----]");
}

TEST_CASE("ORD-41 a runnable tasklet run early by t.run() does not run a second time") {
  const auto trace = run_case([]() -> task<> {
    spawn(says, "A");
    const auto b = spawn(says, "B");
    co_await b.run();
    co_await drain();
    log("M");
  });
  CHECK(trace == "B → A → M");
}

TEST_CASE("ORD-43 a tasklet runs its child beside a sibling that yields") {
  const auto yields = []() -> task<> { co_await yield(); };
  const auto n = [&]() -> task<> {
    const auto t2 = spawn(says, "t2");
    spawn(yields);
    spawn(says, "t3");
    co_await t2.run();
  };
  const auto trace = run_case([&]() -> task<> {
    spawn(says, "t1");
    spawn(n);
    spawn(says, "t4");
    co_await drain();
    log("rc ", run_count());
  });
  CHECK(trace == "t1 → t2 → t3 → t4 → rc 1");
}

TEST_CASE("ORD-45 nested runs and a blocked parent") {
  channel<int> c;
  const auto n2 = [&]() -> task<> {
    (void)co_await c.receive();
    const auto t2 = spawn(says, "t2");
    spawn(says, "t3");
    co_await t2.run();
  };
  const auto n1 = [&]() -> task<> {
    const auto t1 = spawn(says, "t1");
    spawn(n2);
    co_await t1.run();
    (void)co_await c.receive();
    log("n1 end");
  };
  const auto sends = [&]() -> task<> { co_await c.send(0); };
  const auto trace = run_case([&]() -> task<> {
    spawn(says, "t0");
    spawn(n1);
    spawn(sends);
    co_await drain();
    log("bal ", c.balance());
    co_await c.send(0);
    log("bal ", c.balance());
  });
  CHECK(trace == "t0 → t1 → t2 → t3 → bal -1 → n1 end → bal 0");
}

TEST_CASE("ORD-29 neighbours in the ring") {
  const auto trace = run_case([]() -> task<> {
    const auto main = stackless::main_tasklet();
    const auto a = spawn(says, "A");
    const auto b = spawn(says, "B");
    log(main.next_in_ring() == a, " ", a.next_in_ring() == b, " ", b.next_in_ring() == main, " ",
        main.previous_in_ring() == b);
    a.remove();
    log(static_cast<bool>(a.next_in_ring()), " ", static_cast<bool>(a.previous_in_ring()));
    a.insert();
    co_await drain();
  });
  CHECK(trace == "true true true true → false false → B → A");
}
