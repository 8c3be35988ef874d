// expect: give the closure or the argument a name
// only: gcc12
#include <stackless/stackless.hpp>

#include <string>

stackless::task<> starts(std::string text) {
  co_await stackless::with_nursery([&](stackless::nursery& n) -> stackless::task<> {
#ifndef COMPILE_FAIL_CONTROL
    co_await n.spawn_ready([text](stackless::started<> ready) -> stackless::task<> {
      ready();
      co_return;
    });
#else
    auto child = [text](stackless::started<> ready) -> stackless::task<> {
      ready();
      co_return;
    };
    co_await n.spawn_ready(child);
#endif
  });
}
