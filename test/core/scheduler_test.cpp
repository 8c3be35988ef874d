#include <stackless/stackless.hpp>

#include "catch.hpp"
#include "process.hpp"

#include <chrono>
#include <csignal>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

using namespace std::chrono_literals;
using stackless::channel;
using stackless::clock_choice;
using stackless::deadlock_error;
using stackless::deadlock_policy;
using stackless::drain;
using stackless::drain_ready;
using stackless::run_result;
using stackless::scheduler;
using stackless::scheduler_options;
using stackless::send_status;
using stackless::spawn;
using stackless::spawn_daemon;
using stackless::suspend;
using stackless::task;
using stackless::tasklet;
using stackless::tasklet_exit;
using stackless::yield;

namespace {

scheduler_options virtual_time() {
  scheduler_options options;
  options.clock = clock_choice::virtual_time;
  return options;
}

scheduler_options on_deadlock(deadlock_policy policy) {
  scheduler_options options;
  options.on_deadlock = policy;
  return options;
}

task<> collects(channel<int> in, std::vector<int>& out) {
  while (const auto v = co_await in.next()) out.push_back(*v);
}

task<> waits(channel<int> c) {
  (void)co_await c.receive();
}

task<> fails(const char* text) {
  co_await yield();
  throw std::runtime_error(text);
}

task<int> number(int n) {
  co_return n;
}

}  // namespace

// Driven by a host
// ---------------------------------------------------------------------------------

TEST_CASE("a scheduler without tasklets runs to its end at once") {
  scheduler s;
  CHECK(s.run() == run_result::all_ended);
  CHECK(s.run_ready() == run_result::all_ended);
  CHECK(s.run_count() == 0);
  CHECK(s.alive() == 0);
  s.shutdown();
}

TEST_CASE("spawn from the host runs nothing by itself") {
  scheduler s;
  const auto t = s.spawn("named", number, 5);
  CHECK(t.name() == "named");
  CHECK(t.alive());
  CHECK(t.scheduled());
  CHECK_FALSE(t.is_main());
  CHECK(s.run_count() == 1);
  CHECK(s.alive() == 1);
  CHECK(s.run() == run_result::all_ended);
  CHECK_FALSE(t.alive());
  CHECK(s.alive() == 0);
}

TEST_CASE("run_ready comes back while tasklets wait, and the host may send") {
  scheduler s;
  channel<int> c;
  std::vector<int> seen;
  const auto t = s.spawn(collects, c, stackless::borrow(seen));
  CHECK(s.run_ready() == run_result::idle);
  CHECK(t.blocked());
  CHECK(c.try_send(1) == send_status::sent);
  CHECK(t.scheduled());
  CHECK_FALSE(t.blocked());
  CHECK(c.try_send(2) == send_status::would_block);
  CHECK(s.run_ready() == run_result::idle);
  CHECK(seen == std::vector<int>{1});
  CHECK(c.try_send(2) == send_status::sent);
  CHECK(s.run_ready() == run_result::idle);
  c.close();
  CHECK(s.run_ready() == run_result::all_ended);
  CHECK(seen == std::vector<int>{1, 2});
  CHECK(s.alive() == 0);
}

TEST_CASE("the host receives what a tasklet sends") {
  scheduler s;
  channel<int> c;
  const auto sends = [&]() -> task<> {
    for (int i = 0; i < 3; ++i) co_await c.send(i);
  };
  s.spawn(sends);
  std::vector<int> seen;
  while (s.run_ready() != run_result::all_ended) {
    const auto v = c.try_receive();
    REQUIRE(v.has_value());
    seen.push_back(*v);
  }
  CHECK(seen == std::vector<int>{0, 1, 2});
}

TEST_CASE("the host inserts, removes, kills and raises between drives") {
  scheduler s;
  std::string log;
  const auto body = [&](const char* name) -> task<> {
    log += name;
    try {
      co_await suspend();
      log += "+";
    } catch (const std::runtime_error& e) {
      log += e.what();
    } catch (const tasklet_exit&) {
      log += "x";
      throw;
    }
  };
  const auto a = s.spawn(body, "A");
  const auto b = s.spawn(body, "B");
  const auto c = s.spawn(body, "C");
  const auto d = s.spawn(body, "D");
  d.remove();
  CHECK(s.run_ready() == run_result::idle);
  CHECK(log == "ABC");
  a.insert();
  b.kill_pending();
  c.raise_pending(std::make_exception_ptr(std::runtime_error("!")));
  CHECK(s.run_ready() == run_result::idle);
  CHECK(log == "ABC+x!");
  d.kill_pending();
  CHECK(s.run_ready() == run_result::all_ended);
  CHECK(log == "ABC+x!");
}

