// Work that blocks its thread runs on the pool; the tasklets go on meanwhile.
#include <stackless/stackless.hpp>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <stop_token>
#include <string>
#include <thread>

namespace sl = stackless;
using namespace std::chrono_literals;

namespace {

/// A library that knows nothing of tasklets, and is slow.
std::uint32_t checksum_of(const std::string& text) {
  std::this_thread::sleep_for(20ms);
  std::uint32_t hash = 2166136261U;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 16777619U;
  return hash;
}

/// Work that can be asked to end.
int search(std::stop_token stop) {
  int tried = 0;
  while (!stop.stop_requested()) {
    std::this_thread::sleep_for(1ms);
    ++tried;
  }
  return tried;
}

int ticks = 0;

sl::task<> tick() {
  for (;; ++ticks) co_await sl::sleep_for(1ms);
}

sl::task<> work() {
  sl::spawn_daemon(tick);
  const std::string text = "stackless";
  std::printf("checksum: %08x\n", co_await sl::offload(checksum_of, text));
  std::printf("others ran meanwhile: %s\n", ticks > 0 ? "yes" : "no");

  int tried = 0;
  const bool found = co_await sl::move_on_after(10ms, [&]() -> sl::task<> {
    tried = co_await sl::offload(search);
    co_await sl::checkpoint();
  });
  std::printf("found: %s, tried: %s\n", found ? "yes" : "no", tried > 0 ? "some" : "none");
}

}  // namespace

int main() {
  sl::run(work);
}
