// A sample every 10 ms, for as long as the deadline allows. One takes too long: what was missed is
// skipped.
#include <stackless/stackless.hpp>

#include <chrono>
#include <cstdio>

namespace sl = stackless;
using namespace std::chrono_literals;

namespace {

sl::task<> samples(sl::deadline until) {
  const sl::time_point start = sl::now();
  sl::interval ticks(10ms, sl::missed_ticks::skip);
  for (int n = 1;; ++n) {
    const auto got = co_await sl::select(ticks.tick(), until.wait());
    if (got.index() == 1) break;
    std::printf("sample %d after %d ms\n", n, static_cast<int>((sl::now() - start) / 1ms));
    if (n == 2) co_await sl::sleep_for(25ms);
  }
  std::puts("the time is up");
}

}  // namespace

int main() {
  sl::scheduler_options options;
  options.clock = sl::clock_choice::virtual_time;
  sl::run(options, []() -> sl::task<> { co_await samples(sl::deadline(65ms)); });
}
