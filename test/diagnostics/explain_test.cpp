#include <stackless/stackless.hpp>

#include "catch.hpp"
#include "diagnostics/report.hpp"
#include "sample_state.hpp"

#include <algorithm>

using namespace stackless;
using ids = std::vector<std::uint64_t>;

TEST_CASE("explain: of a state in which nothing can go on, what the error says") {
  auto s = sample::ping_pong();
  const deadlock_report report = explain(s.data(), 3);
  CHECK(report.why == verdict::mutual_receive);
  CHECK(report.certainty == grade::proven);
  CHECK(to_text(report) == to_text(detail::make_report(s.data(), 3)));
}

TEST_CASE("explain: a circle of owners while others run") {
  auto s = sample::philosophers();
  s.tasklet("busy").state = tasklet_state::ready;
  SECTION("proven") {
    const deadlock_report report = explain(s.data());
    CHECK(report.why == verdict::lock_cycle);
    CHECK(report.certainty == grade::proven);
    CHECK(report.core == ids{2, 3, 4, 5, 6});
    CHECK_THAT(
        to_text(report),
        starts_with_text(
            "deadlock: 5 of 7 tasklets blocked forever and 1 behind them, the other goes on\n"
            "          [proven: each waits for what only the next one could end]"
        )
    );
  }
  SECTION("a way out makes it likely, and the text says why") {
    s.at(4).has_way_out = true;
    const deadlock_report report = explain(s.data());
    CHECK(report.why == verdict::lock_cycle);
    CHECK(report.certainty == grade::likely);
    const std::string text = to_text(report);
    CHECK_THAT(text, starts_with_text("stall: 5 of 7 tasklets blocked, it seems forever"));
    CHECK_THAT(
        text, contains_text("[likely: a deadline or a cancel scope may end one of the waits]")
    );
    CHECK(text.find("proven") == std::string::npos);
  }
}

namespace {

ids behind_core(const deadlock_report& report) {
  ids found;
  for (const waiting_group& group : report.crowd)
    if (group.behind_core) found.insert(found.end(), group.tasklets.begin(), group.tasklets.end());
  std::sort(found.begin(), found.end());
  return found;
}

}  // namespace

TEST_CASE("explain: nobody is behind a circle whom one that goes on may free") {
  auto s = sample::philosophers();
  s.tasklet("busy").state = tasklet_state::ready;
  s.tasklet("sleepy");
  s.waits(8, operation_kind::sleep, 0);
  for (const char* name : {"served", "woken", "cut off"}) s.tasklet(name);
  for (std::uint64_t waiter : {9U, 10U, 11U}) {
    const auto own = s.channel("own");
    s.receives(waiter, own);
    s.holds(2, own);
    if (waiter != 11) s.holds(waiter - 2, own);
  }
  const deadlock_report report = explain(s.data());
  CHECK(report.core == ids{2, 3, 4, 5, 6});
  CHECK(behind_core(report) == ids{1, 11});
}

TEST_CASE("explain: who waits for what the core waits for is not apart from it") {
  sample::state_builder s;
  for (const char* name : {"main", "first", "second", "third"}) s.tasklet(name);
  const auto never = s.event("never");
  for (std::uint64_t waiter : {2U, 3U}) s.waits(waiter, operation_kind::wait, never);
  s.waits(4, operation_kind::wait, s.event("another"));
  s.joins(1, 2);
  const deadlock_report report = explain(s.data(), 2);
  CHECK(report.why == verdict::never_signalled);
  REQUIRE(report.core == ids{2, 3});
  CHECK(behind_core(report) == ids{1});
  const std::string text = to_text(report);
  const auto apart = text.find("blocked apart from that: 1");
  REQUIRE(apart != std::string::npos);
  CHECK(text.find("#4 third", apart) != std::string::npos);
}

TEST_CASE("explain: a stall while others run") {
  auto s = sample::ping_pong();
  s.tasklet("busy").state = tasklet_state::ready;
  SECTION("there is one") {
    const deadlock_report report = explain(s.data());
    CHECK(report.why == verdict::mutual_receive);
    CHECK(report.certainty == grade::likely);
    CHECK(report.core == ids{2, 3});
    CHECK(to_text(report) == to_text(find_stalls(s.data()).at(0)));
    CHECK(explain(s.data(), 1).core == ids{2, 3});  // main waits behind it
    CHECK(explain(s.data(), 4).core.empty());
  }
  SECTION("the one that runs could send") {
    for (std::uint64_t channel : {1U, 2U}) s.holds(4, channel);
    const deadlock_report report = explain(s.data());
    CHECK(report.why == verdict::unknown);
    CHECK(report.certainty == grade::likely);
    CHECK(report.core.empty());
    CHECK(
        to_text(report) == "no deadlock: 3 of 4 tasklets blocked   [the others go on]\n\n"
                           "WHY   nothing that is blocked is known to be stuck"
    );
  }
}

TEST_CASE("explain: the text follows the grade where nothing can go on, too") {
  auto s = sample::ping_pong();
  deadlock_report report = explain(s.data());
  report.certainty = grade::likely;
  CHECK_THAT(
      to_text(report),
      starts_with_text(
          "deadlock: 3 of 3 tasklets blocked, it seems forever\n          [likely: none runnable"
      )
  );
}

TEST_CASE("explain: states without anybody who waits") {
  CHECK(explain({}).core.empty());
  sample::state_builder s;
  s.tasklet("main").state = tasklet_state::running;
  CHECK(explain(s.data()).explanation == "nothing waits for ever");
  s.at(1).state = tasklet_state::blocked;
  s.at(1).wakes_nobody = true;
  CHECK(explain(s.data(), 1).core.empty());
  CHECK(explain(s.data(), 77).core.empty());
}

#if STACKLESS_TRACKING

TEST_CASE("explain: a live scheduler's snapshot, later and elsewhere") {
  snapshot_data seen;
  const auto program = [&]() -> task<> {
    channel<int> a("a");
    const auto stuck = [](channel<int> in) -> task<> { co_await in.receive(); };
    auto reader = spawn("reader", stuck, std::move(a));
    a = channel<int>("another");
    co_await yield();
    seen = snapshot();
    co_await reader.kill();
  };
  run(program);
  const deadlock_report report = explain(seen);
  CHECK(report.why == verdict::leaked);
  CHECK(report.certainty == grade::likely);
  CHECK(report.core == ids{2});
  CHECK_THAT(to_mermaid(report), contains_text("t2[\"#35;2 reader"));
}

#endif
