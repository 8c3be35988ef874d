// expect: an operation happens only when it is awaited
#pragma GCC diagnostic error "-Wunused-result"
#include <stackless/stackless.hpp>

stackless::task<> parent(stackless::tasklet<> child) {
#ifndef COMPILE_FAIL_CONTROL
  child.join();
#else
  co_await child.join();
#endif
  co_return;
}
