#include <stackless/stackless.hpp>

#include "catch.hpp"
#include "support.hpp"

#include <memory>
#include <string>
#include <utility>
#include <vector>

using namespace channel_test;
using stackless::channel;
using stackless::channel_closed;
using stackless::drain;
using stackless::run;
using stackless::send_status;
using stackless::spawn;
using stackless::task;
using stackless::tasklet;

namespace {

/// Alive while its channel is: it lies in the buffer.
channel<token> with_witness() {
  channel<token> c(1);
  (void)c.try_send(token(1));
  return c;
}

}  // namespace

TEST_CASE("a channel lives as long as its last handle, through copies and moves") {
  {
    channel<token> a = with_witness();
    CHECK(token::alive == 1);
    {
      const channel<token> copy = a;
      const channel<token> moved = std::move(a);
      CHECK(copy == moved);
      CHECK(token::alive == 1);
    }
    CHECK(token::alive == 0);
  }
  CHECK(token::alive == 0);
}

TEST_CASE("copy assignment, to itself and to another") {
  channel<token> a = with_witness();
  channel<token> b = with_witness();
  CHECK(token::alive == 2);
  const channel<token>& itself = a;
  a = itself;
  CHECK(token::alive == 2);
  CHECK(a.size() == 1);
  b = a;
  CHECK(token::alive == 1);
  CHECK(a == b);
  a = b;  // the same channel already
  CHECK(token::alive == 1);
  b = channel<token>(1);
  CHECK(token::alive == 1);
  a = b;
  CHECK(token::alive == 0);
}

TEST_CASE("move assignment, to itself and to another") {
  channel<token> a = with_witness();
  channel<token> b = with_witness();
  channel<token>& itself = a;
  a = std::move(itself);
  CHECK(a.size() == 1);
  b = std::move(a);
  CHECK(token::alive == 1);
  CHECK(b.size() == 1);
  a = with_witness();  // a moved-from handle may be assigned to
  CHECK(token::alive == 2);
  channel<token> copy = b;
  copy = std::move(b);  // the same channel
  CHECK(copy.size() == 1);
  CHECK(token::alive == 2);
}

TEST_CASE("a moved-from handle raises logic_error, and may be copied and destroyed") {
  channel<int> a(1);
  const channel<int> b = std::move(a);
  CHECK_THROWS_AS((void)a.balance(), std::logic_error);  // NOLINT(bugprone-use-after-move)
  CHECK_THROWS_AS(a.close(), std::logic_error);
  CHECK_THROWS_AS((void)a.try_send(1), std::logic_error);
  CHECK_THROWS_AS((void)a.send(1), std::logic_error);
  CHECK_THROWS_AS((void)a.receive(), std::logic_error);
  CHECK_THROWS_AS((void)a.name(), std::logic_error);
  const channel<int> empty_copy = a;
  CHECK_THROWS_AS((void)empty_copy.size(), std::logic_error);
  channel<int> c;
  c = a;
  CHECK_THROWS_AS((void)c.size(), std::logic_error);
  c = b;
  CHECK(c.try_send(1) == send_status::sent);
  CHECK(b.size() == 1);
}

TEST_CASE("handles in a growing vector") {
  {
    std::vector<channel<token>> all;
    for (int i = 0; i < 100; ++i) {
      all.push_back(with_witness());
      all.push_back(all.front());
    }
    CHECK(token::alive == 100);
    all.erase(all.begin() + 10, all.begin() + 30);
    CHECK(token::alive == 90);
    std::swap(all.front(), all.back());
    all.resize(1, all.front());
    CHECK(token::alive == 1);
    CHECK(all.front().size() == 1);
  }
  CHECK(token::alive == 0);
}

