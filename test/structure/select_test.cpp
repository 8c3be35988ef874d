#include <stackless/stackless.hpp>
#include <stackless/testing.hpp>

#include "catch.hpp"

#include <chrono>
#include <memory>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

using namespace std::chrono_literals;
using namespace stackless;
using stackless::testing::wait_all_blocked;

STACKLESS_TEST("select takes what is ready, and leaves the others alone") {
  channel<int> a(1);
  channel<std::string> b(1);
  (void)b.try_send(std::string("text"));
  auto result = co_await select(a.next(), b.next(), after(1s));
  REQUIRE(result.index() == 1);
  CHECK(std::get<1>(result) == "text");
  CHECK(a.balance() == 0);
  CHECK(b.balance() == 0);
}

STACKLESS_TEST("select waits for the first to come, and the losers leave no trace") {
  channel<int> a;
  channel<int> b;
  event e;
  auto sender = spawn([&]() -> task<> {
    co_await sleep_for(1s);
    co_await b.send(7);
  });
  auto result = co_await select(a.receive(), b.receive(), e.wait(), after(1h));
  REQUIRE(result.index() == 1);
  CHECK(std::get<1>(result) == 7);
  CHECK(a.balance() == 0);
  CHECK(b.balance() == 0);
  co_await sender.join();
  e.set();
  CHECK(e.is_set());
  const auto start = now();
  const auto rest = co_await drain();  // the timer is gone too
  CHECK(rest.waiting == 0);
  CHECK(now() == start);
}

STACKLESS_TEST("select with a time limit, and with otherwise") {
  channel<int> never;
  const auto start = now();
  auto late = co_await select(never.receive(), after(50ms));
  CHECK(late.index() == 1);
  CHECK(now() - start == 50ms);
  auto at_once = co_await select(never.receive(), otherwise());
  CHECK(at_once.index() == 1);
  CHECK(now() - start == 50ms);
  CHECK(never.balance() == 0);
}

TEST_CASE("select: a time limit that passes before it waits") {
  run([]() -> task<> {
    channel<int> never;
    for (int i = 0; i < 2000; ++i) {
      auto result = co_await select(never.receive(), after(std::chrono::nanoseconds(i % 200)));
      CHECK(result.index() == 1);
    }
  });
}

STACKLESS_TEST("select sends: once, or not at all") {
  channel<std::unique_ptr<int>> out;
  auto value = std::make_unique<int>(5);
  auto late = co_await select(out.send_from(value), after(1s));
  CHECK(late.index() == 1);
  REQUIRE(value);

  int got = 0;
  auto receiver = spawn([&]() -> task<> { got = *co_await out.receive(); });
  co_await wait_all_blocked();
  auto sent = co_await select(after(1s), out.send_from(value));
  CHECK(sent.index() == 1);
  CHECK_FALSE(value);
  co_await receiver.join();
  CHECK(got == 5);
}

STACKLESS_TEST("two selects meet") {
  channel<int> c;
  std::size_t case_of_sender = 9;
  auto sender = spawn([&]() -> task<> {
    int value = 3;
    auto result = co_await select(after(1h), c.send_from(value));
    case_of_sender = result.index();
  });
  co_await wait_all_blocked();
  auto result = co_await select(c.receive(), after(1h));
  REQUIRE(result.index() == 0);
  CHECK(std::get<0>(result) == 3);
  co_await sender.join();
  CHECK(case_of_sender == 1);
  CHECK(c.balance() == 0);
}

STACKLESS_TEST("select over locks, units, joins and latches") {
  mutex m;
  auto held = m.try_lock();
  semaphore s(0);
  latch l(1);
  auto ends = spawn([]() -> task<int> {
    co_await sleep_for(2s);
    co_return 9;
  });
  {
    auto first = co_await select(m.lock(), s.acquire(), ends.join(), l.wait());
    REQUIRE(first.index() == 2);
    CHECK(std::get<2>(first) == 9);
  }
  held.reset();
  CHECK_FALSE(m.is_locked());
  {
    auto second = co_await select(s.acquire(), m.lock());
    REQUIRE(second.index() == 1);
    CHECK(std::get<1>(second).owns_lock());
    CHECK(m.is_locked());
  }
  CHECK_FALSE(m.is_locked());
  s.release();
  CHECK((co_await select(s.acquire(), l.wait())).index() == 0);
  CHECK(s.available() == 1);
}

STACKLESS_TEST("select takes turns and select_first does not") {
  channel<int> a(100);
  channel<int> b(100);
  for (int i = 0; i < 100; ++i) {
    (void)a.try_send(i);
    (void)b.try_send(i);
  }
  int from_a = 0;
  for (int i = 0; i < 100; ++i) {
    auto result = co_await select(a.receive(), b.receive());
    from_a += result.index() == 0;
  }
  CHECK(from_a == 50);
  for (int i = 0; i < 50; ++i) {
    auto result = co_await select_first(a.receive(), b.receive());
    CHECK(result.index() == 0);
  }
}

