#include <stackless/stackless.hpp>
#include <stackless/testing.hpp>

#include "catch.hpp"

#include <chrono>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

using namespace std::chrono_literals;
using stackless::any_tasklet;
using stackless::cancelled;
using stackless::channel;
using stackless::move_on_after;
using stackless::now;
using stackless::nursery;
using stackless::sleep_for;
using stackless::spawn;
using stackless::task;
using stackless::with_nursery;
using stackless::yield;
using stackless::testing::wait_all_blocked;

namespace {

task<> sleep_long() {
  co_await sleep_for(1h);
}

task<> fails_after(std::chrono::seconds time, std::string text) {
  co_await sleep_for(time);
  throw std::runtime_error(text);
}

}  // namespace

STACKLESS_TEST("with_nursery waits for all children and gives the body's result") {
  std::vector<int> done;
  const int answer = co_await with_nursery([&](nursery& n) -> task<int> {
    for (const int i : {3, 1, 2})
      n.spawn("child", [&done, i]() -> task<> {
        co_await sleep_for(std::chrono::seconds(i));
        done.push_back(i);
      });
    CHECK(n.statistics().running == 3);
    co_return 42;
  });
  CHECK(answer == 42);
  CHECK(done == std::vector{1, 2, 3});
}

STACKLESS_TEST("an empty nursery returns at once") {
  bool other_ran = false;
  auto other = spawn([&]() -> task<> {
    other_ran = true;
    co_return;
  });
  co_await with_nursery([](nursery&) -> task<> { co_return; });
  CHECK_FALSE(other_ran);
  co_await other.join();
}

STACKLESS_TEST("closures and their captures outlive the child") {
  auto kept = std::make_shared<int>(5);
  const std::weak_ptr<int> watch = kept;
  int seen = 0;
  co_await with_nursery([&](nursery& n) -> task<> {
    n.spawn([kept = std::move(kept), &seen]() -> task<> {
      co_await sleep_for(1s);
      seen = *kept;
    });
    co_return;
  });
  CHECK(seen == 5);
  CHECK(watch.expired());
}

STACKLESS_TEST(
    "the first error cancels the others and is raised with its own type, and later ones are kept"
) {
  std::exception_ptr raised;
  bool cut = false;
  try {
    co_await with_nursery([&](nursery& n) -> task<> {
      n.spawn(fails_after, 1s, std::string("first"));
      n.spawn([&]() -> task<> {
        try {
          co_await sleep_long();
        } catch (const cancelled&) {
          cut = true;
          throw std::out_of_range("second");
        }
      });
      co_await sleep_long();
    });
  } catch (const std::runtime_error& error) {
    raised = std::current_exception();
    CHECK(error.what() == std::string("first"));
  }
  REQUIRE(raised);
  CHECK(cut);
  const auto later = stackless::suppressed(raised);
  REQUIRE(later.size() == 1);
  CHECK_THAT(stackless::describe(later[0]), contains_text("second"));
}

STACKLESS_TEST("an error of the body cancels the children, and is raised when they have ended") {
  bool child_ended = false;
  const auto start = now();
  try {
    co_await with_nursery([&](nursery& n) -> task<> {
      n.spawn([&]() -> task<> {
        try {
          co_await sleep_long();
        } catch (const cancelled&) {
          child_ended = true;
          throw;
        }
      });
      co_await yield();
      throw std::out_of_range("body");
    });
    FAIL("not reached");
  } catch (const std::out_of_range&) {
  }
  CHECK(child_ended);
  CHECK(now() == start);
}

STACKLESS_TEST("a child that is cancelled before its first turn never enters its function") {
  bool entered = false;
  any_tasklet child;
  co_await with_nursery([&](nursery& n) -> task<> {
    child = n.spawn([&]() -> task<> {
      entered = true;
      co_return;
    });
    n.cancel();
    co_return;
  });
  CHECK_FALSE(entered);
  bool was_cancelled = false;
  try {
    co_await child.join();
  } catch (const stackless::tasklet_killed& error) {
    was_cancelled = std::string(error.what()).find("cancelled") != std::string::npos;
  }
  CHECK(was_cancelled);
}

STACKLESS_TEST("cancel ends the nursery quietly") {
  nursery* inside = nullptr;
  auto runs = spawn([&]() -> task<> {
    co_await with_nursery([&](nursery& n) -> task<> {
      inside = &n;
      n.spawn(sleep_long);
      n.spawn(sleep_long);
      co_await sleep_long();
    });
  });
  co_await wait_all_blocked();
  CHECK(inside->statistics().running == 2);
  inside->cancel();
  CHECK(inside->statistics().cancelled);
  const auto start = now();
  co_await runs.join();
  CHECK(now() == start);
}

STACKLESS_TEST("a result that cancel took away is an error") {
  bool raised = false;
  try {
    co_await with_nursery([](nursery& n) -> task<int> {
      n.cancel();
      co_await sleep_long();
      co_return 1;
    });
  } catch (const cancelled&) {
    raised = true;
  }
  CHECK(raised);
}

