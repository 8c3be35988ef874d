// expect: no matching function for call to
#include <stackless/stackless.hpp>

int not_a_task() {
  return 1;
}
stackless::task<> a_task() {
  co_return;
}

stackless::task<> caller() {
#ifndef COMPILE_FAIL_CONTROL
  stackless::spawn(not_a_task);
#else
  stackless::spawn(a_task);
#endif
  co_return;
}
