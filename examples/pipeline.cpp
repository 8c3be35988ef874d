// A source, three workers side by side, and a sink. The channels hold two values at most: a sink
// that is slow holds up the workers, and they the source. A worker that fails cancels all the
// others, and its error is what comes out. The time is virtual.
//
//   pipeline [the item that fails]
#include <stackless/stackless.hpp>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <string>

namespace sl = stackless;
using namespace std::chrono_literals;

namespace {

constexpr int items = 12;
constexpr std::size_t room = 2;
constexpr int workers = 3;

struct tally {
  int produced = 0;
  int consumed = 0;
  int most_ahead = 0;
};

sl::task<> produce(sl::channel<int> out, tally& counts) {
  for (int item = 1; item <= items; ++item) {
    co_await out.send(item);
    ++counts.produced;
    counts.most_ahead = std::max(counts.most_ahead, counts.produced - counts.consumed);
  }
  out.close();
}

sl::task<> work(sl::channel<int> in, sl::channel<int> out, int failing) {
  while (const auto item = co_await in.next()) {
    co_await sl::sleep_for(1ms);
    if (*item == failing) throw std::runtime_error("item " + std::to_string(*item) + " is broken");
    co_await out.send(*item * *item);
  }
}

/// Only when all workers have ended will there be no more results.
sl::task<> work_together(sl::channel<int> in, sl::channel<int> out, int failing) {
  co_await sl::with_nursery([&](sl::nursery& team) -> sl::task<> {
    for (int i = 0; i < workers; ++i) team.spawn("worker", work, in, out, failing);
    co_return;
  });
  out.close();
}

sl::task<> consume(sl::channel<int> in, tally& counts) {
  int sum = 0;
  while (const auto result = co_await in.next()) {
    co_await sl::sleep_for(5ms);
    sum += *result;
    ++counts.consumed;
  }
  std::printf("the sum of %d squares is %d\n", counts.consumed, sum);
}

sl::task<> pipeline(int failing) {
  sl::channel<int> jobs(sl::channel_name("jobs"), room);
  sl::channel<int> results(sl::channel_name("results"), room);
  tally counts;
  try {
    co_await sl::with_nursery([&](sl::nursery& n) -> sl::task<> {
      n.spawn("source", produce, jobs, sl::borrow(counts));
      n.spawn("workers", work_together, jobs, results, failing);
      n.spawn("sink", consume, results, sl::borrow(counts));
      co_return;
    });
  } catch (const std::runtime_error& error) {
    std::printf("stopped: %s\n", error.what());
  }
  // In the two buffers, with the workers, and with the sink; and one that is just handed over.
  const int limit = static_cast<int>(2 * room) + workers + 2;
  std::printf("the source was %s\n", counts.most_ahead <= limit ? "held back" : "too far ahead");
  std::printf("%d of %d items were taken up\n", counts.produced, items);
}

}  // namespace

int main(int argc, char** argv) {
  sl::scheduler_options options;
  options.clock = sl::clock_choice::virtual_time;
  sl::run(options, pipeline, argc > 1 ? std::atoi(argv[1]) : 0);
  return 0;
}
