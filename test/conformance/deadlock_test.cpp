#include <stackless/stackless.hpp>

#include "catch.hpp"
#include "trace.hpp"

#include <string>

using namespace conformance;
using stackless::channel;
using stackless::deadlock_error;
using stackless::drain;
using stackless::main_tasklet;
using stackless::run_count;
using stackless::spawn;
using stackless::suspend;
using stackless::task;
using stackless::tasklet;
using stackless::yield;

// Every case here differs in "error type" and "text of D1, D2, D3": one deadlock_error, whose first
// line is the report's headline.

namespace {

task<> fails(std::exception_ptr error) {
  std::rethrow_exception(error);
  co_return;
}

task<> receives(channel<int> c, const char* end) {
  (void)co_await c.receive();
  log(end);
}

task<> waits(channel<int> c) {
  (void)co_await c.receive();
}

}  // namespace

TEST_CASE("DLK-01 main alone blocks in receive") {
  channel<int> c;
  const auto trace = run_case([&]() -> task<> {
    co_await attempt("recv", c.receive());
    log(c.balance(), " ", run_count(), " blocked=", static_cast<int>(main_tasklet().blocked()));
  });
  CHECK(trace == "recv!deadlock → 0 1 blocked=0");
}

TEST_CASE("DLK-03 after the error the channel is usable again") {
  channel<int> c;
  const auto s = [&]() -> task<> { co_await c.send(5); };
  const auto trace = run_case([&]() -> task<> {
    co_await attempt("recv", c.receive());
    spawn(s);
    const int v = co_await c.receive();
    log(v);
  });
  CHECK(trace == "recv!deadlock → 5");
}

TEST_CASE("DLK-05 main blocked in send, the last runnable tasklet ends normally") {
  channel<int> c;
  const auto trace = run_case([&]() -> task<> {
    spawn(says, "T");
    co_await attempt("send", c.send(1));
    log(c.balance(), " ", run_count());
  });
  CHECK(trace == "T → send!deadlock → 0 1");
}

TEST_CASE("DLK-07 main blocked, a tasklet fails with its own error: main gets that error") {
  channel<int> c;
  const auto trace = run_case([&]() -> task<> {
    spawn(fails, value_error("boom"));
    co_await attempt("recv", c.receive());
    log(c.balance());
  });
  CHECK(trace == "recv!ValueError(boom) → 0");
}

TEST_CASE("DLK-09 the tasklet that blocks last is told, and can serve main") {
  channel<int> c;
  channel<std::string> m;
  const auto t = [&]() -> task<> {
    co_await attempt("T", c.send(1));
    co_await m.send("ok");
  };
  const auto trace = run_case([&]() -> task<> {
    spawn(t);
    const std::string v = co_await m.receive();
    log("got ", v);
    log("M ok");
  });
  CHECK(trace == "T!deadlock → got ok → M ok");
}

TEST_CASE("DLK-11 main in drain, the last tasklet blocks: drain just returns") {
  channel<int> c;
  const auto t = [&]() -> task<> {
    log("T1");
    (void)co_await c.receive();
    log("T2");
  };
  const auto trace = run_case([&]() -> task<> {
    const auto blocked = spawn(t);
    const auto rest = co_await drain();
    log("run ok");
    log("M ", flags(blocked));
    // "main in run() and everybody waiting": the result says how many.
    CHECK(rest.waiting == 1);
    CHECK(rest.receiving == 1);
    co_await c.send(1);
  });
  CHECK(trace == "T1 → run ok → M [A-BS] → T2");
}

TEST_CASE("DLK-13 two tasklets wait for each other, main too: the one that blocks last is told") {
  channel<int> c;
  channel<int> d;
  channel<int> m;
  const auto a = [&]() -> task<> { co_await attempt("A", c.receive()); };
  const auto b = [&]() -> task<> {
    co_await attempt("B", d.receive());
    co_await m.send(1);
  };
  const auto trace = run_case([&]() -> task<> {
    const auto ta = spawn(a);
    const auto tb = spawn(b);
    (void)co_await m.receive();
    log("M ok");
    log(flags(ta));
    log(flags(tb));
    co_await ta.kill();
  });
  CHECK(trace == "B!deadlock → M ok → [A-BS] → [A--S] → A!TaskletExit");
}

