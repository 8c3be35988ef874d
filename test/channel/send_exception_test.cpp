#include <stackless/stackless.hpp>

#include "catch.hpp"

#include <stdexcept>
#include <string>
#include <vector>

using stackless::channel;
using stackless::channel_preference;
using stackless::drain;
using stackless::run;
using stackless::send_status;
using stackless::spawn;
using stackless::task;
using stackless::tasklet_exit;

namespace {

std::exception_ptr error(const char* text) {
  return std::make_exception_ptr(std::runtime_error(text));
}

task<std::string> received(channel<int> c) {
  try {
    co_return std::to_string(co_await c.receive());
  } catch (const std::runtime_error& e) {
    co_return e.what();
  }
}

}  // namespace

TEST_CASE("send_exception to a waiting receiver raises there, the sender goes on") {
  const auto side = GENERATE(
      channel_preference::receiver, channel_preference::neither, channel_preference::sender
  );
  run([&]() -> task<> {
    channel<int> c;
    c.set_preference(side);
    const auto t = spawn(received, c);
    co_await drain();
    co_await c.send_exception(error("boom"));
    CHECK(c.balance() == 0);
    const std::string text = co_await t.join();
    CHECK(text == "boom");
  });
}

TEST_CASE("send_exception waits for a receiver, whatever the capacity") {
  const std::size_t capacity = GENERATE(std::size_t{0}, std::size_t{5});
  run([&]() -> task<> {
    channel<int> c(capacity);
    bool sent = false;
    const auto s = [&]() -> task<> {
      co_await c.send_exception(error("boom"));
      sent = true;
    };
    spawn(s);
    co_await drain();
    CHECK_FALSE(sent);
    CHECK(c.balance() == 1);
    CHECK(c.size() == 0);
    const std::string text = co_await received(c);
    CHECK(text == "boom");
    co_await drain();
    CHECK(sent);
  });
}

TEST_CASE("values and errors keep their order") {
  const std::size_t capacity =
      GENERATE(std::size_t{0}, std::size_t{1}, std::size_t{2}, std::size_t{9});
  std::vector<std::string> seen;
  run([&]() -> task<> {
    channel<int> c(capacity);
    const auto value = [&](int v) -> task<> { co_await c.send(v); };
    const auto fails = [&](const char* text) -> task<> { co_await c.send_exception(error(text)); };
    spawn(value, 1);
    spawn(value, 2);
    spawn(fails, "a");
    spawn(value, 3);
    spawn(fails, "b");
    spawn(fails, "c");
    spawn(value, 4);
    co_await drain();
    for (int i = 0; i < 7; ++i) seen.push_back(co_await received(c));
    co_await drain();
  });
  CHECK(seen == std::vector<std::string>{"1", "2", "a", "3", "b", "c", "4"});
}

TEST_CASE("try_receive raises what was sent, the sender goes to the tail") {
  run([]() -> task<> {
    channel<int> c;
    bool sent = false;
    const auto s = [&]() -> task<> {
      co_await c.send_exception(error("boom"));
      sent = true;
    };
    spawn(s);
    co_await drain();
    CHECK_THROWS_WITH((void)c.try_receive(), "boom");
    CHECK(c.balance() == 0);
    CHECK_FALSE(sent);
    co_await drain();
    CHECK(sent);
  });
}

TEST_CASE("next raises what was sent too") {
  run([]() -> task<> {
    channel<int> c;
    const auto s = [&]() -> task<> { co_await c.send_exception(error("boom")); };
    spawn(s);
    std::string text;
    try {
      (void)co_await c.next();
    } catch (const std::runtime_error& e) {
      text = e.what();
    }
    CHECK(text == "boom");
    co_await drain();
  });
}

TEST_CASE("an error that waits is served after close") {
  run([]() -> task<> {
    channel<int> c;
    const auto s = [&]() -> task<> { co_await c.send_exception(error("boom")); };
    spawn(s);
    co_await drain();
    c.close();
    const std::string text = co_await received(c);
    CHECK(text == "boom");
    co_await drain();
    CHECK(c.closed());
  });
}

TEST_CASE("a null error is refused before anything happens") {
  channel<int> c;
  CHECK_THROWS_AS((void)c.send_exception(nullptr), std::invalid_argument);
}

TEST_CASE("the sender of an error is killed: nobody gets it") {
  run([]() -> task<> {
    channel<int> c;
    const auto s = [&]() -> task<> { co_await c.send_exception(error("boom")); };
    const auto t = spawn(s);
    co_await drain();
    co_await t.kill();
    CHECK(c.balance() == 0);
    CHECK_FALSE(c.try_receive().has_value());
  });
}

TEST_CASE("a tasklet_exit that is sent ends its receiver as if it were killed") {
  run([]() -> task<> {
    channel<int> c;
    const auto r = [&]() -> task<> { (void)co_await c.receive(); };
    const auto t = spawn(r);
    co_await drain();
    const auto exit = std::make_exception_ptr(tasklet_exit{});
    co_await c.send_exception(exit);
    CHECK_FALSE(t.alive());
    bool killed = false;
    try {
      co_await t.join();
    } catch (const stackless::tasklet_killed&) {
      killed = true;
    }
    CHECK(killed);
  });
}

TEST_CASE("a receiver that got an error and is killed before it runs is killed") {
  run([]() -> task<> {
    channel<int> c;
    c.set_preference(channel_preference::neither);
    std::string how;
    const auto r = [&]() -> task<> {
      try {
        (void)co_await c.receive();
      } catch (const tasklet_exit&) {
        how += "exit";
      } catch (const std::runtime_error& e) {
        how += e.what();
      }
      try {
        co_await stackless::yield();
      } catch (...) {
        how += " twice";
      }
    };
    const auto t = spawn(r);
    co_await drain();
    co_await c.send_exception(error("boom"));
    co_await t.kill();
    co_await drain();
    CHECK(how == "exit");
  });
}

TEST_CASE("values behind an error that leaves the queue move into the buffer") {
  const auto received = [](bool by_kill) {
    run([by_kill]() -> task<> {
      channel<int> c(1);
      const auto value = [&c](int v) -> task<> { co_await c.send(v); };
      const auto failure = [&c]() -> task<> { co_await c.send_exception(error("boom")); };
      co_await c.send(1);
      const auto sender_of_error = spawn(failure);
      const auto sender_of_value = spawn(value, 2);
      co_await stackless::yield();
      CHECK(c.balance() == 2);
      const int first = co_await c.receive();
      CHECK(first == 1);
      CHECK(c.size() == 0);  // the error is never buffered, and nobody overtakes it
      if (by_kill) {
        co_await sender_of_error.kill();
      } else {
        CHECK_THROWS_WITH(co_await c.receive(), "boom");
      }
      CHECK(c.size() == 1);
      CHECK(c.balance() == 0);
      co_await sender_of_value.join();
      const int second = co_await c.receive();
      CHECK(second == 2);
    });
  };
  received(true);
  received(false);
}
