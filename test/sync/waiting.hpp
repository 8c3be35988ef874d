#pragma once

#include <stackless/stackless.hpp>
#include <stackless/testing.hpp>

#include "catch.hpp"

#include <chrono>
#include <stdexcept>
#include <string>
#include <vector>

namespace waiting_test {

using namespace std::chrono_literals;
using namespace stackless;
using stackless::testing::wait_all_blocked;

using log_type = std::vector<std::string>;

struct waiting_traits {
  bool one_grant_each = true;        ///< else one is for all who wait
  bool passed_on = true;             ///< what one was granted who is killed before it runs
  bool takes_effect_at_once = true;  ///< a grant ends the waits, and not only later
};

/// What is the same for all that can be waited for: `wait(name)` waits, and then logs the name.
/// `prepare` comes before each round of it.
template <class Wait, class Grant, class Prepare>
task<> check_waiting(Wait wait, Grant grant, Prepare prepare, waiting_traits traits = {}) {
  prepare();
  log_type log;
  const auto waits = [&](std::string name) -> task<> { co_await wait(log, name); };

  // First come, first served.
  std::vector<tasklet<>> all;
  for (const char* name : {"a", "b", "c"}) all.push_back(spawn(waits, std::string(name)));
  co_await wait_all_blocked();
  CHECK(log.empty());
  for (int i = 0; i < (traits.one_grant_each ? 3 : 1); ++i) grant();
  for (const auto& t : all) co_await t.join();
  CHECK(log == log_type{"a", "b", "c"});
  prepare();

  // Cancelled while it waits: it has nothing, and the next one is first.
  log.clear();
  cancel_scope* scope = nullptr;
  auto cut = spawn([&]() -> task<> {
    co_await with_cancel_scope([&](cancel_scope& s) -> task<> {
      scope = &s;
      co_await waits("cut");
    });
  });
  auto next = spawn(waits, std::string("next"));
  co_await wait_all_blocked();
  scope->cancel();
  co_await cut.join();
  grant();
  co_await next.join();
  CHECK(log == log_type{"next"});
  prepare();

  // Killed while it waits.
  log.clear();
  auto killed = spawn(waits, std::string("killed"));
  next = spawn(waits, std::string("next"));
  co_await wait_all_blocked();
  co_await killed.kill();
  grant();
  co_await next.join();
  CHECK(log == log_type{"next"});
  prepare();

  // Killed when it was granted and had not run yet: the next one gets it, unless it is lost.
  log.clear();
  killed = spawn(waits, std::string("killed"));
  next = spawn(waits, std::string("next"));
  co_await wait_all_blocked();
  grant();
  killed.kill_pending();
  if (!traits.passed_on) grant();
  co_await next.join();
  CHECK(log == log_type{"next"});
  prepare();

  // Too late, and in time.
  log.clear();
  CHECK_FALSE(co_await move_on_after(1s, [&] { return waits("late"); }));
  auto grants = spawn([&]() -> task<> {
    co_await sleep_for(1s);
    grant();
  });
  CHECK(co_await move_on_after(2s, [&] { return waits("in time"); }));
  co_await grants.join();
  CHECK(log == log_type{"in time"});
  prepare();

  // A child's error cancels its sibling, which waits: that has nothing, and the next one is first.
  log.clear();
  std::string raised;
  auto family = spawn([&]() -> task<> {
    try {
      co_await with_nursery([&](nursery& n) -> task<> {
        n.spawn(waits, std::string("sibling"));
        n.spawn([]() -> task<> {
          co_await sleep_for(1s);
          throw std::range_error("a child's");
        });
        co_return;
      });
    } catch (const std::range_error& error) {
      raised = error.what();
    }
  });
  co_await wait_all_blocked();
  next = spawn(waits, std::string("next"));
  co_await family.join();
  CHECK(raised == "a child's");
  grant();
  co_await next.join();
  CHECK(log == log_type{"next"});
  prepare();

  // Cancelled and granted in the same turn: it has nothing.
  log.clear();
  cut = spawn([&]() -> task<> {
    co_await with_cancel_scope([&](cancel_scope& s) -> task<> {
      scope = &s;
      co_await waits("cut");
    });
  });
  next = spawn(waits, std::string("next"));
  co_await wait_all_blocked();
  scope->cancel();
  grant();
  co_await cut.join();
  co_await next.join();
  CHECK(log == log_type{"next"});
  prepare();

  if (!traits.takes_effect_at_once) co_return;
  // Granted and cancelled in the same turn: what happened stands, and the next await raises.
  log.clear();
  auto both = spawn([&]() -> task<> {
    co_await with_cancel_scope([&](cancel_scope& s) -> task<> {
      scope = &s;
      co_await waits("both");
    });
  });
  co_await wait_all_blocked();
  grant();
  scope->cancel();
  co_await both.join();
  CHECK(log == log_type{"both"});
}

}  // namespace waiting_test
