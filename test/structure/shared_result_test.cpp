#include <stackless/stackless.hpp>

#include "catch.hpp"

#include <chrono>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <variant>
#include <vector>

using namespace std::chrono_literals;
using namespace stackless;

namespace {

scheduler_options virtual_time() {
  scheduler_options options;
  options.clock = clock_choice::virtual_time;
  return options;
}

task<std::string> after_a_second(std::string text) {
  co_await sleep_for(1s);
  co_return text;
}

task<int> fails_after(int yields) {
  for (int i = 0; i < yields; ++i) co_await yield();
  throw std::range_error("no result");
}

}  // namespace

TEST_CASE("shared_result: all get the same value, in the order in which they came") {
  run(virtual_time(), []() -> task<> {
    const auto result = spawn_shared("page", after_a_second, std::string("text"));
    CHECK_FALSE(result.ready());
    CHECK(result.try_get() == nullptr);
    CHECK(result.handle().name() == "page");
    std::vector<int> order;
    const std::string* address = nullptr;
    const auto wants = [&](int who) -> task<> {
      const auto copy = result;
      const std::string& text = co_await copy.get();
      CHECK(text == "text");
      if (address == nullptr) address = &text;
      CHECK(address == &text);
      order.push_back(who);
    };
    for (int who = 1; who <= 3; ++who) spawn(wants, who);
    co_await drain();
    CHECK(order == std::vector<int>{1, 2, 3});
    CHECK(result.ready());
    CHECK(result.try_get() == address);
    CHECK(&co_await result.get() == address);
  });
}

TEST_CASE("shared_result: move-only values, references, and none") {
  run([]() -> task<> {
    const auto box =
        spawn_shared([]() -> task<std::unique_ptr<int>> { co_return std::make_unique<int>(7); });
    CHECK(*co_await box.get() == 7);
    CHECK(**box.try_get() == 7);

    int number = 1;
    const auto reference = spawn_shared([&]() -> task<int&> { co_return number; });
    (co_await reference.get()) = 2;
    CHECK(number == 2);
    CHECK(reference.try_get() == &number);

    const auto nothing = spawn_shared([]() -> task<> { co_await yield(); });
    CHECK_FALSE(nothing.try_get());
    co_await nothing.get();
    CHECK(nothing.try_get());
  });
}

TEST_CASE("shared_result: the value lives as long as a handle, and outlives the run") {
  const auto alive = std::make_shared<int>(1);
  shared_result<std::shared_ptr<int>> kept;
  CHECK_FALSE(kept);
  run([&]() -> task<> {
    const auto makes = [](std::shared_ptr<int> it) -> task<std::shared_ptr<int>> { co_return it; };
    kept = spawn_shared(makes, alive);
    co_await kept.get();
  });
  CHECK(alive.use_count() == 2);
  CHECK(*kept.try_get() == alive);
  auto other = kept;
  kept = {};
  CHECK(alive.use_count() == 2);
  other = kept;
  CHECK(alive.use_count() == 1);
}

TEST_CASE("shared_result: its error waits for those who ask, and each gets it") {
  run([]() -> task<> {
    const auto result = spawn_shared(fails_after, 1);
    int raised = 0;
    const auto wants = [&]() -> task<> {
      try {
        (void)co_await result.get();
      } catch (const std::range_error&) {
        ++raised;
      }
    };
    spawn(wants);
    spawn(wants);
    co_await drain();
    CHECK(raised == 2);
    CHECK_THROWS_AS(co_await result.get(), std::range_error);
    CHECK_THROWS_AS((void)result.try_get(), std::range_error);

    const auto later = spawn_shared(fails_after, 0);
    co_await drain();  // nobody waits, and nobody else gets it
    CHECK(later.ready());
    CHECK_THROWS_AS(co_await later.get(), std::range_error);
  });
}

TEST_CASE("shared_result: an error that none was told of is not lost with the last handle") {
  // It goes after the end,
  CHECK_THROWS_AS(
      run([]() -> task<> {
        auto result = spawn_shared(fails_after, 0);
        co_await yield();
        const auto copy = result;
        result = {};
        CHECK(copy.ready());
      }),
      std::range_error
  );
  // or before, while it is in a scope of its own,
  CHECK_THROWS_AS(
      run([]() -> task<> {
        const auto in_a_scope = []() -> task<> {
          co_await move_on_after(1h, []() -> task<> {
            co_await yield();
            throw std::range_error("no result");
          });
        };
        {
          const auto result = spawn_shared(in_a_scope);
          co_await yield();
        }
        co_await drain();
      }),
      std::range_error
  );
  // and the drain that runs gets it.
  run([]() -> task<> {
    (void)spawn_shared(fails_after, 1);
    CHECK_THROWS_AS(co_await drain(), std::range_error);
  });
}

TEST_CASE("shared_result: an error that came with a kill of the one who waits is not lost") {
  CHECK_THROWS_AS(
      run([]() -> task<> {
        auto result = std::make_unique<shared_result<int>>(spawn_shared(fails_after, 1));
        auto waits = spawn([&]() -> task<> { (void)co_await result->get(); });
        co_await yield();
        co_await yield();
        CHECK(result->ready());
        co_await waits.kill();
        result.reset();
        co_await yield();
      }),
      std::range_error
  );
}

TEST_CASE("shared_result: who is cancelled or killed while it waits leaves the others their value"
) {
  run(virtual_time(), []() -> task<> {
    const auto result = spawn_shared(after_a_second, std::string("text"));
    const auto wants = [&]() -> task<> { (void)co_await result.get(); };
    auto killed = spawn(wants);
    auto waits = spawn(wants);
    CHECK_FALSE(co_await move_on_after(500ms, wants));
    co_await killed.kill();
    co_await waits.join();
    CHECK(*result.try_get() == "text");
  });
}