STACKLESS_TEST("select: a channel that is closed, an error that is sent") {
  channel<int> c;
  channel<int> never;
  c.close();
  auto closed = co_await select(c.next(), never.next());
  REQUIRE(closed.index() == 0);
  CHECK_FALSE(std::get<0>(closed));
  bool raised = false;
  try {
    (void)co_await select(c.send(1), never.next());
  } catch (const channel_closed&) {
    raised = true;
  }
  CHECK(raised);

  channel<int> errors;
  auto sender = spawn([&]() -> task<> {
    co_await errors.send_exception(std::make_exception_ptr(std::out_of_range("sent")));
  });
  co_await yield();
  std::string text;
  try {
    (void)co_await select(never.next(), errors.next());
  } catch (const std::out_of_range& error) {
    text = error.what();
  }
  CHECK(text == "sent");
  co_await sender.join();

  // Closed while it waits.
  channel<int> open;
  auto closes = spawn([&]() -> task<> {
    open.close();
    co_return;
  });
  auto result = co_await select(never.next(), open.next());
  REQUIRE(result.index() == 1);
  CHECK_FALSE(std::get<1>(result));
  CHECK(never.balance() == 0);
  co_await closes.join();
}

STACKLESS_TEST("select: cancelled or killed while it waits, nothing has happened") {
  channel<int> a;
  channel<int> b;
  int value = 1;
  CHECK_FALSE(co_await move_on_after(1s, [&]() -> task<> {
    (void)co_await select(a.receive(), b.send_from(value));
  }));
  CHECK(a.balance() == 0);
  CHECK(b.balance() == 0);
  auto victim = spawn([&]() -> task<> { (void)co_await select(a.receive(), b.send_from(value)); });
  co_await wait_all_blocked();
  CHECK(a.balance() == -1);
  CHECK(b.balance() == 1);
  co_await victim.kill();
  CHECK(a.balance() == 0);
  CHECK(b.balance() == 0);
}

STACKLESS_TEST("select: both directions of a channel are refused") {
  channel<int> c;
  bool refused = false;
  try {
    (void)co_await select(c.receive(), c.send(1));
  } catch (const std::logic_error&) {
    refused = true;
  }
  CHECK(refused);
  CHECK(c.balance() == 0);
}

STACKLESS_TEST("select: the block trap and the switch trap refuse to wait") {
  channel<int> c;
  auto other = spawn([&]() -> task<> { co_await sleep_for(1s); });
  int refused = 0;
  this_tasklet::handle().set_block_trap(true);
  try {
    (void)co_await select(after(1s), c.receive());
  } catch (const block_trap_error&) {
    ++refused;
  }
  this_tasklet::handle().set_block_trap(false);
  {
    const switch_trap trap;
    try {
      (void)co_await select(after(1s), c.receive());
    } catch (const switch_trap_error&) {
      ++refused;
    }
  }
  CHECK(refused == 2);
  CHECK(c.balance() == 0);
  co_await other.join();
}

STACKLESS_TEST("select: joins of one tasklet twice") {
  auto t = spawn([]() -> task<> { co_await sleep_for(1s); });
  auto result = co_await select(t.join(), t.join(), after(1h));
  CHECK(result.index() == 0);
  co_await t.join();
}

TEST_CASE("a select that nobody can serve is a deadlock") {
  std::string text;
  try {
    run([]() -> task<> {
      channel<int> a;
      channel<int> b;
      (void)co_await select(a.receive(), b.receive());
    });
  } catch (const deadlock_error& error) {
    text = error.what();
  }
  CHECK_THAT(text, contains_text("select of one of 2 cases"));
}

TEST_CASE("the report of a blocked select names its cases in order, and who could serve them") {
  std::string text;
  try {
    run([]() -> task<> {
      channel<int> in(channel_name("in"));
      channel<int> out(channel_name("out"));
      event stop(object_name("stop"));
      mutex lock(object_name("lock"));
      const mutex_guard mine = co_await lock.lock();
      auto other = spawn("other", [](channel<int> to) -> task<> { co_await to.receive(); }, in);
      (void)co_await select(in.receive(), out.send(1), stop.wait(), lock.lock(), other.join());
    });
  } catch (const deadlock_error& error) {
    text = error.what();
  }
  const auto first = text.find("case 1: receive on channel<int> 'in'");
  const auto second = text.find("case 2: send on channel<int> 'out'");
  const auto third = text.find("case 3: wait for event 'stop'");
  const auto fourth = text.find("case 4: lock of mutex 'lock'  (owned by #1 main");
  const auto fifth = text.find("case 5: join #2 other");
  INFO(text);
  REQUIRE(first != std::string::npos);
  REQUIRE(fifth != std::string::npos);
  CHECK(first < second);
  CHECK(second < third);
  CHECK(third < fourth);
  CHECK(fourth < fifth);
  CHECK_THAT(text, contains_text("freed by: a send on 'in' or its close."));
  CHECK_THAT(text, contains_text("freed by: a receive from 'out'."));
  CHECK_THAT(text, contains_text("freed by: a set"));
  CHECK_THAT(text, contains_text("freed by: the end of #2 other (blocked)"));
}

