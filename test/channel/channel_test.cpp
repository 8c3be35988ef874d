#include <stackless/stackless.hpp>

#include "catch.hpp"
#include "support.hpp"

#include <memory>
#include <numeric>
#include <string>
#include <vector>

using namespace channel_test;
using stackless::channel;
using stackless::channel_closed;
using stackless::channel_preference;
using stackless::deadlock_error;
using stackless::drain;
using stackless::run;
using stackless::send_status;
using stackless::spawn;
using stackless::task;
using stackless::tasklet_exit;
using stackless::yield;

namespace {

template <class T>
task<> sends(channel<T> c, int v) {
  co_await c.send(T(v));
}

template <class T>
task<> receives(channel<T> c, std::vector<int>& out) {
  const T v = co_await c.receive();
  out.push_back(v.value());
}

}  // namespace

TEST_CASE("values arrive in the order in which their senders came") {
  std::vector<int> seen;
  run([&]() -> task<> {
    channel<int> c;
    const auto s = [&](int v) -> task<> { co_await c.send(v); };
    for (int i = 0; i < 20; ++i) spawn(s, i);
    co_await drain();
    CHECK(c.balance() == 20);
    for (int i = 0; i < 20; ++i) seen.push_back(co_await c.receive());
    CHECK(c.balance() == 0);
  });
  for (int i = 0; i < 20; ++i) CHECK(seen[static_cast<std::size_t>(i)] == i);
}

TEST_CASE("receivers are served in the order in which they came") {
  std::vector<std::pair<int, int>> seen;
  run([&]() -> task<> {
    channel<int> c;
    const auto r = [&](int name) -> task<> {
      const int v = co_await c.receive();
      seen.emplace_back(name, v);
    };
    for (int i = 0; i < 5; ++i) spawn(r, i);
    co_await drain();
    CHECK(c.balance() == -5);
    for (int i = 0; i < 5; ++i) co_await c.send(10 * i);
    CHECK(c.balance() == 0);
  });
  CHECK(seen == std::vector<std::pair<int, int>>{{0, 0}, {1, 10}, {2, 20}, {3, 30}, {4, 40}});
}

TEST_CASE("move-only values, whoever comes first, each exists once") {
  const std::size_t capacity = GENERATE(std::size_t{0}, std::size_t{1}, std::size_t{8});
  std::vector<int> seen;
  run([&]() -> task<> {
    channel<token> c(capacity);
    spawn(sends<token>, c, 1);
    co_await drain();
    {
      const token first = co_await c.receive();
      CHECK(first.value() == 1);
    }
    spawn(receives<token>, c, stackless::borrow(seen));
    co_await drain();
    co_await c.send(token(2));
    co_await drain();
  });
  CHECK(seen == std::vector<int>{2});
  CHECK(token::alive == 0);
}

TEST_CASE("send of lvalues copies, of rvalues moves, emplace makes the value") {
  run([]() -> task<> {
    channel<std::string> c(8);
    std::string text(40, 'a');
    co_await c.send(text);
    CHECK(text.size() == 40);
    co_await c.send(std::move(text));
    co_await c.send("converted");
    co_await c.emplace(std::size_t{3}, 'x');
    co_await c.emplace();
    std::vector<std::string> seen;
    for (int i = 0; i < 5; ++i) seen.push_back(co_await c.receive());
    CHECK(
        seen ==
        std::vector<std::string>{std::string(40, 'a'), std::string(40, 'a'), "converted", "xxx", ""}
    );
  });
}

TEST_CASE("over-aligned values") {
  struct alignas(64) wide {
    int value;
    explicit wide(int v) : value(v) {}
  };
  const std::size_t capacity = GENERATE(std::size_t{0}, std::size_t{3});
  run([&]() -> task<> {
    channel<wide> c(capacity);
    const auto s = [&](int v) -> task<> { co_await c.send(wide(v)); };
    for (int i = 0; i < 10; ++i) spawn(s, i);
    for (int i = 0; i < 10; ++i) {
      const wide v = co_await c.receive();
      CHECK(v.value == i);
      CHECK(reinterpret_cast<std::uintptr_t>(&v) % 64 == 0);
    }
  });
}

