#include <stackless/stackless.hpp>
#include <stackless/testing.hpp>

#include "catch.hpp"

#include <chrono>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

using namespace std::chrono_literals;
using stackless::cancelled;
using stackless::move_on_after;
using stackless::now;
using stackless::nursery;
using stackless::sleep_for;
using stackless::started;
using stackless::task;
using stackless::with_nursery;
using stackless::testing::wait_all_blocked;

namespace {

task<> serve(started<int> ready, std::chrono::seconds preparation) {
  co_await sleep_for(preparation);
  ready(80);
  co_await sleep_for(10s);
}

task<> fails_before(started<> /*ready*/, std::string text) {
  co_await sleep_for(1s);
  throw std::out_of_range(text);
}

task<> never_says(started<> /*ready*/) {
  co_await sleep_for(1s);
}

task<> starts_never(started<> /*ready*/) {
  co_await sleep_for(1h);
}

template <class E, class F>
task<std::string> what_of(F body) {
  try {
    co_await body();
  } catch (const E& error) {
    co_return error.what();
  }
  co_return "";
}

}  // namespace

STACKLESS_TEST("spawn_ready gives the child's value when it has started, and the child goes on") {
  const auto start = now();
  co_await with_nursery([&](nursery& n) -> task<> {
    const int port = co_await n.spawn_ready<int>("server", serve, 2s);
    CHECK(port == 80);
    CHECK(now() - start == 2s);
    CHECK(n.statistics().running == 1);
  });
  CHECK(now() - start == 12s);
}

STACKLESS_TEST("spawn_ready takes closures, move-only arguments and values") {
  co_await with_nursery([&](nursery& n) -> task<> {
    auto keeps = [](started<std::unique_ptr<int>> ready, std::unique_ptr<int> p) -> task<> {
      ready(std::move(p));
      co_return;
    };
    const auto back = co_await n.spawn_ready<std::unique_ptr<int>>(keeps, std::make_unique<int>(5));
    CHECK(*back == 5);
  });
}

STACKLESS_TEST("two wait for their children's starts, each gets its own, in their order") {
  std::vector<int> order;
  co_await with_nursery([&](nursery& n) -> task<> {
    for (const int i : {1, 2})
      n.spawn([&, i]() -> task<> {
        auto child = [i](started<int> ready) -> task<> {
          co_await sleep_for(1s);
          ready(i);
        };
        order.push_back(co_await n.spawn_ready<int>(child));
      });
    co_return;
  });
  CHECK(order == std::vector{1, 2});
}

STACKLESS_TEST("a child that fails before its start raises in the await, and not in the nursery") {
  bool sibling_ended = false;
  co_await with_nursery([&](nursery& n) -> task<> {
    n.spawn([&]() -> task<> {
      co_await sleep_for(5s);
      sibling_ended = true;
    });
    const auto body = [&]() -> task<> {
      co_await n.spawn_ready(fails_before, std::string("no port"));
    };
    CHECK(co_await what_of<std::out_of_range>(body) == "no port");
    CHECK_FALSE(n.statistics().cancelled);
  });
  CHECK(sibling_ended);
}

STACKLESS_TEST("a child that fails after its start fails its nursery") {
  const auto fails_after = [](started<> ready) -> task<> {
    ready();
    co_await sleep_for(1s);
    throw std::out_of_range("later");
  };
  const auto body = [&]() -> task<> {
    co_await with_nursery([&](nursery& n) -> task<> {
      co_await n.spawn_ready(fails_after);
      co_await sleep_for(1h);
    });
  };
  CHECK(co_await what_of<std::out_of_range>(body) == "later");
}

STACKLESS_TEST("a child that ends without saying that it has started is an error that names it") {
  co_await with_nursery([&](nursery& n) -> task<> {
    const auto body = [&]() -> task<> { co_await n.spawn_ready("worker", never_says); };
    CHECK_THAT(
        co_await what_of<std::logic_error>(body),
        ends_with_text("worker ended without saying that it had started")
    );
  });
}

STACKLESS_TEST("cancelling who waits for a start cancels the child, and only that") {
  const auto start = now();
  co_await with_nursery([&](nursery& n) -> task<> {
    auto sibling = n.spawn([]() -> task<> { co_await sleep_for(5s); });
    CHECK_FALSE(co_await move_on_after(1s, [&]() -> task<> {
      co_await n.spawn_ready(starts_never);
      FAIL("it never starts");
    }));
    CHECK(now() - start == 1s);
    CHECK(n.statistics().running == 1);
    CHECK(sibling.alive());

    // It comes too late: it cannot start any more.
    bool entered = false;
    const auto enters = [&](started<> ready) -> task<> {
      entered = true;
      ready();
      co_return;
    };
    stackless::cancel_scope* inner = nullptr;
    CHECK_FALSE(co_await stackless::with_cancel_scope([&](stackless::cancel_scope& s) -> task<> {
      inner = &s;
      s.cancel();
      co_await n.spawn_ready(enters);
    }));
    CHECK_FALSE(entered);
  });
  CHECK(now() - start == 5s);
}