STACKLESS_TEST("a scope around a nursery reaches its children, at any depth") {
  int cut = 0;
  const auto counts = [&]() -> task<> {
    try {
      co_await sleep_long();
    } catch (const cancelled&) {
      ++cut;
      throw;
    }
  };
  const bool ended = co_await move_on_after(1s, [&]() -> task<> {
    co_await with_nursery([&](nursery& outer) -> task<> {
      outer.spawn(counts);
      outer.spawn([&]() -> task<> {
        co_await with_nursery([&](nursery& inner) -> task<> {
          inner.spawn(counts);
          inner.spawn(counts);
          co_return;
        });
        FAIL("the inner nursery was cut short");
      });
      co_return;
    });
    FAIL("the outer nursery was cut short");
  });
  CHECK_FALSE(ended);
  CHECK(cut == 3);
}

STACKLESS_TEST("children that ended before the cancellation are no reason to raise") {
  const bool ended = co_await move_on_after(1h, [&]() -> task<> {
    co_await with_nursery([&](nursery& n) -> task<> {
      n.spawn([]() -> task<> { co_await sleep_for(1s); });
      co_return;
    });
  });
  CHECK(ended);
}

STACKLESS_TEST("daemons are cancelled when only they are left") {
  bool daemon_cut = false;
  bool child_done = false;
  const auto start = now();
  co_await with_nursery([&](nursery& n) -> task<> {
    n.spawn_daemon("watch", [&]() -> task<> {
      try {
        for (;;) co_await sleep_for(1s);
      } catch (const cancelled&) {
        daemon_cut = true;
        throw;
      }
    });
    n.spawn([&]() -> task<> {
      co_await sleep_for(2500ms);
      child_done = true;
    });
    CHECK(n.statistics().daemons == 1);
    co_return;
  });
  CHECK(daemon_cut);
  CHECK(child_done);
  CHECK(now() - start == 2500ms);
}

STACKLESS_TEST("join: children may use the body's locals until it comes back") {
  int sum = 0;
  co_await with_nursery([&](nursery& n) -> task<> {
    std::vector<int> local{1, 2, 3};
    for (int& value : local)
      n.spawn([&value, &sum]() -> task<> {
        co_await yield();
        sum += value;
      });
    co_await n.join();
    CHECK(sum == 6);
  });
  CHECK(sum == 6);
}

STACKLESS_TEST(
    "a kill of who waits in the join cancels the children, finishes the join, and is raised"
) {
  bool child_cut = false;
  auto runs = spawn([&]() -> task<> {
    co_await with_nursery([&](nursery& n) -> task<> {
      n.spawn([&]() -> task<> {
        std::exception_ptr cut;
        try {
          co_await sleep_long();
        } catch (const cancelled&) {
          cut = std::current_exception();
        }
        co_await stackless::shield([]() -> task<> { co_await sleep_for(1s); });
        child_cut = true;
        std::rethrow_exception(cut);
      });
      co_return;
    });
    FAIL("it was killed");
  });
  co_await wait_all_blocked();
  const auto start = now();
  co_await runs.kill();
  CHECK(runs.alive());  // the child is still cleaning up
  bool killed = false;
  try {
    co_await runs.join();
  } catch (const stackless::tasklet_killed&) {
    killed = true;
  }
  CHECK(killed);
  CHECK(child_cut);
  CHECK(now() - start == 1s);
}

STACKLESS_TEST("a killed child ends quietly") {
  any_tasklet victim;
  co_await with_nursery([&](nursery& n) -> task<> {
    victim = n.spawn(sleep_long);
    co_await yield();
    co_await victim.kill();
  });
  CHECK_FALSE(victim.alive());
}

STACKLESS_TEST("a child's result, and its error, can be joined besides") {
  bool seen = false;
  bool raised = false;
  try {
    co_await with_nursery([&](nursery& n) -> task<> {
      auto good = n.spawn([]() -> task<int> { co_return 7; });
      CHECK(co_await good.join() == 7);
      auto bad = n.spawn(fails_after, 1s, std::string("bad"));
      try {
        co_await bad.join();
      } catch (const std::runtime_error&) {
        seen = true;
      }
    });
  } catch (const std::runtime_error&) {
    raised = true;
  }
  CHECK(seen);
  CHECK(raised);
}

STACKLESS_TEST("children spawn siblings") {
  int ran = 0;
  co_await with_nursery([&](nursery& n) -> task<> {
    n.spawn([&]() -> task<> {
      co_await yield();
      n.spawn([&]() -> task<> {
        co_await sleep_for(1s);
        ++ran;
      });
      ++ran;
    });
    co_return;
  });
  CHECK(ran == 2);
}

