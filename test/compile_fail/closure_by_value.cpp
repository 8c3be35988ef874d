// expect: capture by reference, or give the closure a name
// only: gcc12
#include <stackless/stackless.hpp>

#include <chrono>
#include <string>

stackless::task<> limited(std::string text) {
#ifndef COMPILE_FAIL_CONTROL
  co_await stackless::move_on_after(std::chrono::seconds(1), [text]() -> stackless::task<> {
    co_await stackless::yield();
  });
#else
  co_await stackless::move_on_after(std::chrono::seconds(1), [&]() -> stackless::task<> {
    co_await stackless::yield();
  });
#endif
}
