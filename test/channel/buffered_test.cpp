#include <stackless/stackless.hpp>

#include "catch.hpp"
#include "support.hpp"

#include <string>
#include <vector>

using namespace channel_test;
using stackless::channel;
using stackless::channel_preference;
using stackless::deadlock_error;
using stackless::drain;
using stackless::run;
using stackless::send_status;
using stackless::spawn;
using stackless::task;
using stackless::yield;

TEST_CASE("a buffer takes its capacity without waiting, then senders wait") {
  run([]() -> task<> {
    channel<int> c(3);
    CHECK(c.capacity() == 3);
    for (int i = 0; i < 3; ++i) co_await c.send(i);
    CHECK(c.size() == 3);
    CHECK(c.balance() == 0);
    bool told = false;
    try {
      co_await c.send(3);
    } catch (const deadlock_error&) {
      told = true;
    }
    CHECK(told);
    CHECK(c.size() == 3);
    CHECK(c.balance() == 0);
    for (int i = 0; i < 3; ++i) {
      const int v = co_await c.receive();
      CHECK(v == i);
    }
    CHECK(c.size() == 0);
  });
}

TEST_CASE("a send into room and a receive from the buffer switch to nobody") {
  std::string order;
  const auto other = [&]() -> task<> {
    order += "X";
    co_return;
  };
  run([&]() -> task<> {
    channel<int> c(1);
    spawn(other);
    co_await c.send(1);
    order += "s";
    (void)co_await c.receive();
    order += "r";
    co_await drain();
  });
  CHECK(order == "srX");
}

TEST_CASE("values, buffered and waiting, keep their order, receiving lets the first waiter in") {
  std::vector<int> seen;
  run([&]() -> task<> {
    channel<int> c(2);
    std::vector<int> done;
    const auto s = [&](int v) -> task<> {
      co_await c.send(v);
      done.push_back(v);
    };
    for (int i = 0; i < 6; ++i) spawn(s, i);
    co_await drain();
    CHECK(done == std::vector<int>{0, 1});
    CHECK(c.size() == 2);
    CHECK(c.balance() == 4);
    seen.push_back(co_await c.receive());
    CHECK(c.size() == 2);  // 2 has taken the room
    CHECK(c.balance() == 3);
    co_await drain();
    CHECK(done == std::vector<int>{0, 1, 2});
    for (int i = 0; i < 5; ++i) seen.push_back(co_await c.receive());
    co_await drain();
    CHECK(done == std::vector<int>{0, 1, 2, 3, 4, 5});
  });
  CHECK(seen == std::vector<int>{0, 1, 2, 3, 4, 5});
}

TEST_CASE("nobody overtakes a waiting sender through the buffer") {
  run([]() -> task<> {
    channel<int> c(1);
    const auto fails = [&]() -> task<> {
      co_await c.send_exception(std::make_exception_ptr(std::runtime_error("in between")));
    };
    co_await c.send(1);
    spawn(fails);
    co_await drain();
    const int first = co_await c.receive();
    CHECK(first == 1);
    CHECK(c.size() == 0);
    CHECK(c.balance() == 1);  // an error is never buffered
    CHECK(c.try_send(2) == send_status::would_block);
    bool raised = false;
    try {
      (void)co_await c.receive();
    } catch (const std::runtime_error&) {
      raised = true;
    }
    CHECK(raised);
    CHECK(c.try_send(2) == send_status::sent);
    const int second = co_await c.receive();
    CHECK(second == 2);
    co_await drain();
  });
}

TEST_CASE("a waiting receiver gets a value past an empty buffer") {
  std::string order;
  run([&]() -> task<> {
    channel<int> c(4);
    const auto r = [&]() -> task<> {
      (void)co_await c.receive();
      order += "R";
    };
    spawn(r);
    co_await drain();
    co_await c.send(1);
    CHECK(c.size() == 0);
    order += "M";
    co_await drain();
  });
  CHECK(order == "MR");  // with a buffer the one who acts goes on
}

TEST_CASE("preference and schedule_all of a buffered channel, for exchanges between two tasklets") {
  struct expectation {
    channel_preference side;
    bool all;
    const char* order;
  };
  const auto expected = GENERATE(
      expectation{channel_preference::neither, false, "MXR"},
      expectation{channel_preference::receiver, false, "RXM"},
      expectation{channel_preference::sender, false, "MXR"},
      expectation{channel_preference::neither, true, "XRM"}
  );
  std::string order;
  run([&]() -> task<> {
    channel<int> c(4);
    CHECK(c.preference() == channel_preference::neither);
    c.set_preference(expected.side);
    c.set_schedule_all(expected.all);
    const auto r = [&]() -> task<> {
      (void)co_await c.receive();
      order += "R";
    };
    const auto bystander = [&]() -> task<> {
      order += "X";
      co_return;
    };
    spawn(r);
    co_await drain();
    spawn(bystander);
    co_await c.send(1);
    order += "M";
    co_await drain();
  });
  CHECK(order == expected.order);
}

