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
  fragile& operator=(const fragile&) = delete;
  ~fragile() = default;
};

}  // namespace

TEST_CASE("broadcast: every receiver gets every value, in the order in which they came") {
  run([]() -> task<> {
    const broadcast<int> news("news", 4);
    std::vector<std::pair<int, int>> got;
    const auto listens = [&](int who) -> task<> {
      auto rx = news.subscribe();
      while (const auto value = co_await rx.next()) got.emplace_back(who, *value);
    };
    for (int who = 1; who <= 2; ++who) spawn(listens, who);
    co_await yield();
    CHECK(news.send(1) == 2);
    CHECK(news.send(2) == 2);
    co_await yield();
    spawn(listens, 3);  // the first two were not for it
    co_await yield();
    CHECK(news.send(3) == 3);
    news.close();
    co_await drain();
    const std::vector<std::pair<int, int>> expected{{1, 1}, {1, 2}, {2, 1}, {2, 2},
                                                    {1, 3}, {2, 3}, {3, 3}};
    CHECK(got == expected);
  });
}

TEST_CASE("broadcast: from plain functions, and what becomes of the values") {
  const broadcast<std::shared_ptr<int>> news(3);
  const auto value = std::make_shared<int>(1);
  CHECK(news.send(value) == 0);
  CHECK(value.use_count() == 1);  // with no receivers it is dropped
  auto a = news.subscribe();
  auto b = std::make_unique<broadcast_receiver<std::shared_ptr<int>>>(news.subscribe());
  CHECK_FALSE(a.try_receive());
  CHECK(news.send(value) == 2);
  CHECK(news.send(value) == 2);
  CHECK(value.use_count() == 3);
  auto c = a;
  CHECK(news.receivers() == 3);
  CHECK(a.available() == 2);
  CHECK(a.try_receive() == value);
  CHECK(c.try_receive() == value);
  CHECK(value.use_count() == 3);
  CHECK((*b).try_receive() == value);
  CHECK(value.use_count() == 2);  // all have it: only the second is kept
  CHECK(a.try_receive() == value);
  c = a;
  CHECK(c.available() == 0);
  CHECK(value.use_count() == 2);
  b.reset();  // the last who wanted it
  CHECK(value.use_count() == 1);
  CHECK(news.receivers() == 2);
}

TEST_CASE("broadcast: one that is too far behind is told once how much it has missed") {
  run([]() -> task<> {
    const broadcast<int> news("news", 2);
    auto slow = news.subscribe();
    auto quick = news.subscribe();
    for (int i = 1; i <= 5; ++i) {
      news.send(i);
      CHECK(co_await quick.receive() == i);
    }
    CHECK(slow.available() == 2);
    std::uint64_t missed = 0;
    std::string text;
    try {
      (void)co_await slow.receive();
    } catch (const broadcast_lagged& error) {
      missed = error.missed();
      text = error.what();
    }
    CHECK(missed == 3);
    CHECK_THAT(text, contains_text("3 values of broadcast 'news' passed by"));
    auto copy = slow;
    CHECK(co_await slow.receive() == 4);
    CHECK(co_await slow.next() == 5);
    CHECK_FALSE(slow.try_receive());
    CHECK(copy.try_receive() == 4);

    news.send(6);
    news.send(7);
    CHECK_THROWS_AS((void)copy.try_receive(), broadcast_lagged);
    news.send(8);
    CHECK_THROWS_AS(co_await copy.next(), broadcast_lagged);  // behind again
    CHECK(co_await copy.next() == 7);
    CHECK(co_await copy.next() == 8);
    news.close();
    CHECK_FALSE(co_await copy.next());
  });
}

TEST_CASE("broadcast: one that waits misses values that come before it runs") {
  run([]() -> task<> {
    const broadcast<int> news(1);
    auto rx = news.subscribe();
    std::uint64_t missed = 0;
    const auto listens = [&]() -> task<> {
      try {
        (void)co_await rx.receive();
      } catch (const broadcast_lagged& error) {
        missed = error.missed();
      }
      CHECK(co_await rx.receive() == 3);
    };
    auto t = spawn(listens);
    co_await yield();
    for (int i = 1; i <= 3; ++i) news.send(i);
    co_await t.join();
    CHECK(missed == 2);
  });
}

TEST_CASE("broadcast: closed with its last copy, and what was sent still comes") {
  run([]() -> task<> {
    std::optional<broadcast<int>> first(std::in_place, "news", 2);
    std::optional<broadcast<int>> second(*first);
    auto rx = first->subscribe();
    first.reset();
    CHECK_FALSE(rx.closed());
    second->send(1);
    const auto listens = [&rx]() -> task<> {
      CHECK(co_await rx.receive() == 1);
      CHECK_FALSE(co_await rx.next());
    };
    auto t = spawn(listens);
    co_await yield();
    second.reset();
    co_await t.join();
    std::string text;
    try {
      (void)co_await rx.receive();
    } catch (const channel_closed& error) {
      text = error.what();
    }
    CHECK(text == "receive: broadcast 'news' is closed");
  });
}

