#include "catch.hpp"
#include "support.hpp"

#include <atomic>
#include <coroutine>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <utility>

using namespace std::chrono_literals;
using namespace stackless;
using threads_test::options_of;
using threads_test::start_engine;
using threads_test::threads;
using threads_test::ways_to_sleep;

namespace {

/// An awaitable of another library: it completes in a thread, at once, or when it is told.
struct from_thread {
  threads& others;
  int value;
  std::chrono::microseconds delay{500};

  static bool await_ready() noexcept { return false; }
  void await_suspend(std::coroutine_handle<> h) const {
    others.start([h, time = delay] {
      std::this_thread::sleep_for(time);
      h.resume();
    });
  }
  int await_resume() const { return value; }
};

struct by_hand {
  std::coroutine_handle<>& place;
  static bool await_ready() noexcept { return false; }
  void await_suspend(std::coroutine_handle<> h) const noexcept { place = h; }
  static void await_resume() noexcept {}
};

struct wrapped {
  from_thread inner;
  from_thread operator co_await() const noexcept { return inner; }
};
struct freely_wrapped {
  from_thread inner;
};
from_thread operator co_await(const freely_wrapped& w) noexcept {
  return w.inner;
}

enum class way { ready, not_suspended, itself, at_once, throws, another };

struct special {
  way how;
  bool await_ready() const noexcept { return how == way::ready; }
  std::coroutine_handle<> await_suspend(std::coroutine_handle<> h) const {
    if (how == way::itself) return h;
    if (how == way::throws) throw std::range_error("not today");
    h.resume();
    return std::noop_coroutine();
  }
  int await_resume() const noexcept { return static_cast<int>(how); }
};
struct special_bool {
  static bool await_ready() noexcept { return false; }
  static bool await_suspend(std::coroutine_handle<>) noexcept { return false; }
  static int await_resume() noexcept { return 7; }
};

}  // namespace

TEST_CASE("foreign awaitables: completed in another thread, resumed in ours") {
  for (const io_choice choice : ways_to_sleep()) {
    run(options_of(choice), [choice]() -> task<> {
      co_await start_engine(choice);
      threads others;
      const auto here = std::this_thread::get_id();
      CHECK(co_await from_thread{others, 1} == 1);
      CHECK(std::this_thread::get_id() == here);
      const from_thread named{others, 2};
      CHECK(co_await named == 2);
      CHECK(co_await wrapped{{others, 3}} == 3);
      const freely_wrapped free{{others, 4}};
      CHECK(co_await free == 4);
    });
  }
}

TEST_CASE("foreign awaitables: every way not to suspend") {
  run([]() -> task<> {
    CHECK(co_await special{way::ready} == 0);
    CHECK(co_await special{way::itself} == static_cast<int>(way::itself));
    CHECK(co_await special{way::at_once} == static_cast<int>(way::at_once));
    CHECK(co_await special_bool{} == 7);
    CHECK_THROWS_AS(co_await special{way::throws}, std::range_error);
    // None of them is still believed in.
    CHECK(snapshot().sources.foreign == 0);
  });
}

TEST_CASE("foreign awaitables: one in flight is a source, and is shown") {
  std::coroutine_handle<> place;
  scheduler s;
  s.spawn([&]() -> task<> { co_await by_hand{place}; });
  CHECK(s.run_ready() == run_result::idle);
  const snapshot_data data = s.snapshot();
  CHECK(data.sources.foreign == 1);
  CHECK(data.tasklets.at(0).waits.operation == operation_kind::foreign);
  CHECK(data.objects.at(0).kind == object_kind::foreign);
  CHECK_THAT(to_text(data), contains_text("foreign await of"));
  CHECK_THAT(to_text(data), contains_text("by_hand"));
  CHECK(to_json(data).find("\"foreign\"") != std::string::npos);
  place.resume();
  CHECK(s.run_ready() == run_result::all_ended);
}

TEST_CASE("foreign awaitables: a kill stays pending until it completes") {
  std::coroutine_handle<> place;
  run([&]() -> task<> {
    bool went_on = false;
    const auto t = spawn([&]() -> task<> {
      co_await by_hand{place};
      went_on = true;
    });
    co_await yield();
    t.kill_pending();
    co_await yield();
    CHECK(t.alive());
    place.resume();
    CHECK_THROWS_AS(co_await t.join(), tasklet_killed);
    CHECK_FALSE(went_on);
  });
}

