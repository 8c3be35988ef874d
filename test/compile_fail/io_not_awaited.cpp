// expect: an operation happens only when it is awaited
#pragma GCC diagnostic error "-Wunused-result"
#include <stackless/io/io.hpp>
#include <stackless/stackless.hpp>

stackless::task<> waits(stackless::io::tcp_stream& stream) {
#ifndef COMPILE_FAIL_CONTROL
  stream.readable();
#else
  co_await stream.readable();
#endif
  co_return;
}