STACKLESS_TEST("a start that comes with the deadline stands, and one after it does not") {
  co_await with_nursery([&](nursery& n) -> task<> {
    std::optional<int> got;
    CHECK(co_await move_on_after(2s, [&]() -> task<> {
      got = co_await n.spawn_ready<int>(serve, 1s);
    }));
    CHECK(got == 80);
    got.reset();
    CHECK_FALSE(co_await move_on_after(1s, [&]() -> task<> {
      got = co_await n.spawn_ready<int>(serve, 2s);
    }));
    CHECK_FALSE(got);
    n.cancel();
  });
}

STACKLESS_TEST("killing who waits for a start cancels the child") {
  co_await with_nursery([&](nursery& n) -> task<> {
    auto waits = n.spawn([&]() -> task<> { co_await n.spawn_ready(starts_never); });
    co_await wait_all_blocked();
    CHECK(n.statistics().running == 2);
    co_await waits.kill();
    co_await wait_all_blocked();
    CHECK(n.statistics().running == 0);
  });
}

STACKLESS_TEST("a start is said once, and by whoever has it") {
  co_await with_nursery([&](nursery& n) -> task<> {
    std::string said;
    auto delegates = [&](started<int> ready) -> task<> {
      co_await with_nursery([&](nursery& own) -> task<> {
        own.spawn(
            [&](started<int> moved) -> task<> {
              moved(1);
              try {
                moved(2);
              } catch (const std::logic_error& error) {
                said = error.what();
              }
              co_return;
            },
            std::move(ready)
        );
        co_await sleep_for(1s);
      });
    };
    CHECK(co_await n.spawn_ready<int>(delegates) == 1);
    CHECK(said == "started: it was said before, or was moved from");
    CHECK(n.statistics().running == 1);
    n.cancel();  // reaches it inside its own nursery
  });
}

STACKLESS_TEST("a child whose start nobody awaits is a child as any other") {
  const auto body = [&]() -> task<> {
    co_await with_nursery([&](nursery& n) -> task<> {
      {
        [[maybe_unused]] const auto dropped = n.spawn_ready(fails_before, std::string("x"));
      }
      co_return;
    });
  };
  CHECK(co_await what_of<std::out_of_range>(body) == "x");
}

TEST_CASE("a child that cannot start is told of the deadlock, and the report names both") {
  std::string text;
  try {
    stackless::run([]() -> task<> {
      co_await with_nursery([&](nursery& n) -> task<> {
        stackless::event set("configured");
        auto child = [&](started<> ready) -> task<> {
          co_await set.wait();
          ready();
        };
        co_await n.spawn_ready("server", child);
      });
    });
  } catch (const stackless::deadlock_error& error) {
    text = error.what();
  }
  CHECK_THAT(text, contains_text("start of #2 server"));
  CHECK_THAT(text, contains_text("event 'configured'"));
}

STACKLESS_TEST("collect_errors: all run to their end, the first error is raised with the others") {
  std::exception_ptr raised;
  bool last_ended = false;
  try {
    co_await with_nursery(stackless::collect_errors, [&](nursery& n) -> task<> {
      for (const int i : {2, 1})
        n.spawn([i]() -> task<> {
          co_await sleep_for(std::chrono::seconds(i));
          throw std::runtime_error(std::to_string(i));
        });
      n.spawn([&]() -> task<> {
        co_await sleep_for(3s);
        last_ended = true;
      });
      co_await sleep_for(1500ms);
      throw std::out_of_range("body");
    });
  } catch (const std::runtime_error& error) {
    raised = std::current_exception();
    CHECK(error.what() == std::string("1"));
  }
  REQUIRE(raised);
  CHECK(last_ended);
  const auto later = stackless::suppressed(raised);
  REQUIRE(later.size() == 2);
  CHECK_THAT(stackless::describe(later[0]), contains_text("body"));
  CHECK_THAT(stackless::describe(later[1]), contains_text("2"));
}

STACKLESS_TEST("collect_errors: a cancellation and a kill reach the children all the same") {
  const auto start = now();
  const auto many = []() -> task<> {
    co_await with_nursery(stackless::collect_errors, [&](nursery& n) -> task<> {
      n.spawn([]() -> task<> { co_await sleep_for(1h); });
      n.spawn([]() -> task<> {
        throw std::runtime_error("kept");
        co_return;
      });
      co_await stackless::yield();
      CHECK(n.statistics().failed == 1);
      CHECK_FALSE(n.statistics().cancelled);
      co_await sleep_for(1h);
    });
  };
  CHECK(co_await what_of<std::runtime_error>([&]() -> task<> {
          (void)co_await move_on_after(1s, many);
        }) == "kept");
  auto killed = stackless::spawn([&]() -> task<> {
    try {
      co_await many();
    } catch (const std::runtime_error&) {  // an error is not lost behind a kill
    }
  });
  co_await wait_all_blocked();
  co_await killed.kill();
  co_await wait_all_blocked();
  CHECK_FALSE(killed.alive());
  CHECK(now() - start == 1s);
}
