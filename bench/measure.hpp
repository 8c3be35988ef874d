#pragma once

#include <benchmark/benchmark.h>

#include <cstddef>

/// What a measurement stands against: nanoseconds, and multiples of the floor that is measured in
/// the same process (a bare coroutine's resume and suspend). Zero: no budget.
struct budget {
  double nanoseconds = 0;
  double times_the_floor = 0;
};

[[nodiscard]] double process_cpu_nanoseconds();

/// One resume and suspend of a coroutine that does nothing, through a volatile handle.
[[nodiscard]] double floor_nanoseconds();

/// Reports `total` nanoseconds for `operations` beside the budget.
void report(benchmark::State& state, double total, double operations, budget limit);

/// Runs `body()`, which does `operations` of something, in each iteration.
template <class Body>
void measure(benchmark::State& state, std::size_t operations, budget limit, Body&& body) {
  double total = 0;
  double done = 0;
  for ([[maybe_unused]] auto iteration : state) {
    total += body();
    done += static_cast<double>(operations);
  }
  report(state, total, done, limit);
}
