#include <stackless/stackless.hpp>

#include "catch.hpp"
#include "trace.hpp"

using namespace conformance;
using stackless::channel;
using stackless::drain;
using stackless::main_tasklet;
using stackless::spawn;
using stackless::suspend;
using stackless::task;
using stackless::tasklet;
using stackless::tasklet_exit;
using stackless::yield;
using stackless::this_tasklet::handle;

// KIL-45 has no counterpart: a suspended tasklet cannot be unbound, only killed.

namespace {

/// The victim of KIL-01, 21, 31: says how it dies.
task<> victim(channel<int> c) {
  log("V1");
  const at_exit leaving("V fin");
  try {
    (void)co_await c.receive();
  } catch (const tasklet_exit&) {
    log("V exit");
    throw;
  }
}

/// Logs the error that its receive raises.
task<> catches(channel<int> c) {
  try {
    (void)co_await c.receive();
  } catch (const app_error& e) {
    log("V ", e.what());
  }
}

}  // namespace

TEST_CASE("KIL-01 kill of a blocked receiver: it dies at once, the killer is next") {
  channel<int> c;
  const auto trace = run_case([&]() -> task<> {
    const auto v = spawn(victim, c);
    co_await drain();
    spawn(says, "X");
    co_await v.kill();
    log("M ", flags(v), " ", c.balance());
    co_await drain();
  });
  CHECK(trace == "V1 → V exit → V fin → M [----] 0 → X");
}

TEST_CASE("KIL-03 kill of a never-run runnable tasklet: its followers run before the killer") {
  const auto trace = run_case([]() -> task<> {
    const auto a = spawn(says, "A");
    spawn(says, "B");
    spawn(says, "C");
    co_await a.kill();
    log("M");
    co_await drain();
    log(flags(a));
  });
  CHECK(trace == "B → C → M → [----]");
}

TEST_CASE("KIL-05 kill of a paused tasklet that never ran: its function never runs") {
  const auto trace = run_case([]() -> task<> {
    const auto p = spawn_paused(says, "P");
    spawn(says, "X");
    co_await p.kill();
    log("M ", flags(p));
    co_await drain();
  });
  CHECK(trace == "M [----] → X");
}

TEST_CASE("KIL-07 kill of a paused started tasklet: the killer is next") {
  const auto v = []() -> task<> {
    log("V1");
    const at_exit leaving("V fin");
    co_await suspend();
  };
  const auto trace = run_case([&]() -> task<> {
    const auto t = spawn(v);
    co_await drain();
    spawn(says, "X");
    co_await t.kill();
    log("M ", flags(t));
    co_await drain();
  });
  CHECK(trace == "V1 → V fin → M [----] → X");
}

TEST_CASE("KIL-09 kill_pending of a runnable tasklet keeps its place in the ring") {
  const auto v = []() -> task<> {
    log("V1");
    const at_exit leaving("V fin");
    co_await yield();
  };
  const auto trace = run_case([&]() -> task<> {
    const auto t = spawn(v);
    co_await t.run();
    spawn(says, "Y");
    t.kill_pending();
    log("M1 ", flags(t));
    co_await drain();
    log("M2 ", flags(t));
  });
  CHECK(trace == "V1 → M1 [A--S] → V fin → Y → M2 [----]");
}

TEST_CASE("KIL-11 kill of a finished tasklet does nothing") {
  const auto trace = run_case([]() -> task<> {
    const auto a = spawn(says, "A");
    co_await drain();
    co_await attempt("kill", a.kill());
    a.kill_pending();
    log("killp ok");
    log("M ", flags(a));
  });
  CHECK(trace == "A → kill ok → killp ok → M [----]");
}

TEST_CASE("KIL-13 kill of the current tasklet raises right there") {
  const bool pending = GENERATE(false, true);
  const auto a = [&]() -> task<> {
    const at_exit leaving("A fin");
    try {
      if (pending) handle().kill_pending();
      co_await handle().kill();
    } catch (const tasklet_exit&) {
      log("A exit");
      throw;
    }
  };
  const auto trace = run_case([&]() -> task<> {
    spawn(a);
    spawn(says, "B");
    co_await drain();
    log("M");
  });
  CHECK(trace == "A exit → A fin → B → M");
}

