#include <stackless/stackless.hpp>

#include "diagnostics/verdict.hpp"
#include "measure.hpp"

#include <cstddef>
#include <string>

namespace sl = stackless;

// What a deadlock costs when there is one: of very many tasklets, each at a receive.

namespace {

sl::task<> hand_on(sl::channel<int> in, sl::channel<int> out) {
  const int value = co_await in.receive();
  co_await out.send(value);
}

/// A ring of them, each waiting for the next.
sl::task<> ring(std::size_t size) {
  const sl::channel<int> first;
  sl::channel<int> in = first;
  for (std::size_t i = 0; i < size; ++i) {
    const sl::channel<int> out = i + 1 == size ? first : sl::channel<int>();
    sl::spawn(hand_on, in, out);
    in = out;
  }
  co_return;
}

/// What `use()` says that it took, while a ring of them waits.
template <class Use>
double on_ring(std::size_t size, Use use) {
  double taken = 0;
  sl::scheduler_options options;
  options.io = sl::io_choice::none;
  const auto program = [&]() -> sl::task<> {
    co_await ring(size);
    co_await sl::drain();
    taken = use();
  };
  try {
    sl::run(options, program);
  } catch (const sl::deadlock_error&) {  // of the ring, when main has ended
  }
  return taken;
}

/// From the blocked tasklets to the text.
void report_100_000(benchmark::State& state) {
  measure(state, 1, {1e9, 0}, [] {
    return on_ring(100'000, [] {
      const double start = process_cpu_nanoseconds();
      const sl::deadlock_report report = sl::explain(sl::snapshot());
      std::string text = sl::to_text(report);
      benchmark::DoNotOptimize(text);
      return process_cpu_nanoseconds() - start;
    });
  });
}
BENCHMARK(report_100_000)->Unit(benchmark::kMillisecond)->Iterations(3);

/// The wait graph, the core and the verdict.
void detect_1_000_000(benchmark::State& state) {
  measure(state, 1, {1e9, 0}, [] {
    return on_ring(1'000'000, [] {
      const sl::snapshot_data seen = sl::snapshot();
      const double start = process_cpu_nanoseconds();
      auto found = sl::detail::find_verdict(seen, 0);
      benchmark::DoNotOptimize(found);
      return process_cpu_nanoseconds() - start;
    });
  });
}
BENCHMARK(detect_1_000_000)->Unit(benchmark::kMillisecond)->Iterations(1);

}  // namespace
