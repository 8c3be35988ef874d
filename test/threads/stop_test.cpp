#include <stackless/detail/config.hpp>

#include "catch.hpp"
#include "support.hpp"

#include <atomic>
#include <csignal>
#include <optional>
#include <stdexcept>
#include <stop_token>
#include <utility>

#include <poll.h>
#include <unistd.h>

using namespace std::chrono_literals;
using namespace stackless;
using threads_test::options_of;
using threads_test::start_engine;
using threads_test::threads;
using threads_test::ways_to_sleep;

namespace {

struct says_goodbye {
  int& count;
  ~says_goodbye() { ++count; }
};

}  // namespace

TEST_CASE("request_stop: a thread ends a run that sleeps, or that never does") {
  for (const bool sleeps : {true, false}) {
    for (const io_choice choice : ways_to_sleep()) {
      CAPTURE(sleeps, static_cast<int>(choice));
      int ended = 0;
      threads others;
      const auto body = [&]() -> task<> {
        co_await start_engine(choice);
        others.start([stop = get_stop_handle()] {
          std::this_thread::sleep_for(2ms);
          (void)stop.request_stop();
        });
        const auto works = [&]() -> task<> {
          const says_goodbye guard{ended};
          for (;;) {
            if (sleeps) {
              co_await sleep_for(1h);
            } else {
              co_await yield();
            }
          }
        };
        spawn(works);
        co_await works();
      };
      CHECK_THROWS_AS(run(options_of(choice), body), run_stopped);
      CHECK(ended == 2);
    }
  }
}

TEST_CASE("request_stop: main's result stands when it had ended") {
  const int result = run([]() -> task<int> {
    spawn([]() -> task<> {
      const stop_handle stop = get_stop_handle();
      co_await yield();
      co_await yield();
      stop.request_stop();
      co_await sleep_for(1h);
    });
    co_return 3;
  });
  CHECK(result == 3);
}

TEST_CASE("request_stop: keeps no deadlock from being one, and outlives the scheduler") {
  std::optional<stop_handle> stop;
  const auto body = [&]() -> task<> {
    stop = get_stop_handle();
    channel<int> never;
    (void)co_await never.receive();
  };
  CHECK_THROWS_AS(run(body), deadlock_error);
  CHECK_FALSE(stop->request_stop());
  CHECK_THROWS_AS(get_stop_handle(), std::logic_error);
}

TEST_CASE("request_stop: one that has come goes before a deadlock") {
  const auto body = []() -> task<> {
    channel<int> never;
    get_stop_handle().request_stop();
    (void)co_await never.receive();
  };
  CHECK_THROWS_AS(run(body), run_stopped);
}

TEST_CASE("request_stop: who is in a shield ends what it does there") {
  bool finished = false;
  threads others;
  const auto body = [&]() -> task<> {
    others.start([stop = get_stop_handle()] { stop.request_stop(); });
    co_await shield([&]() -> task<> {
      co_await sleep_for(10ms);
      finished = true;
    });
    co_await sleep_for(1h);
  };
  CHECK_THROWS_AS(run(body), run_stopped);
  CHECK(finished);
}