TEST_CASE("send_from moves from the value only when the send takes effect") {
  run([]() -> task<> {
    channel<token> c;
    bool raised = false;
    bool still_there = false;
    const auto s = [&](bool* flag) -> task<> {
      token mine(5);
      try {
        co_await c.send_from(mine);
      } catch (...) {
        *flag = true;
        still_there = mine.intact();
        throw;
      }
      CHECK_FALSE(mine.intact());
    };
    const auto killed = spawn(s, &raised);
    co_await drain();
    co_await killed.kill();
    CHECK(raised);
    CHECK(still_there);
    CHECK(c.balance() == 0);

    raised = still_there = false;
    c.close();
    const auto closed = spawn(s, &raised);
    try {
      co_await closed.join();
    } catch (const channel_closed&) {
    }
    CHECK(raised);
    CHECK(still_there);
    c.open();

    raised = still_there = false;
    try {
      co_await s(&raised);
    } catch (const deadlock_error&) {
    }
    CHECK(raised);
    CHECK(still_there);

    raised = false;
    spawn(s, &raised);
    const token got = co_await c.receive();
    CHECK(got.value() == 5);
    co_await drain();
    CHECK_FALSE(raised);
  });
  CHECK(token::alive == 0);
}

TEST_CASE("an operation that was not awaited changes nothing, and one keeps its value") {
  run([]() -> task<> {
    channel<token> c;
    auto operation = c.send(token(3));
    CHECK(operation.value().value() == 3);
    CHECK(c.balance() == 0);
    try {
      co_await operation;  // a deadlock
    } catch (const deadlock_error&) {
      CHECK(operation.value().intact());
    }
    std::vector<int> seen;
    spawn(receives<token>, c, stackless::borrow(seen));
    co_await drain();
    co_await operation;
    CHECK(seen == std::vector<int>{3});
  });
  CHECK(token::alive == 0);
}

TEST_CASE("a move that throws leaves all as it was: a receiver waits") {
  run([]() -> task<> {
    channel<fragile> c;
    std::vector<int> seen;
    spawn(receives<fragile>, c, stackless::borrow(seen));
    co_await drain();
    auto operation = c.send(fragile(1));
    fragile::moves_until_throw = 1;
    bool failed = false;
    try {
      co_await operation;
    } catch (const move_failed&) {
      failed = true;
    }
    CHECK(failed);
    CHECK(operation.value().value() == 1);
    CHECK(c.balance() == -1);
    CHECK(seen.empty());
    co_await operation;
    CHECK(seen == std::vector<int>{1});
  });
  CHECK(fragile::alive == 0);
}

TEST_CASE("a move that throws leaves all as it was: a sender waits") {
  run([]() -> task<> {
    channel<fragile> c;
    const auto s = spawn(sends<fragile>, c, 2);
    co_await drain();
    bool failed = false;
    fragile::moves_until_throw = 1;
    try {
      (void)co_await c.receive();
    } catch (const move_failed&) {
      failed = true;
    }
    CHECK(failed);
    CHECK(c.balance() == 1);
    CHECK(s.blocked());
    const fragile v = co_await c.receive();
    CHECK(v.value() == 2);
    co_await drain();
    CHECK_FALSE(s.alive());
  });
  CHECK(fragile::alive == 0);
}

TEST_CASE("a move that throws leaves all as it was: the sender preferred, schedule_all") {
  const bool all = GENERATE(false, true);
  run([&]() -> task<> {
    channel<fragile> c;
    if (all)
      c.set_schedule_all(true);
    else
      c.set_preference(channel_preference::sender);
    const auto s = spawn(sends<fragile>, c, 2);
    co_await drain();
    bool failed = false;
    fragile::moves_until_throw = 1;
    try {
      (void)co_await c.receive();
    } catch (const move_failed&) {
      failed = true;
    }
    CHECK(failed);
    CHECK(c.balance() == 1);
    const fragile v = co_await c.receive();
    CHECK(v.value() == 2);
    co_await drain();
    CHECK_FALSE(s.alive());
  });
  CHECK(fragile::alive == 0);
}

TEST_CASE("try_send: sent, would_block, closed, the value is taken only when it is sent") {
  run([]() -> task<> {
    channel<token> c;
    token a(1);
    CHECK(c.try_send_from(a) == send_status::would_block);
    CHECK(a.intact());
    std::vector<int> seen;
    const auto r = spawn(receives<token>, c, stackless::borrow(seen));
    co_await drain();
    CHECK(c.try_send_from(a) == send_status::sent);
    CHECK_FALSE(a.intact());
    CHECK(seen.empty());  // the receiver goes to the tail
    CHECK(r.scheduled());
    CHECK(c.balance() == 0);
    co_await drain();
    CHECK(seen == std::vector<int>{1});
    c.close();
    token b(2);
    CHECK(c.try_send_from(b) == send_status::closed);
    CHECK(b.intact());
    CHECK(c.try_send(token(3)) == send_status::closed);
  });
  CHECK(token::alive == 0);
}

