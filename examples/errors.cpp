// Where errors go: to who awaits, to who joins, else to main; none is lost.
#include <stackless/stackless.hpp>

#include <cstdio>
#include <stdexcept>
#include <string>

namespace sl = stackless;

namespace {

sl::task<int> parse(std::string text) {
  co_await sl::yield();
  if (text.empty()) throw std::invalid_argument("nothing to parse");
  co_return std::stoi(text);
}

sl::task<> program() {
  try {
    (void)co_await parse("");  // as from a call
  } catch (const std::invalid_argument& error) {
    std::printf("awaited: %s\n", error.what());
  }

  auto joined = sl::spawn("joined", parse, std::string());
  try {
    (void)co_await joined.join();
  } catch (const std::invalid_argument& error) {
    std::printf("joined: %s\n", error.what());
  }

  sl::spawn("alone", parse, std::string());
  try {
    co_await sl::suspend();  // nobody joins it: main is told where it waits
  } catch (const std::invalid_argument& error) {
    std::printf("main: %s\n", error.what());
  }
}

}  // namespace

int main() {
  sl::run(program);
}
