// expect: name the variable and use send_from
// only: gcc12
#include <stackless/stackless.hpp>

#include <string>

struct message {
  int number;
  std::string text;
};

stackless::task<> sender(stackless::channel<message> out) {
#ifndef COMPILE_FAIL_CONTROL
  co_await out.send(message{1, "text"});
#else
  message named{1, "text"};
  co_await out.send_from(named);
#endif
}
