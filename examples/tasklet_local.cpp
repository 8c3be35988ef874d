// Each line of a log says for which request it is, though nobody hands the number around.
#include <stackless/stackless.hpp>

#include <cstdio>

namespace sl = stackless;

namespace {

sl::tasklet_local<int> request(0);

void log(const char* text) {
  std::printf("[request %d] %s\n", *request, text);
}

sl::task<> looks_up() {
  log("looking it up");
  co_await sl::yield();
  log("found");
}

sl::task<> cleans_up(int number) {
  request.set(number);  // what it is to know, it is told
  log("cleaning up");
  co_return;
}

sl::task<> serves(int number) {
  request.set(number);
  co_await looks_up();
  sl::spawn(cleans_up, *request);
}

}  // namespace

int main() {
  sl::run([]() -> sl::task<> {
    sl::spawn(serves, 1);
    sl::spawn(serves, 2);
    co_await sl::drain();
    log("main has none of its own");
  });
}
