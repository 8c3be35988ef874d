// expect: an operation happens only when it is awaited
#pragma GCC diagnostic error "-Wunused-result"
#include <stackless/stackless.hpp>

stackless::task<> enters(stackless::mutex& m) {
#ifndef COMPILE_FAIL_CONTROL
  m.lock();
#else
  const stackless::mutex_guard guard = co_await m.lock();
#endif
  co_return;
}