TEST_CASE("an error from outside reaches main in a nursery's join: the children end first") {
  bool child_ended = false;
  const auto program = [&]() -> task<> {
    spawn(fails_after, 1s, std::string("outside"));
    co_await with_nursery([&](nursery& n) -> task<> {
      n.spawn([&]() -> task<> {
        std::exception_ptr cut;
        try {
          co_await sleep_long();
        } catch (const cancelled&) {
          cut = std::current_exception();
        }
        child_ended = true;
        std::rethrow_exception(cut);
      });
      co_return;
    });
  };
  stackless::scheduler_options options;
  options.clock = stackless::clock_choice::virtual_time;
  CHECK_THROWS_WITH(stackless::run(options, program), "outside");
  CHECK(child_ended);
}

STACKLESS_TEST("the kill of a nursery's tasklet does not hide a child's error") {
  auto runs = spawn([&]() -> task<> {
    co_await with_nursery([&](nursery& n) -> task<> {
      n.spawn([]() -> task<> {
        try {
          co_await sleep_long();
        } catch (const cancelled&) {
          throw std::runtime_error("while it was cancelled");
        }
      });
      co_return;
    });
  });
  co_await wait_all_blocked();
  std::string text;
  runs.kill_pending();
  try {
    co_await runs.join();
  } catch (const std::runtime_error& error) {
    text = error.what();
  }
  CHECK(text == "while it was cancelled");
}

STACKLESS_TEST("a child that is spawned into a cancelled nursery never enters its function") {
  bool entered = false;
  co_await with_nursery([&](nursery& n) -> task<> {
    n.cancel();
    n.spawn([&]() -> task<> {
      entered = true;
      co_return;
    });
    co_return;
  });
  CHECK_FALSE(entered);
}

STACKLESS_TEST("only who runs a nursery may join it") {
  bool refused = false;
  co_await with_nursery([&](nursery& n) -> task<> {
    n.spawn([&]() -> task<> {
      try {
        co_await n.join();
      } catch (const std::logic_error&) {
        refused = true;
      }
    });
    co_return;
  });
  CHECK(refused);
}

STACKLESS_TEST("a child's error whose joiner is killed is the nursery's, and nobody else's") {
  int raised = 0;
  try {
    co_await with_nursery([&](nursery& n) -> task<> {
      auto bad = n.spawn(fails_after, 1s, std::string("E"));
      auto joiner = spawn([bad]() -> task<> { co_await bad.join(); });
      co_await wait_all_blocked();
      auto killer = spawn([bad, joiner]() -> task<> {
        co_await sleep_for(1s);
        joiner.kill_pending();
      });
    });
  } catch (const std::runtime_error&) {
    ++raised;
  }
  for (int i = 0; i < 3; ++i) {
    try {
      co_await yield();
    } catch (const std::runtime_error&) {
      ++raised;
    }
  }
  CHECK(raised == 1);
}

TEST_CASE("a nursery that waits for a stuck child: the child is told, and the report names both") {
  channel<int> never("never");
  std::string text;
  try {
    stackless::run([&]() -> task<> {
      co_await with_nursery([&](nursery& n) -> task<> {
        n.spawn("stuck", [&]() -> task<> { co_await never.receive(); });
        co_return;
      });
    });
  } catch (const stackless::deadlock_error& error) {
    text = error.what();
    CHECK(error.report().raised_in == 2);
    const auto* main = error.report().find_tasklet(1);
    REQUIRE(main != nullptr);
    CHECK(main->waits.operation == stackless::operation_kind::join_nursery);
  }
  CHECK_THAT(text, contains_text("stuck"));
  CHECK_THAT(text, contains_text("nursery"));
}

TEST_CASE("teardown with nurseries: all destructors run, innermost first") {
  std::vector<std::string> log;
  struct probe {
    std::vector<std::string>& log;
    std::string name;
    ~probe() { log.push_back(name); }
  };
  CHECK_THROWS_AS(
      stackless::run([&]() -> task<> {
        spawn([&]() -> task<> {
          const probe own{log, "host"};
          co_await with_nursery([&](nursery& n) -> task<> {
            n.spawn([&]() -> task<> {
              const probe inner{log, "child"};
              co_await sleep_long();
            });
            co_return;
          });
        });
        co_await sleep_for(1ms);
        throw std::runtime_error("main fails");
      }),
      std::runtime_error
  );
  CHECK(log == std::vector<std::string>{"child", "host"});
}

STACKLESS_TEST("a nursery's end and a limit at the very same time, in both orders") {
  const auto sleeps = []() -> task<> { co_await sleep_for(1s); };
  const auto family = [&]() -> task<> {
    co_await with_nursery([&](nursery& n) -> task<> {
      n.spawn(sleeps);
      co_return;
    });
  };
  // The limit is set first: it cancels the child.
  CHECK_FALSE(co_await move_on_after(1s, family));
  // The child ends first: the nursery is done.
  bool done = false;
  co_await stackless::with_cancel_scope([&](stackless::cancel_scope& scope) -> task<> {
    co_await with_nursery([&](nursery& n) -> task<> {
      n.spawn([&]() -> task<> {
        co_await sleeps();
        scope.cancel();  // at its very end
      });
      co_return;
    });
    done = true;
    co_await sleep_long();
  });
  CHECK(done);
}
