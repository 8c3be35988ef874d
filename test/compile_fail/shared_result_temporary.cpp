// expect: deleted
#include <stackless/stackless.hpp>

#include <string>

stackless::task<std::string> make() {
  co_return "text";
}

stackless::task<> caller() {
#ifndef COMPILE_FAIL_CONTROL
  const std::string& text = co_await stackless::spawn_shared(make).get();
#else
  const auto result = stackless::spawn_shared(make);
  const std::string& text = co_await result.get();
#endif
  (void)text;
}