TEST_CASE("KIL-15 a tasklet may catch tasklet_exit and go on, it is then alive") {
  channel<int> c;
  const auto v = [&]() -> task<> {
    log("V1");
    {
      const at_exit leaving("V fin");
      try {
        (void)co_await c.receive();
      } catch (const tasklet_exit&) {
        log("V exit");
      }
    }
    log("V2");
  };
  const auto trace = run_case([&]() -> task<> {
    const auto t = spawn(v);
    co_await drain();
    co_await t.kill();
    log("M ", flags(t));
  });
  CHECK(trace == "V1 → V exit → V fin → V2 → M [----]");
}

TEST_CASE("KIL-16 a tasklet that catches tasklet_exit and blocks again is alive, kill raises again"
) {
  channel<int> c;
  const auto v = [&]() -> task<> {
    try {
      (void)co_await c.receive();
    } catch (const tasklet_exit&) {
      log("V exit");
    }
    (void)co_await c.receive();
  };
  const auto trace = run_case([&]() -> task<> {
    const auto t = spawn(v);
    co_await drain();
    co_await t.kill();
    log("M ", flags(t), " ", c.balance());
    co_await t.kill();
    log("M ", flags(t), " ", c.balance());
  });
  CHECK(trace == "V exit → M [A-BS] -1 → M [----] 0");
}

TEST_CASE("KIL-17 a cleanup that yields: kill returns while the victim is still dying") {
  channel<int> c;
  const auto v = [&]() -> task<> {
    std::exception_ptr error;
    try {
      (void)co_await c.receive();
    } catch (...) {
      error = std::current_exception();
    }
    log("f1");
    co_await yield();
    log("f2");
    if (error) std::rethrow_exception(error);
  };
  const auto trace = run_case([&]() -> task<> {
    const auto t = spawn(v);
    co_await drain();
    spawn(says, "X");
    co_await t.kill();
    log("M ", flags(t));
    co_await drain();
    log(flags(t));
  });
  CHECK(trace == "f1 → M [A--S] → X → f2 → [----]");
}

TEST_CASE("KIL-18 a cleanup that receives and sends") {
  channel<int> c;
  channel<int> d;
  const auto v = [&]() -> task<> {
    try {
      (void)co_await c.receive();
    } catch (const tasklet_exit&) {
      log("V exit");
    }
    const int received = co_await d.receive();
    log("V ", received);
  };
  const auto trace = run_case([&]() -> task<> {
    const auto t = spawn(v);
    co_await drain();
    co_await t.kill();
    log("M ", flags(t), " ", c.balance(), " ", d.balance());
    co_await d.send(3);
    log(flags(t));
  });
  CHECK(trace == "V exit → M [A-BS] 0 -1 → V 3 → [----]");
}

TEST_CASE("KIL-19 a victim that turns tasklet_exit into another error: it goes to main") {
  channel<int> c;
  const auto v = [&]() -> task<> {
    try {
      (void)co_await c.receive();
    } catch (const tasklet_exit&) {
      throw app_error("ValueError", "x");
    }
  };
  const auto trace = run_case([&]() -> task<> {
    const auto t = spawn(v);
    co_await drain();
    co_await attempt("kill", t.kill());
    log(flags(t));
  });
  CHECK(trace == "kill!ValueError(x) → [----]");
}

TEST_CASE("KIL-20 the same, and the killer is not main: main gets the error, the killer goes on") {
  channel<int> c;
  tasklet<> t;
  const auto v = [&]() -> task<> {
    try {
      (void)co_await c.receive();
    } catch (const tasklet_exit&) {
      throw app_error("ValueError", "x");
    }
  };
  const auto k = [&]() -> task<> {
    co_await attempt("kill", t.kill());
    log("K2");
  };
  const auto trace = run_case([&]() -> task<> {
    t = spawn(v);
    co_await drain();
    spawn(k);
    co_await attempt("run", drain());
    log("M");
    co_await drain();
  });
  CHECK(trace == "run!ValueError(x) → M → kill ok → K2");
}

