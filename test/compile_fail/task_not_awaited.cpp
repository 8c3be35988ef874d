// expect: a task runs only when it is awaited
#pragma GCC diagnostic error "-Wunused-result"
#include <stackless/stackless.hpp>

stackless::task<> work() {
  co_return;
}

stackless::task<> caller() {
#ifndef COMPILE_FAIL_CONTROL
  work();
#else
  co_await work();
#endif
  co_return;
}