#if STACKLESS_TRACKING  // else two awaits for one object cannot be told apart
TEST_CASE("DLK-15 who catches the error and blocks in another await is told again") {
  channel<int> c;
  channel<std::string> m;
  const auto t = [&]() -> task<> {
    try {
      (void)co_await c.receive();
    } catch (const deadlock_error&) {
      log("T0!deadlock");
    }
    try {
      (void)co_await c.receive();
    } catch (const deadlock_error&) {
      log("T1!deadlock");
    }
    try {
      (void)co_await c.receive();
    } catch (const deadlock_error&) {
      log("T2!deadlock");
    }
    co_await m.send("x");
  };
  const auto trace = run_case([&]() -> task<> {
    spawn(t);
    const std::string v = co_await m.receive();
    log("got ", v);
    log("M ok");
  });
  CHECK(trace == "T0!deadlock → T1!deadlock → T2!deadlock → got x → M ok");
}

#endif

// Differs: "the same wait deadlocks again and again".
TEST_CASE("DLK-15 the same wait deadlocks again: main is told") {
  channel<int> c;
  channel<int> m;
  const auto t = [&]() -> task<> {
    for (int i = 0; i < 3; ++i) {
      try {
        (void)co_await c.receive();
      } catch (const deadlock_error&) {
        log("T", i, "!deadlock");
      }
    }
    co_await m.send(1);
  };
  const auto trace = run_case(remaining::blocked_tasklets, [&]() -> task<> {
    const auto stays = spawn(t);
    co_await attempt("M", m.receive());
    log(flags(stays), " ", c.balance());
  });
  CHECK(trace == "T0!deadlock → M!deadlock → [A-BS] -1");
}

TEST_CASE("DLK-17 suspend by the last runnable tasklet while main is blocked is told there") {
  channel<int> m;
  const auto t = [&]() -> task<> {
    co_await attempt("T", suspend());
    co_await m.send(1);
  };
  const auto trace = run_case([&]() -> task<> {
    spawn(t);
    (void)co_await m.receive();
    log("M ok");
    co_await drain();
    log("M");
  });
  CHECK(trace == "T!deadlock → M ok → M");
}

TEST_CASE("DLK-19 main left by switch_to, the last tasklet blocks: main is revived, no error") {
  channel<int> c;
  const auto t = [&]() -> task<> {
    log("T");
    (void)co_await c.receive();
    log("T2");
  };
  const auto trace = run_case([&]() -> task<> {
    const auto blocked = spawn(t);
    co_await attempt("switch", blocked.switch_to());
    log("M ", flags(blocked));
    co_await c.send(1);
  });
  CHECK(trace == "T → switch ok → M [A-BS] → T2");
}

TEST_CASE("DLK-21 a tasklet in drain is the one woken when all others are blocked, main included") {
  channel<int> c;
  channel<int> m;
  const auto w = [&]() -> task<> {
    co_await attempt("W run", drain());
    co_await m.send(1);
  };
  const auto trace = run_case([&]() -> task<> {
    spawn(w);
    const auto t = spawn(waits, c);
    (void)co_await m.receive();
    log("M ok");
    log("M ", flags(t));
    co_await t.kill();
  });
  CHECK(trace == "W run ok → M ok → M [A-BS]");
}

TEST_CASE("DLK-23 a tasklet back from a nested drain blocks, main in drain: that just returns") {
  channel<int> c;
  channel<int> d;
  const auto w = [&]() -> task<> {
    spawn(waits, c);
    co_await drain();
    log("W1");
    (void)co_await d.receive();
    log("W2");
  };
  const auto trace = run_case([&]() -> task<> {
    const auto t = spawn(w);
    co_await attempt("run", drain());
    log("M ", flags(t));
    co_await d.send(1);
    co_await c.send(1);
  });
  CHECK(trace == "W1 → run ok → M [A-BS] → W2");
}

TEST_CASE("DLK-25 an uncaught error while main yields: yield raises, ahead of the others") {
  const auto trace = run_case([]() -> task<> {
    spawn(fails, value_error("e"));
    spawn(says, "C");
    co_await attempt("schedule", yield());
    co_await drain();
    log("M");
  });
  CHECK(trace == "schedule!ValueError(e) → C → M");
}

