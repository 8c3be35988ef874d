// expect: pass borrow(x) on purpose
#include <stackless/stackless.hpp>

stackless::task<> work(int& counter) {
  ++counter;
  co_return;
}

stackless::task<> caller() {
  int counter = 0;
  co_await stackless::with_nursery([&](stackless::nursery& n) -> stackless::task<> {
#ifndef COMPILE_FAIL_CONTROL
    n.spawn(work, counter);
#else
    n.spawn(work, stackless::borrow(counter));
#endif
    co_return;
  });
}