TEST_CASE("an uncaught error leaves the drive, and the next one goes on with the others") {
  const bool ready_only = GENERATE(false, true);
  scheduler s;
  int ended = 0;
  const auto counts = [&]() -> task<> {
    for (int i = 0; i < 5; ++i) co_await yield();
    ++ended;
  };
  s.spawn(counts);
  s.spawn(fails, "first");
  s.spawn(fails, "second");
  s.spawn(counts);
  const auto drive = [&] { return ready_only ? s.run_ready() : s.run(); };
  CHECK_THROWS_WITH(drive(), "first");
  CHECK(ended == 0);
  CHECK(s.alive() == 3);
  CHECK_THROWS_WITH(drive(), "second");
  CHECK(s.alive() == 2);
  CHECK(drive() == run_result::all_ended);
  CHECK(ended == 2);
}

TEST_CASE("an uncaught error goes to the innermost drain rather than to the host") {
  scheduler s;
  std::string caught;
  const auto drains = [&]() -> task<> {
    try {
      co_await drain();
    } catch (const std::runtime_error& e) {
      caught = e.what();
    }
  };
  s.spawn(drains);
  s.spawn(fails, "inside");
  CHECK(s.run() == run_result::all_ended);
  CHECK(caught == "inside");
}

TEST_CASE("a deadlock leaves run, after its tasklets were ended") {
  scheduler s;
  channel<int> c;
  const auto held = std::make_shared<int>(0);
  const auto holds = [](channel<int> on, std::shared_ptr<int>) -> task<> {
    (void)co_await on.receive();
  };
  s.spawn(holds, c, held);
  s.spawn(holds, c, held);
  CHECK_THROWS_AS(s.run(), deadlock_error);
  // The one that blocked last was told and died of it; the next call finds the other one.
  CHECK(s.alive() == 1);
  CHECK_THROWS_AS(s.run(), deadlock_error);
  CHECK(s.alive() == 0);
  CHECK(held.use_count() == 1);
  CHECK(s.run() == run_result::all_ended);
}

TEST_CASE("deadlock_policy::wait: run comes back, the host may still send") {
  scheduler s(on_deadlock(deadlock_policy::wait));
  channel<int> c;
  std::vector<int> seen;
  s.spawn(collects, c, stackless::borrow(seen));
  CHECK(s.run() == run_result::idle);
  (void)c.try_send(4);
  CHECK(s.run() == run_result::idle);
  c.close();
  CHECK(s.run() == run_result::all_ended);
  CHECK(seen == std::vector<int>{4});
}

TEST_CASE("deadlock_policy::abort: the program ends") {
  const auto end = process::end_of([] {
    channel<int> c;
    (void)stackless::run(on_deadlock(deadlock_policy::abort), waits, c);
  });
  CHECK(end.signal == SIGABRT);
  CHECK_THAT(end.text, starts_with_text("stackless: deadlock: 1 of 1 tasklet blocked forever"));
  CHECK_THAT(end.text, contains_text("\nWHY   "));
}

TEST_CASE("run sleeps for timers, run_ready does not") {
  scheduler s(virtual_time());
  int woken = 0;
  const auto sleeps = [&]() -> task<> {
    co_await stackless::sleep_for(1h);
    ++woken;
  };
  s.spawn(sleeps);
  CHECK(s.run_ready() == run_result::idle);
  CHECK(s.run_ready() == run_result::idle);
  CHECK(woken == 0);
  CHECK(s.run() == run_result::all_ended);
  CHECK(woken == 1);
}

TEST_CASE("run_ready fires timers that have come due") {
  scheduler s;
  int woken = 0;
  const auto sleeps = [&]() -> task<> {
    co_await stackless::sleep_for(1ms);
    ++woken;
  };
  s.spawn(sleeps);
  CHECK(s.run_ready() == run_result::idle);
  const auto start = std::chrono::steady_clock::now();
  while (s.run_ready() == run_result::idle)
    if (std::chrono::steady_clock::now() - start > 5s) break;
  CHECK(woken == 1);
}