TEST_CASE("DLK-27 an error in a tasklet started by t.run() goes to main, not to the caller") {
  tasklet<> e;
  const auto a = [&]() -> task<> {
    co_await attempt("E.run", e.run());
    log("A2");
  };
  const auto trace = run_case([&]() -> task<> {
    e = spawn_paused(fails, value_error("e"));
    spawn(a);
    co_await attempt("run1", drain());
    co_await attempt("run2", drain());
  });
  CHECK(trace == "run1!ValueError(e) → E.run ok → A2 → run2 ok");
}

TEST_CASE("DLK-29 tasklet_exit in a tasklet never surfaces") {
  channel<int> c;
  const auto k = []() -> task<> {
    throw stackless::tasklet_exit{};
    co_return;
  };
  const auto trace = run_case([&]() -> task<> {
    spawn(k);
    co_await attempt("run", drain());
    spawn(k);
    co_await attempt("recv", c.receive());
  });
  CHECK(trace == "run ok → recv!deadlock");
}

TEST_CASE("DLK-33 a block trap makes main fail before any scheduling") {
  channel<int> c;
  const auto trace = run_case([&]() -> task<> {
    spawn(says, "T");
    (void)main_tasklet().set_block_trap(true);
    co_await attempt("recv", c.receive());
    (void)main_tasklet().set_block_trap(false);
    co_await drain();
  });
  CHECK(trace == "recv!BLOCKTRAP → T");
}

TEST_CASE("DLK-35 a deadlock error raised in main leaves other blocked tasklets blocked") {
  channel<int> c;
  channel<int> d;
  const auto a = [&]() -> task<> {
    const int v = co_await c.receive();
    log("A ", v);
  };
  const auto trace = run_case([&]() -> task<> {
    const auto t = spawn(a);
    co_await drain();
    co_await attempt("recv", d.receive());
    log(flags(t), " ", c.balance(), " ", d.balance());
    co_await c.send(1);
  });
  CHECK(trace == "recv!deadlock → [A-BS] -1 0 → A 1");
}

TEST_CASE("DLK-37 an uncaught error wakes main at once, ahead of every runnable tasklet") {
  const auto trace = run_case([]() -> task<> {
    spawn(says_twice, "W");
    spawn(fails, value_error("e"));
    spawn(says, "Z");
    co_await attempt("run", drain());
    log("rc ", run_count());
    co_await drain();
  });
  CHECK(trace == "W1 → run!ValueError(e) → rc 3 → Z → W2");
}

TEST_CASE("DLK-39 main blocked, one fails while another can run: main gets the error at once") {
  channel<int> c;
  const auto trace = run_case([&]() -> task<> {
    spawn(fails, value_error("t"));
    spawn(says, "U");
    co_await attempt("recv", c.receive());
    log("rc ", run_count());
    co_await drain();
  });
  CHECK(trace == "recv!ValueError(t) → rc 2 → U");
}

TEST_CASE("DLK-41 a tasklet woken from its drain may itself deadlock while main is blocked") {
  channel<int> c;
  channel<int> d;
  channel<int> m;
  const auto w = [&]() -> task<> {
    spawn(waits, c);
    co_await drain();
    log("W woke");
    co_await attempt("W", d.receive());
    co_await m.send(1);
  };
  const auto trace = run_case(remaining::blocked_tasklets, [&]() -> task<> {
    spawn(w);
    const int v = co_await m.receive();
    log("M got ", v);
    log("M ok");
  });
  CHECK(trace == "W woke → W!deadlock → M got 1 → M ok");
}

#if STACKLESS_TRACKING
namespace {

task<> inner(channel<int> c) {
  (void)co_await c.receive();
}
task<> worker(channel<int> c) {
  co_await inner(c);
}
task<> outer(channel<int> m) {
  (void)co_await m.receive();
}

std::string functions_of(const stackless::async_stack& outermost_last) {
  std::string names;
  for (const auto& frame : outermost_last) {
    std::string name(frame.function);
    for (const char* known : {"inner", "worker", "outer"})
      if (name.find(known) != name.npos) names += (names.empty() ? "" : " ") + std::string(known);
  }
  return names;
}

}  // namespace

