#include "io_test.hpp"

#include <signal.h>

using namespace io_test;
using stackless::task;
namespace io = stackless::io;

namespace {

bool is_blocked(int number) {
  sigset_t mask;
  REQUIRE(::pthread_sigmask(SIG_BLOCK, nullptr, &mask) == 0);
  return ::sigismember(&mask, number) == 1;
}

}  // namespace

TEST_CASE("signals arrive at who waits for them") {
  on_each_backend([]() -> task<> {
    io::signal_set set{SIGUSR1, SIGUSR2};
    ::kill(::getpid(), SIGUSR2);
    int number = co_await set.wait();
    CHECK(number == SIGUSR2);

    int got = 0;
    auto waiter = stackless::spawn([&]() -> task<> { got = co_await set.wait(); });
    co_await settle();
    CHECK(in_flight() == 1);
    ::kill(::getpid(), SIGUSR1);
    co_await waiter.join();
    CHECK(got == SIGUSR1);

    std::error_code error = io::errc::end_of_file;
    ::kill(::getpid(), SIGUSR1);
    number = co_await set.wait(error);
    CHECK(number == SIGUSR1);
    CHECK_FALSE(error);
  });
}

TEST_CASE("two wait for one signal each") {
  on_each_backend([]() -> task<> {
    io::signal_set set{SIGUSR1, SIGUSR2};
    int sum = 0;
    auto wait = [&]() -> task<> { sum += co_await set.wait(); };
    auto one = stackless::spawn(wait);
    auto two = stackless::spawn(wait);
    co_await settle();
    ::kill(::getpid(), SIGUSR1);
    ::kill(::getpid(), SIGUSR2);
    co_await one.join();
    co_await two.join();
    CHECK(sum == SIGUSR1 + SIGUSR2);
  });
}

TEST_CASE("a wait for a signal can be cancelled") {
  on_each_backend([]() -> task<> {
    io::signal_set set{SIGUSR1};
    auto waiter = stackless::spawn([&]() -> task<> { (void)co_await set.wait(); });
    co_await settle();
    co_await stop(waiter);
    CHECK(in_flight() == 0);
    ::kill(::getpid(), SIGUSR1);
    const int number = co_await set.wait();
    CHECK(number == SIGUSR1);
  });
}

TEST_CASE("a signal set restores the mask") {
  CHECK_FALSE(is_blocked(SIGUSR1));
  sigset_t two;
  ::sigemptyset(&two);
  ::sigaddset(&two, SIGUSR2);
  REQUIRE(::pthread_sigmask(SIG_BLOCK, &two, nullptr) == 0);
  {
    const io::signal_set set{SIGUSR1, SIGUSR2};
    CHECK(is_blocked(SIGUSR1));
  }
  CHECK_FALSE(is_blocked(SIGUSR1));
  CHECK(is_blocked(SIGUSR2));
  REQUIRE(::pthread_sigmask(SIG_UNBLOCK, &two, nullptr) == 0);
}

TEST_CASE("a signal set of what is no signal") {
  CHECK_THROWS_AS(io::signal_set({4711}), io::io_error);
  const std::size_t before = open_descriptors();
  CHECK_THROWS_AS(io::signal_set({SIGUSR1, -1}), io::io_error);
  CHECK_FALSE(is_blocked(SIGUSR1));
  CHECK(open_descriptors() == before);
}
