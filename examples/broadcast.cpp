// Everybody gets all the news. Who is too slow is told what was missed, and holds up nobody.
#include <stackless/stackless.hpp>

#include <cstdio>
#include <string>

namespace sl = stackless;

namespace {

sl::task<> listens(const char* who, sl::broadcast_receiver<std::string> news, int rest) {
  for (;;) {
    try {
      const auto item = co_await news.next();
      if (!item) co_return;
      std::printf("%s: %s\n", who, item->c_str());
      for (int i = 0; i < rest; ++i) co_await sl::yield();
    } catch (const sl::broadcast_lagged& error) {
      std::printf("%s has missed %d\n", who, static_cast<int>(error.missed()));
    }
  }
}

}  // namespace

int main() {
  sl::run([]() -> sl::task<> {
    const sl::broadcast<std::string> news("news", 2);
    sl::spawn(listens, "quick", news.subscribe(), 0);
    sl::spawn(listens, "slow", news.subscribe(), 3);
    for (const int number : {1, 2, 3, 4, 5, 6}) {
      co_await sl::yield();
      news.send("item " + std::to_string(number));
    }
  });
}
