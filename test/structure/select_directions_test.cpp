// Both directions of one channel in a select, and closing and cancelling from inside a shield.

#include <stackless/stackless.hpp>
#include <stackless/testing.hpp>

#include "catch.hpp"

#include <chrono>
#include <stdexcept>
#include <string>
#include <vector>

using namespace std::chrono_literals;
using namespace stackless;
using stackless::testing::wait_all_blocked;

STACKLESS_TEST("select: both directions of a channel, in either order, never meet themselves") {
  channel<int> c;
  channel<int> before;
  int value = 1;
  int refused = 0;
  try {
    (void)co_await select(before.receive(), c.receive(), c.send_from(value));
  } catch (const std::logic_error&) {
    ++refused;
  }
  try {
    (void)co_await select(before.receive(), c.send_from(value), c.next(), after(1s));
  } catch (const std::logic_error&) {
    ++refused;
  }
  CHECK(refused == 2);
  CHECK(value == 1);
  CHECK(before.balance() == 0);  // those that waited already are out again
  CHECK(c.balance() == 0);
  const auto start = now();
  CHECK((co_await drain()).waiting == 0);
  CHECK(now() == start);  // no timer is left

  // And it may go on: with somebody else on the other side.
  auto other = spawn([&]() -> task<> { co_await c.send(7); });
  co_await wait_all_blocked();
  CHECK(co_await c.receive() == 7);
  co_await other.join();
}

STACKLESS_TEST("select: both directions of a channel, when a partner waits or there is a way out") {
  channel<int> c;
  int value = 1;
  auto otherwise_taken = co_await select(c.receive(), c.send_from(value), otherwise());
  CHECK(otherwise_taken.index() == 2);
  CHECK(value == 1);

  int got = 0;
  auto receiver = spawn([&]() -> task<> { got = co_await c.receive(); });
  co_await wait_all_blocked();
  auto sent = co_await select(c.receive(), c.send_from(value));
  CHECK(sent.index() == 1);
  co_await receiver.join();
  CHECK(got == 1);

  auto sender = spawn([&]() -> task<> { co_await c.send(2); });
  co_await wait_all_blocked();
  auto received = co_await select(c.send_from(value), c.receive());
  REQUIRE(received.index() == 1);
  CHECK(std::get<1>(received) == 2);
  co_await sender.join();
  CHECK(c.balance() == 0);
}

STACKLESS_TEST("select: both directions of a buffered channel are one after the other") {
  channel<int> c(1);
  int value = 5;
  // There is room and nothing to receive, then the other way round.
  auto first = co_await select(c.receive(), c.send_from(value));
  CHECK(first.index() == 1);
  auto second = co_await select(c.send_from(value), c.receive());
  REQUIRE(second.index() == 1);
  CHECK(std::get<1>(second) == 5);
  CHECK(c.size() == 0);
  CHECK(c.balance() == 0);
}

STACKLESS_TEST("two selects over the two directions of two channels exchange once") {
  channel<int> there;
  channel<int> back;
  std::vector<std::size_t> taken;
  auto one = spawn([&]() -> task<> {
    int value = 1;
    taken.push_back((co_await select(there.send_from(value), back.receive())).index());
  });
  auto two = spawn([&]() -> task<> {
    int value = 2;
    taken.push_back((co_await select(there.receive(), back.send_from(value))).index());
  });
  co_await one.join();
  co_await two.join();
  REQUIRE(taken.size() == 2);
  CHECK(taken[0] == taken[1]);  // the same channel
  CHECK(there.balance() == 0);
  CHECK(back.balance() == 0);
}

STACKLESS_TEST("a channel is closed inside a shield of a cancelled scope: all who wait are told") {
  channel<int> c;
  bool next_gave_nothing = false;
  bool receive_raised = false;
  auto takes_next = spawn([&]() -> task<> { next_gave_nothing = !co_await c.next(); });
  auto selects = spawn([&]() -> task<> {
    channel<int> never;
    try {
      (void)co_await select(never.receive(), c.receive());
    } catch (const channel_closed&) {
      receive_raised = true;
    }
  });
  co_await wait_all_blocked();
  bool cancelled_after = false;
  co_await with_cancel_scope([&](cancel_scope& scope) -> task<> {
    scope.cancel("enough");
    co_await shield([&]() -> task<> {
      co_await checkpoint();  // no cancel reaches here
      c.close();
      co_await takes_next.join();
      co_await selects.join();
    });
    try {
      co_await checkpoint();
    } catch (const cancelled&) {
      cancelled_after = true;
      throw;
    }
  });
  CHECK(cancelled_after);
  CHECK(next_gave_nothing);
  CHECK(receive_raised);
}

STACKLESS_TEST("who waits inside a shield is woken by a close, though its scope is cancelled") {
  channel<int> c;
  channel<int> never;
  cancel_scope* scope = nullptr;
  std::string how;
  auto waits = spawn([&]() -> task<> {
    co_await with_cancel_scope([&](cancel_scope& s) -> task<> {
      scope = &s;
      co_await shield([&]() -> task<> {
        auto got = co_await select(never.receive(), c.next());
        how = got.index() == 1 && !std::get<1>(got) ? "closed" : "something else";
      });
      how += ", went on";  // a shield's end is no await
      co_await checkpoint();
      how += ", not cancelled";
    });
  });
  co_await wait_all_blocked();
  scope->cancel();
  co_await wait_all_blocked();
  CHECK(how.empty());
  CHECK(waits.blocked());
  c.close();
  co_await waits.join();
  CHECK(how == "closed, went on");
  CHECK(never.balance() == 0);
}

STACKLESS_TEST("a scope inside a shield is cancelled by itself, its deadline, and nobody outside") {
  channel<int> never;
  cancel_scope* inner = nullptr;
  cancel_scope* outer = nullptr;
  std::vector<std::string> log;
  auto waits = spawn([&]() -> task<> {
    co_await with_cancel_scope([&](cancel_scope& s) -> task<> {
      outer = &s;
      co_await shield([&]() -> task<> {
        co_await with_cancel_scope([&](cancel_scope& t) -> task<> {
          inner = &t;
          try {
            (void)co_await never.receive();
          } catch (const cancelled& why) {
            log.emplace_back(why.reason());
            throw;
          }
        });
        log.emplace_back("taken inside");
        // The shield holds after that, and so does a time limit in it.
        if (!co_await move_on_after(1s, [&]() -> task<> { (void)co_await never.receive(); }))
          log.emplace_back("late");
      });
    });
  });
  co_await wait_all_blocked();
  outer->cancel("outer");
  co_await wait_all_blocked();
  CHECK(log.empty());
  inner->cancel("inner");
  co_await waits.join();
  CHECK(log == std::vector<std::string>{"inner", "taken inside", "late"});
  CHECK(never.balance() == 0);
}
