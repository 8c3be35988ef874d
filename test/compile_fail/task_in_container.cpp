// expect: deleted
#include <stackless/stackless.hpp>

#include <vector>

stackless::task<> work() {
  co_return;
}

stackless::task<> caller() {
#ifndef COMPILE_FAIL_CONTROL
  std::vector<stackless::task<>> tasks;
  tasks.push_back(work());
#endif
  co_await work();
}
