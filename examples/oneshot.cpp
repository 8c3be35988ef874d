// A request carries the end on which it is answered. Who drops it unanswered is found out at once.
#include <stackless/stackless.hpp>

#include <cstdio>
#include <utility>

namespace sl = stackless;

namespace {

sl::task<> answers(int question, sl::oneshot_sender<int> reply) {
  co_await sl::yield();
  if (question != 13) reply.send(2 * question);
}

sl::task<> asks(int question) {
  auto [tx, rx] = sl::make_oneshot<int>("reply");
  sl::spawn(answers, question, std::move(tx));
  try {
    std::printf("%d: %d\n", question, co_await rx.receive());
  } catch (const sl::channel_closed& error) {
    std::printf("%d: %s\n", question, error.what());
  }
}

}  // namespace

int main() {
  sl::run([]() -> sl::task<> {
    co_await asks(21);
    co_await asks(13);
  });
}
