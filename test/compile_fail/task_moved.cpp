// expect: deleted
#include <stackless/stackless.hpp>

#include <utility>

stackless::task<> work() {
  co_return;
}

stackless::task<> caller() {
#ifndef COMPILE_FAIL_CONTROL
  auto stored = work();
  co_await std::move(stored);
#else
  co_await work();
#endif
}
