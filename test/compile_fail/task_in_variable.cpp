// expect: unused variable 'forgotten'
#pragma GCC diagnostic error "-Wunused-variable"
#include <stackless/stackless.hpp>

stackless::task<> work() {
  co_return;
}

void caller() {
#ifndef COMPILE_FAIL_CONTROL
  auto forgotten = work();
#else
  (void)work();
#endif
}
