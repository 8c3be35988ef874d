// expect: coroutine
#include <stackless/stackless.hpp>

#ifndef COMPILE_FAIL_CONTROL
int
#else
stackless::task<int>
#endif
receiver(stackless::channel<int> in) {
  const int value = co_await in.receive();
  co_return value;
}
