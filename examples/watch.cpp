// Several tasklets wait until a level is high enough for them. They see the latest, not every one.
#include <stackless/stackless.hpp>

#include <cstdio>

namespace sl = stackless;

namespace {

sl::task<> follows(sl::watch_receiver<int> level, int from) {
  std::printf("%d: starts at %d\n", from, level.value());
  while (level.value() < from) co_await level.changed();
  std::printf("%d: reached at %d\n", from, level.value());
}

}  // namespace

int main() {
  sl::run([]() -> sl::task<> {
    const sl::watch<int> level("level", 0);
    for (const int from : {1, 2, 4}) sl::spawn(follows, level.subscribe(), from);
    co_await sl::yield();
    level.set(1);
    co_await sl::yield();
    level.set(2);
    level.modify([](int& value) { ++value; });  // nobody gets to see the 2
    co_await sl::yield();
    level.set(5);
  });
}
