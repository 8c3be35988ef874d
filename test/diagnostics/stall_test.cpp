#include <stackless/stackless.hpp>

#include "catch.hpp"

#include <chrono>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

using namespace std::chrono_literals;
using namespace stackless;

#if STACKLESS_TRACKING

namespace {

task<> send_result(channel<int> out, int value) {
  co_await out.send(value);
}

/// Leaves after the first result: the others can never be delivered.
task<> scan_all() {
  const channel<int> results(channel_name("results"));
  for (int i = 0; i < 4; ++i) spawn("scan", send_result, results, i);
  (void)co_await results.receive();
}

task<> receives_first(channel<int> in, channel<int> out) {
  (void)co_await in.receive();
  co_await out.send(1);
}

void spawn_mutual_receivers() {
  const channel<int> a(channel_name("a"));
  const channel<int> b(channel_name("b"));
  spawn("ping", receives_first, a, b);
  spawn("pong", receives_first, b, a);
}

task<> alone() {
  const channel<int> own(channel_name("own"));
  (void)co_await own.receive();
}

task<> ticker() {
  for (;;) co_await sleep_for(1s);
}

class stall_log : public observer {
 public:
  std::vector<verdict> told;
  bool throws = false;

  void on_stall(const deadlock_report& report) override {
    told.push_back(report.why);
    if (throws) throw std::runtime_error("the observer's own");
  }
};

scheduler_options virtual_time() {
  scheduler_options options;
  options.clock = clock_choice::virtual_time;
  return options;
}

/// What is found a second after `begin`, while a ticker runs. Then all is torn down.
std::vector<deadlock_report> stalls_after(
    const std::function<void()>& begin, observer* watcher = nullptr
) {
  std::vector<deadlock_report> found;
  const auto program = [&]() -> task<> {
    set_observer(watcher);
    spawn("ticker", ticker);
    begin();
    co_await sleep_for(10s);
    found = find_stalls();
    set_observer(nullptr);
    throw std::domain_error("enough");
  };
  CHECK_THROWS_AS(run(virtual_time(), program), std::domain_error);
  return found;
}

}  // namespace

TEST_CASE("senders whose channel nobody else can reach are a stall") {
  const auto stalls = stalls_after([] { spawn("scan_all", scan_all); });
  REQUIRE(stalls.size() == 1);
  const deadlock_report& report = stalls[0];
  CHECK(report.why == verdict::leaked);
  CHECK(report.certainty == grade::likely);
  CHECK(report.core.size() == 3);
  CHECK(
      report.explanation ==
      "3 tasklets wait to send on 'results', of which nobody else has a handle"
  );
  const std::string text = to_text(report);
  INFO(text);
  CHECK(text.starts_with("stall: 3 of 5 tasklets blocked, it seems forever; the others go on"));
  CHECK(text.find("proven") == std::string::npos);
  CHECK(text.find("ticker") == std::string::npos);
  CHECK(text.find("#3 scan_all") != std::string::npos);  // it has ended, and took one
}

TEST_CASE("mutual receive while others go on is a stall") {
  const auto stalls = stalls_after(spawn_mutual_receivers);
  REQUIRE(stalls.size() == 1);
  CHECK(stalls[0].why == verdict::mutual_receive);
  CHECK(stalls[0].core.size() == 2);
}

TEST_CASE("the only holder of what it waits for is a stall, and so is each such group") {
  const auto stalls = stalls_after([] {
    spawn("alone", alone);
    spawn_mutual_receivers();
    spawn("alone too", alone);
  });
  REQUIRE(stalls.size() == 3);
  std::size_t leaked = 0;
  for (const deadlock_report& report : stalls) leaked += report.why == verdict::leaked ? 1U : 0U;
  CHECK(leaked == 2);
}

TEST_CASE("a select is in a stall when each of its cases is, whoever spawned it") {
  const auto stalls = stalls_after([] {
    spawn("setup", []() -> task<> {
      const channel<int> a(channel_name("a"));
      const channel<int> b(channel_name("b"));
      const channel<int> c(channel_name("c"));
      spawn(
          "chooser",
          [](channel<int> one, channel<int> two, channel<int> out) -> task<> {
            (void)co_await select(one.receive(), two.receive());
            co_await out.send(1);
          },
          a, b, c
      );
      spawn("one", receives_first, c, a);
      spawn("two", receives_first, c, b);
      spawn("alone", alone);
      spawn("alone too", alone);
      co_return;
    });
  });
  REQUIRE(stalls.size() == 3);
  std::size_t mutual = 0;
  for (const deadlock_report& report : stalls) {
    mutual += report.why == verdict::mutual_receive ? 1U : 0U;
    CHECK(report.core.size() == (report.why == verdict::mutual_receive ? 3U : 1U));
  }
  CHECK(mutual == 1);
}

