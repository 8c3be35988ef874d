#include "catch.hpp"
#include "support.hpp"

#include <atomic>
#include <memory>
#include <optional>
#include <stdexcept>
#include <utility>

using namespace std::chrono_literals;
using namespace stackless;
using threads_test::one_instant;
using threads_test::options_of;
using threads_test::start_engine;
using threads_test::threads;
using threads_test::ways_to_sleep;

TEST_CASE("remote: a thread sends, a tasklet receives, in order") {
  for (const io_choice choice : ways_to_sleep()) {
    CAPTURE(static_cast<int>(choice));
    std::vector<int> got;
    run(options_of(choice), [&]() -> task<> {
      co_await start_engine(choice);
      threads others;
      remote<std::unique_ptr<int>> in("in", 3);
      others.start([to = in.sender()] {
        for (int i = 0; i < 50; ++i) to.send(std::make_unique<int>(i));
      });
      while (auto value = co_await in.next()) got.push_back(**value);
    });
    REQUIRE(got.size() == 50);
    for (int i = 0; i < 50; ++i) CHECK(got[static_cast<std::size_t>(i)] == i);
  }
}

TEST_CASE("remote: try_send takes the value only when there is room") {
  run([]() -> task<> {
    remote<std::string> in(1);
    const remote_sender<std::string> to = in.sender();
    std::string one = "one";
    std::string two = "two";
    CHECK(to.try_send(one) == send_status::sent);
    CHECK(one == "one");
    CHECK(to.try_send_from(two) == send_status::would_block);
    CHECK(two == "two");
    CHECK(co_await in.receive() == "one");
    CHECK(to.try_send_from(two) == send_status::sent);
    CHECK(two.empty());
    in.close();
    CHECK(in.closed());
    CHECK(to.try_send("three") == send_status::closed);
    CHECK_THROWS_AS(to.send("three"), channel_closed);
    CHECK(co_await in.receive() == "two");  // what was sent before
    CHECK_THROWS_AS(co_await in.receive(), channel_closed);
    CHECK_FALSE(in.try_receive());
  });
}

TEST_CASE("remote: first come, first served") {
  run([]() -> task<> {
    remote<int> in(8);
    const remote_sender<int> to = in.sender();
    std::string order;
    const auto receives = [&](char name) -> task<> {
      order += name;
      order += static_cast<char>('0' + co_await in.receive());
    };
    std::vector<tasklet<>> all;
    for (const char name : {'a', 'b', 'c'}) all.push_back(spawn(receives, name));
    co_await yield();
    order.clear();
    for (int i = 1; i <= 3; ++i) to.send(i);
    CHECK_FALSE(in.try_receive());  // not past those who wait
    for (const auto& t : all) co_await t.join();
    CHECK(order == "123");
    to.send(4);
    CHECK(in.try_receive() == 4);
  });
}

TEST_CASE("remote: who is cancelled or killed takes nothing with it") {
  run([]() -> task<> {
    remote<int> in(8);
    const remote_sender<int> to = in.sender();
    const auto receives = [&in]() -> task<> { (void)co_await in.receive(); };
    CHECK_FALSE(co_await move_on_after(1ms, receives));
    const auto waiting = spawn(receives);
    co_await yield();
    co_await waiting.kill();

    const auto victim = spawn(receives);
    const auto second = spawn([&in]() -> task<int> { co_return co_await in.receive(); });
    co_await yield();
    const auto killer = spawn([&]() -> task<> {
      while (victim.blocked()) co_await yield();
      victim.kill_pending();
    });
    to.send(1);
    co_await killer.join();
    CHECK(co_await second.join() == 1);
  });
}

TEST_CASE("remote: a limit at the very time of the value") {
  for (const bool value_first : {true, false}) {
    bool tested = false;
    for (auto ahead = 3ms; !tested; ahead *= 2) {
      run([&]() -> task<> {
        remote<int> in(1);
        const remote_sender<int> to = in.sender();
        one_instant instant(ahead);
        const auto sends = [&]() -> task<> {
          co_await sleep_until(instant.at());
          to.send(1);
        };
        tasklet<> sending;
        tasklet<> holding;
        if (value_first) {
          sending = spawn(sends);
          co_await yield();
        }
        const auto got = co_await with_cancel_scope([&](cancel_scope& scope) -> task<int> {
          scope.set_deadline(instant.at());
          if (!value_first) sending = spawn(sends);
          holding = spawn(&one_instant::hold, &instant);
          co_return co_await in.receive();
        });
        co_await sending.join();
        co_await holding.join();
        tested = instant.timers_were_set();
        if (!tested) co_return;
        // The limit fires before the loop has looked into its inbox, and the value stays.
        CHECK_FALSE(got);
        CHECK(co_await in.receive() == 1);
      });
    }
  }
}

TEST_CASE("remote: as a case of select") {
  run([]() -> task<> {
    remote<int> in(2);
    const remote_sender<int> to = in.sender();
    channel<int> never;
    CHECK((co_await select(in.receive(), otherwise())).index() == 1);
    to.send(5);
    auto got = co_await select(never.receive(), in.receive());
    CHECK(std::get<1>(got) == 5);
    CHECK((co_await select(in.next(), after(1ms))).index() == 1);
    threads others;
    others.start([to] { to.send(6); });
    auto next = co_await select(in.next(), after(1h));
    CHECK(std::get<0>(next) == 6);
  });
}

