#include "catch.hpp"
#include "support.hpp"

#include <atomic>
#include <csignal>
#include <optional>
#include <stdexcept>
#include <utility>

#include <poll.h>
#include <unistd.h>

using namespace std::chrono_literals;
using namespace stackless;
using threads_test::one_instant;
using threads_test::options_of;
using threads_test::start_engine;
using threads_test::threads;
using threads_test::ways_to_sleep;

namespace {

bool readable_within(int descriptor, int milliseconds) {
  pollfd entry{descriptor, POLLIN, 0};
  return ::poll(&entry, 1, milliseconds) == 1;
}

}  // namespace

TEST_CASE("external_source: a thread wakes a sleeping scheduler, whatever that sleeps in") {
  for (const io_choice choice : ways_to_sleep()) {
    CAPTURE(static_cast<int>(choice));
    int value = 0;
    run(options_of(choice), [&]() -> task<> {
      co_await start_engine(choice);
      threads others;
      external_source source("source");
      others.start([&value, notifier = source.notifier()] {
        std::this_thread::sleep_for(5ms);
        value = 7;  // seen by whom it wakes
        notifier.notify();
      });
      co_await source.wait();
      CHECK(value == 7);
    });
  }
}

TEST_CASE("external_source: a notification waits for who comes, and twice is once") {
  run([]() -> task<> {
    external_source source;
    const external_notifier notifier = source.notifier();
    notifier.notify();
    notifier.notify();
    co_await source.wait();
    const auto waits = [&source]() -> task<> { co_await source.wait(); };
    CHECK_FALSE(co_await move_on_after(1ms, waits));
  });
}

TEST_CASE("external_source: first come, first served") {
  run([]() -> task<> {
    external_source source;
    const external_notifier notifier = source.notifier();
    std::string order;
    const auto waits = [&](char name) -> task<> {
      co_await source.wait();
      order += name;
    };
    for (const char name : {'a', 'b', 'c'}) spawn(waits, name);
    for (int i = 0; i < 3; ++i) {
      co_await yield();
      co_await drain_ready();
      CHECK(order.size() == static_cast<std::size_t>(i));
      notifier.notify();
    }
    while (order.size() != 3) co_await drain_ready();
    CHECK(order == "abc");

    // One who comes after a notification, and before the loop has looked, is behind who waits.
    order.clear();
    const auto first = spawn(waits, 'd');
    co_await yield();
    notifier.notify();
    const auto second = spawn(waits, 'e');
    co_await first.join();
    CHECK(second.alive());
    notifier.notify();
    co_await second.join();
    CHECK(order == "de");
  });
}

TEST_CASE("external_source: who is cancelled or killed has not used it up") {
  run([]() -> task<> {
    external_source source;
    const external_notifier notifier = source.notifier();
    const auto waits = [&source]() -> task<> { co_await source.wait(); };

    const auto waiting = spawn(waits);
    co_await yield();
    co_await waiting.kill();
    CHECK_FALSE(waiting.alive());
    CHECK_FALSE(co_await move_on_after(1ms, waits));
    notifier.notify();
    co_await source.wait();
  });
}

TEST_CASE("external_source: killed between its notification and its turn, it passes it on") {
  for (const bool another_waits : {true, false}) {
    run([&]() -> task<> {
      external_source source;
      const external_notifier notifier = source.notifier();
      const auto waits = [&source]() -> task<> { co_await source.wait(); };
      const auto victim = spawn(waits);
      std::optional<tasklet<>> second;
      if (another_waits) second = spawn(waits);
      co_await yield();
      const auto killer = spawn([&]() -> task<> {
        while (victim.blocked()) co_await yield();  // the loop looks into its inbox now and then
        victim.kill_pending();
      });
      notifier.notify();
      co_await killer.join();
      CHECK_THROWS_AS(co_await victim.join(), tasklet_killed);
      if (second) {
        co_await second->join();
      } else {
        co_await source.wait();
      }
    });
  }
}

TEST_CASE("external_source: a limit at the very time of the notification") {
  for (const bool notification_first : {true, false}) {
    bool tested = false;
    for (auto ahead = 3ms; !tested; ahead *= 2) {
      run([&]() -> task<> {
        external_source source;
        const external_notifier notifier = source.notifier();
        one_instant instant(ahead);
        const auto notifies = [&]() -> task<> {
          co_await sleep_until(instant.at());
          notifier.notify();
        };
        tasklet<> notifying;
        tasklet<> holding;
        if (notification_first) {
          notifying = spawn(notifies);
          co_await yield();
        }
        const bool in_time = co_await with_cancel_scope([&](cancel_scope& scope) -> task<> {
          scope.set_deadline(instant.at());
          if (!notification_first) notifying = spawn(notifies);
          holding = spawn(&one_instant::hold, &instant);
          co_await source.wait();
        });
        co_await notifying.join();
        co_await holding.join();
        tested = instant.timers_were_set();
        if (!tested) co_return;
        // The limit fires in either case before the loop has looked into its inbox.
        CHECK_FALSE(in_time);
        co_await source.wait();  // and nothing is lost
      });
    }
  }
}

