#include <stackless/stackless.hpp>

#include "catch.hpp"

#include <stdexcept>
#include <string>
#include <vector>

namespace sl = stackless;
using sl::task;

namespace {

task<> fails(const char* text) {
  throw std::runtime_error(text);
  co_return;
}

std::string text_of(const std::exception_ptr& error) {
  try {
    std::rethrow_exception(error);
  } catch (const std::exception& e) {
    return e.what();
  }
}

/// What main is told of.
template <class F>
std::string main_error(F body) {
  try {
    sl::run(body);
  } catch (const std::exception& e) {
    return e.what();
  }
  return "none";
}

}  // namespace

TEST_CASE("an error handler is asked about errors that nobody caught or joined") {
  std::vector<std::string> seen;
  const std::string told = main_error([&]() -> task<> {
    CHECK_FALSE(sl::set_error_handler([&](const sl::any_tasklet& t, const std::exception_ptr& e) {
      seen.push_back(t.name() + ": " + text_of(e));
      CHECK(t.alive());
      CHECK(t.is_current());
    }));
    sl::spawn("first", fails, "one");
    const auto killed = sl::spawn("killed", []() -> task<> { co_await sl::suspend(); });
    co_await sl::drain();
    co_await killed.kill();
    const auto joined = sl::spawn("joined", fails, "two");
    CHECK_THROWS_WITH(co_await joined.join(), "two");
    const auto late = sl::spawn("late", fails, "three");
    co_await sl::drain();
    CHECK_THROWS_WITH(co_await late.join(), "three");  // handled, and still its result
  });
  CHECK(told == "none");
  CHECK(seen == std::vector<std::string>{"first: one", "late: three"});
}

TEST_CASE("what an error handler throws goes on in place of the error") {
  SECTION("the same") {
    const std::string told = main_error([]() -> task<> {
      sl::set_error_handler([](const sl::any_tasklet&, const std::exception_ptr& e) {
        std::rethrow_exception(e);
      });
      sl::spawn(fails, "one");
      co_await sl::drain();
    });
    CHECK(told == "one");
  }
  SECTION("another, with the first one suppressed") {
    std::vector<std::exception_ptr> suppressed;
    sl::run([&]() -> task<> {
      sl::set_error_handler([](const sl::any_tasklet&, const std::exception_ptr&) {
        throw std::runtime_error("instead");
      });
      sl::spawn(fails, "one");
      try {
        co_await sl::drain();
      } catch (const std::exception& e) {
        CHECK(e.what() == std::string("instead"));
        suppressed = sl::suppressed(std::current_exception());
      }
    });
    REQUIRE(suppressed.size() == 1);
    CHECK(text_of(suppressed[0]) == "one");
  }
}

TEST_CASE("a tasklet's own error handler comes before the scheduler's") {
  std::vector<std::string> seen;
  const auto named = [&](const char* who, bool passes_on) {
    return [&seen, who, passes_on](const sl::any_tasklet&, const std::exception_ptr& e) {
      seen.push_back(std::string(who) + " " + text_of(e));
      if (passes_on) std::rethrow_exception(e);
    };
  };
  sl::run([&]() -> task<> {
    sl::set_error_handler(named("scheduler", false));
    sl::spawn(fails, "a").set_error_handler(named("own", false));
    sl::spawn(fails, "b").set_error_handler(named("own", true));
    const auto without = sl::spawn(fails, "c");
    without.set_error_handler(named("own", true));
    without.set_error_handler({});
    co_await sl::drain();
    const auto quiet = sl::spawn([]() -> task<> { co_return; });
    quiet.set_error_handler(named("own", true));
    co_await quiet.join();
    CHECK_THROWS_AS(quiet.set_error_handler({}), std::logic_error);
  });
  CHECK(seen == std::vector<std::string>{"own a", "own b", "scheduler b", "scheduler c"});
}

TEST_CASE("an error handler may use plain functions and replace itself") {
  sl::channel<std::string> c("errors", 4);
  sl::run([&]() -> task<> {
    sl::set_error_handler([&](const sl::any_tasklet&, const std::exception_ptr& e) {
      std::string text = text_of(e);
      sl::set_error_handler({});
      (void)c.try_send(std::move(text));
      sl::spawn([]() -> task<> { co_return; });
    });
    sl::spawn(fails, "one");
    co_await sl::drain();
    const std::string text = co_await c.receive();
    CHECK(text == "one");
    sl::spawn(fails, "two");
    CHECK_THROWS_WITH(co_await sl::drain(), "two");
  });
}

TEST_CASE("an error handler of a host's scheduler") {
  int count = 0;
  sl::scheduler s;
  s.set_error_handler([&](const sl::any_tasklet&, const std::exception_ptr&) { ++count; });
  s.spawn(fails, "one");
  CHECK(s.run_ready() == sl::run_result::all_ended);
  CHECK(count == 1);
  s.set_error_handler({});
  s.spawn(fails, "two");
  CHECK_THROWS_WITH(s.run_ready(), "two");
  CHECK_THROWS_AS(sl::set_error_handler({}), std::logic_error);
}
