// expect: spawn(f, x), not spawn(f(x))
#include <stackless/stackless.hpp>

stackless::task<> work(int) {
  co_return;
}

stackless::task<> caller() {
#ifndef COMPILE_FAIL_CONTROL
  stackless::spawn(work(1));
#else
  stackless::spawn(work, 1);
#endif
  co_return;
}