TEST_CASE("handles in a tasklet's arguments go with the tasklet") {
  run([]() -> task<> {
    const auto holds = [](channel<token>) -> task<> { co_await stackless::yield(); };
    const auto t = spawn(holds, with_witness());
    CHECK(token::alive == 1);
    co_await drain();
    CHECK_FALSE(t.alive());
    CHECK(token::alive == 0);
    const auto never_runs = spawn(holds, with_witness());
    CHECK(token::alive == 1);
    co_await never_runs.kill();
    CHECK(token::alive == 0);
  });
}

TEST_CASE("the last handle goes while tasklets wait: receivers and senders are told") {
  std::string log;
  run([&]() -> task<> {
    auto receiving = std::make_unique<channel<int>>();
    auto sending = std::make_unique<channel<int>>();
    const auto r = [&](const channel<int>* c) -> task<> {
      try {
        (void)co_await c->receive();
      } catch (const channel_closed&) {
        log += "r";
      }
    };
    const auto n = [&](const channel<int>* c) -> task<> {
      const auto v = co_await c->next();
      log += v ? "?" : "n";
    };
    const auto s = [&](const channel<int>* c) -> task<> {
      try {
        co_await c->send(1);
      } catch (const channel_closed&) {
        log += "s";
      }
    };
    const auto f = [&](const channel<int>* c) -> task<> {
      int mine = 5;
      try {
        co_await c->send_from(mine);
      } catch (const channel_closed&) {
        log += mine == 5 ? "f" : "?";
      }
    };
    spawn(r, receiving.get());
    spawn(n, receiving.get());
    spawn(s, sending.get());
    spawn(f, sending.get());
    co_await drain();
    CHECK(receiving->balance() == -2);
    CHECK(sending->balance() == 2);
    receiving.reset();
    sending.reset();
    CHECK(log.empty());  // they go to the tail
    co_await drain();
  });
  CHECK(log == "rnsf");
}

TEST_CASE("the last handle goes with the tasklet that holds it, the one that waits is told") {
  std::string log;
  run([&]() -> task<> {
    const channel<int>* borrowed = nullptr;
    const auto owner = [&]() -> task<> {
      const channel<int> mine;
      borrowed = &mine;
      co_await stackless::yield();
      co_await stackless::yield();
    };
    const auto waits = [&]() -> task<> {
      const auto v = co_await borrowed->next();
      log += v ? "?" : "told";
    };
    spawn(owner);
    spawn(waits);
    co_await drain();
  });
  CHECK(log == "told");
}

TEST_CASE("a killed waiter and the last handle at once") {
  run([]() -> task<> {
    auto c = std::make_unique<channel<int>>();
    const auto r = [](const channel<int>* on) -> task<> { (void)co_await on->receive(); };
    const auto t = spawn(r, c.get());
    co_await drain();
    t.kill_pending();
    c.reset();
    co_await drain();
    CHECK_FALSE(t.alive());
  });
}

TEST_CASE("the last handle goes first, and then its waiter is killed before it runs") {
  run([]() -> task<> {
    auto c = std::make_unique<channel<int>>();
    const auto r = [](const channel<int>* on) -> task<> { (void)co_await on->receive(); };
    const auto t = spawn(r, c.get());
    co_await drain();
    c.reset();
    co_await t.kill();
    CHECK_FALSE(t.alive());
  });
}

TEST_CASE("a handle of a static outlives every scheduler") {
  static const channel<int> kept(4);
  run([]() -> task<> { co_await kept.send(1); });
  CHECK(kept.size() == 1);
  run([]() -> task<> {
    const int v = co_await kept.receive();
    CHECK(v == 1);
  });
}

TEST_CASE("teardown takes waiting tasklets out of channels that live on") {
  const channel<int> c;
  const auto waits = [&]() -> task<> { (void)co_await c.receive(); };
  CHECK_THROWS_AS(
      run([&]() -> task<> {
        spawn(waits);
        spawn(waits);
        co_await drain();
        CHECK(c.balance() == -2);
      }),
      stackless::deadlock_error
  );
  CHECK(c.balance() == 0);
  CHECK(c.try_send(1) == send_status::would_block);
}
