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
  const bare coroutine = suspend_for_ever();
  void* volatile address = coroutine.handle.address();
  std::vector<double> each;
  for (int round = 0; round < 21; ++round) {
    constexpr int count = 200'000;
    const double start = process_cpu_nanoseconds();
    for (int i = 0; i < count; ++i) std::coroutine_handle<>::from_address(address).resume();
    each.push_back((process_cpu_nanoseconds() - start) / count);
  }
  coroutine.handle.destroy();
  return median(std::move(each));
}

double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

void report(benchmark::State& state, double each, budget limit) {
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
