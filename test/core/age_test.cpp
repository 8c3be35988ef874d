#include <stackless/stackless.hpp>

#include "catch.hpp"

namespace sl = stackless;
using namespace std::chrono_literals;

// The loop that wakes a lone sleeper makes a step too: without it, a wait that begins now would
// take the time at which the sleeper last ran.
TEST_CASE("a wait that begins after a lone sleep is as old as itself") {
  sl::scheduler_options options;
  options.clock = sl::clock_choice::virtual_time;
  std::chrono::nanoseconds age = 1h;
  sl::run(options, [&]() -> sl::task<> {
    for (int i = 0; i < 5; ++i) co_await sl::sleep_for(200ms);
    sl::channel<int> channel;
    try {
      co_await channel.receive();
    } catch (const sl::deadlock_error& error) {
      age = error.report().find_tasklet(1)->waits.age;
    }
  });
  CHECK(age == 0ns);
}
