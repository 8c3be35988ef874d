// expect: is readable() or writable(), and then the operation
#include <stackless/io/io.hpp>
#include <stackless/stackless.hpp>

#include <array>
#include <chrono>

using namespace std::chrono_literals;

stackless::task<> caller(stackless::io::tcp_stream& stream) {
  std::array<std::byte, 64> buffer{};
#ifndef COMPILE_FAIL_CONTROL
  co_await stackless::select(stream.read_some(buffer), stackless::after(1s));
#else
  (void)co_await stackless::select(stream.readable(), stackless::after(1s));
#endif
  (void)buffer;
}
