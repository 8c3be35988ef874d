// expect: name the variable, and co_yield move_from(it)
// only: gcc12
#include <stackless/stackless.hpp>

#include <string>

struct message {
  int number;
  std::string text;
};

stackless::async_generator<message> messages() {
#ifndef COMPILE_FAIL_CONTROL
  co_yield message{1, "text"};
#else
  message named{1, "text"};
  co_yield stackless::move_from(named);
#endif
}