TEST_CASE("shutdown kills what is left, destructors run, the scheduler may be used again") {
  scheduler s;
  channel<int> c;
  const auto held = std::make_shared<int>(0);
  std::string log;
  const auto holds = [&](std::shared_ptr<int>) -> task<> {
    try {
      (void)co_await c.receive();
    } catch (const tasklet_exit&) {
      log += "exit ";
      throw;
    }
  };
  s.spawn(holds, held);
  const auto paused = s.spawn(holds, held);
  paused.remove();
  (void)s.run_ready();
  CHECK(c.balance() == -1);
  s.shutdown();
  CHECK(log == "exit ");
  CHECK(held.use_count() == 1);
  CHECK(c.balance() == 0);
  CHECK(s.alive() == 0);
  const auto again = s.spawn(number, 1);
  CHECK(s.run() == run_result::all_ended);
  CHECK_FALSE(again.alive());
}

TEST_CASE("shutdown of tasklets that never ran") {
  scheduler s;
  bool ran = false;
  const auto body = [&]() -> task<> {
    ran = true;
    co_return;
  };
  s.spawn(body);
  s.shutdown();
  CHECK_FALSE(ran);
  CHECK(s.alive() == 0);
}

TEST_CASE("a scheduler that is destroyed with live tasklets ends the program") {
  const auto end = process::end_of([] {
    channel<int> c;
    scheduler s;
    s.spawn("left over", waits, c);
    (void)s.run_ready();
  });
  CHECK(end.signal == SIGABRT);
  CHECK_THAT(end.text, contains_text("destroyed with live tasklets"));
}

TEST_CASE("an error that destroys a scheduler with live tasklets is what is told") {
  bool cleaned_up = false;
  struct on_exit {
    bool& flag;
    ~on_exit() { flag = true; }
  };
  const auto host = [&] {
    channel<int> c;
    scheduler s;
    const auto left_over = [&]() -> task<> {
      const on_exit notes{cleaned_up};
      (void)co_await c.receive();
    };
    const auto fails = []() -> task<> {
      co_await stackless::yield();
      throw std::runtime_error("the real reason");
    };
    s.spawn(left_over);
    s.spawn(fails);
    (void)s.run();
  };
  CHECK_THROWS_WITH(host(), "the real reason");
  CHECK(cleaned_up);
}

TEST_CASE("one that an error destroys where it cannot be driven ends the program, and does not spin"
) {
  const auto end = process::end_of([] {
    const auto inside_another = []() -> task<> {
      channel<int> c;
      scheduler s;
      s.spawn("left over", waits, c);
      co_await stackless::yield();
      throw std::runtime_error("on its way");
    };
    stackless::run(inside_another);
  });
  CHECK(end.signal == SIGABRT);
  CHECK_THAT(end.text, contains_text("destroyed with live tasklets"));
}

TEST_CASE("two schedulers on one thread, one driven at a time") {
  scheduler a;
  scheduler b;
  channel<int> c;
  std::vector<int> seen;
  const auto sends = [&]() -> task<> {
    for (int i = 0; i < 3; ++i) (void)co_await c.send(i);
    c.close();
  };
  const auto receiver = a.spawn(collects, c, stackless::borrow(seen));
  b.spawn(sends);
  run_result end_of_a = run_result::idle;
  run_result end_of_b = run_result::idle;
  for (int i = 0;
       i < 20 && (end_of_a != run_result::all_ended || end_of_b != run_result::all_ended); ++i) {
    end_of_a = a.run_ready();
    end_of_b = b.run_ready();
  }
  CHECK(end_of_a == run_result::all_ended);
  CHECK(end_of_b == run_result::all_ended);
  CHECK(seen == std::vector<int>{0, 1, 2});
  CHECK_FALSE(receiver.alive());
}

TEST_CASE("a scheduler is not driven from inside another, nor from inside itself") {
  scheduler a;
  scheduler b;
  int refused = 0;
  const auto drives = [&]() -> task<> {
    for (auto* s : {&a, &b}) {
      try {
        (void)s->run();
      } catch (const std::logic_error&) {
        ++refused;
      }
      try {
        (void)s->run_ready();
      } catch (const std::logic_error&) {
        ++refused;
      }
    }
    co_return;
  };
  a.spawn(drives);
  CHECK(a.run() == run_result::all_ended);
  CHECK(refused == 4);
  b.spawn(number, 1);
  CHECK(b.run() == run_result::all_ended);
}

TEST_CASE("a host-driven scheduler has no main") {
  scheduler s;
  bool refused = false;
  const auto asks = [&]() -> task<> {
    try {
      (void)stackless::main_tasklet();
    } catch (const std::logic_error&) {
      refused = true;
    }
    co_return;
  };
  s.spawn(asks);
  (void)s.run();
  CHECK(refused);
}

