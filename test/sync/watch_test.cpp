#include <stackless/stackless.hpp>

#include "catch.hpp"

#include <chrono>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using namespace stackless;

namespace {

scheduler_options virtual_time() {
  scheduler_options options;
  options.clock = clock_choice::virtual_time;
  return options;
}

/// Its copies raise while `fails` is set.
struct fragile {
  int number = 0;
  bool* fails = nullptr;
  fragile(int n, bool* when) : number(n), fails(when) {}
  fragile(const fragile& other) : number(other.number), fails(other.fails) {
    if (*fails) throw std::range_error("no copy");
  }
  fragile(fragile&&) = default;
  fragile& operator=(const fragile&) = default;
  fragile& operator=(fragile&&) = default;
  ~fragile() = default;
};

}  // namespace

TEST_CASE("watch: receivers get the latest, in the order in which they came") {
  run([]() -> task<> {
    const watch<int> level("level", 1);
    std::vector<std::pair<int, int>> seen;
    const auto follows = [&](int who) -> task<> {
      auto rx = level.subscribe();
      while (const auto value = co_await rx.next()) seen.emplace_back(who, *value);
    };
    for (int who = 1; who <= 3; ++who) spawn(follows, who);
    co_await yield();
    CHECK(level.receivers() == 3);
    level.set(2);
    co_await yield();
    level.set(3);
    level.set(4);  // nobody has seen the 3, and nobody does
    co_await yield();
    level.close();
    co_await drain();
    const std::vector<std::pair<int, int>> expected{{1, 2}, {2, 2}, {3, 2}, {1, 4}, {2, 4}, {3, 4}};
    CHECK(seen == expected);
    CHECK(level.receivers() == 0);
  });
}

TEST_CASE("watch: what was seen, and what a copy of a receiver has seen") {
  const watch<std::string> text("a");
  auto rx = text.subscribe();
  CHECK_FALSE(rx.has_newer());
  CHECK(rx.value() == "a");
  CHECK_FALSE(rx.try_receive());
  text.set("b");
  auto copy = rx;
  CHECK(rx.has_newer());
  CHECK(rx.try_receive() == "b");
  CHECK_FALSE(rx.try_receive());
  CHECK(copy.has_newer());
  CHECK(copy.value() == "b");
  CHECK(copy.has_newer());
  CHECK(copy.try_receive() == "b");
  auto later = text.subscribe();
  CHECK_FALSE(later.has_newer());
  copy = std::move(later);
  CHECK(text.receivers() == 2);
}

TEST_CASE("watch: modify, and one that leaves the value alone") {
  const watch<std::vector<int>> list(std::vector<int>{1});
  auto rx = list.subscribe();
  list.modify([](std::vector<int>& l) { l.push_back(2); });
  CHECK(rx.try_receive()->size() == 2);
  list.modify([](std::vector<int>&) { return false; });
  CHECK_FALSE(rx.has_newer());
  CHECK_THROWS_AS(
      list.modify([](std::vector<int>&) { throw std::range_error("no"); }), std::range_error
  );
  CHECK_FALSE(rx.has_newer());
  list.modify([](std::vector<int>& l) {
    l.clear();
    return true;
  });
  CHECK(rx.try_receive()->empty());
}

TEST_CASE("watch: changed waits without a copy, so that a value may be move-only") {
  run([]() -> task<> {
    watch<std::unique_ptr<int>> box(std::make_unique<int>(1));
    auto rx = box.subscribe();
    const auto sets = [](watch<std::unique_ptr<int>> to) -> task<> {
      co_await yield();
      to.set(std::make_unique<int>(2));
    };
    spawn(sets, std::move(box));  // and is closed at its end
    co_await rx.changed();
    CHECK(**&rx.value() == 2);
    CHECK_THROWS_AS(co_await rx.changed(), channel_closed);
    CHECK(*rx.value() == 2);
    CHECK(rx.closed());
  });
}

TEST_CASE("watch: closed with its last copy, and what was not seen still comes") {
  run([]() -> task<> {
    std::optional<watch<int>> first(std::in_place, "level", 1);
    std::optional<watch<int>> second(*first);
    auto rx = first->subscribe();
    first.reset();
    CHECK_FALSE(rx.closed());
    second->set(2);
    second.reset();
    CHECK(rx.closed());
    CHECK(co_await rx.receive() == 2);
    std::string text;
    try {
      (void)co_await rx.receive();
    } catch (const channel_closed& error) {
      text = error.what();
    }
    CHECK(text == "receive: watch 'level' is closed");
    CHECK_FALSE(co_await rx.next());
    CHECK(rx.value() == 2);
  });
}

TEST_CASE("watch: who is cancelled or killed while it waits has not seen the value") {
  run(virtual_time(), []() -> task<> {
    const watch<int> level(1);
    auto rx = level.subscribe();
    const auto waits = [&rx]() -> task<> { (void)co_await rx.receive(); };
    CHECK_FALSE(co_await move_on_after(1s, waits));
    auto killed = spawn(waits);
    co_await yield();
    co_await killed.kill();
    killed = spawn(waits);
    co_await yield();
    level.set(2);  // it is woken, and dies before it runs
    co_await killed.kill();
    CHECK(co_await rx.receive() == 2);
  });
}

TEST_CASE("watch: a limit at the very time of the change") {
  for (const bool value_first : {true, false}) {
    run(virtual_time(), [&]() -> task<> {
      const watch<int> level(1);
      auto rx = level.subscribe();
      const auto sets = [&]() -> task<> {
        co_await sleep_for(1s);
        level.set(2);
      };
      if (value_first) {
        spawn(sets);
        co_await yield();
      }
      const auto got = co_await move_on_after(1s, [&]() -> task<int> {
        if (!value_first) spawn(sets);
        co_return co_await rx.receive();
      });
      co_await drain();
      CHECK(rx.has_newer() == !got);
      CHECK(got.value_or(2) == 2);
    });
  }
}

