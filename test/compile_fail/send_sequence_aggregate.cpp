// expect: name the variable and pass that
// only: gcc12
#include <stackless/stackless.hpp>

#include <array>
#include <string>

stackless::task<> sender(stackless::channel<std::string> out) {
#ifndef COMPILE_FAIL_CONTROL
  co_await out.send_sequence(std::array<std::string, 2>{"a", "b"});
#else
  const std::array<std::string, 2> named{"a", "b"};
  co_await out.send_sequence(named);
#endif
}
