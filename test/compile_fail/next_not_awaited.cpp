// expect: an operation happens only when it is awaited
#pragma GCC diagnostic error "-Wunused-result"
#include <stackless/stackless.hpp>

stackless::async_generator<int> numbers() {
  co_yield 1;
}

stackless::task<> reader() {
  auto all = numbers();
#ifndef COMPILE_FAIL_CONTROL
  all.next();
#else
  (void)co_await all.next();
#endif
}
