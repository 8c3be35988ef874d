// One tasklet that serves two channels and a clock.
#include <stackless/stackless.hpp>

#include <chrono>
#include <cstdio>
#include <string>
#include <variant>

namespace sl = stackless;
using namespace std::chrono_literals;

namespace {

sl::task<> serve(sl::channel<int> numbers, sl::channel<std::string> words) {
  for (;;) {
    const auto got = co_await sl::select(numbers.next(), words.receive(), sl::after(20ms));
    if (got.index() == 2) {
      std::puts("nothing for a while");
    } else if (got.index() == 1) {
      std::printf("word %s\n", std::get<1>(got).c_str());
    } else if (const auto& number = std::get<0>(got)) {
      std::printf("number %d\n", *number);
    } else {
      co_return;  // closed
    }
  }
}

sl::task<> program() {
  sl::channel<int> numbers("numbers");
  sl::channel<std::string> words("words");
  auto server = sl::spawn("server", serve, numbers, words);
  co_await numbers.send(1);
  co_await words.send(std::string("two"));
  co_await sl::sleep_for(30ms);
  numbers.close();
  co_await server.join();
}

}  // namespace

int main() {
  sl::run(program);
}
