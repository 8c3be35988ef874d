// Two tasklets, each of which waits for the other to send first. Each holds the send end that the
// other one needs, and nobody else holds one: the report tells.

#include <stackless/stackless.hpp>

#include <cstdio>
#include <utility>

namespace sl = stackless;

namespace {

sl::task<int> fetch(const sl::receiver<int>& in) {
  const int value = co_await in.receive();
  co_return value;
}

sl::task<> ping(sl::receiver<int> in, sl::sender<int> out) {
  const int value = co_await fetch(in);
  co_await out.send(value + 1);
}

sl::task<> pong(sl::receiver<int> in, sl::sender<int> out) {
  const int value = co_await fetch(in);
  co_await out.send(value * 2);
}

sl::task<> play() {
  auto [to_ping, ping_in] = sl::make_channel<int>("a");
  auto [to_pong, pong_in] = sl::make_channel<int>("b");
  const auto first = sl::spawn("ping", ping, std::move(ping_in), std::move(to_pong));
  const auto second = sl::spawn("pong", pong, std::move(pong_in), std::move(to_ping));
  co_await first.join();
  co_await second.join();
}

}  // namespace

int main() {
  try {
    sl::run("main", play);
  } catch (const sl::deadlock_error& error) {
    std::puts(error.what());
    return 1;
  }
}
