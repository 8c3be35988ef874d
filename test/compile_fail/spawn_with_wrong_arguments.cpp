// expect: cannot be called with these arguments
#include <stackless/stackless.hpp>

stackless::task<> work(int, int) {
  co_return;
}

stackless::task<> caller() {
#ifndef COMPILE_FAIL_CONTROL
  stackless::spawn_daemon(stackless::wakes_nobody, "named", work, 1);
#else
  stackless::spawn_daemon(stackless::wakes_nobody, "named", work, 1, 2);
#endif
  co_return;
}
