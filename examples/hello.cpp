#include <stackless/stackless.hpp>

#include <cstdio>

namespace sl = stackless;

static sl::task<> producer(sl::channel<int> out) {
  for (int i = 1; i <= 3; ++i) co_await out.send(i);
  out.close();
}

static sl::task<> hello() {
  sl::channel<int> numbers;
  sl::spawn(producer, numbers);
  while (auto n = co_await numbers.next()) std::printf("received %d\n", *n);
}

int main() {
  sl::run(hello);
}
