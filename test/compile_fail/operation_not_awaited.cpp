// expect: an operation happens only when it is awaited
#pragma GCC diagnostic error "-Wunused-result"
#include <stackless/stackless.hpp>

stackless::task<> receiver(stackless::channel<int> in) {
#ifndef COMPILE_FAIL_CONTROL
  in.receive();
#else
  co_await in.receive();
#endif
  co_return;
}