TEST_CASE("request_stop: of a host's scheduler") {
  for (const io_choice choice : ways_to_sleep()) {
    scheduler s(options_of(choice));
    int ended = 0;
    s.spawn([&]() -> task<> {
      const says_goodbye guard{ended};
      co_await sleep_for(1h);
    });
    const int descriptor = s.poll_fd();
    CHECK(s.run_ready() == run_result::idle);
    std::thread([&s] { s.request_stop(); }).join();
    pollfd entry{descriptor, POLLIN, 0};
    REQUIRE(::poll(&entry, 1, 5'000) == 1);
    CHECK(s.run_ready() == run_result::all_ended);
    CHECK(ended == 1);
    const auto t = s.spawn([]() -> task<int> { co_return 1; });  // it can be used again
    CHECK(s.run() == run_result::all_ended);
    CHECK(t.alive() == false);
  }
}

namespace {

const stop_handle* for_the_handler = nullptr;
extern "C" void stop_on_signal(int) {
  (void)for_the_handler->request_stop();
}

}  // namespace

TEST_CASE("request_stop: from a signal handler") {
  const auto before = std::signal(SIGUSR2, stop_on_signal);
  threads others;
  const auto body = [&]() -> task<> {
    const stop_handle stop = get_stop_handle();
    for_the_handler = &stop;
    others.start([] {
      std::this_thread::sleep_for(2ms);
      ::kill(::getpid(), SIGUSR2);
    });
    co_await sleep_for(1h);
  };
  CHECK_THROWS_AS(run(body), run_stopped);
  std::signal(SIGUSR2, before);
}

// std::stop_token
// ---------------------------------------------------------------------------------------

TEST_CASE("stop_token: a stop in another thread cancels a linked scope") {
  for (const io_choice choice : ways_to_sleep()) {
    run(options_of(choice), []() -> task<> {
      threads others;
      std::stop_source source;
      channel<int> never;
      others.start([source]() mutable {
        std::this_thread::sleep_for(2ms);
        source.request_stop();
      });
      std::string reason;
      const bool ran = co_await with_cancel_scope([&](cancel_scope& scope) -> task<> {
        scope.link(source.get_token());
        try {
          (void)co_await never.receive();  // no deadlock: somebody may stop it
        } catch (const cancelled& error) {
          reason = error.reason();
          throw;
        }
      });
      CHECK_FALSE(ran);
      CHECK(reason == "a stop was requested");
    });
  }
}

TEST_CASE("stop_token: one that was stopped before, and one that never can be") {
  run([]() -> task<> {
    std::stop_source source;
    source.request_stop();
    CHECK_FALSE(co_await with_cancel_scope([&](cancel_scope& scope) -> task<> {
      scope.link(source.get_token());
      CHECK(scope.is_cancelled());
      co_await checkpoint();
    }));
    const auto linked_to_nothing = []() -> task<> {
      co_await with_cancel_scope([](cancel_scope& scope) -> task<> {
        scope.link(std::stop_token());
        channel<int> never;
        (void)co_await never.receive();
      });
    };
    CHECK_THROWS_AS(co_await linked_to_nothing(), deadlock_error);
  });
}

TEST_CASE("stop_token: when its last source is gone, a wait in the scope can be a deadlock") {
  const auto body = []() -> task<> {
    co_await with_cancel_scope([](cancel_scope& scope) -> task<> {
      scope.link(std::stop_source().get_token());
      channel<int> never;
      (void)co_await never.receive();
    });
  };
  CHECK_THROWS_AS(run(body), deadlock_error);
}

TEST_CASE("stop_token: several links, and scopes that end before the stop") {
  run([]() -> task<> {
    std::stop_source first;
    std::stop_source second;
    co_await with_cancel_scope([&](cancel_scope& scope) -> task<> {
      scope.link(first.get_token());
      scope.link(second.get_token());
      co_await yield();
    });
    CHECK_FALSE(co_await with_cancel_scope([&](cancel_scope& scope) -> task<> {
      scope.link(first.get_token());
      scope.link(second.get_token());
      second.request_stop();  // in this very thread
      co_await sleep_for(1h);
    }));
    first.request_stop();  // nobody is there
    co_await yield();
  });
}

TEST_CASE("stop_token: out of a scope, seen by another thread") {
  run([]() -> task<> {
    threads others;
    std::atomic<bool> seen = false;
    co_await with_cancel_scope([&](cancel_scope& scope) -> task<> {
      others.start([token = scope.stop_token(), &seen] {
        while (!token.stop_requested()) std::this_thread::yield();
        seen = true;
      });
      scope.cancel();
      co_return;
    });
    others.join();
    CHECK(seen);
  });
}

TEST_CASE("stop_token: stops race with the ends of scopes") {
  for (int i = 0; i < 30 * threads_test::scale; ++i) {
    std::stop_source source;
    threads others;
    run([&]() -> task<> {
      others.start([source]() mutable { source.request_stop(); });
      co_await with_cancel_scope([&](cancel_scope& scope) -> task<> {
        scope.link(source.get_token());
        co_await yield();
      });
    });
  }
}

TEST_CASE("stop_token: a stop that goes round through the scopes it is linked to") {
  run([]() -> task<> {
    std::stop_source source;
    std::string log;
    CHECK_FALSE(co_await with_cancel_scope([&](cancel_scope& outer) -> task<> {
      outer.link(source.get_token());
      co_await with_cancel_scope([&](cancel_scope& inner) -> task<> {
        // Each is linked to the other, and to itself.
        inner.link(outer.stop_token());
        outer.link(inner.stop_token());
        inner.link(inner.stop_token());
        // Whoever is told of a stop asks for it again, for others, and for one more link.
        std::stop_source late;
        late.request_stop();
        const std::stop_callback again(inner.stop_token(), [&] {
          log += 'i';
          (void)source.request_stop();
          outer.cancel("again");
          inner.link(late.get_token());
          inner.link(source.get_token());
        });
        inner.cancel("first");
        co_await checkpoint();
      });
      log += 'o';  // the outer one was cancelled too, and takes it
    }));
    CHECK(log == "i");
  });
}

TEST_CASE("stop_token: a deadline's stop may set another, and ends its scope's links") {
  // In real time: while a stop may come from another thread virtual time stands still.
  run([]() -> task<> {
    std::stop_source source;
    int told = 0;
    CHECK_FALSE(co_await with_cancel_scope([&](cancel_scope& scope) -> task<> {
      scope.link(source.get_token());
      scope.set_deadline(now() + 2ms);
      const std::stop_callback on_stop(scope.stop_token(), [&] {
        ++told;
        scope.set_deadline(now() + 1h);
        scope.remove_deadline();
        (void)source.request_stop();
      });
      co_await sleep_for(1h);
    }));
    CHECK(told == 1);
  });
}

TEST_CASE("stop_token: stops in other threads, while nested scopes link and unlink them") {
  for (int i = 0; i < 10 * threads_test::scale; ++i) {
    std::vector<std::stop_source> sources(4);
    std::atomic<bool> over = false;
    threads others;
    run([&]() -> task<> {
      for (int t = 0; t < 2; ++t)
        others.start([&sources, &over, t]() {
          for (std::size_t n = 0; n < sources.size(); ++n) {
            for (int spin = 0; spin < 40 && !over; ++spin) std::this_thread::yield();
            sources[(n + static_cast<std::size_t>(2 * t)) % sources.size()].request_stop();
          }
        });
      co_await with_nursery([&](nursery& n) -> task<> {
        for (std::size_t first = 0; first < sources.size(); ++first)
          n.spawn([&, first]() -> task<> {
            for (int round = 0; round < 40; ++round) {
              co_await with_cancel_scope([&](cancel_scope& outer) -> task<> {
                outer.link(sources[first].get_token());
                outer.link(sources[(first + 1) % sources.size()].get_token());
                co_await with_cancel_scope([&](cancel_scope& inner) -> task<> {
                  inner.link(outer.stop_token());
                  inner.link(sources[(first + 2) % sources.size()].get_token());
                  co_await yield();
                });
                outer.cancel();  // its links are still there, and the stops may be on their way
              });
            }
          });
        co_return;
      });
      over = true;
    });
    others.join();
    for (std::stop_source& source : sources) CHECK(source.stop_requested());
  }
}
