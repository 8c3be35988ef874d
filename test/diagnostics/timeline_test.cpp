#include <stackless/stackless.hpp>

#include "catch.hpp"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <regex>
#include <string>
#include <system_error>
#include <vector>

#include <unistd.h>

using namespace stackless;
using namespace std::chrono_literals;

namespace {

struct slice {
  std::string name;
  std::string category;
  double begin = 0;
  double duration = 0;
};

/// A tasklet's slices, in order of their begin.
std::vector<slice> slices_of(const std::string& json, std::uint64_t tasklet) {
  const std::regex event(
      R"re(\{"ph":"X","pid":1,"tid":(\d+),"ts":([0-9.]+),"dur":([0-9.]+),"name":"([^"]*)","cat":"(\w+)"\})re"
  );
  std::vector<slice> found;
  for (std::sregex_iterator at(json.begin(), json.end(), event), end; at != end; ++at)
    if (std::stoull((*at)[1]) == tasklet)
      found.push_back({(*at)[4], (*at)[5], std::stod((*at)[2]), std::stod((*at)[3])});
  return found;
}

std::string words(const std::vector<slice>& slices) {
  std::string text;
  for (const slice& s : slices) text += (text.empty() ? "" : ", ") + s.name;
  return text;
}

void spin(std::chrono::milliseconds time) {
  const auto until = std::chrono::steady_clock::now() + time;
  while (std::chrono::steady_clock::now() < until) {
  }
}

task<> producer(channel<int> out) {
  co_await out.send(1);
  spin(2ms);
  co_await out.send(2);
}

task<> consumer(channel<int> in) {
  (void)co_await in.receive();
  (void)co_await in.receive();
}

class counter final : public observer {
 public:
  int switches = 0;
  int actions = 0;
  int sleeps = 0;
  int wakes = 0;
  void on_switch(const any_tasklet&, const any_tasklet&) override { ++switches; }
  void on_channel(const channel_action&) override { ++actions; }
  void on_sleep(const any_tasklet&) noexcept override { ++sleeps; }
  void on_wake(const any_tasklet&) noexcept override { ++wakes; }
};

}  // namespace

TEST_CASE("a timeline shows when tasklets ran, what they waited for, and what they exchanged") {
  timeline times;
  run([&]() -> task<> {
    set_observer(&times);
    channel<int> numbers("numbers");
    const auto to = spawn("consumer", consumer, numbers);
    const auto from = spawn("producer", producer, numbers);
    co_await to.join();
    co_await from.join();
    set_observer(nullptr);
  });
  const std::string json = times.to_json();
  INFO(json);
  CHECK(words(slices_of(json, 1)) == "running, join #2 consumer, running");
  CHECK(
      words(slices_of(json, 2)) == "running, receive 'numbers', running, receive 'numbers', running"
  );
  CHECK(words(slices_of(json, 3)).find("running, ready, running") == 0);
  CHECK_THAT(json, contains_text(R"("tid":2,"name":"thread_name","args":{"name":"#2 consumer"}})"));
  CHECK_THAT(json, contains_text(R"("s":"t","name":"send 'numbers'","cat":"channel"})"));
  double longest = 0;
  for (const slice& s : slices_of(json, 3))
    if (s.category == "run") longest = std::max(longest, s.duration);
  CHECK(longest >= 2000);
  for (std::uint64_t tasklet = 1; tasklet <= 3; ++tasklet) {
    double end = 0;
    for (const slice& s : slices_of(json, tasklet)) {
      CHECK(s.begin >= end - 0.0005);
      end = s.begin + s.duration;
    }
  }
  CHECK(times.left_out() == 0);
}

TEST_CASE("in a timeline the time that a scheduler sleeps is nobody's running time") {
  timeline times;
  std::chrono::duration<double, std::micro> spun{};
  run([&]() -> task<> {
    set_observer(&times);
    co_await sleep_for(60ms);  // alone: no switch is told of
    const auto before = std::chrono::steady_clock::now();
    spin(5ms);
    spun = std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - before);
    co_await sleep_for(60ms);
    set_observer(nullptr);
  });
  const auto slices = slices_of(times.to_json(), 1);
  INFO(times.to_json());
  REQUIRE(slices.size() >= 4);
  double asleep = 0;
  double running = 0;
  for (const slice& s : slices) (s.name == "sleep" ? asleep : running) += s.duration;
  // Between the call of sleep and the switch it runs, and may lose its processor.
  CHECK(asleep >= 120'000 - (running - spun.count()));
  CHECK(running >= 5000);
  CHECK(running < spun.count() + 100'000);
}

TEST_CASE("a timeline shows what never ended") {
  timeline times;
  scheduler s;
  s.set_observer(&times);
  mutex lock("lock");
  const auto guard = lock.try_lock();
  s.spawn("stuck", [](mutex& m) -> task<> { const auto again = co_await m.lock(); }, borrow(lock));
  s.run_ready();
  const std::string json = times.to_json();
  s.set_observer(nullptr);
  s.shutdown();
  INFO(json);
  CHECK(words(slices_of(json, 1)) == "running, lock mutex 'lock'");
}

TEST_CASE("a timeline keeps as many events as it may, and counts the others") {
  timeline times(10);
  run([&]() -> task<> {
    set_observer(&times);
    spawn("other", []() -> task<> {
      for (int i = 0; i < 20; ++i) co_await yield();
    });
    for (int i = 0; i < 20; ++i) co_await yield();
    set_observer(nullptr);
  });
  CHECK(times.events() == 10);
  CHECK(times.left_out() > 10);
  CHECK_THAT(
      times.to_json(), contains_text("\"events left out\":" + std::to_string(times.left_out()))
  );
}

TEST_CASE("a timeline passes on what it is told, and an observer is told of sleep and waking") {
  counter all;
  timeline times(100, &all);
  run([&]() -> task<> {
    set_observer(&times);
    channel<int> numbers("numbers", 1);
    const auto other = spawn(consumer, numbers);
    co_await numbers.send(1);
    co_await sleep_for(5ms);
    co_await numbers.send(2);
    co_await other.join();
    set_observer(nullptr);
  });
  CHECK(all.switches >= 3);
  CHECK(all.actions == 4);
  CHECK(all.sleeps == 1);
  CHECK(all.wakes == 1);
}

TEST_CASE("a host-driven scheduler sleeps and wakes with its host") {
  counter all;
  scheduler s;
  s.set_observer(&all);
  channel<int> numbers("numbers");
  s.spawn(consumer, numbers);
  s.run_ready();
  CHECK(all.wakes == 1);
  CHECK(all.sleeps == 1);
  (void)numbers.try_send(1);
  (void)numbers.try_send(2);
  s.run_ready();
  (void)numbers.try_send(2);
  s.run_ready();
  CHECK(all.sleeps == 3);
  s.set_observer(nullptr);
  s.shutdown();
}

TEST_CASE("a timeline is saved, or says why not") {
  timeline times;
  CHECK_THROWS_AS(times.save("/no/such/folder/trace.json"), std::system_error);
  std::string path = "/tmp/stackless-timeline-XXXXXX";
  ::close(::mkstemp(path.data()));
  times.save(path);
  std::FILE* file = std::fopen(path.c_str(), "r");
  REQUIRE(file != nullptr);
  std::string text(4096, '\0');
  text.resize(std::fread(text.data(), 1, text.size(), file));
  std::fclose(file);
  std::remove(path.c_str());
  CHECK(text == times.to_json());
}
