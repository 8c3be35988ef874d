#include <stackless/stackless.hpp>

#include "catch.hpp"
#include "support.hpp"

#include <optional>
#include <string>
#include <vector>

using namespace channel_test;
using stackless::channel;
using stackless::channel_closed;
using stackless::drain;
using stackless::run;
using stackless::send_status;
using stackless::spawn;
using stackless::task;

namespace {

template <class Operation>
task<bool> is_refused(Operation operation) {
  try {
    co_await operation;
  } catch (const channel_closed&) {
    co_return true;
  }
  co_return false;
}

}  // namespace

TEST_CASE("after close: send throws, receive throws, next gives nothing") {
  const std::size_t capacity = GENERATE(std::size_t{0}, std::size_t{4});
  run([&]() -> task<> {
    channel<int> c(capacity);
    CHECK_FALSE(c.closing());
    CHECK_FALSE(c.closed());
    c.close();
    CHECK(c.closing());
    CHECK(c.closed());
    const bool send = co_await is_refused(c.send(1));
    CHECK(send);
    int value = 1;
    const bool send_from = co_await is_refused(c.send_from(value));
    CHECK(send_from);
    const bool error =
        co_await is_refused(c.send_exception(std::make_exception_ptr(std::runtime_error("x"))));
    CHECK(error);
    const bool receive = co_await is_refused(c.receive());
    CHECK(receive);
    const auto next = co_await c.next();
    CHECK_FALSE(next.has_value());
    CHECK(c.balance() == 0);
  });
}

TEST_CASE("the error names the channel") {
  channel<int> c(stackless::channel_name("requests"));
  c.close();
  CHECK_THROWS_WITH(run([&]() -> task<> { co_await c.send(1); }), contains_text("requests"));
}

TEST_CASE("what is buffered is still received after close") {
  run([]() -> task<> {
    channel<int> c(3);
    for (int i = 0; i < 3; ++i) co_await c.send(i);
    c.close();
    CHECK(c.closing());
    CHECK_FALSE(c.closed());
    const int first = co_await c.receive();
    CHECK(first == 0);
    std::vector<int> rest;
    while (const auto v = co_await c.next()) rest.push_back(*v);
    CHECK(rest == std::vector<int>{1, 2});
    CHECK(c.closed());
    const bool refused = co_await is_refused(c.receive());
    CHECK(refused);
  });
}

TEST_CASE("senders that wait are still served after close, in their order") {
  const std::size_t capacity = GENERATE(std::size_t{0}, std::size_t{1}, std::size_t{2});
  run([&]() -> task<> {
    channel<int> c(capacity);
    int sent = 0;
    const auto s = [&](int v) -> task<> {
      co_await c.send(v);
      ++sent;
    };
    for (int i = 0; i < 5; ++i) spawn(s, i);
    co_await drain();
    c.close();
    CHECK_FALSE(c.closed());
    const bool refused = co_await is_refused(c.send(99));
    CHECK(refused);
    CHECK(c.try_send(99) == send_status::closed);
    std::vector<int> seen;
    while (const auto v = co_await c.next()) seen.push_back(*v);
    CHECK(seen == std::vector<int>{0, 1, 2, 3, 4});
    co_await drain();
    CHECK(sent == 5);
    CHECK(c.closed());
  });
}

TEST_CASE("close wakes receivers in their order, at the tail, next gives them nothing") {
  std::string order;
  run([&]() -> task<> {
    channel<int> c;
    const auto loops = [&](const char* name) -> task<> {
      const auto v = co_await c.next();
      order += v ? "?" : name;
    };
    const auto bystander = [&]() -> task<> {
      order += "X";
      co_return;
    };
    spawn(loops, "1");
    spawn(loops, "2");
    co_await drain();
    spawn(bystander);
    c.close();
    order += "M";
    CHECK(c.balance() == 0);
    CHECK(c.closed());
    co_await drain();
  });
  CHECK(order == "MX12");
}

TEST_CASE("closing twice changes nothing") {
  run([]() -> task<> {
    channel<int> c(1);
    co_await c.send(1);
    c.close();
    c.close();
    CHECK(c.size() == 1);
    const int v = co_await c.receive();
    CHECK(v == 1);
    c.close();
    CHECK(c.closed());
  });
}

TEST_CASE("open takes close back") {
  run([]() -> task<> {
    channel<int> c(1);
    c.close();
    c.open();
    CHECK_FALSE(c.closing());
    co_await c.send(1);
    c.begin_closing();
    CHECK(c.closing());
    c.open();
    const int v = co_await c.receive();
    CHECK(v == 1);
  });
}

TEST_CASE("begin_closing wakes nobody, what needs no wait still works") {
  run([]() -> task<> {
    channel<int> c;
    int got = 0;
    const auto r = [&]() -> task<> { got = co_await c.receive(); };
    const auto t = spawn(r);
    co_await drain();
    c.begin_closing();
    CHECK(t.blocked());
    CHECK(c.balance() == -1);
    co_await c.send(5);
    CHECK(got == 5);
    CHECK(c.closed());
    const bool send = co_await is_refused(c.send(6));
    CHECK(send);
    const bool receive = co_await is_refused(c.receive());
    CHECK(receive);
  });
}

TEST_CASE("begin_closing and then close") {
  run([]() -> task<> {
    channel<int> c;
    bool woken = false;
    const auto r = [&]() -> task<> {
      const auto v = co_await c.next();
      woken = !v.has_value();
    };
    spawn(r);
    co_await drain();
    c.begin_closing();
    co_await drain();
    CHECK_FALSE(woken);
    c.close();
    co_await drain();
    CHECK(woken);
  });
}

TEST_CASE("a value that was delivered before close is received") {
  run([]() -> task<> {
    channel<token> c;
    int got = 0;
    const auto r = [&]() -> task<> {
      const token v = co_await c.receive();
      got = v.value();
    };
    spawn(r);
    co_await drain();
    CHECK(c.try_send(token(5)) == send_status::sent);
    c.close();
    co_await drain();
    CHECK(got == 5);
  });
  CHECK(token::alive == 0);
}

TEST_CASE("a channel closed by the tasklet that receives: its senders that come later are told") {
  run([]() -> task<> {
    channel<int> c;
    int refused = 0;
    const auto s = [&]() -> task<> {
      for (int i = 0; i < 5; ++i) {
        try {
          co_await c.send(i);
        } catch (const channel_closed&) {
          ++refused;
        }
      }
    };
    spawn(s);
    (void)co_await c.receive();
    (void)co_await c.receive();
    c.close();
    while (const auto v = co_await c.next()) CHECK(*v == 2);
    co_await drain();
    CHECK(refused >= 2);
  });
}

TEST_CASE("a killed receiver of a closed channel raises once") {
  run([]() -> task<> {
    channel<int> c;
    const auto r = [&]() -> task<> { (void)co_await c.receive(); };
    const auto t = spawn(r);
    co_await drain();
    c.close();
    co_await t.kill();
    CHECK_FALSE(t.alive());
    CHECK(c.balance() == 0);
  });
}
