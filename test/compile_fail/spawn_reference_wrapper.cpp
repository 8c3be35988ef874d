// expect: say borrow(x) on purpose
#include <stackless/stackless.hpp>

#include <functional>

stackless::task<> work(int& counter) {
  ++counter;
  co_return;
}

stackless::task<> caller() {
  int counter = 0;
#ifndef COMPILE_FAIL_CONTROL
  co_await stackless::spawn(work, std::ref(counter)).join();
#else
  co_await stackless::spawn(work, stackless::borrow(counter)).join();
#endif
}
