#include "catch.hpp"
#include "support.hpp"
#include "threads/offload_pool.hpp"

#include <algorithm>
#include <atomic>
#include <functional>
#include <memory>
#include <semaphore>
#include <stdexcept>
#include <string>
#include <utility>

#include <pthread.h>
#include <signal.h>

using namespace std::chrono_literals;
using namespace stackless;
using threads_test::options_of;
using threads_test::start_engine;
using threads_test::threads;
using threads_test::ways_to_sleep;

namespace {

/// The process has so many threads for the scope.
class thread_limit {
 public:
  explicit thread_limit(std::size_t most) : before_(offload_threads()) {
    set_offload_threads(most);
  }
  thread_limit(const thread_limit&) = delete;
  thread_limit& operator=(const thread_limit&) = delete;
  ~thread_limit() { set_offload_threads(before_); }

 private:
  std::size_t before_;
};

using gate = std::counting_semaphore<>;

task<> until(const std::atomic<bool>& flag) {
  while (!flag) co_await sleep_for(100us);
}

std::string joined(std::string a, const std::string& b) {
  return std::move(a) + b;
}

struct message {
  int id;
  std::string text;
};

}  // namespace

TEST_CASE("offload: results, arguments, threads") {
  for (const io_choice choice : ways_to_sleep()) {
    run(options_of(choice), [choice]() -> task<> {
      co_await start_engine(choice);
      const auto here = std::this_thread::get_id();
      const auto there = co_await offload([] { return std::this_thread::get_id(); });
      CHECK(there != here);
      CHECK(std::this_thread::get_id() == here);

      const std::string name = "a name that is too long for a small string";
      CHECK(co_await offload(joined, name, "!") == name + "!");
      std::unique_ptr<int> given = std::make_unique<int>(1);
      const auto back = co_await offload(
          [](std::unique_ptr<int> p) {
            ++*p;
            return p;
          },
          std::move(given)
      );
      CHECK(*back == 2);
      const message m{1, name};
      CHECK(co_await offload([](const message& of) { return of.text; }, m) == name);
      const auto owns = [name] { return name.size(); };
      CHECK(co_await offload(owns) == name.size());

      int number = 1;
      co_await offload([](int& n) { n = 2; }, std::ref(number));
      CHECK(number == 2);
      co_await offload([](int& n) { n = 3; }, borrow(number));
      CHECK(number == 3);
      int& same = co_await offload([&]() -> int& { return number; });
      CHECK(&same == &number);
      CHECK(co_await offload(&message::id, m) == 1);
    });
  }
}

TEST_CASE("offload: an operation keeps its arguments until it is awaited, and only once") {
  run([]() -> task<> {
    auto later = offload(joined, std::string(40, 'a'), std::string(40, 'b'));
    co_await yield();
    CHECK((co_await later).size() == 80);
    std::string text;
    try {
      (void)co_await later;
    } catch (const std::logic_error& error) {
      text = error.what();
    }
    CHECK_THAT(text, contains_text("was awaited before"));
  });
}

TEST_CASE("offload: errors are rethrown") {
  run([]() -> task<> {
    CHECK_THROWS_AS(co_await offload([] { throw std::range_error("no"); }), std::range_error);
    const auto t = spawn([]() -> task<int> {
      co_return co_await offload([]() -> int { throw std::overflow_error("no"); });
    });
    CHECK_THROWS_AS(co_await t.join(), std::overflow_error);
  });
}

TEST_CASE("offload: misuse says so") {
  CHECK_THROWS_AS(set_offload_threads(0), std::logic_error);
  run([]() -> task<> {
    // The scheduler is not to be had in another thread.
    CHECK_THROWS_AS(co_await offload([] { (void)this_tasklet::id(); }), std::logic_error);
    CHECK_THROWS_AS(
        co_await offload([] { (void)spawn([]() -> task<> { co_return; }); }), std::logic_error
    );
    // But one may have its own.
    CHECK(co_await offload([] { return run([]() -> task<int> { co_return 5; }); }) == 5);
  });
}

