// Work that is given up: after a time, by somebody else, and a part of it that is not.
#include <stackless/stackless.hpp>

#include <chrono>
#include <cstdio>
#include <string>

namespace sl = stackless;
using namespace std::chrono_literals;

namespace {

sl::task<> save(std::string what) {
  co_await sl::sleep_for(2ms);
  std::printf("saved %s\n", what.c_str());
}

sl::task<int> slow_answer() {
  try {
    co_await sl::sleep_for(1h);
  } catch (const sl::cancelled& why) {
    std::printf("given up: %s\n", std::string(why.reason()).c_str());
    throw;  // swallowed, it would be raised again at the next await
  }
  co_return 42;
}

sl::task<> program() {
  const auto answer = co_await sl::move_on_after(10ms, slow_answer);
  std::printf("%s\n", answer ? "answered" : "no answer in time");

  co_await sl::with_cancel_scope([](sl::cancel_scope& scope) -> sl::task<> {
    sl::spawn([&]() -> sl::task<> {
      scope.cancel("somebody pressed stop");
      co_return;
    });
    co_await sl::shield([]() -> sl::task<> { co_await save("the draft"); });
    (void)co_await slow_answer();
  });
}

}  // namespace

int main() {
  sl::run(program);
}
