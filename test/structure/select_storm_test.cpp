// Thousands of selects on the same few objects, the same one twice among their cases, while others
// cancel and kill: nothing is granted twice, and nothing is lost.

#include <stackless/stackless.hpp>
#include <stackless/testing.hpp>

#include "catch.hpp"

#include <chrono>
#include <cstdlib>
#include <memory>
#include <optional>
#include <random>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using namespace stackless;
using stackless::testing::wait_all_blocked;

STACKLESS_TEST("select: lock and lock_shared of one mutex, and neither of them wins") {
  enum class ending { other_case, time_limit, cancelled, killed };
  for (const ending how :
       {ending::other_case, ending::time_limit, ending::cancelled, ending::killed}) {
    shared_mutex m;
    auto_event other;
    auto reading = m.try_lock_shared();
    auto writer = spawn([&]() -> task<> { const auto guard = co_await m.lock(); });
    co_await wait_all_blocked();
    std::vector<std::size_t> won;
    cancel_scope* scope = nullptr;
    auto selects = spawn([&]() -> task<> {
      co_await with_cancel_scope([&](cancel_scope& s) -> task<> {
        scope = &s;
        const auto got = co_await select_first(m.lock(), m.lock_shared(), other.wait(), after(1s));
        won.push_back(got.index());
      });
    });
    co_await wait_all_blocked();
    co_await writer.kill();
    // Now its `lock` is the first in the queue, held up by the reader, and its `lock_shared` is
    // next: it would be let in if the first left alone.
    std::vector<std::size_t> expected;
    switch (how) {
    case ending::other_case:
      other.set();
      expected = {2};
      break;
    case ending::time_limit:
      expected = {3};
      break;
    case ending::cancelled:
      scope->cancel();
      break;
    case ending::killed:
      selects.kill_pending();
      break;
    }
    try {
      co_await selects.join();
      CHECK(how != ending::killed);
    } catch (const tasklet_killed&) {
      CHECK(how == ending::killed);
    }
    CHECK(won == expected);
    CHECK_FALSE(other.is_set());
    reading->unlock();
    CHECK(m.try_lock());  // and no reader is left
  }
}

STACKLESS_TEST("select: an error and a value on one channel, and neither of them is sent") {
  channel<int> c(1);
  (void)c.try_send(0);
  auto_event other;
  int value = 7;
  std::vector<std::size_t> won;
  auto selects = spawn([&]() -> task<> {
    const auto error = std::make_exception_ptr(std::range_error("sent"));
    const auto got =
        co_await select_first(c.send_exception(error), c.send_from(value), other.wait());
    won.push_back(got.index());
  });
  co_await wait_all_blocked();
  CHECK(c.try_receive() == 0);  // the error is first in the queue, and is never buffered
  other.set();
  co_await selects.join();
  CHECK(won == std::vector<std::size_t>{2});
  CHECK(c.balance() == 0);
  CHECK_FALSE(c.try_receive());
}

STACKLESS_TEST("select: those whom a winner lets in run after it") {
  shared_mutex m;
  auto writing = m.try_lock();
  std::vector<std::string> log;
  auto first = spawn([&]() -> task<> {
    const auto got = co_await select_first(m.lock_shared(), m.lock());
    log.push_back("first, case " + std::to_string(got.index()));
  });
  auto second = spawn([&]() -> task<> {
    const auto guard = co_await m.lock_shared();
    log.emplace_back("second");
  });
  co_await wait_all_blocked();
  writing->unlock();
  co_await first.join();
  co_await second.join();
  CHECK(log == std::vector<std::string>{"first, case 0", "second"});
  CHECK(m.try_lock());
}

namespace {

constexpr unsigned workers = 24;
constexpr unsigned rounds = 8;

/// What a storm is about, and who has what of it.
class storm {
 public:
  explicit storm(unsigned seed) : random_(seed), kills_(seed % 2 == 1) {
    for (unsigned i = 0; i < 2; ++i) channels_.emplace_back(below(3));
  }

  task<> run() {
    co_await with_nursery([this](nursery& n) -> task<> {
      std::vector<tasklet<>> all;
      for (unsigned i = 0; i < workers; ++i) all.push_back(n.spawn([this] { return work(); }));
      n.spawn_daemon([this] { return signal(); });
      for (unsigned i = 0; kills_ && i < 6; ++i) {
        co_await sleep_for(milliseconds(12));
        all[below(workers)].kill_pending();
      }
      co_await n.join();
    });
    check();
  }

 private:
  using value = std::unique_ptr<int>;

  unsigned below(unsigned n) { return static_cast<unsigned>(random_() % n); }
  std::chrono::nanoseconds milliseconds(unsigned most) {
    return std::chrono::milliseconds(below(most));
  }

  /// All the time: without it nobody would ever be granted an event.
  task<> signal() {
    for (;;) {
      co_await sleep_for(milliseconds(6));
      if (!signalled_.is_set()) ++signals_;
      signalled_.set();
    }
  }

  task<> work() {
    for (unsigned i = 0; i < rounds; ++i) {
      if (below(3) == 0) {
        co_await move_on_after(milliseconds(4), [this] { return one_select(); });
      } else {
        co_await one_select();
      }
    }
  }

