// expect: constraints
#include <stackless/stackless.hpp>

stackless::task<> chooses(stackless::channel<int> in) {
#ifndef COMPILE_FAIL_CONTROL
  (void)co_await stackless::select(in.next(), 5);
#else
  (void)co_await stackless::select(in.next(), stackless::otherwise());
#endif
}
