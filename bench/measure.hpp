#pragma once

#include <benchmark/benchmark.h>

#include <cstddef>
#include <utility>
#include <vector>

/// What a measurement stands against: nanoseconds, and multiples of the floor that is measured in
/// the same process (a bare coroutine's resume and suspend). Zero: no budget.
struct budget {
  double nanoseconds = 0;
  double times_the_floor = 0;
};

[[nodiscard]] double process_cpu_nanoseconds();

/// One resume and suspend of a coroutine that does nothing, through a volatile handle: the median
/// of short rounds.
[[nodiscard]] double floor_nanoseconds();

/// The middle one. Of operation and floor alike: on a shared machine a mean says what the
/// neighbours did.
[[nodiscard]] double median(std::vector<double> values);

/// Reports `each` nanoseconds an operation beside the budget, and in multiples of the floor, which
/// is measured right after.
void report(benchmark::State& state, double each, budget limit);

/// Runs `body()`, which does `operations` of something, in each iteration.
template <class Body>
void measure(benchmark::State& state, std::size_t operations, budget limit, Body&& body) {
  std::vector<double> each;
  for ([[maybe_unused]] auto iteration : state)
    each.push_back(body() / static_cast<double>(operations));
  report(state, median(std::move(each)), limit);
}