TEST_CASE("offload: the others run meanwhile, and it is no deadlock that they wait") {
  for (const io_choice choice : ways_to_sleep()) {
    gate open(0);
    run(options_of(choice), [&]() -> task<> {
      co_await start_engine(choice);
      channel<int> ch;
      const auto works = [&]() -> task<> {
        co_await offload([&] {
          open.acquire();
          std::this_thread::sleep_for(2ms);
        });
        co_await ch.send(7);
      };
      const auto t = spawn(works);
      co_await yield();
      CHECK(snapshot().sources.foreign == 1);
      open.release();
      CHECK(co_await ch.receive() == 7);
      co_await t.join();
      CHECK(snapshot().sources.foreign == 0);
      CHECK_THROWS_AS(co_await ch.receive(), deadlock_error);
    });
  }
}

TEST_CASE("offload: a daemon that wakes nobody hides no deadlock with its work") {
  gate open(0);
  run([&]() -> task<> {
    // Named: how long the name of a lambda in a test is depends on the test library.
    spawn_daemon(wakes_nobody, "helper", [&]() -> task<> {
      co_await offload([&] { open.acquire(); });
    });
    co_await yield();
    channel<int> never;
    std::string report;
    try {
      (void)co_await never.receive();
    } catch (const deadlock_error& error) {
      report = error.what();
    }
    CHECK_THAT(report, contains_text("#2 helper   offloaded work"));
    open.release();
  });  // its end is waited for
}

TEST_CASE("offload: a snapshot shows what runs, what waits for a thread, and where") {
  const thread_limit one(1);
  gate open(0);
  scheduler s;
  const auto works = [&]() -> task<> { co_await offload([&] { open.acquire(); }); };
  std::atomic<bool> runs = false;
  s.spawn([&]() -> task<> {
    co_await offload([&] {
      runs = true;
      open.acquire();
    });
  });
  s.spawn(works);
  CHECK(s.run_ready() == run_result::idle);
  while (!runs) std::this_thread::yield();
  const snapshot_data data = s.snapshot();
  REQUIRE(data.tasklets.size() == 2);
  CHECK(data.tasklets[0].waits.operation == operation_kind::foreign);
  REQUIRE(data.objects.size() == 2);
  CHECK(data.objects[0].kind == object_kind::offload);
  CHECK(data.objects[0].type == "offloaded work");
  CHECK(data.objects[1].type == "offloaded work, which waits for a free thread");
  const std::string text = to_text(data);
#if STACKLESS_TRACKING  // else they look alike, and are shown as a group
  CHECK_THAT(text, contains_text("offloaded work, which waits for a free thread"));
  CHECK_THAT(text, contains_text("offload_test.cpp:"));
#endif
  CHECK_THAT(text, !contains_text("foreign await"));
  CHECK_THAT(to_json(data), contains_text("\"offload\""));
  open.release(2);
  CHECK(s.run() == run_result::all_ended);
}

TEST_CASE("offload: the program's signals are not for its threads, faults are") {
  sigset_t before;
  ::pthread_sigmask(SIG_SETMASK, nullptr, &before);
  run([]() -> task<> {
    sigset_t there;
    co_await offload([&] { ::pthread_sigmask(SIG_SETMASK, nullptr, &there); });
    for (const int signal : {SIGINT, SIGTERM, SIGCHLD, SIGALRM, SIGUSR1})
      CHECK(::sigismember(&there, signal) == 1);
    for (const int fault : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT})
      CHECK(::sigismember(&there, fault) == 0);
  });
  sigset_t after;
  ::pthread_sigmask(SIG_SETMASK, nullptr, &after);
  for (const int signal : {SIGINT, SIGTERM, SIGSEGV})
    CHECK(::sigismember(&before, signal) == ::sigismember(&after, signal));
}

