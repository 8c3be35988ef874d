// expect: an operation happens only when it is awaited
#pragma GCC diagnostic error "-Wunused-result"
#include <stackless/stackless.hpp>

#include <chrono>

stackless::task<> receiver(stackless::channel<int> in) {
#ifndef COMPILE_FAIL_CONTROL
  stackless::select(in.next(), stackless::after(std::chrono::seconds(1)));
#else
  (void)co_await stackless::select(in.next(), stackless::after(std::chrono::seconds(1)));
#endif
  co_return;
}
