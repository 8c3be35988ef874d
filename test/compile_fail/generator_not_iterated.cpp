// expect: a generator runs only when it is iterated
#pragma GCC diagnostic error "-Wunused-result"
#include <stackless/stackless.hpp>

stackless::generator<int> numbers() {
  co_yield 1;
}

void reader() {
#ifndef COMPILE_FAIL_CONTROL
  numbers();
#else
  for (const int n : numbers()) (void)n;
#endif
}