TEST_CASE("a killed waiting sender leaves the queue, the buffer stays") {
  run([]() -> task<> {
    channel<token> c(1);
    const auto s = [&](int v) -> task<> { co_await c.send(token(v)); };
    spawn(s, 1);
    const auto second = spawn(s, 2);
    spawn(s, 3);
    co_await drain();
    CHECK(c.balance() == 2);
    co_await second.kill();
    CHECK(c.balance() == 1);
    for (const int expected : {1, 3}) {
      const token v = co_await c.receive();
      CHECK(v.value() == expected);
    }
    co_await drain();
  });
  CHECK(token::alive == 0);
}

TEST_CASE("what is left in the buffer is destroyed with the channel") {
  {
    channel<token> c(10);
    for (int i = 0; i < 7; ++i) CHECK(c.try_send(token(i)) == send_status::sent);
    for (int i = 0; i < 3; ++i) CHECK(c.try_receive()->value() == i);
    CHECK(token::alive == 4);
  }
  CHECK(token::alive == 0);
}

TEST_CASE("a large buffer grows on demand, also when it wraps round") {
  channel<token> c(1000);
  int sent = 0;
  int received = 0;
  for (int round = 0; round < 50; ++round) {
    for (int i = 0; i < 17 && c.try_send(token(sent)) == send_status::sent; ++i) ++sent;
    for (int i = 0; i < 5; ++i) {
      const auto v = c.try_receive();
      REQUIRE(v.has_value());
      CHECK(v->value() == received);
      ++received;
    }
  }
  CHECK(sent == 50 * 17);
  CHECK(c.size() == static_cast<std::size_t>(sent - received));
  while (const auto v = c.try_receive()) CHECK(v->value() == received++);
  CHECK(received == sent);
}

TEST_CASE("a move that throws leaves a buffer as it was") {
  run([]() -> task<> {
    channel<fragile> c(2);
    auto operation = c.send(fragile(1));
    fragile::moves_until_throw = 1;
    bool failed = false;
    try {
      co_await operation;
    } catch (const move_failed&) {
      failed = true;
    }
    CHECK(failed);
    CHECK(c.size() == 0);
    co_await operation;
    CHECK(c.size() == 1);

    failed = false;
    fragile::moves_until_throw = 1;
    try {
      (void)co_await c.receive();
    } catch (const move_failed&) {
      failed = true;
    }
    CHECK(failed);
    CHECK(c.size() == 1);
    const fragile v = co_await c.receive();
    CHECK(v.value() == 1);
  });
  CHECK(fragile::alive == 0);
}

TEST_CASE("a waiting sender whose move into the buffer throws keeps its value and its place") {
  run([]() -> task<> {
    channel<fragile> c(1);
    const auto s = [&](int v) -> task<> { co_await c.send(fragile(v)); };
    spawn(s, 1);
    const auto waiting = spawn(s, 2);
    co_await drain();
    fragile::moves_until_throw = 2;  // the first one takes the value out of the buffer
    const auto first = c.try_receive();
    CHECK(fragile::moves_until_throw == 0);
    REQUIRE(first.has_value());
    CHECK(first->value() == 1);
    CHECK(c.size() == 0);
    CHECK(c.balance() == 1);
    CHECK(waiting.blocked());
    const fragile second = co_await c.receive();
    CHECK(second.value() == 2);
    co_await drain();
    CHECK_FALSE(waiting.alive());
  });
  CHECK(fragile::alive == 0);
}

TEST_CASE("a producer and a consumer through a buffer") {
  const std::size_t capacity =
      GENERATE(std::size_t{1}, std::size_t{2}, std::size_t{7}, std::size_t{1000});
  std::vector<int> seen;
  run([&]() -> task<> {
    channel<int> c(capacity);
    const auto produces = [](channel<int> out) -> task<> {
      for (int i = 0; i < 500; ++i) {
        co_await out.send(i);
        if (i % 7 == 0) co_await yield();
      }
      out.close();
    };
    spawn(produces, c);
    while (const auto v = co_await c.next()) {
      seen.push_back(*v);
      if (*v % 5 == 0) co_await yield();
    }
  });
  REQUIRE(seen.size() == 500);
  for (int i = 0; i < 500; ++i) CHECK(seen[static_cast<std::size_t>(i)] == i);
}
