// Waits in every way that a debugger is to tell of, prints the library's own report, and dies.

#include <stackless/io/io.hpp>
#include <stackless/stackless.hpp>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

namespace sl = stackless;
using namespace std::chrono_literals;

namespace bank {

struct account {
  sl::channel<int>* in = nullptr;

  sl::task<int> balance(const std::string& of) const {
    const int value = co_await in->receive();
    co_return value + static_cast<int>(of.size());
  }
};

template <class T>
sl::task<T> read_twice(sl::channel<T> from) {
  T sum = co_await from.receive();
  sum += co_await from.receive();
  co_return sum;
}

}  // namespace bank

namespace {

sl::task<> ping(sl::channel<int> in, sl::channel<std::string> out) {
  const bank::account mine{&in};
  const int value = co_await mine.balance("savings");
  co_await out.send(std::to_string(value));
}

sl::task<> pong(sl::channel<std::string> in, sl::channel<int> out) {
  const std::string value = co_await bank::read_twice(in);
  co_await out.send(static_cast<int>(value.size()));
}

sl::task<> full(sl::channel<std::vector<int>> out) {
  std::vector<int> value(3);
  for (;;) co_await out.send(value);
}

sl::task<> hold(sl::mutex& lock, sl::event& never) {
  const auto guard = co_await lock.lock();
  co_await never.wait();
}

sl::task<> want(sl::mutex& lock) {
  const auto guard = co_await lock.lock();
}

sl::task<> take_signal(sl::io::signal_set& signals) {
  (void)co_await signals.wait();
}

sl::task<> sleep(std::string) {
  co_await sl::sleep_for(1h);
}

sl::task<> choose(sl::channel<int> a, sl::event& never) {
  (void)co_await sl::select(a.receive(), never.wait());
}

sl::task<> parent(sl::event& never) {
  co_await sl::with_nursery([&](sl::nursery& n) -> sl::task<> {
    n.spawn("child", [](sl::event& e) -> sl::task<> { co_await e.wait(); }, sl::borrow(never));
    co_return;
  });
}

sl::task<> play() {
  sl::io::signal_set signals{SIGUSR1};
  sl::channel<int> a("a");
  sl::channel<std::string> b;
  sl::channel<std::vector<int>> c("c", 2);
  sl::mutex lock;
  sl::event never("never");
  const auto first = sl::spawn("ping", ping, a, b);
  sl::spawn(pong, b, a);
  sl::spawn("full", full, c);
  sl::spawn("holder", hold, sl::borrow(lock), sl::borrow(never));
  sl::spawn("wants", want, sl::borrow(lock));
  sl::spawn("reader", take_signal, sl::borrow(signals));
  sl::spawn_daemon("sleeper", sleep, std::string("long"));
  sl::spawn("chooser", choose, a, sl::borrow(never));
  sl::spawn("parent", parent, sl::borrow(never));
  sl::spawn("joiner", [](sl::tasklet<> t) -> sl::task<> { co_await t.join(); }, first);
  for (int i = 0; i < 3; ++i) co_await sl::yield();
  sl::spawn("fresh", sleep, std::string("never started"));

  std::fputs(sl::to_text(sl::snapshot()).c_str(), stdout);
  std::fflush(stdout);
  std::abort();
}

}  // namespace

int main() {
  sl::run(play);
}
