// Threads work, a tasklet collects what they find; and what ends by a callback is awaited.
#include <stackless/stackless.hpp>

#include <cstdio>
#include <functional>
#include <thread>
#include <utility>
#include <vector>

namespace sl = stackless;

namespace {

/// An interface that knows nothing of tasklets: it answers in a thread of its own.
void ask(int question, std::vector<std::jthread>& threads, std::function<void(int)> answer) {
  threads.emplace_back([question, answer = std::move(answer)] { answer(2 * question); });
}

sl::task<> work() {
  std::vector<std::jthread> threads;  // joined last: after `results` has turned them away
  sl::remote<int> results("results", 8);
  for (int i = 0; i < 4; ++i)
    threads.emplace_back([i, to = results.sender()] {
      for (int n = 0; n < 10; ++n) to.send(i * n);  // waits for room, in its own thread
    });

  int sum = 0;
  while (auto value = co_await results.next()) sum += *value;  // until the last sender has gone
  std::printf("sum: %d\n", sum);

  const int answer =
      co_await sl::await_callback<int>([&](sl::callback<int> done) { ask(21, threads, done); });
  std::printf("answer: %d\n", answer);
}

}  // namespace

int main() {
  sl::run(work);
}