TEST_CASE("try_send of a named value sends a copy, and moves only from what is given away") {
  channel<std::string> c(3);
  std::string text = "a text that is too long for the string itself";
  const std::string expected = text;
  CHECK(c.try_send(text) == send_status::sent);
  CHECK(text == expected);
  CHECK(c.try_send(std::move(text)) == send_status::sent);
  CHECK(text.empty());  // NOLINT(bugprone-use-after-move)
  text = expected;
  CHECK(c.try_send_from(text) == send_status::sent);
  CHECK(text.empty());
  text = expected;
  CHECK(c.try_send(text) == send_status::would_block);
  CHECK(c.try_send(std::move(text)) == send_status::would_block);
  CHECK(text == expected);  // NOLINT(bugprone-use-after-move)
  for (int i = 0; i < 3; ++i) CHECK(c.try_receive() == expected);
}

TEST_CASE("try_receive: a waiting sender goes to the tail, nothing when nobody waits") {
  run([]() -> task<> {
    channel<token> c;
    CHECK_FALSE(c.try_receive().has_value());
    CHECK(c.balance() == 0);
    const auto s = spawn(sends<token>, c, 4);
    co_await drain();
    const auto v = c.try_receive();
    REQUIRE(v.has_value());
    CHECK(v->value() == 4);
    CHECK(s.scheduled());
    CHECK_FALSE(s.blocked());
    co_await drain();
    CHECK_FALSE(s.alive());
    c.close();
    CHECK_FALSE(c.try_receive().has_value());
  });
  CHECK(token::alive == 0);
}

TEST_CASE("try_send and try_receive work outside of any scheduler") {
  channel<int> c(2);
  CHECK(c.try_send(1) == send_status::sent);
  CHECK(c.try_send(2) == send_status::sent);
  CHECK(c.try_send(3) == send_status::would_block);
  CHECK(c.size() == 2);
  CHECK(c.try_receive() == 1);
  CHECK(c.try_receive() == 2);
  CHECK_FALSE(c.try_receive().has_value());
  c.close();
  CHECK(c.closed());
}

TEST_CASE("a tasklet never meets itself") {
  run([]() -> task<> {
    channel<int> c;
    bool told = false;
    const auto both = [&]() -> task<> {
      try {
        co_await c.send(1);
      } catch (const deadlock_error&) {
        told = true;
      }
    };
    co_await both();
    CHECK(told);
    CHECK(c.balance() == 0);
  });
}

TEST_CASE("preference and schedule_all count at the time of the exchange") {
  std::string order;
  channel<int> c;
  const auto r = [&]() -> task<> {
    (void)co_await c.receive();
    order += "R";
  };
  run([&]() -> task<> {
    spawn(r);
    co_await drain();
    c.set_preference(channel_preference::neither);
    co_await c.send(1);
    order += "M";
    co_await drain();
    spawn(r);
    co_await drain();
    c.set_preference(channel_preference::receiver);
    co_await c.send(1);
    order += "M";
  });
  CHECK(order == "MRRM");
}

TEST_CASE("channels are compared by identity, and named") {
  channel<int> a;
  const channel<int> b;
  const channel<int> copy = a;
  CHECK(a == copy);
  CHECK_FALSE(a == b);
  CHECK_THAT(a.name(), contains_text("channel<int>"));
#if STACKLESS_TRACKING
  CHECK_THAT(a.name(), contains_text("channel_test.cpp:"));
#endif
  copy.set_name("numbers");
  CHECK(a.name() == "numbers");
  const channel<int> named(stackless::channel_name("requests"), 4);
  CHECK(named.name() == "requests");
  CHECK(named.capacity() == 4);
}

TEST_CASE("many channels, many tasklets: every value arrives once") {
  constexpr int width = 10;
  constexpr int each = 200;
  std::vector<int> seen;
  run([&]() -> task<> {
    channel<int> in;
    channel<int> out;
    const auto produces = [&](int base) -> task<> {
      for (int i = 0; i < each; ++i) co_await in.send(base * each + i);
    };
    const auto passes = [&]() -> task<> {
      while (const auto v = co_await in.next()) co_await out.send(*v);
    };
    const auto ends = [&](std::vector<stackless::tasklet<>> all, channel<int> next) -> task<> {
      for (const auto& t : all) co_await t.join();
      next.close();
    };
    std::vector<stackless::tasklet<>> producers;
    std::vector<stackless::tasklet<>> passers;
    for (int i = 0; i < width; ++i) producers.push_back(spawn(produces, i));
    for (int i = 0; i < width; ++i) passers.push_back(spawn(passes));
    spawn(ends, producers, in);
    spawn(ends, passers, out);
    while (const auto v = co_await out.next()) seen.push_back(*v);
  });
  std::sort(seen.begin(), seen.end());
  std::vector<int> expected(width * each);
  std::iota(expected.begin(), expected.end(), 0);
  CHECK(seen == expected);
}
