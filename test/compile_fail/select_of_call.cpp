// expect: spawn it, and join it in the select
#include <stackless/stackless.hpp>

#include <chrono>

using namespace std::chrono_literals;

stackless::task<> work() {
  co_return;
}

stackless::task<> caller() {
#ifndef COMPILE_FAIL_CONTROL
  co_await stackless::select(work(), stackless::after(1s));
#else
  (void)co_await stackless::select(stackless::spawn(work).join(), stackless::after(1s));
#endif
}