TEST_CASE("external_source: as a case of select") {
  run([]() -> task<> {
    threads others;
    external_source source;
    channel<int> never;
    CHECK((co_await select(source.wait(), otherwise())).index() == 1);
    others.start([notifier = source.notifier()] {
      std::this_thread::sleep_for(2ms);
      notifier.notify();
    });
    CHECK((co_await select(never.receive(), source.wait())).index() == 1);
    const external_notifier notifier = source.notifier();
    CHECK((co_await select(source.wait(), after(1ms))).index() == 1);
    notifier.notify();
    CHECK((co_await select(source.wait(), after(1h))).index() == 0);
  });
}

TEST_CASE("external_source: when the last notifier has gone, who waits is told") {
  for (const io_choice choice : ways_to_sleep()) {
    run(options_of(choice), [choice]() -> task<> {
      co_await start_engine(choice);
      threads others;
      external_source source("ticks");
      {
        external_notifier first = source.notifier();
        const external_notifier copy = first;
        first = source.notifier();
        others.start([moved = std::move(first), copy] {
          std::this_thread::sleep_for(2ms);
          copy.notify();
        });
      }
      co_await source.wait();  // what it told counts first
      std::string text;
      try {
        co_await source.wait();
      } catch (const channel_closed& error) {
        text = error.what();
      }
      CHECK_THAT(text, contains_text("every notifier of external_source 'ticks' is gone"));
      CHECK_THROWS_AS(co_await source.wait(), channel_closed);
      const external_notifier again = source.notifier();  // it lives again
      again.notify();
      co_await source.wait();
    });
  }
}

TEST_CASE("external_source: a tasklet killed when all is over passes nothing on") {
  run([]() -> task<> {
    external_source source;
    const auto waits = [&source]() -> task<> { co_await source.wait(); };
    const auto victim = spawn(waits);
    co_await yield();
    {
      const external_notifier only = source.notifier();
    }
    while (victim.blocked()) co_await yield();
    co_await victim.kill();
    CHECK_THROWS_AS(co_await source.wait(), channel_closed);
  });
}

TEST_CASE("external_source: a wait that nobody can end is a deadlock that names it") {
  const auto waits = []() -> task<> {
    external_source source("doorbell");
    co_await source.wait();
  };
  std::string text;
  try {
    run(waits);
  } catch (const deadlock_error& error) {
    text = error.what();
    CHECK(error.report().why == verdict::never_signalled);
    CHECK_THAT(error.report().explanation, contains_text("nobody is left who could notify it"));
    CHECK(to_json(error.report()).find("\"external_source\"") != std::string::npos);
  }
  CHECK_THAT(text, contains_text("wait for external_source 'doorbell'"));
}

TEST_CASE("external_source: one that a daemon made which wakes nobody hides no deadlock") {
  const auto body = []() -> task<> {
    spawn_daemon(wakes_nobody, []() -> task<> {
      external_source source;
      const external_notifier notifier = source.notifier();
      co_await source.wait();
    });
    channel<int> never;
    (void)co_await never.receive();
  };
  CHECK_THROWS_AS(run(body), deadlock_error);
}

TEST_CASE("external_source: virtual time stands still while somebody outside may notify") {
  scheduler_options options;
  options.clock = clock_choice::virtual_time;
  run(options, []() -> task<> {
    threads others;
    external_source source;
    others.start([notifier = source.notifier()] {
      std::this_thread::sleep_for(5ms);
      notifier.notify();
    });
    const auto waits = [&source]() -> task<> { co_await source.wait(); };
    CHECK(co_await move_on_after(1h, waits));
  });
}

TEST_CASE("external_source: snapshots count it") {
  run([]() -> task<> {
    external_source source;
    const external_notifier one = source.notifier();
    const external_notifier two = one;
    const auto t = spawn([&]() -> task<> { co_await source.wait(); });
    co_await yield();
    const snapshot_data data = snapshot();
    CHECK(data.sources.foreign == 1);
    CHECK(data.objects.at(0).count == 2);
    CHECK_THAT(to_text(data), contains_text("1 foreign"));
    one.notify();
    co_await t.join();
  });
}

TEST_CASE("external_source: it goes while a tasklet waits") {
  run([]() -> task<> {
    std::optional<external_source> source;
    source.emplace();
    const external_notifier left = source->notifier();
    const auto t = spawn([&]() -> task<> { co_await source->wait(); });
    co_await yield();
    source.reset();
    left.notify();  // nobody is there any more
    CHECK_THROWS_AS(co_await t.join(), object_gone);
  });
}

