// Doors for other threads that go, or end, just when somebody was woken through them.

#include <stackless/stackless.hpp>
#include <stackless/testing.hpp>

#include "catch.hpp"
#include "threads/support.hpp"

#include <atomic>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>

using namespace std::chrono_literals;
using namespace stackless;
using stackless::testing::wait_all_blocked;

TEST_CASE("remote: it goes when somebody was given a value and has not run") {
  for (const bool sender_left : {true, false}) {
    run([&]() -> task<> {
      std::optional<remote<int>> r(std::in_place, 4);
      std::optional<remote_sender<int>> tx = r->sender();
      std::string outcome;
      const auto reads = [&]() -> task<> {
        try {
          outcome = std::to_string(co_await r->receive());
        } catch (const channel_closed&) {
          outcome = "closed";
        } catch (const object_gone&) {
          outcome = "gone";
        }
      };
      auto one = spawn(reads);
      auto two = spawn(reads);
      co_await wait_all_blocked();
      CHECK(tx->try_send(1) == send_status::sent);
      CHECK(tx->try_send(2) == send_status::sent);
      while (two.blocked()) co_await yield();  // until the mail has come, which wakes both
      REQUIRE(one.alive());
      if (!sender_left) tx.reset();
      r.reset();
      co_await two.kill();
      co_await one.join();
      CHECK(outcome == "gone");
    });
  }
}

TEST_CASE("external_source: the end comes with a notification, and a kill takes neither away") {
  run([]() -> task<> {
    const external_source source("source");
    std::optional<external_notifier> n = source.notifier();
    std::string first;
    auto one = spawn([&]() -> task<> {
      try {
        co_await source.wait();
        first = "notified";
      } catch (const channel_closed&) {
        first = "closed";
      }
    });
    auto two = spawn([&]() -> task<> {
      try {
        co_await source.wait();
      } catch (const channel_closed&) {
      }
    });
    co_await wait_all_blocked();
    n->notify();
    n.reset();
    // Both are woken by the same mail: one by the notification, two because it was the last.
    while (two.blocked()) co_await yield();
    REQUIRE(first.empty());
    co_await two.kill();
    co_await one.join();
    CHECK(first == "notified");
  });
}

TEST_CASE("remote: a value whose move raises stays for the next who waits") {
  struct fragile {
    explicit fragile(int* f) : fails(f) {}
    fragile(fragile&& other)
        : fails(other.fails) {  // NOLINT(performance-noexcept-move-constructor)
      if (--*fails == 0) throw std::runtime_error("move");
    }
    fragile& operator=(fragile&&) = default;
    int* fails;
  };
  int fails = 0;
  run([&]() -> task<> {
    remote<fragile> r(4);
    const auto tx = r.sender();
    int got = 0;
    int failed = 0;
    const auto reads = [&]() -> task<> {
      try {
        const fragile value = co_await r.receive();
        got += value.fails != nullptr ? 1 : 0;
      } catch (const std::runtime_error&) {
        ++failed;
      }
    };
    auto one = spawn(reads);
    auto two = spawn(reads);
    co_await wait_all_blocked();
    CHECK(tx.try_send(fragile(&fails)) == send_status::sent);
    fails = 1;  // the next move
    co_await one.join();
    co_await two.join();
    CHECK(failed == 1);
    CHECK(got == 1);
  });
}

TEST_CASE("remote senders race with the ends of schedulers") {
  std::atomic<int> sent{0};
  for (int round = 0; round < 50; ++round) {
    threads_test::threads workers;
    int got = 0;
    run([&]() -> task<> {
      remote<std::unique_ptr<int>> r(2);
      for (int i = 0; i < 3; ++i)
        workers.start([tx = r.sender(), &sent] {
          try {
            for (int n = 0; n < 20; ++n) {
              if (n % 2 == 0) {
                tx.send(std::make_unique<int>(n));
              } else {
                (void)tx.try_send(std::make_unique<int>(n));
              }
              ++sent;
            }
          } catch (const channel_closed&) {  // it has gone
          }
        });
      for (int i = 0; i < 5 + round % 7; ++i) {
        if (!co_await r.next()) break;
        ++got;
      }
    });
    CHECK(got >= 5);
  }
  CHECK(sent > 0);
}
