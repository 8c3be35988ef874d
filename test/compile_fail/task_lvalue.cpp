// expect: deleted
#include <stackless/stackless.hpp>

stackless::task<> work() {
  co_return;
}

stackless::task<> caller() {
#ifndef COMPILE_FAIL_CONTROL
  auto stored = work();
  co_await stored;
#else
  co_await work();
#endif
}