TEST_CASE("external_source: notifiers outlive the scheduler, and sources too") {
  std::optional<external_notifier> notifier;
  std::optional<external_source> source;
  run([&]() -> task<> {
    source.emplace();
    notifier = source->notifier();
    co_return;
  });
  notifier->notify();
  source.reset();
  notifier->notify();
  notifier.reset();
}

TEST_CASE("external_source: misuse") {
  CHECK_THROWS_AS(external_source(), std::logic_error);
  run([]() -> task<> {
    external_source source;
    external_notifier notifier = source.notifier();
    const external_notifier other = std::move(notifier);
    CHECK_THROWS_AS(notifier.notify(), std::logic_error);
    std::string text;
    std::thread([&] {
      try {
        (void)source.notifier();
      } catch (const std::logic_error& error) {
        text = error.what();
      }
    }).join();
    CHECK_THAT(text, contains_text("another thread than its own"));
    co_return;
  });
}

namespace {

const external_notifier* for_the_handler = nullptr;

extern "C" void on_signal(int) {
  for_the_handler->notify();
}

}  // namespace

TEST_CASE("external_source: from a signal handler") {
  for (const io_choice choice : ways_to_sleep()) {
    run(options_of(choice), [choice]() -> task<> {
      co_await start_engine(choice);
      external_source source;
      const external_notifier notifier = source.notifier();
      for_the_handler = &notifier;
      const auto before = std::signal(SIGUSR1, on_signal);
      threads others;
      others.start([] {
        std::this_thread::sleep_for(2ms);
        ::kill(::getpid(), SIGUSR1);
      });
      co_await source.wait();
      std::raise(SIGUSR1);
      co_await source.wait();
      std::signal(SIGUSR1, before);
    });
  }
}

TEST_CASE("external_source: a host that sleeps in poll_fd is woken") {
  for (const io_choice choice : ways_to_sleep()) {
    for (const bool engine_first : {true, false}) {
      CAPTURE(static_cast<int>(choice), engine_first);
      scheduler s(options_of(choice));
      if (engine_first) {
        s.spawn(start_engine, choice);
        CHECK(s.run() == run_result::all_ended);
      }
      external_source source(s, "host's");
      int times = 0;
      s.spawn([&]() -> task<> {
        for (; times < 3; ++times) co_await source.wait();
      });
      s.spawn(start_engine, choice);
      const external_notifier notifier = source.notifier();
      const int descriptor = s.poll_fd();
      CHECK(s.run_ready() == run_result::idle);
      for (int i = 0; i < 3; ++i) {
        while (readable_within(descriptor, 3)) (void)s.run_ready();
        CHECK(times == i);
        std::thread([&] { notifier.notify(); }).join();
        REQUIRE(readable_within(descriptor, 5'000));
        (void)s.run_ready();
      }
      while (s.run_ready() != run_result::all_ended) REQUIRE(readable_within(descriptor, 5'000));
      CHECK(times == 3);
      // The engine may still have something of its own to look at, but not for ever.
      int rounds = 0;
      while (readable_within(descriptor, 2) && ++rounds < 100)
        CHECK(s.run_ready() == run_result::all_ended);
      CHECK(rounds < 100);
    }
  }
}

TEST_CASE("external_source: many threads notify many tasklets, and nothing is lost") {
  constexpr int makers = 4;
  const int rounds = 1'000 * threads_test::scale;
  for (const io_choice choice : ways_to_sleep()) {
    std::array<std::atomic<int>, makers> made{};
    int seen = 0;
    run(options_of(choice), [&]() -> task<> {
      co_await start_engine(choice);
      threads others;
      external_source source("work");
      for (int i = 0; i < makers; ++i) {
        auto& mine = made[static_cast<std::size_t>(i)];
        others.start([&mine, last = rounds, i, notifier = source.notifier()] {
          for (int n = 0; n < last; ++n) {
            mine.fetch_add(1, std::memory_order_relaxed);
            notifier.notify();
            if (n % (50 + i) == 0) std::this_thread::yield();
            if (n % 1'000 == 999) std::this_thread::sleep_for(50us);  // the loop falls asleep
          }
        });
      }
      // Some timers beside, so that it wakes for other reasons too.
      spawn_daemon([]() -> task<> {
        for (;;) co_await sleep_for(20us);
      });
      try {
        for (;;) {
          co_await source.wait();
          seen = 0;
          for (const auto& m : made) seen += m.load(std::memory_order_relaxed);
        }
      } catch (const channel_closed&) {
      }
    });
    CHECK(seen == makers * rounds);
  }
}

TEST_CASE("external_source: schedulers end while others notify") {
  for (int i = 0; i < 20 * threads_test::scale; ++i) {
    threads others;
    run([&]() -> task<> {
      external_source source;
      for (int t = 0; t < 2; ++t)
        others.start([notifier = source.notifier()] {
          for (int n = 0; n < 50; ++n) notifier.notify();
        });
      co_await source.wait();
    });
  }
}
