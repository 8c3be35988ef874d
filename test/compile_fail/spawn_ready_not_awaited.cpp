// expect: the start of a child is waited for only when it is awaited
#pragma GCC diagnostic error "-Wunused-result"
#include <stackless/stackless.hpp>

stackless::task<> child(stackless::started<> ready) {
  ready();
  co_return;
}

stackless::task<> starts(stackless::nursery& n) {
#ifndef COMPILE_FAIL_CONTROL
  n.spawn_ready(child);
#else
  co_await n.spawn_ready(child);
#endif
  co_return;
}