TEST_CASE("remote: when the last sender has gone, what it sent counts first") {
  run([]() -> task<> {
    threads others;
    remote<int> in("jobs", 4);
    others.start([to = in.sender()] {
      std::this_thread::sleep_for(1ms);
      to.send(1);
      to.send(2);
    });
    CHECK(co_await in.receive() == 1);
    CHECK(co_await in.receive() == 2);
    std::string text;
    try {
      (void)co_await in.receive();
    } catch (const channel_closed& error) {
      text = error.what();
    }
    CHECK_THAT(text, contains_text("every sender of remote 'jobs' is gone"));
    CHECK_FALSE(co_await in.next());
    const remote_sender<int> again = in.sender();  // it lives again
    again.send(3);
    CHECK(co_await in.receive() == 3);
  });
}

TEST_CASE("remote: close wakes the threads that wait in send, and the tasklets that wait for values"
) {
  std::atomic<int> refused = 0;
  run([&]() -> task<> {
    threads others;
    remote<int> in("in", 1);
    for (int i = 0; i < 3; ++i)
      others.start([to = in.sender(), &refused] {
        try {
          for (;;) to.send(1);
        } catch (const channel_closed&) {
          ++refused;
        }
      });
    co_await sleep_for(2ms);
    in.close();
    while (co_await in.next()) {
    }

    remote<int> other("other", 1);
    const remote_sender<int> left = other.sender();
    const auto t = spawn([&other]() -> task<> { (void)co_await other.receive(); });
    co_await yield();
    other.close();
    std::string text;
    try {
      co_await t.join();
    } catch (const channel_closed& error) {
      text = error.what();
    }
    CHECK_THAT(text, contains_text("remote 'other' is closed"));
  });
  CHECK(refused == 3);
}

TEST_CASE("remote: it goes, or its scheduler, while threads wait in send") {
  for (const bool scheduler_goes : {true, false}) {
    std::atomic<int> refused = 0;
    threads others;
    std::optional<remote<std::shared_ptr<int>>> in;
    const auto value = std::make_shared<int>(1);
    run([&]() -> task<> {
      in.emplace(1U);
      others.start([to = in->sender(), value, &refused] {
        try {
          for (;;) to.send(value);
        } catch (const channel_closed&) {
          ++refused;
        }
      });
      co_await sleep_for(1ms);
      if (!scheduler_goes) in.reset();
    });
    others.join();
    CHECK(refused == 1);
    in.reset();
    CHECK(value.use_count() == 1);  // what was not received is gone
  }
}

TEST_CASE("remote: it goes while a tasklet waits") {
  run([]() -> task<> {
    std::optional<remote<int>> in;
    in.emplace(1U);
    const remote_sender<int> left = in->sender();
    const auto t = spawn([&]() -> task<> { (void)co_await in->receive(); });
    co_await yield();
    in.reset();
    CHECK(left.try_send(1) == send_status::closed);
    CHECK_THROWS_AS(co_await t.join(), object_gone);
  });
}

TEST_CASE("remote: a wait that nobody can end is a deadlock that names it") {
  std::string text;
  try {
    run([]() -> task<> {
      remote<int> in("mailbox", 1);
      (void)co_await in.receive();
    });
  } catch (const deadlock_error& error) {
    text = error.what();
    CHECK_THAT(error.report().explanation, contains_text("nobody is left who could send on it"));
  }
  CHECK_THAT(text, contains_text("wait for remote 'mailbox'"));
  CHECK_THAT(text, contains_text("it has no sender"));
}

TEST_CASE("remote: misuse") {
  CHECK_THROWS_AS(remote<int>(1), std::logic_error);
  run([]() -> task<> {
    CHECK_THROWS_AS(remote<int>(0), std::logic_error);
    remote<int> in(1);
    remote_sender<int> to = in.sender();
    to.send(1);
    std::string text;
    try {
      to.send(2);  // in its own thread
    } catch (const std::logic_error& error) {
      text = error.what();
    }
    CHECK_THAT(text, contains_text("its own thread would wait for itself"));
    const remote_sender<int> other = std::move(to);
    CHECK_THROWS_AS(to.try_send(1), std::logic_error);
    in.close();
    CHECK_THROWS_AS((void)in.sender(), std::logic_error);
    in.close();
    std::thread([&] { CHECK_THROWS_AS(in.close(), std::logic_error); }).join();
    co_return;
  });
}

TEST_CASE("remote: many threads send, and every value arrives once, each thread's in order") {
  constexpr int makers = 4;
  const int rounds = 500 * threads_test::scale;
  for (const io_choice choice : ways_to_sleep()) {
    std::array<int, makers> next{};
    bool in_order = true;
    run(options_of(choice), [&]() -> task<> {
      co_await start_engine(choice);
      threads others;
      remote<std::pair<int, int>> in("values", 7);
      for (int i = 0; i < makers; ++i)
        others.start([last = rounds, i, to = in.sender()] {
          for (int n = 0; n < last; ++n) {
            if (n % 3 != 0) {
              to.send({i, n});
            } else {
              while (to.try_send({i, n}) != send_status::sent) std::this_thread::yield();
            }
            if (n % 400 == 399) std::this_thread::sleep_for(50us);  // the loop falls asleep
          }
        });
      const auto receives = [&]() -> task<> {
        while (auto v = co_await in.next()) {
          int& expected = next[static_cast<std::size_t>(v->first)];
          in_order = in_order && v->second == expected;
          ++expected;
        }
      };
      std::vector<tasklet<>> all;
      for (int i = 0; i < 3; ++i) all.push_back(spawn(receives));
      for (const auto& t : all) co_await t.join();
    });
    CHECK(in_order);
    for (const int count : next) CHECK(count == rounds);
  }
}