TEST_CASE("shared_result: a limit at the very time of the result") {
  for (const bool result_first : {true, false}) {
    run(virtual_time(), [&]() -> task<> {
      shared_result<std::string> result;
      if (result_first) {
        result = spawn_shared(after_a_second, std::string("text"));
        co_await yield();
      }
      const auto got = co_await move_on_after(1s, [&]() -> task<std::string> {
        if (!result_first) result = spawn_shared(after_a_second, std::string("text"));
        co_return co_await result.get();
      });
      CHECK(got.value_or("text") == "text");
      CHECK(co_await result.get() == "text");
    });
  }
}

TEST_CASE("shared_result: how it ended is known after the run, too") {
  run([]() -> task<> {
    const auto result = spawn_shared("slow", []() -> task<int> {
      co_await suspend();
      co_return 1;
    });
    co_await yield();
    co_await result.handle().kill();
    std::string text;
    try {
      (void)co_await result.get();
    } catch (const tasklet_killed& error) {
      text = error.what();
    }
    CHECK_THAT(text, contains_text("slow was killed"));
    CHECK_THROWS_AS((void)result.try_get(), tasklet_killed);
  });

  shared_result<int> kept;
  const auto waits_for_ever = []() -> task<int> {
    channel<int> never;
    co_return co_await never.receive();
  };
  CHECK_THROWS_AS(
      run([&]() -> task<> {
        kept = spawn_shared(waits_for_ever);
        co_await yield();
        throw std::range_error("main");
      }),
      std::range_error
  );
  CHECK_THROWS_AS((void)kept.try_get(), tasklet_killed);
  run([&]() -> task<> {
    kept = spawn_shared(fails_after, 1);
    co_return;
  });
  CHECK_THROWS_AS((void)kept.try_get(), std::range_error);  // outside of every scheduler
}

TEST_CASE("shared_result: as a case of a select") {
  run(virtual_time(), []() -> task<> {
    const auto result = spawn_shared(after_a_second, std::string("text"));
    const auto failing = spawn_shared([]() -> task<> {
      co_await sleep_for(2s);
      throw std::range_error("no");
    });
    auto won = co_await select(result.get(), failing.get(), after(500ms));
    CHECK(won.index() == 2);
    won = co_await select(result.get(), failing.get(), after(5s));
    REQUIRE(won.index() == 0);
    CHECK(std::get<0>(won).get() == "text");
    CHECK(&std::get<0>(won).get() == result.try_get());
    CHECK_THROWS_AS(co_await select(failing.get(), after(5s)), std::range_error);
  });
}

TEST_CASE("shared_result: misuse") {
  shared_result<int> none;
  CHECK_THROWS_AS((void)none.ready(), std::logic_error);
  CHECK_THROWS_AS((void)none.try_get(), std::logic_error);
  CHECK_THROWS_AS((void)spawn_shared(fails_after, 1), std::logic_error);  // no scheduler
  run([&]() -> task<> {
    CHECK_THROWS_AS(co_await none.get(), std::logic_error);
    shared_result<int> own;
    own = spawn_shared([&]() -> task<int> {
      CHECK_THROWS_AS(co_await own.get(), std::logic_error);
      co_return 1;
    });
    CHECK(co_await own.get() == 1);
  });
  scheduler other;
  other.spawn([&]() -> task<> {
    none = spawn_shared([]() -> task<int> { co_return 1; });
    co_return;
  });
  other.run();
  run([&]() -> task<> {
    CHECK_THROWS_AS(co_await none.get(), std::logic_error);  // of another scheduler
    CHECK(*none.try_get() == 1);
  });
}

TEST_CASE("shared_result: two that wait for each other are told at once, though others run on") {
  std::optional<deadlock_report> report;
  run(virtual_time(), [&]() -> task<> {
    auto busy = spawn_daemon([]() -> task<> {
      for (;;) co_await sleep_for(1h);
    });
    shared_result<int> first;
    shared_result<int> second;
    const auto asks_first = [&]() -> task<int> { co_return 1 + co_await first.get(); };
    const auto asks_second = [&]() -> task<int> {
      try {
        co_return 1 + co_await second.get();
      } catch (const deadlock_error& error) {
        report = error.report();
      }
      co_return 5;
    };
    second = spawn_shared("second", asks_first);
    first = spawn_shared("first", asks_second);
    CHECK(co_await second.get() == 6);
  });
  REQUIRE(report);
  CHECK(report->why == verdict::join_cycle);
  CHECK(report->certainty == grade::proven);
  const std::string text = to_text(*report);
  CHECK_THAT(text, contains_text("'second' and 'first' each wait for the other to end"));
}

TEST_CASE("shared_result: a deadlock names who would have made it") {
  std::string text;
  run([&]() -> task<> {
    event never("never");
    const auto makes = [&]() -> task<int> {
      co_await never.wait();  // it blocks last: the error is its own, and so everybody's
      co_return 3;
    };
    const auto result = spawn_shared("maker", makes);
    try {
      (void)co_await result.get();
    } catch (const deadlock_error& error) {
      text = error.what();
    }
    CHECK_THROWS_AS((void)result.try_get(), deadlock_error);
  });
  CHECK_THAT(text, contains_text("'maker' waits for event 'never'"));
  CHECK_THAT(text, contains_text("#1 main   join #2 maker"));
}