TEST_CASE("KIL-21 kill from a tasklet: the victim runs, then the killer, then the rest") {
  channel<int> c;
  tasklet<> v;
  const auto k = [&]() -> task<> {
    log("K1");
    co_await v.kill();
    log("K2");
  };
  const auto trace = run_case([&]() -> task<> {
    v = spawn(victim, c);
    co_await drain();
    spawn(k);
    spawn(says, "X");
    co_await drain();
  });
  CHECK(trace == "V1 → K1 → V exit → V fin → K2 → X");
}

TEST_CASE("KIL-23 raise of an ordinary error into a blocked tasklet, caught there") {
  channel<int> c;
  const auto trace = run_case([&]() -> task<> {
    const auto v = spawn(catches, c);
    co_await drain();
    co_await v.raise(index_error("1, 2, 3"));
    log("M ", flags(v), " ", c.balance());
  });
  CHECK(trace == "V IndexError(1, 2, 3) → M [----] 0");
}

TEST_CASE("KIL-25 raise into a never-run tasklet: its function never runs, main gets the error") {
  const auto trace = run_case([]() -> task<> {
    const auto n = spawn(says, "N");
    co_await attempt("throw", n.raise(index_error("i")));
    log(flags(n));
    co_await drain();
  });
  CHECK(trace == "throw!IndexError(i) → [----]");
}

TEST_CASE("KIL-27 raise into a finished tasklet is an error in the caller, tasklet_exit is not") {
  const auto trace = run_case([]() -> task<> {
    const auto a = spawn(says, "A");
    co_await drain();
    co_await attempt("throw", a.raise(index_error("i")));
    try {
      a.raise_pending(index_error("i"));
      log("throwp ok");
    } catch (...) {
      log("throwp!", error_name());
    }
    const auto exit = std::make_exception_ptr(tasklet_exit{});
    co_await attempt("exit", a.raise(exit));
    a.raise_pending(exit);
  });
  CHECK(trace == "A → throw!ISDEAD → throwp!ISDEAD → exit ok");
}

TEST_CASE("KIL-28 raise_pending of the current tasklet raises right there") {
  const auto a = []() -> task<> {
    try {
      handle().raise_pending(index_error("i"));
      log("went on");
    } catch (...) {
      log("A ", error_name());
    }
    co_return;
  };
  const auto trace = run_case([&]() -> task<> {
    spawn(a);
    co_await drain();
  });
  CHECK(trace == "A IndexError(i)");
}

// Differs: "a later pending error" is kept as suppressed; the ancestor's last one wins.
TEST_CASE("KIL-29 raise_pending twice: the first is raised, the later one is suppressed by it") {
  channel<int> c;
  const auto first = index_error("1");
  const auto trace = run_case([&]() -> task<> {
    const auto v = spawn(catches, c);
    co_await drain();
    v.raise_pending(first);
    v.raise_pending(key_error("2"));
    co_await drain();
    log(flags(v));
    for (const auto& later : stackless::suppressed(first)) log("suppressed ", error_name(later));
  });
  CHECK(trace == "V IndexError(1) → [----] → suppressed KeyError(2)");
}

TEST_CASE("KIL-31 kill_pending, then send: the value no longer reaches the victim") {
  channel<int> c;
  const auto u = [&]() -> task<> {
    const int v = co_await c.receive();
    log("U ", v);
  };
  const auto trace = run_case([&]() -> task<> {
    const auto v = spawn(victim, c);
    co_await drain();
    v.kill_pending();
    spawn(u);
    co_await drain();
    co_await c.send(1);
    log("M");
  });
  CHECK(trace == "V1 → V exit → V fin → U 1 → M");
}

TEST_CASE("KIL-32 a value delivered but not yet picked up dies with the one that is killed") {
  channel<int> c;
  c.set_preference(stackless::channel_preference::neither);
  const auto trace = run_case([&]() -> task<> {
    const auto v = spawn(victim, c);
    co_await drain();
    co_await c.send(1);
    co_await v.kill();
    log("M ", flags(v), " ", c.balance());
  });
  CHECK(trace == "V1 → V exit → V fin → M [----] 0");
}

