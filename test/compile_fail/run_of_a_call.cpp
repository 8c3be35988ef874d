// expect: pass the function and its arguments
#include <stackless/stackless.hpp>

stackless::task<> work() {
  co_return;
}

int main() {
#ifndef COMPILE_FAIL_CONTROL
  stackless::run(stackless::scheduler_options{}, "main", work());
#else
  stackless::run(stackless::scheduler_options{}, "main", work);
#endif
}
