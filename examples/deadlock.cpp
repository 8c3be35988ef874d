// Two tasklets, each of which waits for the other to speak first. Nothing can go on, so the library
// says so: the tasklet that blocked last gets a deadlock_error, whose text is printed here.

#include <stackless/stackless.hpp>

#include <cstdio>

namespace sl = stackless;

namespace {

sl::task<int> fetch(const sl::channel<int>& in) {
  const int value = co_await in.receive();
  co_return value;
}

sl::task<> ping(sl::channel<int> in, sl::channel<int> out) {
  const int value = co_await fetch(in);
  co_await out.send(value + 1);
}

sl::task<> pong(sl::channel<int> in, sl::channel<int> out) {
  const int value = co_await fetch(in);
  co_await out.send(value * 2);
}

sl::task<> play() {
  sl::channel<int> a("a");
  sl::channel<int> b("b");
  const auto first = sl::spawn("ping", ping, a, b);
  const auto second = sl::spawn("pong", pong, b, a);
  co_await first.join();
  co_await second.join();
}

}  // namespace

int main() {
  try {
    sl::run(play);
  } catch (const sl::deadlock_error& error) {
    std::puts(error.what());
    return 1;
  }
}