TEST_CASE("the report of a select with many cases names the first eight") {
  std::string text;
  try {
    run([]() -> task<> {
      channel<int> c(channel_name("c"));
      (void)co_await select(
          c.next(), c.next(), c.next(), c.next(), c.next(), c.next(), c.next(), c.next(), c.next(),
          c.next()
      );
    });
  } catch (const deadlock_error& error) {
    text = error.what();
  }
  INFO(text);
  CHECK_THAT(text, contains_text("case 8: receive on channel<int> 'c'"));
  CHECK(text.find("case 9") == std::string::npos);
  CHECK_THAT(text, contains_text("… and 2 more cases"));
}

STACKLESS_TEST("a snapshot has the cases of a blocked select") {
  channel<int> a;
  event e;
  auto t = spawn([&]() -> task<> { (void)co_await select(a.receive(), e.wait()); });
  co_await wait_all_blocked();
  const wait_info waits = t.waiting_for();
  CHECK(waits.operation == operation_kind::select);
  REQUIRE(waits.cases.size() == 2);
  CHECK(waits.cases[0].operation == operation_kind::receive);
  CHECK(waits.cases[1].operation == operation_kind::wait);
  const snapshot_data all = snapshot();
  REQUIRE(all.find_object(waits.cases[0].object) != nullptr);
  CHECK(all.find_object(waits.cases[0].object)->kind == object_kind::channel);
  co_await t.kill();
}

namespace {

/// Random senders, receivers and cancellations over few channels: each value is received once, or
/// its sender has it still.
void random_program(unsigned seed) {
  std::mt19937 random(seed);
  const auto below = [&](unsigned n) { return random() % n; };
  scheduler_options options;
  options.clock = clock_choice::virtual_time;
  run(options, [&]() -> task<> {
    std::vector<channel<std::unique_ptr<int>>> channels;
    for (unsigned i = 0; i < 3; ++i) channels.emplace_back(below(3));
    std::vector<int> seen(64, 0);
    int next_value = 0;
    const auto takes = [&](std::unique_ptr<int> value) {
      ++seen[static_cast<std::size_t>(*value)];
    };

    const auto sends = [&](std::unique_ptr<int> value) -> task<> {
      auto& one = channels[below(3)];
      auto& two = channels[below(3)];
      const auto limit = std::chrono::milliseconds(below(20));
      std::exception_ptr stopped;
      try {
        if (below(2) == 0) {
          (void)co_await select(one.send_from(value), after(limit));
        } else {
          (void)co_await move_on_after(limit, [&]() -> task<> {
            (void)co_await select(one.send_from(value), two.send_from(value));
          });
        }
      } catch (const tasklet_exit&) {
        stopped = std::current_exception();
      }
      if (value) takes(std::move(value));  // not sent: it is ours still
      if (stopped) std::rethrow_exception(stopped);
    };
    const auto receives = [&]() -> task<> {
      auto& one = channels[below(3)];
      auto& two = channels[below(3)];
      const auto limit = std::chrono::milliseconds(below(20));
      if (below(2) == 0) {
        auto result = co_await select(one.next(), two.next(), after(limit));
        if (result.index() == 0 && std::get<0>(result)) takes(std::move(*std::get<0>(result)));
        if (result.index() == 1 && std::get<1>(result)) takes(std::move(*std::get<1>(result)));
      } else {
        (void)co_await move_on_after(limit, [&]() -> task<> {
          auto value = co_await one.next();
          if (value) takes(std::move(*value));
        });
      }
    };

    co_await with_nursery([&](nursery& n) -> task<> {
      for (unsigned i = 0; i < 40; ++i) {
        if (below(2) == 0 && next_value < 64) {
          n.spawn(sends, std::make_unique<int>(next_value++));
        } else {
          n.spawn(receives);
        }
        if (below(4) == 0) co_await sleep_for(std::chrono::milliseconds(below(5)));
        if (below(3) == 0) co_await yield();
      }
    });
    for (auto& c : channels) {
      REQUIRE(c.balance() == 0);
      while (auto left = c.try_receive()) takes(std::move(*left));
    }
    for (int i = 0; i < next_value; ++i) {
      INFO("seed " << seed << ", value " << i);
      REQUIRE(seen[static_cast<std::size_t>(i)] == 1);
    }
  });
}

}  // namespace

TEST_CASE("select and cancellation: random programs lose nothing and deliver once") {
  if (const char* seed = std::getenv("STACKLESS_SEED")) {
    random_program(static_cast<unsigned>(std::atoi(seed)));
    return;
  }
  for (unsigned seed = 1; seed <= 10'000; ++seed) random_program(seed);
}