TEST_CASE("watch: a copy that raises leaves the value unseen") {
  run([]() -> task<> {
    bool fails = false;
    const watch<fragile> source(fragile(1, &fails));
    auto rx = source.subscribe();
    source.set(fragile(2, &fails));
    fails = true;
    CHECK_THROWS_AS(co_await rx.receive(), std::range_error);
    CHECK_THROWS_AS((void)rx.try_receive(), std::range_error);
    fails = false;
    const fragile got = co_await rx.receive();
    CHECK(got.number == 2);
  });
}

TEST_CASE("watch: as a case of a select") {
  run(virtual_time(), []() -> task<> {
    const watch<int> a(0);
    const watch<int> b(0);
    auto from_a = a.subscribe();
    auto from_b = b.subscribe();
    const auto none = co_await select(from_a.receive(), from_b.next(), otherwise());
    CHECK(none.index() == 2);
    spawn([&]() -> task<> {
      co_await sleep_for(1s);
      b.set(5);
      a.set(6);  // too late: it stays unseen
    });
    auto won = co_await select(from_a.receive(), from_b.next(), after(2s));
    REQUIRE(won.index() == 1);
    CHECK(std::get<1>(won) == 5);
    CHECK(from_a.has_newer());
    won = co_await select(from_a.receive(), from_b.next(), after(1s));
    REQUIRE(won.index() == 0);
    CHECK(std::get<0>(won) == 6);
    won = co_await select(from_a.receive(), from_b.next(), after(1s));
    CHECK(won.index() == 2);
    b.close();
    won = co_await select(from_a.receive(), from_b.next(), after(1s));
    REQUIRE(won.index() == 1);
    CHECK_FALSE(std::get<1>(won));
  });
}

TEST_CASE("watch: misuse") {
  run([]() -> task<> {
    watch<int> level("level", 1);
    auto rx = level.subscribe();
    const auto waits = [&rx]() -> task<> { (void)co_await rx.receive(); };
    auto first = spawn(waits);
    co_await yield();
    CHECK_THROWS_AS(co_await rx.receive(), std::logic_error);
    CHECK_THROWS_AS((void)rx.try_receive(), std::logic_error);
    CHECK_THROWS_AS(co_await select(rx.receive(), after(1s)), std::logic_error);
    auto own = rx;
    CHECK_THROWS_AS(co_await select(own.receive(), own.next(), after(1s)), std::logic_error);
    level.set(2);
    co_await first.join();
    CHECK(co_await own.receive() == 2);

    level.close();
    std::string text;
    try {
      level.set(3);
    } catch (const channel_closed& error) {
      text = error.what();
    }
    CHECK(text == "set: watch 'level' is closed");
    CHECK_THROWS_AS(level.modify([](int& v) { v = 3; }), channel_closed);
    CHECK(level.value() == 2);

    const auto moved = std::move(level);
    CHECK_THROWS_AS(level.set(1), std::logic_error);
    CHECK_THROWS_AS((void)level.subscribe(), std::logic_error);
    const auto moved_receiver = std::move(rx);
    CHECK_THROWS_AS(co_await rx.receive(), std::logic_error);
    CHECK_THROWS_AS((void)rx.value(), std::logic_error);
  });
}

TEST_CASE("watch: a receiver that goes while a tasklet waits on it") {
  run([]() -> task<> {
    for (const bool in_select : {false, true}) {
      for (const bool woken : {false, true}) {
        std::optional<watch<int>> level(std::in_place, 1);
        auto rx = std::make_unique<watch_receiver<int>>(level->subscribe());
        const auto waits = [&]() -> task<> {
          if (in_select) {
            (void)co_await select(rx->receive(), after(1h));
          } else {
            (void)co_await rx->receive();
          }
        };
        auto t = spawn(waits);
        co_await yield();
        if (woken) level->set(2);
        level.reset();
        rx.reset();
        CHECK_THROWS_AS(co_await t.join(), object_gone);
      }
    }
    // It goes after another case has won, and before that has run.
    const watch<int> level(1);
    event other;
    auto rx = std::make_unique<watch_receiver<int>>(level.subscribe());
    const auto waits = [&]() -> task<> {
      const auto won = co_await select(rx->receive(), other.wait());
      CHECK(won.index() == 1);
    };
    auto t = spawn(waits);
    co_await yield();
    other.set();
    rx.reset();
    co_await t.join();
    CHECK(level.receivers() == 0);
  });
}

TEST_CASE("watch: a deadlock names it and who holds it") {
  std::string text;
  run([&]() -> task<> {
    const watch<int> level("level", 1);
    auto rx = level.subscribe();
    level.set(2);
    CHECK(co_await rx.receive() == 2);
    try {
      (void)co_await rx.receive();
    } catch (const deadlock_error& error) {
      text = error.what();
    }
    level.set(3);
    CHECK(co_await rx.receive() == 3);
  });
  CHECK_THAT(text, contains_text("wait for watch 'level'"));
  CHECK_THAT(text, contains_text("watch 'level', and nobody is left who could change it"));
#if STACKLESS_TRACKING
  CHECK_THAT(text, contains_text("held by: itself in frame 0, 0 outside tasklets"));
  CHECK_THAT(text, contains_text("last on watch 'level': step 0, #1 main, set, watch_test.cpp:"));
#endif
}
