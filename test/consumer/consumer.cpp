#include <stackless/stackless.hpp>

#include <cstdio>

namespace sl = stackless;

static sl::task<> producer(sl::channel<int> numbers) {
  for (int i = 1; i <= 3; ++i) {
    co_await numbers.send(i);
  }
  numbers.close();
}

static sl::task<> consumer() {
  sl::channel<int> numbers;
  sl::spawn(producer, numbers);
  int sum = 0;
  while (auto number = co_await numbers.next()) {
    sum += *number;
  }
  std::printf("sum %d\n", sum);
}

int main() {
  sl::run(consumer);
}