TEST_CASE("KIL-33 raise is immediate") {
  channel<int> c;
  const auto trace = run_case([&]() -> task<> {
    const auto v = spawn(catches, c);
    co_await drain();
    co_await v.raise(index_error("1, 2"));
    log("M ", flags(v));
  });
  CHECK(trace == "V IndexError(1, 2) → M [----]");
}

// The type system refuses all but the null pointer.
TEST_CASE("KIL-35 a null error is refused in the caller") {
  channel<int> c;
  const auto trace = run_case([&]() -> task<> {
    const auto v = spawn(catches, c);
    co_await drain();
    try {
      co_await v.raise(nullptr);
    } catch (...) {
      log(error_name());
    }
    try {
      v.raise_pending(nullptr);
    } catch (...) {
      log(error_name());
    }
    log(flags(v));
    co_await c.send(1);
  });
  CHECK(trace == "invalid_argument → invalid_argument → [A-BS]");
}

TEST_CASE("KIL-36 kill of main in drain: drain raises tasklet_exit") {
  const auto a = []() -> task<> {
    co_await main_tasklet().kill();
    log("A2");
  };
  const auto trace = run_case([&]() -> task<> {
    spawn(a);
    co_await attempt("run", drain());
    co_await attempt("run2", drain());
  });
  CHECK(trace == "run!TaskletExit → A2 → run2 ok");
}

TEST_CASE("KIL-37 kill of main from a tasklet, main blocked: the blocked call raises") {
  channel<int> c;
  const auto a = []() -> task<> {
    co_await main_tasklet().kill();
    log("A2");
  };
  const auto trace = run_case([&]() -> task<> {
    spawn(a);
    co_await attempt("recv", c.receive());
    log(c.balance());
    co_await attempt("run2", drain());
  });
  CHECK(trace == "recv!TaskletExit → 0 → A2 → run2 ok");
}

TEST_CASE("KIL-39 a tasklet that ends itself by throwing tasklet_exit ends quietly") {
  const auto a = []() -> task<> {
    log("A");
    throw tasklet_exit{};
    co_return;
  };
  const auto trace = run_case([&]() -> task<> {
    spawn(a);
    spawn(says, "B");
    co_await drain();
    log("M");
  });
  CHECK(trace == "A → B → M");
}

TEST_CASE("KIL-41 scheduling calls on a blocked tasklet are refused") {
  channel<int> c;
  const auto trace = run_case([&]() -> task<> {
    const auto t = spawn(catches, c);
    co_await drain();
    co_await attempt("run", t.run());
    try {
      t.insert();
    } catch (...) {
      log("insert!", error_name());
    }
    co_await attempt("switch", t.switch_to());
    try {
      t.remove();
    } catch (...) {
      log("remove!", error_name());
    }
    log(flags(t), " ", c.balance());
    co_await c.send(1);
  });
  CHECK(
      trace == "run!ISBLOCKED → insert!ISBLOCKED → switch!ISBLOCKED → remove!ISBLOCKED → [A-BS] -1"
  );
}

TEST_CASE("KIL-42 scheduling calls on a dead tasklet are refused") {
  const auto trace = run_case([]() -> task<> {
    const auto t = spawn(says, "T");
    co_await drain();
    co_await attempt("run", t.run());
    try {
      t.insert();
    } catch (...) {
      log("insert!", error_name());
    }
    co_await attempt("switch", t.switch_to());
  });
  CHECK(trace == "T → run!ISDEAD → insert!ISDEAD → switch!ISDEAD");
}

TEST_CASE("KIL-43 scheduling calls on the current tasklet") {
  const auto a = []() -> task<> {
    handle().insert();
    log("insert ok");
    try {
      handle().remove();
    } catch (...) {
      log("remove!", error_name());
    }
    log("A end");
    co_return;
  };
  const auto trace = run_case([&]() -> task<> {
    spawn(a);
    co_await drain();
  });
  CHECK(trace == "insert ok → remove!ISCURRENT → A end");
}

