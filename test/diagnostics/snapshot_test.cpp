#include <stackless/channel.hpp>
#include <stackless/deadlock.hpp>
#include <stackless/scheduler.hpp>
#include <stackless/snapshot.hpp>
#include <stackless/tasklet.hpp>
#include <stackless/time.hpp>

#include "catch.hpp"

#include <algorithm>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <pthread.h>
#include <unistd.h>

using namespace stackless;

namespace {

task<int> fetch(channel<int>& in) {
  const int value = co_await in.receive();
  co_return value;
}

task<> reader(channel<int> in) {
  (void)co_await fetch(in);
}
task<> joins(tasklet<> other) {
  co_await other.join();
}
task<> sleeps() {
  co_await suspend();
}
task<> returns(int) {
  co_return;
}

[[maybe_unused]] std::vector<std::uint64_t> holders_of(const object_info& object) {
  std::vector<std::uint64_t> ids;
  for (const holder_info& holder : object.holders)
    if (ids.empty() || ids.back() != holder.tasklet) ids.push_back(holder.tasklet);
  return ids;
}

deadlock_report report_of(task<> (*function)()) {
  try {
    run(function);
  } catch (const deadlock_error& error) {
    return error.report();
  }
  FAIL("no deadlock");
  return {};
}

}  // namespace

TEST_CASE("snapshot: every tasklet, its state, and what it waits for") {
  const auto body = []() -> task<> {
    channel<int> numbers("numbers", 0);
    auto blocked = spawn("blocked", reader, numbers);
    auto joining = spawn("joining", joins, blocked);
    auto paused = spawn("paused", sleeps);
    co_await yield();
    auto fresh = spawn(returns, 1);

    const snapshot_data data = snapshot();
    REQUIRE(data.tasklets.size() == 5);
    const tasklet_info& main = data.tasklets[0];
    CHECK(main.is_main);
    CHECK(main.name == "main");
    CHECK(main.state == tasklet_state::running);
    CHECK(main.spawned_by == 0);
    CHECK(main.waits.operation == operation_kind::none);

    const tasklet_info& b = *data.find_tasklet(blocked.id());
    CHECK(b.name == "blocked");
    CHECK(b.state == tasklet_state::blocked);
    CHECK(b.waits.operation == operation_kind::receive);
    CHECK(b.stack.size() == 2);
    CHECK(b.spawned_by == main.id);
    CHECK(b.spawned_by_name == "main");
    const object_info& object = *data.find_object(b.waits.object);
    CHECK(object.id == 1);
    CHECK(object.kind == object_kind::channel);
    CHECK(object.name == "numbers");
    CHECK(object.type == "int");
    CHECK(object.waiting_receivers == 1);

    const tasklet_info& j = *data.find_tasklet(joining.id());
    CHECK(j.waits.operation == operation_kind::join);
    CHECK(data.find_object(j.waits.object)->tasklet == blocked.id());
    CHECK(data.find_object(j.waits.object)->name == "blocked");
    CHECK(data.find_tasklet(paused.id())->state == tasklet_state::paused);
    CHECK(data.find_tasklet(fresh.id())->never_started);
    CHECK(data.find_tasklet(fresh.id())->state == tasklet_state::ready);
    CHECK(data.objects.size() == 2);
    CHECK(data.find_tasklet(99) == nullptr);
#if STACKLESS_TRACKING
    CHECK(b.spawned_at.line != 0);
    CHECK(b.stack[0].line != 0);
    CHECK_THAT(std::string(b.stack[0].function), contains_text("fetch"));
    CHECK_THAT(std::string(b.stack[1].function), contains_text("reader"));
    CHECK(holders_of(object) == std::vector<std::uint64_t>{main.id, blocked.id()});
    CHECK(object.holders.back().frame == 1);
    CHECK_FALSE(object.last.has_value());
    CHECK(data.find_tasklet(fresh.id())->name == "returns");
#endif
    CHECK_THAT(to_text(data), contains_text("1 running, 1 ready, 2 blocked, 1 paused"));

    numbers.close();
    paused.insert();
    try {
      co_await joining.join();
    } catch (const channel_closed&) {
    }
  };
  run(body);
}

#if STACKLESS_TRACKING
TEST_CASE("snapshot: handles in arguments that spawn keeps, on the heap, and by reference") {
  const auto body = []() -> task<> {
    channel<int> numbers("numbers");
    auto on_heap = std::make_unique<channel<int>>(numbers);
    auto waiting = spawn("waiting", [&numbers]() -> task<> { (void)co_await fetch(numbers); });
    auto keeping = spawn("keeping", [numbers]() -> task<> {
      co_await suspend();
      (void)numbers.balance();
    });
    co_await yield();

    const snapshot_data data = snapshot();
    const object_info& object = *data.find_object(1);
    CHECK(holders_of(object) == std::vector<std::uint64_t>{0, 1, keeping.id()});
    CHECK(object.holders.back() == holder_info{keeping.id(), holder_info::kept_arguments});
    keeping.insert();
    co_await numbers.send(1);
    co_await waiting.join();
    co_await keeping.join();
  };
  run(body);
}

