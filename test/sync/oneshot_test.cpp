#include <stackless/stackless.hpp>

#include "catch.hpp"

#include <chrono>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>

using namespace std::chrono_literals;
using namespace stackless;

namespace {

scheduler_options virtual_time() {
  scheduler_options options;
  options.clock = clock_choice::virtual_time;
  return options;
}

}  // namespace

TEST_CASE("oneshot: a value that is sent before, and one that is waited for") {
  run([]() -> task<> {
    auto [tx, rx] = make_oneshot<std::unique_ptr<int>>();
    CHECK_FALSE(rx.ready());
    CHECK(tx.send(std::make_unique<int>(1)));
    CHECK(rx.ready());
    const auto first = co_await rx.receive();
    CHECK(*first == 1);

    auto [tx2, rx2] = make_oneshot<int>();
    const auto sends = [](oneshot_sender<int> to) -> task<> {
      co_await yield();
      to.send(2);
    };
    const auto t = spawn(sends, std::move(tx2));
    CHECK(co_await rx2.receive() == 2);
  });
}

TEST_CASE("oneshot: errors, and a sender that goes") {
  run([]() -> task<> {
    auto [tx, rx] = make_oneshot<int>();
    tx.send_error(std::make_exception_ptr(std::range_error("no")));
    CHECK_THROWS_AS(co_await rx.receive(), std::range_error);

    auto [tx2, rx2] = make_oneshot<int>("reply");
    const auto ends = [](oneshot_sender<int>) -> task<> { co_await yield(); };
    const auto t = spawn(ends, std::move(tx2));
    std::string text;
    try {
      (void)co_await rx2.receive();
    } catch (const channel_closed& error) {
      text = error.what();
    }
    CHECK_THAT(text, contains_text("sender of oneshot 'reply' is gone"));
  });
}

TEST_CASE("oneshot: from plain functions, and without a scheduler") {
  auto [tx, rx] = make_oneshot<int>();
  CHECK_FALSE(rx.try_receive());
  CHECK(tx.wanted());
  CHECK(tx.send(3));
  CHECK(rx.try_receive() == 3);
  auto [tx2, rx2] = make_oneshot<int>();
  {
    const auto gone = std::move(rx2);
  }
  CHECK_FALSE(tx2.wanted());
  CHECK_FALSE(tx2.send(4));
}

TEST_CASE("oneshot: misuse") {
  auto [tx, rx] = make_oneshot<int>();
  CHECK_THROWS_AS(tx.send_error(nullptr), std::logic_error);
  tx.send(1);
  CHECK_THROWS_AS(tx.send(2), std::logic_error);
  CHECK(rx.try_receive() == 1);
  CHECK_THROWS_AS((void)rx.try_receive(), std::logic_error);
  const auto other = std::move(rx);
  CHECK_THROWS_AS((void)rx.try_receive(), std::logic_error);
  const auto sender = std::move(tx);
  CHECK_THROWS_AS(tx.send(1), std::logic_error);
}

TEST_CASE("oneshot: who is cancelled or killed while it waits leaves the value") {
  run(virtual_time(), []() -> task<> {
    auto [tx, rx] = make_oneshot<int>();
    auto& receiver = rx;
    const auto waits = [&receiver]() -> task<> { (void)co_await receiver.receive(); };
    CHECK_FALSE(co_await move_on_after(1s, waits));
    const auto killed = spawn(waits);
    co_await yield();
    tx.send(5);  // it is woken, and dies before it runs
    co_await killed.kill();
    CHECK(co_await receiver.receive() == 5);
  });
}

TEST_CASE("oneshot: a limit at the very time of the value") {
  for (const bool value_first : {true, false}) {
    run(virtual_time(), [&]() -> task<> {
      auto [tx, rx] = make_oneshot<int>();
      auto& sender = tx;
      auto& receiver = rx;
      const auto sends = [&sender]() -> task<> {
        co_await sleep_for(1s);
        sender.send(1);
      };
      if (value_first) {
        spawn(sends);
        co_await yield();
      }
      const auto got = co_await move_on_after(1s, [&]() -> task<int> {
        if (!value_first) spawn(sends);
        co_return co_await receiver.receive();
      });
      co_await drain();
      if (got) {
        CHECK_THROWS_AS((void)receiver.try_receive(), std::logic_error);
      } else {
        CHECK(receiver.try_receive() == 1);
      }
    });
  }
}

