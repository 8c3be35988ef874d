// Up to 100 000 calls deep: cancelled, killed, torn down, failed and deadlocked. The native stack
// stays flat, every local is destroyed, and what is said about it is short.

#include <stackless/stackless.hpp>
#include <stackless/testing.hpp>

#include "catch.hpp"
#include "scale.hpp"

#include <chrono>
#include <stdexcept>
#include <string>

using namespace std::chrono_literals;
using namespace stackless;

namespace {

// Raising through a level takes a sanitizer, or a compiler that does not optimize, some time.
constexpr int deepest = 100'000;
constexpr int depth = 20'000;

class counted_local {
 public:
  explicit counted_local(int& count) : count_(count) { ++count_; }
  counted_local(const counted_local&) = delete;
  counted_local& operator=(const counted_local&) = delete;
  ~counted_local() { --count_; }

 private:
  int& count_;
};

task<> innermost(channel<int>& in, bool fails) {
  (void)co_await in.receive();
  if (fails) throw std::runtime_error("from far below");
}

// NOLINTNEXTLINE(misc-no-recursion)
task<> goes_down(int left, int& locals, channel<int>& in, bool fails = false) {
  const counted_local here(locals);
  if (left == 0) {
    co_await innermost(in, fails);
  } else {
    co_await goes_down(left - 1, locals, in, fails);
  }
}

/// Every level swallows what comes and awaits again, so that each gets its own.
// NOLINTNEXTLINE(misc-no-recursion)
task<> stubborn(int left, int& locals, int& told, channel<int>& in) {
  const counted_local here(locals);
  try {
    if (left == 0) {
      (void)co_await in.receive();
    } else {
      co_await stubborn(left - 1, locals, told, in);
    }
  } catch (const cancelled&) {
    ++told;
  }
  co_await checkpoint();
}

}  // namespace

STACKLESS_TEST("deep: cancelled and killed") {
  channel<int> in;
  int locals = 0;
  CHECK_FALSE(co_await move_on_after(1s, [&] { return goes_down(deepest, locals, in); }));
  CHECK(locals == 0);
  auto victim = spawn([&]() -> task<> { co_await goes_down(depth, locals, in); });
  co_await testing::wait_all_blocked();
  CHECK(locals == depth + 1);
  co_await victim.kill();
  CHECK_FALSE(victim.alive());
  CHECK(locals == 0);
  CHECK(in.balance() == 0);
}

STACKLESS_TEST("deep: a cancellation that each call swallows comes again in each") {
  channel<int> in;
  int locals = 0;
  int told = 0;
  CHECK_FALSE(co_await move_on_after(1s, [&] { return stubborn(depth, locals, told, in); }));
  CHECK(locals == 0);
  CHECK(told == depth + 1);
}

STACKLESS_TEST("deep: an error comes up through all, and its traceback is short") {
  channel<int> in;
  int locals = 0;
  auto fails = spawn("deep", [&]() -> task<> { co_await goes_down(depth, locals, in, true); });
  co_await testing::wait_all_blocked();
  (void)in.try_send(1);
  std::exception_ptr raised;
  try {
    co_await fails.join();
  } catch (const std::runtime_error&) {
    raised = std::current_exception();
  }
  REQUIRE(raised);
  CHECK(locals == 0);
  const std::string text = traceback(raised);
  CHECK(text.size() < 64 * 1024);
#if STACKLESS_TRACKING
  CHECK_THAT(text, contains_text("innermost("));
#endif
}

TEST_CASE("deep: torn down") {
  channel<int> in;
  int locals = 0;
  CHECK_THROWS_AS(
      run([&]() -> task<> {
        spawn([&]() -> task<> { co_await goes_down(depth, locals, in); });
        co_await yield();
        throw std::range_error("main ends");
      }),
      std::range_error
  );
  CHECK(locals == 0);
  CHECK(in.balance() == 0);
}

TEST_CASE("deep: a deadlock, and its report is short") {
  channel<int> in("in");
  int locals = 0;
  std::string text;
  try {
    run([&]() -> task<> { co_await goes_down(depth, locals, in); });
  } catch (const deadlock_error& error) {
    text = error.what();
  }
  CHECK(locals == 0);
  CHECK_THAT(text, contains_text("'in'"));
  CHECK(text.size() < 64 * 1024);
}