  task<> one_select() {
    switch (below(7)) {
    case 0: {
      const auto got = co_await select(table_.lock(), table_.lock_shared(), after(milliseconds(5)));
      if (got.index() == 0) co_await writes();
      if (got.index() == 1) co_await reads();
      break;
    }
    case 1: {
      const auto got =
          co_await select(table_.lock_shared(), table_.lock(), pool_.acquire(), signalled_.wait());
      if (got.index() == 0) co_await reads();
      if (got.index() == 1) co_await writes();
      if (got.index() == 2) co_await has_unit();
      if (got.index() == 3) ++received_;
      break;
    }
    case 2: {
      const auto got =
          co_await select(first_.lock(), second_.lock(), first_.lock(), after(milliseconds(5)));
      if (got.index() == 3) break;
      co_await owns(got.index() == 1 ? second_inside_ : first_inside_);
      break;
    }
    case 3: {
      const auto got =
          co_await select(signalled_.wait(), pool_.acquire(), signalled_.wait(), pool_.acquire());
      if (got.index() % 2 == 0) ++received_;
      if (got.index() % 2 == 1) co_await has_unit();
      break;
    }
    case 4:
      co_await sends();
      break;
    case 5: {
      auto got = co_await select(
          channels_[0].next(), channels_[1].next(), channels_[0].next(), after(milliseconds(5))
      );
      if (auto* one = std::get_if<0>(&got)) take(std::move(**one));
      if (auto* one = std::get_if<1>(&got)) take(std::move(**one));
      if (auto* one = std::get_if<2>(&got)) take(std::move(**one));
      break;
    }
    default: {
      const auto got = co_await select(table_.lock(), first_.lock(), otherwise());
      if (got.index() == 0) co_await writes();
      if (got.index() == 1) co_await owns(first_inside_);
    }
    }
  }

  task<> sends() {
    auto mine = std::make_unique<int>(made_++);
    seen_.push_back(0);
    std::exception_ptr stopped;
    try {
      (void)co_await select(
          channels_[0].send_from(mine), channels_[1].send_from(mine), channels_[0].send_from(mine),
          after(milliseconds(5))
      );
    } catch (...) {
      stopped = std::current_exception();
    }
    if (mine) take(std::move(mine));  // not sent: it is ours still
    if (stopped) std::rethrow_exception(stopped);
  }
  void take(value v) { ++seen_[static_cast<std::size_t>(*v)]; }

  /// Counts up for as long as the caller's guard is there.
  class inside {
   public:
    explicit inside(int& count) : count_(count) { ++count_; }
    inside(const inside&) = delete;
    inside& operator=(const inside&) = delete;
    ~inside() { --count_; }

   private:
    int& count_;
  };

  task<> stays() {
    if (below(2) == 0) co_await yield();
    if (below(2) == 0) co_await sleep_for(milliseconds(3));
  }
  task<> writes() {
    REQUIRE((writers_ == 0 && readers_ == 0));
    const inside here(writers_);
    co_await stays();
  }
  task<> reads() {
    REQUIRE(writers_ == 0);
    const inside here(readers_);
    co_await stays();
  }
  task<> owns(int& count) {
    REQUIRE(count == 0);
    const inside here(count);
    co_await stays();
  }
  task<> has_unit() {
    REQUIRE(units_ < 2);
    const inside here(units_);
    co_await stays();
  }

  void check() {
    CHECK(table_.try_lock());
    CHECK(first_.try_lock());
    CHECK(second_.try_lock());
    CHECK(pool_.available() == 2);
    for (auto& c : channels_) {
      CHECK(c.balance() == 0);
      while (auto left = c.try_receive()) take(std::move(*left));
    }
    // What a killed tasklet was handed dies with it, and a signal that it gives back may find one
    // that is there already.
    const int taken = received_ + (signalled_.is_set() ? 1 : 0);
    if (kills_) {
      CHECK(taken <= signals_);
      for (const int times : seen_) CHECK(times <= 1);
    } else {
      CHECK(taken == signals_);
      for (const int times : seen_) CHECK(times == 1);
    }
  }

  std::mt19937 random_;
  bool kills_;
  std::vector<channel<value>> channels_;
  mutex first_;
  mutex second_;
  shared_mutex table_;
  semaphore pool_{2};
  auto_event signalled_;
  int first_inside_ = 0;
  int second_inside_ = 0;
  int writers_ = 0;
  int readers_ = 0;
  int units_ = 0;
  int signals_ = 0;
  int received_ = 0;
  int made_ = 0;
  std::vector<int> seen_;
};

void run_storm(unsigned seed) {
  INFO("seed " << seed);
  scheduler_options options;
  options.clock = clock_choice::virtual_time;
  run(options, [seed]() -> task<> {
    storm all(seed);
    co_await all.run();
  });
}

}  // namespace

TEST_CASE("select storms: random programs grant nothing twice and lose nothing") {
  if (const char* seed = std::getenv("STACKLESS_SEED")) {
    run_storm(static_cast<unsigned>(std::atoi(seed)));
    return;
  }
  for (unsigned seed = 1; seed <= 500; ++seed) run_storm(seed);
}
