// expect: not every value is sent
#pragma GCC diagnostic error "-Wunused-result"
#include <stackless/stackless.hpp>

void caller(const stackless::channel<int>& out) {
#ifndef COMPILE_FAIL_CONTROL
  out.try_send(1);
#else
  (void)out.try_send(1);
#endif
}
