#include <stackless/stackless.hpp>
#include <stackless/testing.hpp>

#include "catch.hpp"

#include <stdexcept>

namespace sl = stackless;
using namespace std::chrono_literals;

namespace {

sl::task<> receive_one(sl::channel<int> in) {
  co_await in.receive();
}

sl::task<> sleep_long(bool& woke) {
  co_await sl::sleep_for(1h);
  woke = true;
}

}  // namespace

STACKLESS_TEST("a test body is a coroutine, and its sleeps cost nothing") {
  const auto start = sl::now();
  co_await sl::sleep_for(24h);
  CHECK(sl::now() - start == 24h);
}

STACKLESS_TEST("wait_all_blocked lets the others run until they wait, and no timer fires") {
  sl::channel<int> channel;
  bool woke = false;
  auto receiver = sl::spawn(receive_one, channel);
  auto sleeper = sl::spawn(sleep_long, sl::borrow(woke));
  const auto left = co_await sl::testing::wait_all_blocked();
  CHECK(left.waiting == 2);
  CHECK(left.receiving == 1);
  CHECK(channel.balance() == -1);
  CHECK_FALSE(woke);
  CHECK(channel.try_send(1) == sl::send_status::sent);
  co_await receiver.join();
  co_await sleeper.join();
  CHECK(woke);
}

TEST_CASE("run_test fails on a leaked tasklet and names it") {
  const auto leaking = []() -> sl::task<> {
    sl::channel<int> channel;
    sl::spawn("forgotten", receive_one, channel);
    co_return;
  };
  CHECK_THROWS_AS(sl::testing::run_test(leaking), sl::testing::leak_error);
  CHECK_THROWS_WITH(sl::testing::run_test(leaking), contains_text("forgotten"));
}

TEST_CASE("run_test fails on an error that nobody caught") {
  const auto failing = []() -> sl::task<> {
    sl::spawn([]() -> sl::task<> {
      throw std::runtime_error("nobody catches this");
      co_return;
    });
    co_await sl::yield();
  };
  CHECK_THROWS_WITH(sl::testing::run_test(failing), "nobody catches this");
}

TEST_CASE("run_test passes a deadlock on") {
  const auto stuck = []() -> sl::task<> { co_await receive_one(sl::channel<int>()); };
  CHECK_THROWS_AS(sl::testing::run_test(stuck), sl::deadlock_error);
}

TEST_CASE("run_test tolerates daemons") {
  sl::testing::run_test([]() -> sl::task<> {
    sl::spawn_daemon(receive_one, sl::channel<int>());
    co_await sl::yield();
  });
}
