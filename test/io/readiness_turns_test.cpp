// Several tasklets that wait for one descriptor's readiness.

#include <stackless/stackless.hpp>

#include "readiness.hpp"

#include <algorithm>
#include <array>
#include <string>
#include <vector>

using namespace io_test;
using namespace std::chrono_literals;
using stackless::after;
using stackless::select;
using stackless::spawn;
using stackless::task;
namespace io = stackless::io;

namespace {

using log_type = std::vector<std::string>;

/// All three; in which order is the kernel's affair, where it is io_uring that watches.
void check_woken(log_type log) {
  if (stackless::snapshot().sources.io_backend != "epoll") std::sort(log.begin(), log.end());
  CHECK(log == log_type{"a", "b", "c"});
}

}  // namespace

TEST_CASE("readiness: all who wait to read are woken") {
  on_each_backend([]() -> task<> {
    connection c;
    co_await connect_pair(c);
    log_type log;
    const auto waits = [&](std::string name) -> task<> {
      co_await c.server.readable();
      log.push_back(name);
    };
    const auto selects = [&](std::string name) -> task<> {
      (void)co_await select(after(1h), c.server.readable());
      log.push_back(name);
    };
    std::vector<stackless::tasklet<>> all;
    all.push_back(spawn(waits, std::string("a")));
    all.push_back(spawn(selects, std::string("b")));
    auto gone = spawn(waits, std::string("killed"));
    all.push_back(spawn(waits, std::string("c")));
    co_await settle();
    CHECK(in_flight() == 4);
    co_await gone.kill();
    CHECK(in_flight() == 3);
    co_await c.client.write_all("x");
    for (const auto& t : all) co_await t.join();
    check_woken(log);
    const std::string text = co_await read_text(c.server);
    CHECK(text == "x");
    CHECK(in_flight() == 0);
  });
}

TEST_CASE("readiness: all who wait to write are woken") {
  on_each_backend([]() -> task<> {
    local_connection c;
    co_await fill(c.server);
    log_type log;
    const auto waits = [&](std::string name) -> task<> {
      co_await c.server.writable();
      log.push_back(name);
    };
    std::vector<stackless::tasklet<>> all;
    for (const char* name : {"a", "b", "c"}) all.push_back(spawn(waits, std::string(name)));
    co_await settle();
    CHECK(in_flight() == 3);
    co_await drain_all(c.client);
    for (const auto& t : all) co_await t.join();
    check_woken(log);
    CHECK(in_flight() == 0);
  });
}
