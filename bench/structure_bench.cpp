#include <stackless/stackless.hpp>

#include "measure.hpp"

#include <chrono>
#include <stdexcept>

namespace sl = stackless;
using namespace std::chrono_literals;

namespace {

constexpr std::size_t selects = 100'000;

sl::task<double> select_of_2() {
  sl::channel<int> a(1);
  sl::channel<int> b(1);
  const double start = process_cpu_nanoseconds();
  for (std::size_t i = 0; i < selects; ++i) {
    (void)a.try_send(1);
    auto got = co_await sl::select(a.receive(), b.receive());
    benchmark::DoNotOptimize(got);
  }
  co_return process_cpu_nanoseconds() - start;
}

void select_2_ready(benchmark::State& state) {
  measure(state, selects, {}, [] { return sl::run(select_of_2); });
}
BENCHMARK(select_2_ready);

sl::task<double> select_of_8() {
  sl::channel<int> c[8]{sl::channel<int>(1), sl::channel<int>(1), sl::channel<int>(1),
                        sl::channel<int>(1), sl::channel<int>(1), sl::channel<int>(1),
                        sl::channel<int>(1), sl::channel<int>(1)};
  const double start = process_cpu_nanoseconds();
  for (std::size_t i = 0; i < selects; ++i) {
    (void)c[i % 8].try_send(1);
    auto got = co_await sl::select(
        c[0].receive(), c[1].receive(), c[2].receive(), c[3].receive(), c[4].receive(),
        c[5].receive(), c[6].receive(), c[7].receive()
    );
    benchmark::DoNotOptimize(got);
  }
  co_return process_cpu_nanoseconds() - start;
}

void select_8_ready(benchmark::State& state) {
  measure(state, selects, {}, [] { return sl::run(select_of_8); });
}
BENCHMARK(select_8_ready);

sl::task<double> lock_alone() {
  sl::mutex m;
  const double start = process_cpu_nanoseconds();
  for (std::size_t i = 0; i < 1'000'000; ++i) {
    const sl::mutex_guard guard = co_await m.lock();
    benchmark::DoNotOptimize(guard);
  }
  co_return process_cpu_nanoseconds() - start;
}

void mutex_uncontended(benchmark::State& state) {
  measure(state, 1'000'000, {}, [] { return sl::run(lock_alone); });
}
BENCHMARK(mutex_uncontended);

sl::task<> locks(sl::mutex& m, int times) {
  for (int i = 0; i < times; ++i) {
    const sl::mutex_guard guard = co_await m.lock();
    co_await sl::yield();
  }
}

sl::task<double> lock_among(int tasklets, int times) {
  sl::mutex m;
  const double start = process_cpu_nanoseconds();
  co_await sl::with_nursery([&](sl::nursery& n) -> sl::task<> {
    for (int i = 0; i < tasklets; ++i) n.spawn(locks, sl::borrow(m), times);
    co_return;
  });
  co_return process_cpu_nanoseconds() - start;
}

void mutex_among_100(benchmark::State& state) {
  measure(state, 100'000, {}, [] { return sl::run(lock_among, 100, 1'000); });
}
BENCHMARK(mutex_among_100);

sl::task<int> number(int n) {
  co_return n;
}

sl::task<double> all_of_10(int rounds) {
  const double start = process_cpu_nanoseconds();
  for (int i = 0; i < rounds; ++i) {
    auto all = co_await sl::when_all(
        number(0), number(1), number(2), number(3), number(4), number(5), number(6), number(7),
        number(8), number(9)
    );
    benchmark::DoNotOptimize(all);
  }
  co_return process_cpu_nanoseconds() - start;
}

void when_all_of_10(benchmark::State& state) {
  measure(state, 10'000, {}, [] { return sl::run(all_of_10, 10'000); });
}
BENCHMARK(when_all_of_10);

sl::task<> sleeps() {
  co_await sl::sleep_for(24h);
}

sl::task<double> cancel_many(int count) {
  double start = 0;
  co_await sl::with_nursery([&](sl::nursery& n) -> sl::task<> {
    for (int i = 0; i < count; ++i) n.spawn(sleeps);
    co_await sl::drain_ready();
    start = process_cpu_nanoseconds();
    n.cancel();
  });
  co_return process_cpu_nanoseconds() - start;
}

void cancel_100k_sleepers(benchmark::State& state) {
  measure(state, 100'000, {}, [] { return sl::run(cancel_many, 100'000); });
}
BENCHMARK(cancel_100k_sleepers)->Iterations(3)->Unit(benchmark::kMillisecond);

// A traceback is kept of the one, and of the other it is not: the difference is its price.
enum class raised { error, cancellation };

// NOLINTNEXTLINE(misc-no-recursion)
sl::task<> raises_below(int calls, raised what) {
  if (calls != 0) {
    co_await raises_below(calls - 1, what);
  } else {
    co_await sl::checkpoint();
    if (what == raised::error) throw std::runtime_error("failed");
    throw sl::cancelled();
  }
}

sl::task<double> raise_through(int calls, raised what, int times) {
  const double start = process_cpu_nanoseconds();
  for (int i = 0; i < times; ++i) {
    try {
      co_await raises_below(calls, what);
    } catch (const std::runtime_error&) {
      continue;
    } catch (const sl::cancelled&) {
      continue;
    }
  }
  co_return process_cpu_nanoseconds() - start;
}

void error_through_10_calls(benchmark::State& state) {
  measure(state, 2'000, {}, [] { return sl::run(raise_through, 10, raised::error, 2'000); });
}
BENCHMARK(error_through_10_calls);

void cancellation_through_10_calls(benchmark::State& state) {
  measure(state, 2'000, {}, [] { return sl::run(raise_through, 10, raised::cancellation, 2'000); });
}
BENCHMARK(cancellation_through_10_calls);

sl::task<> sleeps_for(int microseconds) {
  co_await sl::sleep_for(std::chrono::microseconds(microseconds));
}

sl::task<double> many_timers(int count) {
  const double start = process_cpu_nanoseconds();
  co_await sl::with_nursery([&](sl::nursery& n) -> sl::task<> {
    for (int i = 0; i < count; ++i)
      n.spawn(sleeps_for, static_cast<int>((static_cast<long>(i) * 7919) % count));
    co_return;
  });
  co_return process_cpu_nanoseconds() - start;
}

void timers_1M_spawned_inserted_fired(benchmark::State& state) {
  sl::scheduler_options options;
  options.clock = sl::clock_choice::virtual_time;
  measure(state, 1'000'000, {}, [&] { return sl::run(options, many_timers, 1'000'000); });
}
BENCHMARK(timers_1M_spawned_inserted_fired)->Iterations(1)->Unit(benchmark::kMillisecond);

/// As the peers do it: on the real clock, which the last timer needs a second of.
void timers_1M(benchmark::State& state) {
  measure(state, 1'000'000, {}, [] { return sl::run(many_timers, 1'000'000); });
}
BENCHMARK(timers_1M)->Iterations(1)->Unit(benchmark::kMillisecond);

}  // namespace
