// The operations of stackless_bench on standalone Asio's coroutines: one thread, no locks, concrete
// executors. Prints a line for each: its name, and nanoseconds of process CPU an operation.
//
//   asio_bench             everything but memory
//   asio_bench memory      a million blocked coroutines: nanoseconds and resident bytes each

#define ASIO_STANDALONE
#define ASIO_HAS_CO_AWAIT 1  // Asio 1.22 knows it of GCC only
#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <deque>
#include <exception>
#include <stdexcept>
#include <vector>

#include <asio.hpp>
#include <asio/experimental/channel.hpp>
#include <asio/experimental/deferred.hpp>
#include <asio/experimental/parallel_group.hpp>
#include <unistd.h>

using namespace std::chrono_literals;

namespace {

using executor = asio::io_context::executor_type;
template <class T = void>
using task = asio::awaitable<T, executor>;
using channel = asio::experimental::channel<executor, void(asio::error_code, int)>;
using timer = asio::basic_waitable_timer<
    std::chrono::steady_clock,
    asio::wait_traits<std::chrono::steady_clock>,
    executor>;

constexpr asio::use_awaitable_t<executor> use_awaitable;
#if ASIO_VERSION >= 102400
constexpr asio::deferred_t deferred;
#else
constexpr asio::experimental::deferred_t deferred;
#endif

double process_cpu_nanoseconds() {
  timespec now{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e9 + static_cast<double>(now.tv_nsec);
}

double resident_bytes() {
  std::size_t pages = 0;
  if (std::FILE* file = std::fopen("/proc/self/statm", "r")) {
    if (std::fscanf(file, "%*s %zu", &pages) != 1) pages = 0;
    std::fclose(file);
  }
  return static_cast<double>(pages) * static_cast<double>(sysconf(_SC_PAGESIZE));
}

template <class T>
void keep(const T& value) {
  asm volatile("" : : "m"(value) : "memory");
}

void rethrow(std::exception_ptr error) {
  if (error) std::rethrow_exception(error);
}

/// Runs `body(context, arguments...)`, which gives its nanoseconds, until all coroutines have
/// ended.
template <class... Arguments>
double run(task<double> (*body)(asio::io_context&, Arguments...), Arguments... arguments) {
  asio::io_context context(ASIO_CONCURRENCY_HINT_UNSAFE);
  double nanoseconds = 0;
  asio::co_spawn(
      context, body(context, arguments...),
      [&](std::exception_ptr error, double result) {
        rethrow(error);
        nanoseconds = result;
      }
  );
  context.run();
  return nanoseconds;
}

constexpr int messages = 200'000;

task<> produce(channel& out, int count) {
  for (int i = 0; i < count; ++i) co_await out.async_send(asio::error_code(), i, use_awaitable);
}

task<double> transfer(asio::io_context& context, std::size_t capacity) {
  channel c(context, capacity);
  asio::co_spawn(context, produce(c, messages), asio::detached);
  const double start = process_cpu_nanoseconds();
  long sum = 0;
  for (int i = 0; i < messages; ++i) sum += co_await c.async_receive(use_awaitable);
  keep(sum);
  co_return process_cpu_nanoseconds() - start;
}

double unbuffered_message() {
  return run(transfer, std::size_t{0}) / messages;
}

double buffered_message_128() {
  return run(transfer, std::size_t{128}) / messages;
}

task<int> leaf(int value) {
  co_return value;
}

task<double> calls(asio::io_context& /*context*/, int count) {
  const double start = process_cpu_nanoseconds();
  long sum = 0;
  for (int i = 0; i < count; ++i) sum += co_await leaf(i);
  keep(sum);
  co_return process_cpu_nanoseconds() - start;
}

double awaited_call() {
  return run(calls, 200'000) / 200'000;
}

task<> nothing() {
  co_return;
}

task<double> spawn_and_run(asio::io_context& context, int rounds) {
  const double start = process_cpu_nanoseconds();
  for (int i = 0; i < rounds; ++i) {
    for (int k = 0; k < 100; ++k) asio::co_spawn(context, nothing(), asio::detached);
    co_await asio::post(context, use_awaitable);
  }
  co_return process_cpu_nanoseconds() - start;
}

double spawn_run() {
  return run(spawn_and_run, 2'000) / 200'000;
}

task<double> spawn_and_join(asio::io_context& context, int count) {
  const double start = process_cpu_nanoseconds();
  for (int i = 0; i < count; ++i) co_await asio::co_spawn(context, nothing(), use_awaitable);
  co_return process_cpu_nanoseconds() - start;
}

double spawn_join() {
  return run(spawn_and_join, 200'000) / 200'000;
}

task<> yielder(asio::io_context& context, int count) {
  for (int i = 0; i < count; ++i) co_await asio::post(context, use_awaitable);
}

double yield_among_1000() {
  asio::io_context context(ASIO_CONCURRENCY_HINT_UNSAFE);
  for (int i = 0; i < 1'000; ++i) asio::co_spawn(context, yielder(context, 1'000), asio::detached);
  const double start = process_cpu_nanoseconds();
  context.run();
  return (process_cpu_nanoseconds() - start) / 1'000'000;
}

constexpr int selects = 100'000;

/// Always the first is ready: in Asio 1.22 a buffered channel refuses to be sent to once a receive
/// on it was cancelled.
void make_ready(channel& c) {
  if (!c.try_send(asio::error_code(), 1)) throw std::logic_error("the channel refused a value");
}

task<double> select_of_2(asio::io_context& context) {
  channel a(context, 1);
  channel b(context, 1);
  const double start = process_cpu_nanoseconds();
  for (int i = 0; i < selects; ++i) {
    make_ready(a);
    auto got = co_await asio::experimental::make_parallel_group(
                   a.async_receive(deferred), b.async_receive(deferred)
    )
                   .async_wait(asio::experimental::wait_for_one(), use_awaitable);
    keep(got);
  }
  co_return process_cpu_nanoseconds() - start;
}

double select_2_ready() {
  return run(select_of_2) / selects;
}

task<double> select_of_8(asio::io_context& context) {
  std::deque<channel> c;
  for (int i = 0; i < 8; ++i) c.emplace_back(context, 1);
  const double start = process_cpu_nanoseconds();
  for (int i = 0; i < selects; ++i) {
    make_ready(c[0]);
    auto got = co_await asio::experimental::make_parallel_group(
                   c[0].async_receive(deferred), c[1].async_receive(deferred),
                   c[2].async_receive(deferred), c[3].async_receive(deferred),
                   c[4].async_receive(deferred), c[5].async_receive(deferred),
                   c[6].async_receive(deferred), c[7].async_receive(deferred)
    )
                   .async_wait(asio::experimental::wait_for_one(), use_awaitable);
    keep(got);
  }
  co_return process_cpu_nanoseconds() - start;
}

double select_8_ready() {
  return run(select_of_8) / selects;
}

task<int> number(int n) {
  co_return n;
}

task<double> all_of_10(asio::io_context& context, int rounds) {
  const auto child = [&](int n) { return asio::co_spawn(context, number(n), deferred); };
  const double start = process_cpu_nanoseconds();
  for (int i = 0; i < rounds; ++i) {
    auto all = co_await asio::experimental::make_parallel_group(
                   child(0), child(1), child(2), child(3), child(4), child(5), child(6), child(7),
                   child(8), child(9)
    )
                   .async_wait(asio::experimental::wait_for_all(), use_awaitable);
    keep(all);
  }
  co_return process_cpu_nanoseconds() - start;
}

double when_all_of_10() {
  return run(all_of_10, 10'000) / 10'000;
}

task<> sleeps_for(asio::io_context& context, std::chrono::steady_clock::duration time, int& left) {
  timer t(context, time);
  asio::error_code cancelled;  // cheaper than its exception
  co_await t.async_wait(asio::redirect_error(use_awaitable, cancelled));
  --left;
}

double cancel_100k_sleepers() {
  constexpr int count = 100'000;
  asio::io_context context(ASIO_CONCURRENCY_HINT_UNSAFE);
  std::deque<asio::cancellation_signal> signals(count);  // a signal has one slot
  int left = count;
  for (auto& signal : signals)
    asio::co_spawn(
        context, sleeps_for(context, 24h, left),
        asio::bind_cancellation_slot(signal.slot(), asio::detached)
    );
  context.poll();
  const double start = process_cpu_nanoseconds();
  for (auto& signal : signals) signal.emit(asio::cancellation_type::terminal);
  context.run();
  const double nanoseconds = process_cpu_nanoseconds() - start;
  if (left != 0) std::fprintf(stderr, "cancel_100k_sleepers: %d are left\n", left);
  return nanoseconds / count;
}

double timers_1M() {
  constexpr int count = 1'000'000;
  asio::io_context context(ASIO_CONCURRENCY_HINT_UNSAFE);
  int left = count;
  const double start = process_cpu_nanoseconds();
  for (int i = 0; i < count; ++i) {
    const std::chrono::microseconds time((static_cast<long>(i) * 7919) % count);
    asio::co_spawn(context, sleeps_for(context, time, left), asio::detached);
  }
  context.run();
  return (process_cpu_nanoseconds() - start) / count;
}

task<> blocked(channel& c) {
  co_await c.async_receive(use_awaitable);
}

void memory() {
  constexpr int count = 1'000'000;
  asio::io_context context(ASIO_CONCURRENCY_HINT_UNSAFE);
  channel c(context, 0);
  const double bytes = resident_bytes();
  const double start = process_cpu_nanoseconds();
  for (int i = 0; i < count; ++i) asio::co_spawn(context, blocked(c), asio::detached);
  context.poll();
  std::printf("blocked_tasklet_1M %.1f\n", (process_cpu_nanoseconds() - start) / count);
  std::printf("blocked_tasklet_bytes %.0f\n", (resident_bytes() - bytes) / count);
  while (c.try_send(asio::error_code(), 0)) {
  }
  context.restart();
  context.run();
}

/// The median of rounds that take 50 ms together, as ours are measured; three at least.
void measure(const char* name, double (*round)(), std::size_t at_least = 3) {
  std::vector<double> each;
  const double start = process_cpu_nanoseconds();
  while (each.size() < at_least || process_cpu_nanoseconds() - start < 50e6)
    each.push_back(round());
  const auto middle = each.begin() + static_cast<std::ptrdiff_t>(each.size() / 2);
  std::nth_element(each.begin(), middle, each.end());
  std::printf("%s %.2f\n", name, *middle);
  std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 2 && std::strcmp(argv[1], "memory") == 0) {
    memory();
    return 0;
  }
  if (argc > 1) {
    std::fprintf(stderr, "usage: %s [memory]\n", argv[0]);
    return 2;
  }
  measure("unbuffered_message", unbuffered_message);
  measure("buffered_message_128", buffered_message_128);
  measure("awaited_call", awaited_call);
  measure("spawn_run", spawn_run);
  measure("spawn_join", spawn_join);
  measure("yield_among_1000", yield_among_1000);
  measure("select_2_ready", select_2_ready);
  measure("select_8_ready", select_8_ready);
  measure("when_all_of_10", when_all_of_10);
  measure("cancel_100k_sleepers", cancel_100k_sleepers);
  measure("timers_1M", timers_1M, 1);
}