TEST_CASE("foreign awaitables: a limit cancels what comes after them, the result stands") {
  for (const bool limit_first : {true, false}) {
    run([&]() -> task<> {
      threads others;
      int got = 0;
      const auto body = [&]() -> task<> {
        got = co_await from_thread{others, 9, limit_first ? 5'000us : 100us};
        co_await sleep_for(1h);
      };
      CHECK_FALSE(co_await move_on_after(limit_first ? 1ms : 20ms, body));
      CHECK(got == 9);
    });
  }
}

TEST_CASE("foreign awaitables: a daemon that wakes nobody hides no deadlock with one") {
  static std::coroutine_handle<> place;
  threads others;
  const auto body = [&]() -> task<> {
    spawn_daemon(wakes_nobody, []() -> task<> { co_await by_hand{place}; });
    co_await yield();
    channel<int> never;
    CHECK_THROWS_AS(co_await never.receive(), deadlock_error);
    others.start([h = place] {
      std::this_thread::sleep_for(2ms);
      h.resume();
    });
  };
  run(body);  // the daemon's end is waited for
}

TEST_CASE("foreign awaitables: destroyed by the other side") {
  run([]() -> task<> {
    std::coroutine_handle<> place;
    const auto t = spawn([&]() -> task<> { co_await by_hand{place}; });
    co_await yield();
    place.destroy();
    CHECK_THROWS_AS(co_await t.join(), object_gone);
  });
}

TEST_CASE("foreign awaitables: many at a time") {
  const int rounds = 20 * threads_test::scale;
  for (const io_choice choice : ways_to_sleep()) {
    int sum = 0;
    run(options_of(choice), [&]() -> task<> {
      threads others;
      const auto works = [&](int i) -> task<> {
        sum += co_await from_thread{others, i, std::chrono::microseconds(i % 7)};
      };
      std::vector<tasklet<>> all;
      for (int i = 0; i < rounds; ++i) all.push_back(spawn(works, 1));
      for (const auto& t : all) co_await t.join();
    });
    CHECK(sum == rounds);
  }
}

// await_callback
// ----------------------------------------------------------------------------------------

TEST_CASE("await_callback: called in another thread, at once, or twice") {
  for (const io_choice choice : ways_to_sleep()) {
    run(options_of(choice), []() -> task<> {
      threads others;
      const auto later = co_await await_callback<std::unique_ptr<int>>([&](auto done) {
        others.start([done] {
          std::this_thread::sleep_for(1ms);
          done(std::make_unique<int>(5));
          done(std::make_unique<int>(6));  // too late
        });
      });
      CHECK(*later == 5);
      CHECK(co_await await_callback<int>([](callback<int> done) { done(1); }) == 1);
      std::function<void()> kept;
      const auto t = spawn([&]() -> task<> {
        co_await await_callback([&](callback<void> done) { kept = [done] { done(); }; });
      });
      co_await yield();
      CHECK(t.blocked());
      kept();
      co_await t.join();
      kept();  // the await is over
    });
  }
}

TEST_CASE("await_callback: errors") {
  run([]() -> task<> {
    const auto fails = [](callback<int> done) {
      done.fail(std::make_exception_ptr(std::range_error("no")));
      done(1);
    };
    CHECK_THROWS_AS(co_await await_callback<int>(fails), std::range_error);
    const auto raises = [](callback<int>) { throw std::overflow_error("not started"); };
    CHECK_THROWS_AS(co_await await_callback<int>(raises), std::overflow_error);
    const auto raises_late = [](callback<int> done) {
      done(1);
      throw std::overflow_error("started");
    };
    CHECK_THROWS_AS(co_await await_callback<int>(raises_late), std::overflow_error);
    std::optional<callback<int>> kept;
    const auto keeps_and_raises = [&](callback<int> done) {
      kept = done;
      throw std::overflow_error("kept");
    };
    CHECK_THROWS_AS(co_await await_callback<int>(keeps_and_raises), std::overflow_error);
    CHECK_FALSE((*kept)(1));
    const auto forgets = [](callback<int>) {};
    std::string text;
    try {
      (void)co_await await_callback<int>(forgets);
    } catch (const channel_closed& error) {
      text = error.what();
    }
    CHECK_THAT(text, contains_text("the callback was dropped"));
    const auto misuses = [](callback<int> done) {
      CHECK_THROWS_AS(done.fail(nullptr), std::logic_error);
      const callback<int> other = std::move(done);
      CHECK_THROWS_AS(done(1), std::logic_error);
      other(2);
    };
    CHECK(co_await await_callback<int>(misuses) == 2);
  });
}

TEST_CASE("await_callback: a kill waits for the callback, and the report shows what is awaited") {
  run([]() -> task<> {
    std::optional<callback<int>> kept;
    const auto t = spawn([&]() -> task<> {
      (void)co_await await_callback<int>([&](callback<int> done) { kept = done; });
    });
    co_await yield();
    CHECK_THAT(to_text(snapshot()), contains_text("of callback<int>"));
    t.kill_pending();
    co_await yield();
    CHECK(t.alive());
    (*kept)(1);
    CHECK_THROWS_AS(co_await t.join(), tasklet_killed);
  });
}