TEST_CASE("spawn on a scheduler from inside one of its own tasklets") {
  scheduler s;
  std::string order;
  const auto child = [&]() -> task<> {
    order += "C";
    co_return;
  };
  const auto parent = [&]() -> task<> {
    order += "P";
    s.spawn(child);
    spawn(child);
    order += "p";
    co_return;
  };
  s.spawn(parent);
  (void)s.run();
  CHECK(order == "PpCC");
}

TEST_CASE("a host-driven drain comes back when nothing else can run") {
  const bool ready_only = GENERATE(false, true);
  scheduler s;
  channel<int> c;
  std::size_t waiting = 0;
  const auto drains = [&]() -> task<> {
    const auto rest = co_await drain();
    waiting = rest.waiting;
    c.close();
  };
  std::vector<int> seen;
  s.spawn(drains);
  s.spawn(collects, c, stackless::borrow(seen));
  CHECK((ready_only ? s.run_ready() : s.run()) == run_result::all_ended);
  CHECK(waiting == 1);
}

// drain and drain_ready
// ----------------------------------------------------------------------------

TEST_CASE("drain tells how many wait, and for what") {
  channel<int> c;
  channel<int> d;
  const auto main = [&]() -> task<> {
    const auto receives = [&]() -> task<> { (void)co_await c.receive(); };
    const auto sends = [&]() -> task<> { co_await d.send(1); };
    const auto stays = []() -> task<> { co_await suspend(); };
    const auto r = spawn(receives);
    spawn(receives);
    spawn(sends);
    const auto joins = [&]() -> task<> { co_await r.join(); };
    spawn(joins);
    const auto paused = spawn(stays);
    const auto removed = spawn(stays);
    removed.remove();
    const auto rest = co_await drain();
    CHECK(rest.waiting == 4);
    CHECK(rest.receiving == 2);
    CHECK(rest.sending == 1);
    CHECK(rest.joining == 1);
    CHECK(rest.paused == 2);
    c.close();
    (void)co_await d.receive();
    paused.insert();
    removed.kill_pending();
    try {
      co_await drain();
    } catch (const stackless::channel_closed&) {
      // of a receiver that nobody joins
    }
    try {
      co_await drain();
    } catch (const stackless::channel_closed&) {
    }
    const auto nothing = co_await drain();
    CHECK(nothing.waiting == 0);
    CHECK(nothing.paused == 0);
  };
  stackless::run(main);
}

TEST_CASE("drain sleeps for timers, drain_ready does not") {
  const auto main = []() -> task<> {
    int woken = 0;
    const auto sleeps = [&]() -> task<> {
      co_await stackless::sleep_for(1h);
      ++woken;
    };
    spawn(sleeps);
    const auto first = co_await drain_ready();
    CHECK(woken == 0);
    CHECK(first.waiting == 1);
    const auto second = co_await drain();
    CHECK(woken == 1);
    CHECK(second.waiting == 0);
  };
  stackless::run(virtual_time(), main);
}

TEST_CASE("drain_ready runs until the ring is empty") {
  const auto main = []() -> task<> {
    int steps = 0;
    const auto body = [&]() -> task<> {
      for (int i = 0; i < 5; ++i) {
        ++steps;
        co_await yield();
      }
    };
    spawn(body);
    spawn(body);
    co_await drain_ready();
    CHECK(steps == 10);
  };
  stackless::run(main);
}

TEST_CASE("nested drains: the innermost comes back first") {
  std::vector<std::string> order;
  channel<int> c;
  const auto inner = [&]() -> task<> {
    co_await drain();
    order.emplace_back("inner");
  };
  const auto outer = [&]() -> task<> {
    spawn(inner);
    co_await drain();
    order.emplace_back("outer");
  };
  stackless::run([&]() -> task<> {
    spawn(outer);
    co_await drain();
    order.emplace_back("main");
  });
  CHECK(order == std::vector<std::string>{"inner", "outer", "main"});
}

TEST_CASE("drain goes on through deadlines of tasklets that spawn more") {
  const auto main = []() -> task<> {
    int count = 0;
    const auto leaf = [&]() -> task<> {
      co_await stackless::sleep_for(1s);
      ++count;
    };
    const auto root = [&]() -> task<> {
      for (int i = 0; i < 10; ++i) {
        spawn(leaf);
        co_await stackless::sleep_for(10s);
      }
    };
    spawn(root);
    co_await drain();
    CHECK(count == 10);
  };
  stackless::run(virtual_time(), main);
}