TEST_CASE("DLK-43 the error that reaches main names the frames of the tasklet that failed") {
  channel<int> c;
  channel<int> m;
  const auto trace = run_case([&]() -> task<> {
    spawn("W", worker, c);
    try {
      co_await outer(m);
    } catch (const deadlock_error& e) {
      const auto& report = e.report();
      const auto* told = report.find_tasklet(report.raised_in);
      log(told != nullptr ? told->name : "nobody");
      if (told != nullptr) log(functions_of(told->stack));
      for (const auto& t : report.state.tasklets)
        if (t.is_main) log(functions_of(t.stack));
    }
  });
  CHECK(trace == "W → inner worker → outer");
}
#endif

TEST_CASE("DLK-45 main blocked with a tasklet in drain: an error goes to that one") {
  channel<int> m;
  const auto w = [&]() -> task<> {
    co_await attempt("W run", drain());
    co_await m.send(1);
  };
  const auto trace = run_case([&]() -> task<> {
    spawn(w);
    spawn(fails, value_error("e"));
    const int v = co_await m.receive();
    log("M got ", v);
    log("M ok");
  });
  CHECK(trace == "W run!ValueError(e) → M got 1 → M ok");
}

TEST_CASE("DLK-47 a cycle of three, main blocked on a fourth: only the last to block is told") {
  channel<int> c1;
  channel<int> c2;
  channel<int> c3;
  channel<std::string> m;
  const auto c = [&]() -> task<> {
    co_await attempt("C", c3.receive());
    co_await m.send("free");
  };
  const auto trace = run_case(remaining::blocked_tasklets, [&]() -> task<> {
    spawn(waits, c1);
    spawn(waits, c2);
    spawn(c);
    const std::string v = co_await m.receive();
    log("M got ", v);
    log("M ok");
    log(c1.balance(), " ", c2.balance(), " ", c3.balance());
  });
  CHECK(trace == "C!deadlock → M got free → M ok → -1 -1 0");
}

TEST_CASE("DLK-49 an uncaught error while main is away by switch_to comes out of switch_to") {
  const auto trace = run_case([]() -> task<> {
    const auto e = spawn(fails, value_error("e"));
    spawn(says, "B");
    co_await attempt("switch", e.switch_to());
    co_await drain();
    log("M");
  });
  CHECK(trace == "switch!ValueError(e) → B → M");
}

// §2.2 row 4.
TEST_CASE("DLK-10 who is told and does not catch dies of it, main gets the same error") {
  channel<int> c;
  channel<int> m;
  const auto trace = run_case([&]() -> task<> {
    const auto t = spawn(receives, c, "never");
    co_await attempt("M", m.receive());
    log(flags(t), " ", c.balance(), " ", m.balance());
  });
  CHECK(trace == "M!deadlock → [----] 0 0");
}

// §2.2 row 14.
TEST_CASE("DLK-40 paused tasklets do not count as runnable") {
  channel<int> c;
  const auto trace = run_case([&]() -> task<> {
    const auto p = spawn_paused(says, "P");
    co_await attempt("recv", c.receive());
    p.insert();
    co_await drain();
  });
  CHECK(trace == "recv!deadlock → P");
}

// §2.2 row 15.
TEST_CASE("DLK-34 a tasklet with a pending error can run, so nothing is a deadlock yet") {
  channel<int> c;
  channel<int> m;
  const auto v = [&]() -> task<> {
    co_await attempt("V", c.receive());
    co_await m.send(1);
  };
  const auto trace = run_case([&]() -> task<> {
    const auto t = spawn(v);
    co_await drain();
    t.raise_pending(value_error("p"));
    co_await attempt("M", m.receive());
    co_await drain();
  });
  CHECK(trace == "V!ValueError(p) → M ok");
}

TEST_CASE("DLK-31 with its error handled a tasklet counts as ended: main is told of the deadlock") {
  channel<int> c;
  const auto trace = run_case([&]() -> task<> {
    stackless::set_error_handler([](const stackless::any_tasklet&, const std::exception_ptr& error
                                 ) { log("handler ", error_name(error)); });
    spawn(fails, value_error("e"));
    co_await attempt("recv", c.receive());
  });
  CHECK(trace == "handler ValueError(e) → recv!deadlock");
}