TEST_CASE("snapshot: the last operation, who did it and where") {
  const auto body = []() -> task<> {
    channel<int> numbers("numbers", 1);
    co_await numbers.send(1);
    auto waiting = spawn("waiting", reader, numbers);
    auto second = spawn("second", reader, numbers);
    co_await yield();
    const snapshot_data data = snapshot();
    const object_info& object = *data.find_object(1);
    REQUIRE(object.last.has_value());
    CHECK(object.last->operation == operation_kind::receive);
    CHECK(object.last->tasklet_name == "waiting");
    CHECK(object.last->at.line != 0);
    REQUIRE(data.ended.size() == 1);
    CHECK(data.ended[0].name == "waiting");
    co_await numbers.send(2);
    co_await second.join();
  };
  run(body);
}

namespace {

async_stack stack_seen_by_a_plain_function() {
  return current_stack();
}

task<async_stack> inner() {
  co_await yield();
  co_return stack_seen_by_a_plain_function();
}

task<> outer() {
  const async_stack stack = co_await inner();
  REQUIRE(stack.size() == 2);
  CHECK_THAT(std::string(stack[0].function), contains_text("inner"));
  CHECK_THAT(std::string(stack[1].function), contains_text("outer"));
  CHECK(stack[0].line != 0);
  CHECK(stack[1].line > stack[0].line);
  CHECK_THAT(to_string(stack), contains_text("snapshot_test.cpp:"));
  CHECK(this_tasklet::stack().size() == 1);
}

}  // namespace

TEST_CASE("current_stack: from a plain function that a coroutine calls") {
  run(outer);
}
#endif

TEST_CASE("snapshot and current_stack outside of a scheduler") {
  CHECK_THROWS_AS(snapshot(), std::logic_error);
  CHECK(current_stack().empty());
}

namespace {

task<> exchange(channel<int> in, channel<int> out) {
  const int value = co_await fetch(in);
  co_await out.send(value);
}

task<> ping_pong() {
  channel<int> a("a");
  channel<int> b("b");
  auto ping = spawn("ping", exchange, a, b);
  spawn("pong", exchange, b, a);
  co_await ping.join();
}

task<> waits_alone() {
  channel<int> c("c");
  (void)co_await c.receive();
}

task<> takes_all(channel<int> in) {
  while (auto value = co_await in.next()) (void)*value;
}

task<> forgets_to_close() {
  channel<int> jobs("jobs", 4);
  auto consumer = spawn("consumer", takes_all, jobs);
  co_await jobs.send(1);
  co_await yield();
  co_await jobs.send(2);
  co_await consumer.join();
}

task<> by_reference() {
  channel<int> a("a");
  channel<int> b("b");
  auto first = spawn("first", [&]() -> task<> {
    const int got = co_await fetch(a);
    (void)b.try_send(got);
  });
  auto second = spawn("second", [&]() -> task<> {
    const int got = co_await fetch(b);
    (void)a.try_send(got);
  });
  co_await first.join();
  co_await second.join();
}

}  // namespace

TEST_CASE("deadlock_error from a scheduler: the verdicts of small programs") {
  const deadlock_report mutual = report_of(ping_pong);
  CHECK(mutual.state.tasklets.size() == 3);
  CHECK(mutual.raised_in != 0);
  CHECK(report_of(by_reference).why == verdict::mutual_receive);
  CHECK(report_of(waits_alone).core == std::vector<std::uint64_t>{1});
  CHECK(report_of(forgets_to_close).why == verdict::join_cycle);
#if STACKLESS_TRACKING
  CHECK(mutual.why == verdict::mutual_receive);
  CHECK(mutual.core == std::vector<std::uint64_t>{2, 3});
  CHECK(report_of(waits_alone).why == verdict::self_wait);
#endif
}

TEST_CASE("snapshot: a scheduler that is not the only one says which it is") {
  const auto body = []() -> task<> {
    const snapshot_data alone = snapshot();
    CHECK(alone.scheduler.empty());
    CHECK_THAT(to_text(alone), starts_with_text("1 tasklet at step "));
    CHECK(to_json(alone).find("\"scheduler\":") == std::string::npos);

    const std::string thread = "thread " + std::to_string(::gettid());
    {
      const scheduler another;
      const snapshot_data first = snapshot();
      CHECK(first.scheduler == thread + ", 1st of 2");
      CHECK(another.snapshot().scheduler == thread + ", 2nd of 2");
      CHECK_THAT(
          to_text(first), starts_with_text("scheduler of " + thread + ", 1st of 2: 1 tasklet at ")
      );
      CHECK_THAT(to_json(first), contains_text("\"scheduler\":\"" + thread + ", 1st of 2\""));
    }
    std::string elsewhere;
    std::string here;
    std::thread([&] {
      ::pthread_setname_np(::pthread_self(), "worker");
      elsewhere = "thread " + std::to_string(::gettid()) + " 'worker'";
      const scheduler another;
      here = another.snapshot().scheduler;
    }).join();
    CHECK(here == elsewhere);
    CHECK(snapshot().scheduler.empty());
    co_return;
  };
  run(body);
}

TEST_CASE("deadlock_error: the same program tells the same") {
  const auto without_ages = [](deadlock_report report) {
    for (tasklet_info& t : report.state.tasklets) t.waits.age = {};
    return to_text(report);
  };
  CHECK(without_ages(report_of(ping_pong)) == without_ages(report_of(ping_pong)));
}
