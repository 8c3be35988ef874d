// expect: co_await t.join()
#include <stackless/stackless.hpp>

stackless::task<int> work() {
  co_return 1;
}

stackless::task<> caller() {
  auto t = stackless::spawn(work);
#ifndef COMPILE_FAIL_CONTROL
  co_await t;
#else
  co_await t.join();
#endif
}
