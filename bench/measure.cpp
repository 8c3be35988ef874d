#include "measure.hpp"

#include <algorithm>
#include <coroutine>
#include <cstdio>
#include <ctime>
#include <string>

namespace {

struct bare {
  struct promise_type {
    bare get_return_object() { return {std::coroutine_handle<promise_type>::from_promise(*this)}; }
    static std::suspend_always initial_suspend() noexcept { return {}; }
    static std::suspend_always final_suspend() noexcept { return {}; }
    static void return_void() {}
    static void unhandled_exception() {}
  };
  std::coroutine_handle<promise_type> handle;
};

bare suspend_for_ever() {
  for (;;) co_await std::suspend_always{};
}

}  // namespace

double process_cpu_nanoseconds() {
  timespec now{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e9 + static_cast<double>(now.tv_nsec);
}

double floor_nanoseconds() {
  static const double floor = [] {
    const bare coroutine = suspend_for_ever();
    void* volatile address = coroutine.handle.address();
    double best = 1e9;
    for (int round = 0; round < 20; ++round) {
      constexpr int count = 500'000;
      const double start = process_cpu_nanoseconds();
      for (int i = 0; i < count; ++i) std::coroutine_handle<>::from_address(address).resume();
      best = std::min(best, (process_cpu_nanoseconds() - start) / count);
    }
    coroutine.handle.destroy();
    return best;
  }();
  return floor;
}

void report(benchmark::State& state, double total, double operations, budget limit) {
  const double each = total / operations;
  const double ratio = each / floor_nanoseconds();
  state.counters["ns"] = each;
  state.counters["x_floor"] = ratio;
  if (limit.nanoseconds == 0) return;
  const bool kept = each <= limit.nanoseconds || ratio <= limit.times_the_floor;
  char text[96];
  std::snprintf(
      text, sizeof text, "budget %g ns or %g x floor: %s", limit.nanoseconds, limit.times_the_floor,
      kept ? "kept" : "EXCEEDED"
  );
  state.SetLabel(text);
}
