// Three stages that pass numbers on, and a timeline of it: open the file at
// https://ui.perfetto.dev.

#include <stackless/stackless.hpp>

#include <chrono>
#include <cstdio>
#include <utility>

namespace sl = stackless;
using namespace std::chrono_literals;

namespace {

sl::task<> produce(sl::channel<int> out) {
  for (int i = 1; i <= 5; ++i) {
    co_await sl::sleep_for(2ms);
    co_await out.send(i);
  }
  out.close();
}

sl::task<> square(sl::channel<int> in, sl::channel<int> out) {
  while (const auto number = co_await in.next()) co_await out.send(*number * *number);
  out.close();
}

sl::task<> play() {
  sl::channel<int> numbers("numbers");
  sl::channel<int> squares("squares");
  sl::spawn("produce", produce, numbers);
  sl::spawn("square", square, numbers, squares);
  while (const auto number = co_await squares.next()) std::printf("%d\n", *number);
}

sl::task<> traced(const char* path) {
  sl::timeline times;
  sl::set_observer(&times);
  co_await play();
  sl::set_observer(nullptr);
  times.save(path);
}

}  // namespace

int main(int count, char** arguments) {
  sl::run(traced, count > 1 ? arguments[1] : "timeline.json");
}
