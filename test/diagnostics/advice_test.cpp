// Advice is given only where it is certainly right: what it says must hold for every program that
// comes to such a state.

#include <stackless/stackless.hpp>

#include "catch.hpp"
#include "core/process.hpp"
#include "sample_state.hpp"

#include <string>
#include <vector>

using namespace stackless;
using sample::judge;
using sample::state_builder;
using ids = std::vector<std::uint64_t>;

namespace {

#if STACKLESS_TRACKING

template <class Program>
deadlock_report report_of(Program program) {
  try {
    run("main", program);
  } catch (const deadlock_error& error) {
    return error.report();
  }
  FAIL("no deadlock");
  return {};
}

task<> sends_one(channel<int> out) {
  co_await out.send(1);
}

#endif

}  // namespace

TEST_CASE("advice: without a receiver a buffer may do, if it holds all that is sent") {
  state_builder s;
  s.tasklet("main");
  const auto own = s.channel("own", 1);
  s.object(own).buffered = 1;
  s.holds(1, own);
  s.sends(1, own);
  const deadlock_report report = judge(s);
  REQUIRE(report.why == verdict::buffer_full_without_receiver);
  CHECK(
      report.advice ==
      "'own' needs a receiver while 'main' sends, or room for all that is sent before somebody "
      "receives."
  );
}

TEST_CASE("advice: who would receive after it has joined the senders") {
  state_builder s;
  s.tasklet("main", {{"task<> prog()", "prog.cpp", 7, 3}});
  const std::size_t capacity = GENERATE(0U, 1U);
  const auto out = s.channel("out", capacity);
  s.object(out).buffered = capacity;
  for (std::uint64_t worker : {2U, 3U}) {
    s.tasklet("worker");
    s.holds(worker, out);
    s.sends(worker, out);
  }
  s.holds(1, out);
  SECTION("one after the other") {
    s.joins(1, 2);
  }
  SECTION("the children of a nursery") {
    const auto children = s.channel("");
    s.object(children).kind = object_kind::nursery;
    s.object(children).unfinished = {2, 3};
    s.waits(1, operation_kind::join_nursery, children);
  }
  const deadlock_report report = judge(s);
  REQUIRE(report.why == verdict::buffer_full_without_receiver);
  CHECK(report.core == ids{2, 3});
  const std::string full = capacity == 0 ? "" : "'out' is full (1 of 1): ";
  CHECK(
      report.explanation ==
      full + "2 tasklets wait to send on 'out', and 'main', which could receive, waits for them to "
             "end"
  );
  CHECK(
      report.advice ==
      "let 'main' receive what they send on 'out' before it joins them (prog.cpp:7), or give 'out' "
      "room for all of it."
  );
}

TEST_CASE("advice: of those who want a lock that is kept, one that is not of the same kind") {
  state_builder s;
  for (const char* name : {"main", "worker", "worker", "taker"}) s.tasklet(name);
  const auto out = s.channel("out");
  const auto stats = s.mutex("stats", 2);
  s.holds(1, out);
  s.joins(1, 3);
  s.sends(2, out);
  s.waits(3, operation_kind::lock, stats);
  s.waits(4, operation_kind::lock, stats);
  const deadlock_report report = judge(s);
  REQUIRE(report.why == verdict::circular_wait);
  CHECK(report.core == ids{2, 3});
  CHECK(
      report.advice ==
      "unlock mutex 'stats' in #2 worker before it waits to send: 'taker' needs the lock to go on."
  );
}

TEST_CASE("advice: who joins the senders and holds no end that receives is no receiver") {
  state_builder s;
  s.tasklet("main");
  const auto out = s.channel("out");
  for (std::uint64_t worker : {2U, 3U}) {
    s.tasklet("worker");
    s.holds(worker, out);
    s.sends(worker, out);
  }
  s.object(out).waiting_senders = 2;
  s.object(out).holders.insert(s.object(out).holders.begin(), {1, 0});
  s.object(out).holders.front().side = channel_side::send;
  s.joins(1, 2);
  const deadlock_report report = judge(s);
  CHECK(
      report.advice ==
      "'out' needs a receiver while they send, or room for all that is sent before somebody "
      "receives."
  );
}

TEST_CASE("advice: a tasklet that sends to itself") {
  state_builder s;
  s.tasklet("main");
  const auto own = s.channel("own");
  s.holds(1, own);
  s.sends(1, own);
  const deadlock_report report = judge(s);
  REQUIRE(report.why == verdict::self_wait);
  CHECK_THAT(report.advice, contains_text("room for all that is sent before it receives"));
}

TEST_CASE("advice: of a lock that its owner wants again, how a guard is handed on") {
  state_builder s;
  s.tasklet("main");
  const auto m = s.mutex("m", 1);
  SECTION("a mutex") {
    s.waits(1, operation_kind::lock, m);
    CHECK_THAT(judge(s).advice, contains_text("call disown() on its guard"));
  }
  SECTION("a shared_mutex, whose guards have no disown()") {
    s.object(m).kind = object_kind::shared_mutex;
    s.waits(1, operation_kind::lock, m);
    CHECK(judge(s).advice == "unlock it before: a mutex cannot be locked twice.");
  }
  CHECK(judge(s).why == verdict::self_wait);
}

