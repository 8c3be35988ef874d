// expect: this cannot be awaited
#include <stackless/stackless.hpp>

stackless::task<> caller(stackless::channel<int> in) {
#ifndef COMPILE_FAIL_CONTROL
  co_await in;
#else
  co_await in.receive();
#endif
}
