// expect: deleted
#include <stackless/stackless.hpp>

stackless::task<> work(const int&) {
  co_return;
}

stackless::task<> caller() {
#ifndef COMPILE_FAIL_CONTROL
  stackless::spawn(work, stackless::borrow(1));
#else
  const int one = 1;
  stackless::spawn(work, stackless::borrow(one));
#endif
  co_return;
}
