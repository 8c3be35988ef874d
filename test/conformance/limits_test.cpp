#include <stackless/stackless.hpp>

#include "catch.hpp"
#include "trace.hpp"

#include <chrono>
#include <stdexcept>
#include <string>

using namespace conformance;
using stackless::run_limits;
using stackless::run_result;
using stackless::scheduler;
using stackless::task;
using stackless::yield;
using std::chrono::milliseconds;
using std::chrono::nanoseconds;

// A host drives a scheduler of its own here, where the ancestor's main calls run(): there is no
// main in the ring, so run counts are one less.

namespace {

std::string trace() {
  std::string text;
  for (const std::string& entry : entries()) text += (text.empty() ? "" : " → ") + entry;
  entries().clear();
  return text;
}

task<> three_turns(const char* name) {
  for (int i = 0; i < 3; ++i) {
    log(name, i);
    if (i < 2) co_await yield();
  }
}

task<> counts(const char* name) {
  for (int i = 0;; ++i) {
    log(name, i);
    co_await yield();
  }
}

}  // namespace

TEST_CASE("WDG-01 run_steps(1) runs one turn at a time") {
  entries().clear();
  scheduler s;
  for (const char* name : {"A", "B", "C"}) s.spawn(says, name);
  log("rc ", s.run_count());
  CHECK(s.run_steps(1) == run_result::steps_used);
  log("rc ", s.run_count());
  CHECK(s.run_steps(1) == run_result::steps_used);
  log("rc ", s.run_count());
  CHECK(s.run_steps(5) == run_result::all_ended);
  log("rc ", s.run_count());
  CHECK(trace() == "rc 3 → A → rc 2 → B → rc 1 → C → rc 0");
}

TEST_CASE("WDG-03 run_steps with a bad argument") {
  scheduler s;
  CHECK_THROWS_AS(s.run_steps(0), std::invalid_argument);
  CHECK_THROWS_AS(s.run_for(milliseconds(-1)), std::invalid_argument);
  CHECK_THROWS_AS(s.run_ready(run_limits{{}, {}, milliseconds(-1)}), std::invalid_argument);
}

TEST_CASE("WDG-05 a limit that is not reached says that all have ended") {
  entries().clear();
  scheduler s;
  s.spawn(says_twice, "A");
  s.spawn(says_twice, "B");
  CHECK(s.run_steps(1'000'000) == run_result::all_ended);
  CHECK(trace() == "A1 → B1 → A2 → B2");
}

TEST_CASE("WDG-07 the next drive goes on with the tasklet that was due") {
  entries().clear();
  scheduler s;
  for (const char* name : {"A", "B", "C"}) s.spawn(three_turns, name);
  while (s.run_steps(1) == run_result::steps_used) log("|");
  CHECK(trace() == "A0 → | → B0 → | → C0 → | → A1 → | → B1 → | → C1 → | → A2 → | → B2 → | → C2");
}

TEST_CASE("WDG-09 an error leaves no limit behind") {
  entries().clear();
  const auto fails = []() -> task<> {
    std::rethrow_exception(value_error("e"));
    co_return;
  };
  scheduler s;
  s.spawn(fails);
  CHECK_THROWS_AS(s.run_steps(1'000), app_error);
  s.spawn(three_turns, "A");
  CHECK(s.run_ready() == run_result::all_ended);
  CHECK(trace() == "A0 → A1 → A2");
}

// Cases that are not printed.

TEST_CASE("turns are counted exactly through channels, calls and first runs") {
  stackless::channel<int> c;
  const auto sends = [&]() -> task<> {
    for (int i = 0; i < 100; ++i) co_await c.send(i);
    c.close();
  };
  const auto deep = [](auto self, int depth) -> task<> {
    if (depth > 0) co_await self(self, depth - 1);
  };
  long sum = 0;
  const auto receives = [&]() -> task<> {
    while (const auto v = co_await c.next()) {
      sum += *v;
      co_await deep(deep, 200);  // calls go through the loop too, and are no turns
    }
  };
  std::uint64_t drives = 0;
  scheduler s;
  s.spawn(receives);
  s.spawn(sends);
  while (s.run_steps(1) == run_result::steps_used) ++drives;
  CHECK(sum == 4950);
  // The receiver waits; each send makes it run, and it waits again.
  CHECK(drives == 202);
}

TEST_CASE("a limit in time stops between turns, and one of zero lets one turn happen") {
  entries().clear();
  scheduler s;
  const auto a = s.spawn(counts, "A");
  CHECK(s.run_ready(run_limits{1, nanoseconds(0), {}}) == run_result::steps_used);
  CHECK(trace() == "A0");
  CHECK(s.run_for(nanoseconds(0)) == run_result::time_used);
  CHECK(s.run_for(milliseconds(2)) == run_result::time_used);
  s.shutdown();
  CHECK_FALSE(a.alive());
}

TEST_CASE("a slice that is used up ends the drive after that turn") {
  const auto greedy = []() -> task<> {
    const auto end = std::chrono::steady_clock::now() + milliseconds(3);
    while (std::chrono::steady_clock::now() < end) {
    }
    log("greedy");
    co_await yield();
  };
  entries().clear();
  scheduler s;
  s.spawn(greedy);
  s.spawn(says, "B");
  CHECK(s.run_ready(run_limits{{}, {}, milliseconds(1)}) == run_result::slice_used);
  CHECK(trace() == "greedy");
  CHECK(s.run_ready(run_limits{{}, {}, std::chrono::hours(1)}) == run_result::all_ended);
  CHECK(trace() == "B");
}

TEST_CASE("a drive with limits comes back when nothing is runnable") {
  stackless::channel<int> c;
  const auto waits = [&]() -> task<> { (void)co_await c.receive(); };
  scheduler s;
  s.spawn(waits);
  CHECK(s.run_steps(10) == run_result::idle);
  CHECK(c.try_send(1) == stackless::send_status::sent);
  CHECK(s.run_for(milliseconds(100)) == run_result::all_ended);
}
