// expect: this function returns no task
#include <stackless/stackless.hpp>

int not_a_task() {
  return 1;
}
stackless::task<> a_task() {
  co_return;
}

stackless::task<> caller() {
#ifndef COMPILE_FAIL_CONTROL
  stackless::spawn("named", not_a_task);
#else
  stackless::spawn("named", a_task);
#endif
  co_return;
}