TEST_CASE("oneshot: a deadlock names it and who holds its sender") {
  std::string text;
  run([&]() -> task<> {
    auto [tx, rx] = make_oneshot<int>("reply");
    try {
      (void)co_await rx.receive();
    } catch (const deadlock_error& error) {
      text = error.what();
    }
    tx.send(1);
    CHECK(co_await rx.receive() == 1);
  });
  CHECK_THAT(text, contains_text("oneshot 'reply', and nobody is left who could send on it"));
#if STACKLESS_TRACKING
  CHECK_THAT(text, contains_text("held by: itself in frame 0, 0 outside tasklets"));
#endif
}

TEST_CASE("oneshot: a case of a select, taken at once or waited for") {
  run(virtual_time(), []() -> task<> {
    auto [tx, rx] = make_oneshot<int>();
    auto& sender = tx;
    CHECK((co_await select(rx.receive(), otherwise())).index() == 1);
    CHECK((co_await select(rx.receive(), after(1s))).index() == 1);
    const auto sends = [&sender]() -> task<> {
      co_await sleep_for(1s);
      sender.send(6);
    };
    const auto t = spawn(sends);
    event never;
    auto got = co_await select(never.wait(), rx.receive(), after(2s));
    REQUIRE(got.index() == 1);
    CHECK(std::get<1>(got) == 6);

    auto [tx2, rx2] = make_oneshot<int>();
    tx2.send(7);
    got = co_await select_first(never.wait(), rx2.receive(), after(2s));
    CHECK(std::get<1>(got) == 7);
  });
}

TEST_CASE("oneshot: a select that another case won leaves the value") {
  run([]() -> task<> {
    auto [tx, rx] = make_oneshot<int>();
    auto& sender = tx;
    event happened;
    const auto both = [&]() -> task<> {
      happened.set();
      sender.send(8);
      co_return;
    };
    const auto t = spawn(both);
    CHECK((co_await select(rx.receive(), happened.wait())).index() == 1);
    CHECK(rx.try_receive() == 8);
  });
}

TEST_CASE("oneshot: a select raises what was sent as an error, and that the sender is gone") {
  run([]() -> task<> {
    event never;
    auto [tx, rx] = make_oneshot<int>();
    auto& sender = tx;
    const auto fails = [&sender]() -> task<> {
      sender.send_error(std::make_exception_ptr(std::range_error("no")));
      co_return;
    };
    const auto t = spawn(fails);
    CHECK_THROWS_AS(co_await select(rx.receive(), never.wait()), std::range_error);

    auto [tx2, rx2] = make_oneshot<int>();
    const auto ends = [](oneshot_sender<int>) -> task<> { co_await yield(); };
    const auto t2 = spawn(ends, std::move(tx2));
    CHECK_THROWS_AS(co_await select(rx2.receive(), never.wait()), channel_closed);
  });
}

TEST_CASE("oneshot: its receiver goes while a tasklet waits on it: before and after the send") {
  for (const bool in_select : {false, true})
    for (const bool sent : {false, true})
      for (const bool sender_goes : {false, true}) {
        CAPTURE(in_select, sent, sender_goes);
        run([&]() -> task<> {
          auto ends = make_oneshot<std::shared_ptr<int>>();
          std::optional<oneshot_sender<std::shared_ptr<int>>> tx(std::move(ends.first));
          std::optional<oneshot_receiver<std::shared_ptr<int>>> rx(std::move(ends.second));
          event never;
          const auto waits = [&]() -> task<> {
            if (in_select) {
              (void)co_await select(never.wait(), rx->receive());
            } else {
              (void)co_await rx->receive();
            }
          };
          auto one = spawn(waits);
          auto killed = spawn(waits);
          co_await yield();
          auto value = std::make_shared<int>(1);
          const std::weak_ptr<int> watch = value;
          if (sent) CHECK(tx->send(std::move(value)));
          if (sender_goes && sent) tx.reset();
          rx.reset();  // who was woken has not run
          killed.kill_pending();
          if (!sent) {
            CHECK_FALSE(tx->wanted());
            CHECK_FALSE(tx->send(std::move(value)));
          }
          CHECK_THROWS_AS(co_await one.join(), object_gone);
          co_await drain();
          CHECK_FALSE(killed.alive());
          tx.reset();
          CHECK(watch.expired());
        });
      }
}

TEST_CASE("oneshot: its receiver is moved while a tasklet waits on it") {
  run([]() -> task<> {
    auto [tx, rx] = make_oneshot<int>();
    auto& receiver = rx;
    int got = 0;
    auto waits = spawn([&]() -> task<> { got = co_await receiver.receive(); });
    co_await yield();
    const auto moved = std::move(rx);
    tx.send(3);
    co_await waits.join();
    CHECK(got == 3);
  });
}