TEST_CASE("a paused tasklet in the core is one of those that are blocked") {
  state_builder s;
  s.tasklet("main");
  s.tasklet("worker");
  const auto c = s.channel("c");
  s.holds(1, c);
  s.holds(2, c);
  s.receives(1, c);
  s.tasklet("apart");
  const deadlock_report report = judge(s, 1);
  REQUIRE(report.core == ids{2});
  CHECK_THAT(to_text(report), starts_with_text("deadlock: 2 of 3 tasklets blocked forever"));
}

TEST_CASE("what ended before: a message has room, and one that was cancelled had no error") {
  state_builder s;
  s.tasklet("main");
  const auto c = s.channel("c");
  s.holds(1, c);
  s.receives(1, c);
  ended_info& e = s.data().ended.emplace_back();
  e.id = 2;
  e.name = "worker";
  e.step = 3;
  e.spawned_at = {"prog.cpp", 9, 1, {}};
  SECTION("an error") {
    e.error = "std::filesystem::filesystem_error: cannot open the configuration of the server: No "
              "such file or directory [/etc/server.conf]";
    CHECK_THAT(
        to_text(judge(s)),
        contains_text("\n   #2 worker   step 3\n      by an error: std::filesystem::")
    );
    CHECK_THAT(
        to_text(judge(s)), contains_text("directory [/etc/server.conf]\n      spawned prog.cpp:9")
    );
  }
  SECTION("cancelled") {
    e.cancelled = "cancelled";
    CHECK_THAT(
        to_text(judge(s)), contains_text("\n   #2 worker   step 3   cancelled   spawned prog.cpp:9")
    );
    e.cancelled = "no time left";
    CHECK_THAT(to_text(judge(s)), contains_text("step 3   cancelled: no time left   spawned"));
  }
  CHECK_THAT(
      to_json(judge(s)), contains_text(
                             e.cancelled.empty() ? R"("killed":false,"error":"std)"
                                                 : R"("error":"","cancelled":"no time left")"
                         )
  );
}

#if STACKLESS_TRACKING

TEST_CASE("advice: results that are fetched after the join, of a program") {
  const std::size_t room = GENERATE(0U, 3U);
  std::vector<int> seen;
  const auto program = [&]() -> task<> {
    const channel<int> out(channel_name("out"), room);
    std::vector<tasklet<>> workers;
    for (int i = 0; i < 3; ++i) workers.push_back(spawn("worker", sends_one, out));
    for (auto& worker : workers) co_await worker.join();
    for (int i = 0; i < 3; ++i) seen.push_back(co_await out.receive());
  };
  if (room == 3) {  // as it says, a buffer for all of it will do
    run(program);
    CHECK(seen.size() == 3);
    return;
  }
  const deadlock_report report = report_of(program);
  CHECK_THAT(report.advice, starts_with_text("let 'main' receive what they send on 'out' before"));
  CHECK_THAT(report.advice, contains_text("or give 'out' room for all of it"));
}

TEST_CASE("advice: a guard that was passed on without disown(), of a program") {
  const bool disowns = GENERATE(false, true);
  const auto program = [disowns]() -> task<> {
    mutex m(object_name("m"));
    mutex_guard guard = co_await m.lock();
    if (disowns) guard.disown();
    const auto unlocks = spawn("unlocks", [kept = std::move(guard)]() mutable -> task<> {
      co_await yield();
      kept.unlock();
    });
    const mutex_guard again = co_await m.lock();
    co_await unlocks.join();
  };
  if (disowns) {
    run(program);
    return;
  }
  const deadlock_report report = report_of(program);
  CHECK(report.why == verdict::self_wait);
  CHECK_THAT(report.advice, contains_text("disown()"));
}

TEST_CASE("what ended before: a cancelled tasklet of a program") {
  const auto program = []() -> task<> {
    const channel<int> c(channel_name("c"));
    const auto body = [&](nursery& n) -> task<> {
      n.spawn("worker", [c]() -> task<> { (void)co_await c.receive(); });
      co_await yield();
      n.cancel("enough");
    };
    co_await with_nursery(body);
    (void)co_await c.receive();
  };
  const deadlock_report report = report_of(program);
  REQUIRE(report.state.ended.size() == 1);
  CHECK(report.state.ended.front().error.empty());
  CHECK(report.state.ended.front().cancelled == "enough");
}

TEST_CASE("deadlock_policy::abort prints the whole report") {
  const bool orphans = GENERATE(false, true);  // the one that is raised at once, too
  const auto program = [orphans]() -> task<> {
    if (orphans) {
      auto [sends, receives] = make_channel<int>(channel_name("c"), 0, orphan_policy::error);
      {
        const auto gone = std::move(sends);
      }
      (void)co_await receives.receive();
    }
    const channel<int> c(channel_name("c"));
    (void)co_await c.receive();
  };
  const process::end end = process::end_of([&] {
    scheduler_options options;
    options.on_deadlock = deadlock_policy::abort;
    run(options, "main", program);
  });
  INFO(end.text);
  CHECK(end.signal == SIGABRT);
  CHECK_THAT(end.text, starts_with_text("stackless: deadlock: "));
  CHECK_THAT(
      end.text, contains_text(orphans ? "\nWHY   orphaned channel: " : "\nWHY   self wait: ")
  );
  CHECK_THAT(end.text, contains_text("\nFIX   "));
}

#endif