TEST_CASE("explain() of a state asks for those for whom the one told waits") {
  const auto program = []() -> task<> {
    std::vector<any_tasklet> waiting;
    for (int i = 0; i < 40; ++i) waiting.push_back(spawn("alone", alone));
    co_await yield();
    CHECK(find_stalls().size() == 16);
    for (const any_tasklet& each : waiting) {
      const deadlock_report report = explain(snapshot(), each.id());
      CHECK(report.core == std::vector<std::uint64_t>{each.id()});
      CHECK(report.why == verdict::leaked);
    }
    CHECK(explain(snapshot(), 4711).core.empty());
    throw std::domain_error("enough");
  };
  CHECK_THROWS_AS(run(program), std::domain_error);
}

TEST_CASE("no stall: somebody who runs on has a handle") {
  CHECK(stalls_after([] {
          const channel<int> c;
          spawn("receiver", [](channel<int> from) -> task<> { (void)co_await from.receive(); }, c);
          spawn(
              "later",
              [](channel<int> to) -> task<> {
                co_await sleep_for(1h);
                co_await to.send(1);
              },
              c
          );
        }).empty());
}

TEST_CASE("no stall: a handle outside the tasklets, in a frame above, or a deadline") {
  const auto outside = std::make_unique<channel<int>>();
  CHECK(stalls_after([&] {
          spawn("receiver", [](channel<int> c) -> task<> { (void)co_await c.receive(); }, *outside);
        }).empty());
  CHECK(stalls_after([] {
          spawn("parent", []() -> task<> {
            const channel<int> c;
            spawn("child", [&c]() -> task<> {  // it has no handle, and can send all the same
              co_await sleep_for(1h);
              co_await c.send(1);
            });
            (void)co_await c.receive();
          });
        }).empty());
  CHECK(stalls_after([] {
          spawn("patient", []() -> task<> {
            const channel<int> c;
            (void)co_await move_on_after(1h, [&c]() -> task<> { (void)co_await c.receive(); });
          });
        }).empty());
  CHECK(stalls_after([] {
          spawn("waits", []() -> task<> {
            event e;
            co_await e.wait();
          });
        }).empty());
}

TEST_CASE("an observer is told of each stall once") {
  stall_log log;
  (void)stalls_after(
      [] {
        spawn("alone", alone);
        spawn_mutual_receivers();
      },
      &log
  );
  REQUIRE(log.told.size() == 2);
  CHECK(((log.told[0] == verdict::leaked) != (log.told[1] == verdict::leaked)));
}

TEST_CASE("an observer of a program that is well is told of none") {
  stall_log log;
  const auto program = [&]() -> task<> {
    set_observer(&log);
    const channel<int> c;
    const auto receiver = spawn(
        "receiver",
        [](channel<int> from) -> task<> {
          while (const auto value = co_await from.next()) {
          }
        },
        c
    );
    for (int i = 0; i < 100; ++i) {
      co_await sleep_for(1s);
      co_await c.send(i);
    }
    c.close();
    co_await receiver.join();
    set_observer(nullptr);
  };
  run(virtual_time(), program);
  CHECK(log.told.empty());
}

TEST_CASE("a stall that comes right after a look is told, though nothing runs any more") {
  stall_log log;
  const auto waits = [](channel<int> in) -> task<> { (void)co_await in.receive(); };
  const auto program = [&]() -> task<> {
    set_observer(&log);
    // With so many a look takes long, and the next one comes the later for that.
    const channel<int> held;
    for (int i = 0; i < 3000; ++i) spawn(waits, held);
    co_await sleep_for(1ms);
    CHECK(log.told.empty());
    spawn_mutual_receivers();
    log.throws = true;
    co_await sleep_for(60s);
  };
  CHECK_THROWS_WITH(run(program), "the observer's own");
  CHECK(log.told == std::vector{verdict::mutual_receive});
}

TEST_CASE("what on_stall throws is an error that nobody caught") {
  stall_log log;
  log.throws = true;
  const auto program = [&]() -> task<> {
    set_observer(&log);
    spawn("ticker", ticker);
    spawn("alone", alone);
    co_await sleep_for(10s);
  };
  CHECK_THROWS_WITH(run(virtual_time(), program), "the observer's own");
  CHECK(log.told.size() == 1);
}

TEST_CASE("find_stalls needs a running scheduler") {
  CHECK_THROWS_AS(find_stalls(), std::logic_error);
}

#endif