TEST_CASE("KIL-47 kill of a tasklet that is inside a nested drain") {
  tasklet<> t;
  const auto w = []() -> task<> {
    const at_exit leaving("W fin");
    try {
      co_await drain();
    } catch (const tasklet_exit&) {
      log("W exit");
      throw;
    }
  };
  const auto k = [&]() -> task<> {
    log("K1");
    co_await t.kill();
    log("K2");
  };
  const auto trace = run_case([&]() -> task<> {
    t = spawn(w);
    spawn(k);
    co_await drain();
    log("M ", flags(t));
  });
  CHECK(trace == "K1 → W exit → W fin → K2 → M [----]");
}

TEST_CASE("KIL-48 kill of a runnable tasklet from a tasklet: the victim's followers run first") {
  tasklet<> t;
  const auto v = []() -> task<> {
    const at_exit leaving("V fin");
    co_await yield();
  };
  const auto k = [&]() -> task<> {
    co_await yield();
    log("K1");
    co_await t.kill();
    log("K2");
  };
  const auto trace = run_case([&]() -> task<> {
    spawn(k);
    t = spawn(v);
    spawn(says_twice, "X");
    co_await drain();
  });
  CHECK(trace == "X1 → K1 → V fin → X2 → K2");
}

TEST_CASE("KIL-49 raise_pending into a paused tasklet makes it runnable at the tail") {
  const auto v = []() -> task<> {
    try {
      co_await suspend();
    } catch (const app_error& e) {
      log("V ", e.what());
    }
  };
  const auto trace = run_case([&]() -> task<> {
    const auto t = spawn(v);
    co_await drain();
    spawn(says, "X");
    t.raise_pending(value_error("p"));
    spawn(says, "Y");
    log(flags(t));
    co_await drain();
  });
  CHECK(trace == "[A--S] → X → V ValueError(p) → Y");
}

TEST_CASE("KIL-51 raise_pending at main, which is in drain: it raises in its turn") {
  const auto a = []() -> task<> {
    main_tasklet().raise_pending(value_error("p"));
    log("A");
    co_return;
  };
  const auto trace = run_case([&]() -> task<> {
    spawn(a);
    spawn(says, "B");
    co_await attempt("run", drain());
  });
  CHECK(trace == "A → B → run!ValueError(p)");
}

TEST_CASE("KIL-53 a tasklet kills its whole family while they wait in one channel") {
  channel<int> c;
  std::vector<tasklet<>> family;
  const auto v = [&](const char* name) -> task<> {
    const at_exit leaving(name);
    (void)co_await c.receive();
  };
  const auto k = [&]() -> task<> {
    for (const auto& t : family) co_await t.kill();
    log("K end");
  };
  const auto trace = run_case([&]() -> task<> {
    for (const char* name : {"V1 fin", "V2 fin", "V3 fin"}) family.push_back(spawn(v, name));
    co_await drain();
    spawn(k);
    spawn(says, "X");
    co_await drain();
    log(c.balance());
  });
  CHECK(trace == "V1 fin → V2 fin → V3 fin → K end → X → 0");
}

TEST_CASE("KIL-54 mutual kill: each dies of the other") {
  channel<int> c;
  tasklet<> first;
  tasklet<> second;
  const auto body = [&](const char* name, const tasklet<>* other) -> task<> {
    const char* error = "nothing";
    try {
      (void)co_await c.receive();
    } catch (const tasklet_exit&) {
      error = "exit";
    }
    log(name, " ", error);
    if (other->alive()) co_await other->kill();
    log(name, " end");
  };
  const auto trace = run_case([&]() -> task<> {
    first = spawn(body, "A", &second);
    second = spawn(body, "B", &first);
    co_await drain();
    co_await first.kill();
    log("M ", flags(first), " ", flags(second), " ", c.balance());
    co_await drain();
    log("M ", flags(first), " ", flags(second));
  });
  // B's kill of A, which is runnable, ends A at its own kill; main is next in the ring.
  CHECK(trace == "A exit → B exit → M [----] [A--S] 0 → B end → M [----] [----]");
}
