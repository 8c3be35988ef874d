// expect: unused variable 'forgotten'
#pragma GCC diagnostic error "-Wunused-variable"
#include <stackless/io/io.hpp>
#include <stackless/stackless.hpp>

stackless::task<> caller(stackless::channel<int> out) {
  auto forgotten = out.send(1);
#ifdef COMPILE_FAIL_CONTROL
  co_await forgotten;
#endif
  co_return;
}