TEST_CASE("offload: first come, first served, on a bounded number of threads") {
  {
    const thread_limit one(1);
    std::string order;
    run([&]() -> task<> {
      gate open(0);
      const auto works = [&](char c) -> task<> {
        co_await offload([&, c] {
          if (c == 'a') open.acquire();
          order += c;  // one thread
        });
      };
      std::vector<tasklet<>> all;
      for (const char c : {'a', 'b', 'c', 'd', 'e', 'f'}) all.push_back(spawn(works, c));
      co_await yield();
      all[2].kill_pending();  // 'c' has not begun
      open.release();
      for (const auto& t : all) {
        if (t.alive()) {
          try {
            co_await t.join();
          } catch (const tasklet_killed&) {
          }
        }
      }
    });
    CHECK(order == "abdef");
  }
  for (const std::size_t most : {std::size_t{1}, std::size_t{3}}) {
    const thread_limit limit(most);
    std::atomic<int> now = 0;
    std::atomic<int> highest = 0;
    run([&]() -> task<> {
      const auto works = [&]() -> task<> {
        co_await offload([&] {
          const int running = ++now;
          for (int h = highest; h < running && !highest.compare_exchange_weak(h, running);) {
          }
          std::this_thread::sleep_for(1ms);
          --now;
        });
      };
      std::vector<tasklet<>> all;
      for (int i = 0; i < 20; ++i) all.push_back(spawn(works));
      for (const auto& t : all) co_await t.join();
    });
    CHECK(highest <= static_cast<int>(most));
    CHECK(highest >= 1);
  }
}

TEST_CASE("offload: more threads are started when the limit is raised") {
  gate open(0);
  const thread_limit outer(1);
  run([&]() -> task<> {
    const auto works = [&]() -> task<> { co_await offload([&] { open.acquire(); }); };
    const auto a = spawn(works);
    std::atomic<bool> second = false;
    const auto b = spawn([&]() -> task<> { co_await offload([&] { second = true; }); });
    co_await sleep_for(2ms);
    CHECK_FALSE(second);
    set_offload_threads(2);
    co_await b.join();
    CHECK(second);
    open.release();
    co_await a.join();
  });
}

TEST_CASE("offload: work that has not begun is taken back by a cancellation and by a kill") {
  const thread_limit one(1);
  gate open(0);
  run([&]() -> task<> {
    std::atomic<bool> runs = false;
    std::atomic<int> done = 0;
    const auto holds = spawn([&]() -> task<> {
      co_await offload([&] {
        runs = true;
        open.acquire();
      });
    });
    co_await until(runs);
    const auto waits = [&]() -> task<> { co_await offload([&] { ++done; }); };
    CHECK_FALSE(co_await move_on_after(1ms, waits));
    const auto killed = spawn(waits);
    const auto kept = spawn(waits);
    co_await yield();
    co_await killed.kill();
    CHECK_FALSE(killed.alive());
    CHECK(snapshot().sources.foreign == 2);
    open.release();
    co_await kept.join();
    co_await holds.join();
    CHECK(done == 1);
  });
}

TEST_CASE("offload: work that has begun is waited for, its result stands") {
  run([]() -> task<> {
    int got = 0;
    std::atomic<bool> begun = false;
    bool ended = false;
    gate open(0);
    co_await stackless::with_cancel_scope([&](stackless::cancel_scope& scope) -> task<> {
      const auto canceller = spawn([&]() -> task<> {
        co_await until(begun);
        scope.cancel("the work has begun");
        open.release();
      });
      got = co_await offload([&] {
        begun = true;
        open.acquire();
        ended = true;
        return 9;
      });
      co_await sleep_for(1h);
    });
    CHECK(ended);
    CHECK(got == 9);
    const auto quick = [&]() -> task<> { co_await offload([] {}); };
    CHECK(co_await move_on_after(1h, quick));
  });
}

TEST_CASE("offload: a kill is raised when the work has ended") {
  gate open(0);
  run([&]() -> task<> {
    std::atomic<bool> runs = false;
    bool went_on = false;
    const auto t = spawn([&]() -> task<> {
      co_await offload([&] {
        runs = true;
        open.acquire();
      });
      went_on = true;
    });
    co_await until(runs);
    t.kill_pending();
    co_await yield();
    CHECK(t.alive());
    open.release();
    CHECK_THROWS_AS(co_await t.join(), tasklet_killed);
    CHECK_FALSE(went_on);
  });
}

