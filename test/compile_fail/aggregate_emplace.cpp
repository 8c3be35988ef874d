// expect: name the variable and use send_from
// only: gcc12
#include <stackless/stackless.hpp>

#include <string>
#include <utility>

struct text {
  std::string value;
};
struct message {
  message(int n, text t) : number(n), body(std::move(t)) {}
  int number;
  text body;
};

stackless::task<> sender(stackless::channel<message> out) {
#ifndef COMPILE_FAIL_CONTROL
  co_await out.emplace(1, text{"text"});
#else
  const text named{"text"};
  co_await out.emplace(1, named);
#endif
}
