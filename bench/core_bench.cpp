#include <stackless/stackless.hpp>

#include "measure.hpp"

#include <cstdio>
#include <string>

#include <unistd.h>

namespace sl = stackless;

namespace {

constexpr std::size_t messages = 200'000;

sl::task<> produce(sl::channel<int> out, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) co_await out.send(static_cast<int>(i));
  out.close();
}

sl::task<double> transfer(std::size_t capacity) {
  sl::channel<int> channel(capacity);
  sl::spawn(produce, channel, messages);
  const double start = process_cpu_nanoseconds();
  long sum = 0;
  while (auto value = co_await channel.next()) sum += *value;
  benchmark::DoNotOptimize(sum);
  co_return process_cpu_nanoseconds() - start;
}

void unbuffered_message(benchmark::State& state) {
  measure(state, messages, {12, 8}, [] { return sl::run(transfer, 0); });
}
BENCHMARK(unbuffered_message);

void buffered_message_128(benchmark::State& state) {
  measure(state, messages, {}, [] { return sl::run(transfer, 128); });
}
BENCHMARK(buffered_message_128);

sl::task<int> leaf(int value) {
  co_return value;
}

sl::task<double> calls(int count) {
  const double start = process_cpu_nanoseconds();
  long sum = 0;
  for (int i = 0; i < count; ++i) sum += co_await leaf(i);
  benchmark::DoNotOptimize(sum);
  co_return process_cpu_nanoseconds() - start;
}

void awaited_call(benchmark::State& state) {
  measure(state, 200'000, {10, 6}, [] { return sl::run(calls, 200'000); });
}
BENCHMARK(awaited_call);

sl::task<> nothing() {
  co_return;
}

sl::task<double> spawn_and_run(int rounds) {
  const double start = process_cpu_nanoseconds();
  for (int i = 0; i < rounds; ++i) {
    for (int k = 0; k < 100; ++k) sl::spawn(nothing);
    co_await sl::yield();
  }
  co_return process_cpu_nanoseconds() - start;
}

void spawn_run(benchmark::State& state) {
  measure(state, 200'000, {18, 11}, [] { return sl::run(spawn_and_run, 2'000); });
}
BENCHMARK(spawn_run);

sl::task<double> spawn_and_join(int count) {
  const double start = process_cpu_nanoseconds();
  for (int i = 0; i < count; ++i) co_await sl::spawn(nothing).join();
  co_return process_cpu_nanoseconds() - start;
}

void spawn_join(benchmark::State& state) {
  measure(state, 200'000, {}, [] { return sl::run(spawn_and_join, 200'000); });
}
BENCHMARK(spawn_join);

sl::task<> yielder(int count) {
  for (int i = 0; i < count; ++i) co_await sl::yield();
}

sl::task<double> yields(int tasklets, int each) {
  for (int i = 0; i < tasklets; ++i) sl::spawn(yielder, each);
  const double start = process_cpu_nanoseconds();
  co_await sl::drain();
  co_return process_cpu_nanoseconds() - start;
}

void yield_among_1000(benchmark::State& state) {
  measure(state, 1'000'000, {}, [] { return sl::run(yields, 1'000, 1'000); });
}
BENCHMARK(yield_among_1000);

sl::task<> copies(const sl::channel<int>& original, int count, double& total) {
  const double start = process_cpu_nanoseconds();
  for (int i = 0; i < count; ++i) {
    sl::channel<int> copy = original;
    benchmark::DoNotOptimize(copy);
  }
  total = process_cpu_nanoseconds() - start;
  co_return;
}

void channel_handle_copy(benchmark::State& state) {
  measure(state, 500'000, {5, 4}, [] {
    const sl::channel<int> channel;
    double total = 0;
    sl::run(copies, sl::borrow(channel), 500'000, sl::borrow(total));
    return total;
  });
}
BENCHMARK(channel_handle_copy);

std::size_t resident_bytes() {
  std::size_t pages = 0;
  if (std::FILE* file = std::fopen("/proc/self/statm", "r")) {
    if (std::fscanf(file, "%*s %zu", &pages) != 1) pages = 0;
    std::fclose(file);
  }
  return pages * static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
}

sl::task<> blocked(sl::channel<int>& channel) {
  co_await channel.receive();
}

struct blocked_cost {
  double nanoseconds = 0;
  double bytes = 0;
};

sl::task<> block_many(int count, blocked_cost& cost) {
  sl::channel<int> channel;
  const std::size_t bytes = resident_bytes();
  const double start = process_cpu_nanoseconds();
  for (int i = 0; i < count; ++i) sl::spawn(blocked, sl::borrow(channel));
  co_await sl::yield();
  cost.nanoseconds = process_cpu_nanoseconds() - start;
  cost.bytes = static_cast<double>(resident_bytes() - bytes) / count;
  while (channel.try_send(0) == sl::send_status::sent) {
  }
}

void blocked_tasklet_1M(benchmark::State& state) {
  constexpr int count = 1'000'000;
  blocked_cost cost;
  for ([[maybe_unused]] auto iteration : state) sl::run(block_many, count, sl::borrow(cost));
  report(state, cost.nanoseconds / count, {});
  state.counters["bytes"] = cost.bytes;
  state.SetLabel(std::string("budget 300 bytes: ") + (cost.bytes <= 300 ? "kept" : "EXCEEDED"));
}
BENCHMARK(blocked_tasklet_1M)->Iterations(1)->Unit(benchmark::kMillisecond);

}  // namespace
