#pragma once

#include <stackless/scheduler.hpp>
#include <stackless/time.hpp>

#include <stdexcept>
#include <string>
#include <utility>

namespace stackless::inline STACKLESS_ABI::testing {

/// A test left something behind: tasklets that had not ended when its body returned.
class leak_error : public std::runtime_error {
 public:
  explicit leak_error(const std::string& what) : std::runtime_error(what) {}
};

/// What `run_test` runs with: virtual time, so that sleeps cost nothing and repeat exactly.
[[nodiscard]] scheduler_options test_options() noexcept;

namespace test_detail {
/// \throws leak_error when tasklets other than main and daemons are alive
void check_no_leaks();

template <class F>
task<> checked_body(F& body) {
  co_await body();
  co_await drain_ready();  // those who can end may end
  check_no_leaks();
}
}  // namespace test_detail

/// Runs `body()` as the main tasklet under virtual time.
///
/// **Errors**: what `body` raised, and errors that no tasklet caught; `leak_error`, with a listing,
/// when a tasklet other than a daemon is still waiting at the end of `body`; `deadlock_error`.
template <class F>
  requires task_function<F>
void run_test(const scheduler_options& options, F body) {
  run(options, test_detail::checked_body<F>, borrow(body));
}
template <class F>
  requires task_function<F>
void run_test(F body) {
  run_test(test_options(), std::move(body));
}

/// Lets all others run until each of them waits for something; timers do not fire and time stands
/// still. For tests that want to act just then.
///
/// **Cancellation**: a cancel point.
/// **Errors**: an error that a tasklet did not catch, when nobody joins it.
inline detail::drain_operation wait_all_blocked() noexcept {
  return drain_ready();
}

}  // namespace stackless::inline STACKLESS_ABI::testing

/// A Catch2 test case whose body is a coroutine under `run_test`:
///
///     STACKLESS_TEST("a value arrives") { … co_await channel.receive(); … }
///
/// Include Catch2 first. The body may use CHECK and REQUIRE; it returns `stackless::task<>`.
#define STACKLESS_TEST(...) \
  STACKLESS_TEST_NAMED(STACKLESS_TEST_JOIN(stackless_test_, __COUNTER__), __VA_ARGS__)
#define STACKLESS_TEST_JOIN(a, b) STACKLESS_TEST_JOIN_EXPANDED(a, b)
#define STACKLESS_TEST_JOIN_EXPANDED(a, b) a##b
#define STACKLESS_TEST_NAMED(name, ...)   \
  static ::stackless::task<> name();      \
  TEST_CASE(__VA_ARGS__) {                \
    ::stackless::testing::run_test(name); \
  }                                       \
  static ::stackless::task<> name()
