// A server that says when it is ready, clients that may fail, and one place where all have ended.
#include <stackless/stackless.hpp>

#include <chrono>
#include <cstdio>
#include <stdexcept>
#include <string>

namespace sl = stackless;
using namespace std::chrono_literals;

namespace {

sl::task<> serve(sl::started<sl::channel<int>> ready) {
  sl::channel<int> requests("requests");
  co_await sl::sleep_for(1ms);  // whatever there is to prepare
  ready(requests);
  while (auto n = co_await requests.next()) std::printf("request %d\n", *n);
}

sl::task<> ask(sl::channel<int> server, int n) {
  if (n == 2) throw std::runtime_error("client 2 has no question");
  co_await server.send(n);
}

sl::task<> program() {
  co_await sl::with_nursery([](sl::nursery& n) -> sl::task<> {
    auto server = co_await n.spawn_ready<sl::channel<int>>("server", serve);
    try {
      co_await sl::with_nursery(sl::collect_errors, [&](sl::nursery& clients) -> sl::task<> {
        for (int i = 1; i <= 3; ++i) clients.spawn("client", ask, server, i);
        co_return;
      });
    } catch (const std::runtime_error& error) {
      std::printf("%s\n", error.what());
    }
    server.close();
  });
  std::puts("all have ended");
}

}  // namespace

int main() {
  sl::run(program);
}
