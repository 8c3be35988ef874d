// expect: a generator cannot co_await: it runs in plain functions. Use async_generator
#include <stackless/stackless.hpp>

#ifndef COMPILE_FAIL_CONTROL
stackless::generator<int>
#else
stackless::async_generator<int>
#endif
numbers() {
  co_await stackless::yield();
  co_yield 1;
}