TEST_CASE("broadcast: who is cancelled or killed while it waits has received nothing") {
  run(virtual_time(), []() -> task<> {
    const broadcast<int> news(1);
    auto rx = news.subscribe();
    const auto waits = [&rx]() -> task<> { (void)co_await rx.receive(); };
    CHECK_FALSE(co_await move_on_after(1s, waits));
    auto killed = spawn(waits);
    co_await yield();
    co_await killed.kill();
    killed = spawn(waits);
    co_await yield();
    news.send(1);  // it is woken, and dies before it runs
    co_await killed.kill();
    CHECK(co_await rx.receive() == 1);
  });
}

TEST_CASE("broadcast: a limit at the very time of the value") {
  for (const bool value_first : {true, false}) {
    run(virtual_time(), [&]() -> task<> {
      const broadcast<int> news(1);
      auto rx = news.subscribe();
      const auto sends = [&]() -> task<> {
        co_await sleep_for(1s);
        news.send(2);
      };
      if (value_first) {
        spawn(sends);
        co_await yield();
      }
      const auto got = co_await move_on_after(1s, [&]() -> task<int> {
        if (!value_first) spawn(sends);
        co_return co_await rx.receive();
      });
      co_await drain();
      CHECK(rx.available() == (got ? 0 : 1));
    });
  }
}

TEST_CASE("broadcast: a copy that raises has received nothing") {
  run([]() -> task<> {
    bool fails = false;
    const broadcast<fragile> source(2);
    auto a = source.subscribe();
    auto b = source.subscribe();
    source.send(fragile(1, &fails));
    for (auto* rx : {&a, &b}) {  // the second would be the last who wants it
      fails = true;
      CHECK_THROWS_AS(co_await rx->receive(), std::range_error);
      CHECK_THROWS_AS((void)rx->try_receive(), std::range_error);
      fails = false;
      const fragile got = co_await rx->receive();
      CHECK(got.number == 1);
    }
  });
}

TEST_CASE("broadcast: as a case of a select") {
  run(virtual_time(), []() -> task<> {
    const broadcast<int> news(2);
    auto rx = news.subscribe();
    channel<int> other(1);
    const auto none = co_await select(rx.receive(), other.receive(), otherwise());
    CHECK(none.index() == 2);
    spawn([&]() -> task<> {
      co_await sleep_for(1s);
      co_await other.send(7);
      news.send(1);  // too late: it stays
    });
    auto won = co_await select(rx.receive(), other.receive(), after(2s));
    REQUIRE(won.index() == 1);
    won = co_await select(rx.receive(), other.receive(), after(2s));
    REQUIRE(won.index() == 0);
    CHECK(std::get<0>(won) == 1);
    spawn([&]() -> task<> {
      co_await sleep_for(1s);
      news.send(2);
      news.send(3);
    });
    won = co_await select(rx.receive(), other.receive(), after(2s));
    REQUIRE(won.index() == 0);
    CHECK(std::get<0>(won) == 2);
    for (int i = 4; i <= 6; ++i) news.send(i);
    CHECK_THROWS_AS(co_await select(rx.receive(), after(1s)), broadcast_lagged);
  });
}

TEST_CASE("broadcast: misuse") {
  run([]() -> task<> {
    CHECK_THROWS_AS(broadcast<int>(0), std::logic_error);
    broadcast<int> news("news", 1);
    auto rx = news.subscribe();
    const auto waits = [&rx]() -> task<> { (void)co_await rx.receive(); };
    auto first = spawn(waits);
    co_await yield();
    std::string text;
    try {
      (void)co_await rx.next();
    } catch (const std::logic_error& error) {
      text = error.what();
    }
    CHECK_THAT(text, contains_text("another tasklet waits on this receiver"));
    CHECK_THROWS_AS((void)rx.try_receive(), std::logic_error);
    news.send(1);
    co_await first.join();

    news.close();
    try {
      news.send(2);
    } catch (const channel_closed& error) {
      text = error.what();
    }
    CHECK(text == "send: broadcast 'news' is closed");

    const auto moved = std::move(news);
    CHECK_THROWS_AS(news.send(1), std::logic_error);
    const auto moved_receiver = std::move(rx);
    CHECK_THROWS_AS(co_await rx.receive(), std::logic_error);
    CHECK_THROWS_AS((void)rx.available(), std::logic_error);
  });
}

TEST_CASE("broadcast: a receiver that goes while a tasklet waits on it") {
  run([]() -> task<> {
    for (const bool woken : {false, true}) {
      std::optional<broadcast<int>> news(std::in_place, 1);
      auto rx = std::make_unique<broadcast_receiver<int>>(news->subscribe());
      const auto waits = [&]() -> task<> { (void)co_await rx->receive(); };
      auto t = spawn(waits);
      co_await yield();
      if (woken) news->send(2);
      news.reset();
      rx.reset();
      CHECK_THROWS_AS(co_await t.join(), object_gone);
    }
  });
}

TEST_CASE("broadcast: a deadlock names it and who holds it") {
  std::string text;
  run([&]() -> task<> {
    const broadcast<int> news("news", 2);
    auto rx = news.subscribe();
    try {
      (void)co_await rx.receive();
    } catch (const deadlock_error& error) {
      text = error.what();
    }
    news.send(3);
    CHECK(co_await rx.receive() == 3);
  });
  CHECK_THAT(text, contains_text("wait for broadcast 'news'"));
  CHECK_THAT(text, contains_text("broadcast 'news', and nobody is left who could send on it"));
#if STACKLESS_TRACKING
  CHECK_THAT(text, contains_text("held by: itself in frame 0, 0 outside tasklets"));
#endif
}
