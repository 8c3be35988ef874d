// Reports on very many tasklets: bounded as text, complete as data. How long they take is in
// bench/.

#include <stackless/stackless.hpp>

#include "catch.hpp"
#include "core/scale.hpp"

#include <algorithm>
#include <deque>
#include <memory>
#include <string>
#include <vector>

using namespace stackless;

namespace {

constexpr std::size_t crowd_size = TEST_IS_SANITIZED ? 3'000 : 100'000;

task<> receive_one(channel<int> in) {
  co_await in.receive();
}

task<> send_one(channel<int> out) {
  co_await out.send(1);
}

task<> send_before_it_receives(channel<int> in, channel<int> out) {
  co_await out.send(1);
  co_await in.receive();
}

task<> hand_on(channel<int> in, channel<int> out) {
  const int value = co_await in.receive();
  co_await out.send(value);
}

task<> join_it(any_tasklet other) {
  co_await other.join();
}

task<> lock_both(mutex& first, mutex& second) {
  const mutex_guard one = co_await first.lock();
  co_await yield();
  const mutex_guard two = co_await second.lock();
}

/// Each has a channel in common with the one before it, and one with the one behind it.
void spawn_ring(task<> (*body)(channel<int> in, channel<int> out)) {
  const channel<int> first;
  channel<int> in = first;
  for (std::size_t i = 0; i < crowd_size; ++i) {
    const channel<int> out = i + 1 == crowd_size ? first : channel<int>();
    spawn(body, in, out);
    in = out;
  }
}

template <class Program>
deadlock_report report_of(Program program, std::string& text) {
  try {
    run(program);
  } catch (const deadlock_error& error) {
    text = error.what();
    return error.report();
  }
  FAIL("no deadlock");
  return {};
}

/// Everybody is in it, once, in the core or in the crowd.
void check_complete(const deadlock_report& report, std::size_t tasklets) {
  CHECK(report.state.tasklets.size() == tasklets);
  std::vector<std::uint64_t> mentioned = report.core;
  for (const waiting_group& group : report.crowd)
    mentioned.insert(mentioned.end(), group.tasklets.begin(), group.tasklets.end());
  std::sort(mentioned.begin(), mentioned.end());
  CHECK(mentioned.size() == tasklets);
  CHECK(std::adjacent_find(mentioned.begin(), mentioned.end()) == mentioned.end());
  const bool have_stacks =
      std::all_of(report.state.tasklets.begin(), report.state.tasklets.end(), [](const auto& t) {
        return t.state == tasklet_state::blocked && !t.stack.empty();
      });
  CHECK(have_stacks);
}

void check_bounded(const deadlock_report& report, const std::string& text) {
  CHECK(text.size() <= 64U * 1024U);
  CHECK(to_text(report.state).size() <= 64U * 1024U);
  if (report.state.tasklets.size() > 2000)  // else it has the JSON
    CHECK(to_html(report).size() <= 512U * 1024U);
  CHECK(to_dot(report).size() <= 256U * 1024U);
}

}  // namespace

TEST_CASE("large reports: a crowd that waits for one channel each") {
  std::string text;
  const auto program = [&]() -> task<> {
    for (std::size_t i = 0; i < crowd_size; ++i) spawn(receive_one, channel<int>());
    channel<int> own("own");
    co_await yield();
    co_await own.receive();
  };
  const deadlock_report report = report_of(program, text);
  check_complete(report, crowd_size + 1);
  check_bounded(report, text);
#if STACKLESS_TRACKING
  CHECK_THAT(text, contains_text(std::to_string(crowd_size - 1) + " x"));
#endif
}

TEST_CASE("large reports: a ring in which each waits for the next") {
  std::string text;
  const auto program = [&]() -> task<> {
    spawn_ring(hand_on);
    co_return;
  };
  const deadlock_report report = report_of(program, text);
  check_complete(report, report.state.tasklets.size());
  check_bounded(report, text);
#if STACKLESS_TRACKING
  CHECK(report.core.size() == crowd_size);
  CHECK(report.why == verdict::mutual_receive);
  CHECK_THAT(text, contains_text("more in the core"));
#endif
}

TEST_CASE("large reports: a chain of joins") {
  std::string text;
  const auto program = [&]() -> task<> {
    any_tasklet last = spawn("first", receive_one, channel<int>());
    for (std::size_t i = 0; i < crowd_size; ++i) last = spawn(join_it, last);
    co_await last.join();
  };
  const deadlock_report report = report_of(program, text);
  check_complete(report, crowd_size + 2);
  check_bounded(report, text);
#if STACKLESS_TRACKING
  CHECK(report.core == std::vector<std::uint64_t>{2});
#endif
}

TEST_CASE("large reports: a chain of locks behind one that is held for ever") {
  std::string text;
  constexpr std::size_t size = crowd_size / 20;
  std::deque<mutex> locks(size + 1);  // outlives those who still wait at the end of main
  const auto program = [&]() -> task<> {
    const channel<int> never;
    const auto last = spawn("holder", [&]() -> task<> {
      const mutex_guard held = co_await locks.back().lock();
      co_await never.receive();
    });
    for (std::size_t i = 0; i < size; ++i) spawn(lock_both, borrow(locks[i]), borrow(locks[i + 1]));
    co_await last.join();
  };
  const deadlock_report report = report_of(program, text);
  check_complete(report, size + 2);
  check_bounded(report, text);
}

TEST_CASE("large reports: many that wait for one event, or to send to nobody") {
  std::string text;
  event never("never");  // outlives those who still wait at the end of main
  const channel<int> full("full");
  const auto for_event = [&]() -> task<> {
    const auto waits = [&]() -> task<> { co_await never.wait(); };
    for (std::size_t i = 1; i < crowd_size; ++i) spawn(waits);
    co_await never.wait();
  };
  const auto to_send = [&]() -> task<> {
    any_tasklet last;
    for (std::size_t i = 1; i < crowd_size; ++i) last = spawn(send_one, full);
    co_await last.join();
  };
  deadlock_report report = report_of(for_event, text);
  check_complete(report, crowd_size);
  check_bounded(report, text);
  CHECK(report.core.size() == crowd_size);
  report = report_of(to_send, text);
  check_complete(report, crowd_size);
  check_bounded(report, text);
}

TEST_CASE("large reports: a ring in which each sends to the next before it receives") {
  std::string text;
  const auto program = [&]() -> task<> {
    spawn_ring(send_before_it_receives);
    co_return;
  };
  const deadlock_report report = report_of(program, text);
  check_complete(report, report.state.tasklets.size());
  check_bounded(report, text);
#if STACKLESS_TRACKING
  CHECK(report.why == verdict::circular_wait);
#endif
}
