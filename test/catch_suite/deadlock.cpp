// A suite of which two tests deadlock: they fail with the report as their message, and the others
// run. test/CMakeLists.txt looks at what this prints.

#include <stackless/stackless.hpp>
#include <stackless/testing.hpp>

#include "catch.hpp"

using namespace stackless;

namespace {

task<int> first_receives(channel<int> in, channel<int> out) {
  const int value = co_await in.receive();
  co_await out.send(value);
  co_return value;
}

task<> deadlocks() {
  const channel<int> a(channel_name("a"));
  const channel<int> b(channel_name("b"));
  const auto ping = spawn("ping", first_receives, a, b);
  const auto pong = spawn("pong", first_receives, b, a);
  (void)co_await ping.join();
  (void)co_await pong.join();
}

}  // namespace

TEST_CASE("1: a run in a test") {
  run(deadlocks);
}

STACKLESS_TEST("2: a test that is a tasklet") {
  co_await deadlocks();
}

STACKLESS_TEST("3: the suite goes on") {
  const channel<int> c(1);
  co_await c.send(1);
  const int value = co_await c.receive();
  CHECK(value == 1);
}