TEST_CASE("offload: a stop token is told of cancellations and kills") {
  std::atomic<bool> begun = false;
  const auto waits_for_stop = [&begun](std::stop_token token, int step) {
    begun = true;
    int rounds = 0;
    for (; !token.stop_requested(); rounds += step) std::this_thread::sleep_for(100us);
    return rounds;
  };
  run([&]() -> task<> {
    int rounds = -1;
    CHECK_FALSE(co_await with_cancel_scope([&](cancel_scope& scope) -> task<> {
      const auto cancels = [&]() -> task<> {
        while (!begun) co_await sleep_for(1ms);
        scope.cancel();
      };
      const auto canceller = spawn(cancels);
      rounds = co_await offload(waits_for_stop, 1);
      co_await canceller.join();
    }));
    CHECK(rounds >= 0);
    begun = false;
    const auto t = spawn([&]() -> task<> { (void)co_await offload(waits_for_stop, 1); });
    while (!begun) co_await sleep_for(1ms);
    t.kill_pending();
    CHECK_THROWS_AS(co_await t.join(), tasklet_killed);
    CHECK_FALSE(co_await offload([](std::stop_token token) { return token.stop_requested(); }));
  });
}

TEST_CASE("offload: the scheduler's end waits for the work") {
  std::atomic<bool> ended = false;
  std::atomic<bool> runs = false;
  const auto work = [&] {
    runs = true;
    std::this_thread::sleep_for(10ms);
    ended = true;
  };
  const auto works = [&]() -> task<> { co_await offload(work); };
  CHECK_THROWS_AS(
      run([&]() -> task<> {
        (void)spawn(works);
        co_await until(runs);
        throw std::range_error("main fails");
      }),
      std::range_error
  );
  CHECK(ended);

  ended = runs = false;
  {
    scheduler s;
    s.spawn(works);
    CHECK(s.run_ready() == run_result::idle);
    while (!runs) std::this_thread::yield();
    s.shutdown(10s);
    CHECK(ended);
  }
}

TEST_CASE("offload: virtual time stands still meanwhile") {
  scheduler_options options;
  options.clock = clock_choice::virtual_time;
  run(options, []() -> task<> {
    const auto body = [&]() -> task<> {
      co_await offload([] { std::this_thread::sleep_for(5ms); });
    };
    CHECK(co_await move_on_after(1s, body));
  });
}

TEST_CASE("offload: several schedulers, much work") {
  const int rounds = 50 * threads_test::scale;
  std::atomic<int> sum = 0;
  {
    threads others;
    for (const io_choice choice : ways_to_sleep()) {
      others.start([&, choice] {
        run(options_of(choice), [&]() -> task<> {
          co_await start_engine(choice);
          const auto works = [&](int n) -> task<> {
            for (int i = 0; i < n; ++i)
              sum += co_await offload([](std::stop_token, int one) { return one; }, 1);
          };
          std::vector<tasklet<>> all;
          for (int i = 0; i < 20; ++i) all.push_back(spawn(works, rounds / 10));
          all[3].kill_pending();
          for (std::size_t i = 0; i < all.size(); ++i)
            if (i != 3) co_await all[i].join();
        });
      });
    }
  }
  CHECK(sum >= 3 * 19 * (rounds / 10));
}

TEST_CASE("offload: no thread can be started") {
  struct counted_job final : detail::pool_job {
    std::atomic<bool> done = false;
    void run() noexcept override {
      done = true;
      done.notify_one();
    }
  };
  pthread_attr_t usual;
  pthread_attr_t too_large;
  REQUIRE(::pthread_getattr_default_np(&usual) == 0);
  REQUIRE(::pthread_getattr_default_np(&too_large) == 0);
  REQUIRE(::pthread_attr_setstacksize(&too_large, std::size_t{1} << 46U) == 0);
  static auto& pool = *new detail::offload_pool();
  counted_job first;
  counted_job second;

  REQUIRE(::pthread_setattr_default_np(&too_large) == 0);
  CHECK_THROWS_AS(pool.submit(first), std::system_error);
  CHECK_FALSE(pool.is_queued(first));
  REQUIRE(::pthread_setattr_default_np(&usual) == 0);
  pool.submit(first);
  REQUIRE(::pthread_setattr_default_np(&too_large) == 0);
  CHECK_NOTHROW(pool.submit(second));  // there is one: it takes its turn
  REQUIRE(::pthread_setattr_default_np(&usual) == 0);
  first.done.wait(false);
  second.done.wait(false);
  CHECK_FALSE(pool.withdraw(first));
  (void)::pthread_attr_destroy(&usual);
  (void)::pthread_attr_destroy(&too_large);
}
