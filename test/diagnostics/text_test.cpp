#include "catch.hpp"
#include "diagnostics/function_name.hpp"
#include "diagnostics/report.hpp"
#include "diagnostics/wording.hpp"
#include "sample_state.hpp"

#include <algorithm>
#include <chrono>
#include <ctime>
#include <sstream>

using namespace stackless;
using sample::state_builder;

namespace {

std::string text_of(state_builder& s, std::uint64_t told = 0) {
  return to_text(detail::make_report(s.data(), told));
}

void check_bounds(const std::string& text) {
  CHECK(text.size() <= 64U * 1024U);
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    INFO(line);
    CHECK(detail::width_of(line) <= 100);
    CHECK(std::none_of(line.begin(), line.end(), [](char c) {
      return static_cast<unsigned char>(c) < 0x20 || c == 0x7F;
    }));
  }
}

}  // namespace

TEST_CASE("text: two that wait to receive from each other") {
  auto s = sample::ping_pong();
  CHECK(
      text_of(s, 3) ==
      R"(deadlock: 3 of 3 tasklets blocked forever   [proven: none runnable, 0 I/O in flight, 0 timers]

WHY   mutual receive: 'ping' and 'pong' each wait for the other to send first

      ping ──receive──▶ channel 'a' ──held by──▶ pong
        ▲                                          │
        └──held by── channel 'b' ◀──receive────────┘

#2 ping   blocked 12 ms (step 42)   receive on channel<int> 'a'  (unbuffered, made pingpong.cpp:21)
   0  fetch(channel<int>&)                         pingpong.cpp:7:13
   1  ping(channel<int>, channel<int>)             pingpong.cpp:12:11
      spawned pingpong.cpp:23 by #1 main
      freed by: a send on 'a' or its close.  held by: #3 pong frame 1 (blocked), itself in frame 1,
                0 outside tasklets
      last on 'a': nothing was ever sent or received

#3 pong   blocked 12 ms (step 43)   receive on channel<int> 'b'  (unbuffered, made pingpong.cpp:22)
   0  fetch(channel<int>&)                         pingpong.cpp:7:13   <- gets this error
   1  pong(channel<int>, channel<int>)             pingpong.cpp:17:11
      spawned pingpong.cpp:24 by #1 main
      freed by: a send on 'b' or its close.  held by: #2 ping frame 1 (blocked), itself in frame 1,
                0 outside tasklets
      last on 'b': nothing was ever sent or received

waiting behind them: 1
   #1 main   join #2 ping                          pingpong.cpp:26:3

FIX   let one side send before it receives (pingpong.cpp:12 or pingpong.cpp:17). A buffer on 'a' or
      'b' will not help: nobody ever sends.)"
  );
}

TEST_CASE("text: the source line stands under the innermost frame, once") {
  auto s = sample::ping_pong();
  const std::string file = std::string(STACKLESS_TEST_DIR) + "/diagnostics/sample_state.hpp";
  for (std::uint64_t id : {2U, 3U}) {
    s.at(id).stack[0].file = file;
    s.at(id).stack[0].line = 1;
    s.at(id).stack[0].column = 9;
  }
  const std::string text = text_of(s);
  const std::string expected = "         1 | #pragma once\n"
                               "           |         ^\n";
  const std::size_t at = text.find(expected);
  REQUIRE(at != std::string::npos);
  CHECK(text.find(expected, at + 1) == std::string::npos);
}

TEST_CASE("text: a larger circle is a chain") {
  state_builder s;
  for (int i = 0; i < 5; ++i) s.tasklet("p" + std::to_string(i));
  for (int i = 0; i < 5; ++i) s.channel("c" + std::to_string(i));
  for (std::uint64_t i = 1; i <= 5; ++i) {
    s.receives(i, i);
    s.holds(i % 5 + 1, i);
  }
  CHECK_THAT(
      text_of(s),
      contains_text("\n      p0 ─▶ 'c0' ─▶ p1 ─▶ 'c1' ─▶ p2 ─▶ 'c2' ─▶ p3 ─▶ 'c3' ─▶ p4 ─▶ "
                    "'c4' ─▶ p0\n")
  );
}

TEST_CASE("text: a circle of join and channel") {
  state_builder s;
  s.tasklet("main");
  s.tasklet("worker");
  s.joins(1, 2);
  const auto c = s.channel("jobs");
  s.receives(2, c);
  s.holds(1, c);
  s.holds(2, c);
  CHECK_THAT(text_of(s, 1), contains_text(R"(
      main ──join──────────────────────────▶ worker
        ▲                                       │
        └──held by── channel 'jobs' ◀──receive──┘
)"));
}

TEST_CASE("text: a hundred thousand blocked tasklets: quick, and bounded") {
  state_builder s;
  s.tasklet("main");
  const auto jobs = s.channel("jobs");
  const auto done = s.channel("done");
  s.data().tasklets.reserve(100'001);
  for (std::uint64_t id = 2; id <= 100'001; ++id) {
    s.tasklet(
        "worker", {{"task<> work(channel<int>)", "w.cpp", static_cast<std::uint32_t>(id % 25), 3}}
    );
    s.receives(id, id % 3 == 0 ? jobs : done);
    s.holds(id, id % 3 == 0 ? jobs : done);
  }
  s.joins(1, 2);
  const std::clock_t before = std::clock();
  const std::string text = text_of(s, 1);
  const std::clock_t took = std::clock() - before;  // of this process: the machine may be busy
  check_bounds(text);
  CHECK_THAT(text, starts_with_text("deadlock: 100001 of 100001 tasklets blocked forever"));
  CHECK(took < 10 * CLOCKS_PER_SEC);  // 0.2 s; sanitizers included
}

TEST_CASE("text: names of any kind stay on their line") {
  for (const std::string& name :
       {std::string("new\nline\ttab"), std::string("\x1b[31mred\x7f"),
        std::string("\xff\xfe broken \xe2\x82"), std::string("zwölf Größen"),
        std::string(200'000, 'x'), std::string("with\0zero", 9), std::string("\xc2\x85 next line"),
        std::string()}) {
    auto s = sample::ping_pong();
    for (std::uint64_t id : {1U, 2U, 3U}) s.at(id).name = name;
    s.at(2).spawned_by_name = name;
    s.object(1).name = name;
    s.object(1).type = name;
    const std::string text = text_of(s, 2);
    check_bounds(text);
    check_bounds(to_text(s.data()));
  }
  CHECK(detail::printable("a\nb\x01") == "a\\nb\\x01");
  CHECK(detail::printable("zwölf") == "zwölf");
  CHECK(detail::printable("\xff") == "\\xff");
}

TEST_CASE("text: long functions and deep stacks are bounded") {
  auto s = sample::ping_pong();
  const std::string function = "task<> very_long(" + std::string(500, 'y') + ")";
  const std::string file = std::string(300, 'f') + ".cpp";
  s.at(2).stack.assign(10'000, {function, file, 7, 7});
  s.at(1).stack.assign(10'000, {function, "short.cpp", 7, 7});
  const std::string text = text_of(s, 2);
  check_bounds(text);
  CHECK_THAT(text, contains_text("9976 more frames"));
  check_bounds(to_text(s.data()));
}

TEST_CASE("text: many different groups, and names of four bytes a column") {
  state_builder s;
  std::string wide;
  for (int i = 0; i < 48; ++i) wide += "\xf0\x9f\x90\x8c";
  s.tasklet("main");
  for (std::uint32_t i = 0; i < 3000; ++i) {
    auto& t = s.tasklet(wide, {});
    t.stack.assign(40, {"task<> f()", "f.cpp", i + 1, 1});
    const auto own = s.channel(wide);
    s.receives(t.id, own);
    s.holds(t.id, own);
  }
  s.joins(1, 2);
  check_bounds(text_of(s));
  check_bounds(to_text(s.data()));
  CHECK_THAT(text_of(s), contains_text("blocked apart from that: 2999"));
}

TEST_CASE("text: nothing to tell") {
  state_builder nobody;
  CHECK(text_of(nobody) == "deadlock");
  CHECK(
      to_text(snapshot_data{}) ==
      "0 tasklets at step 0: 0 running, 0 ready, 0 blocked, 0 paused; 0 I/O in flight, 0 timers\n"
  );
  CHECK(to_string(async_stack{}).empty());
}

TEST_CASE("text: never started, paused, quiet and not tracked") {
  state_builder s;
  s.tasklet("main");
  auto& idle = s.tasklet("idle");
  idle.never_started = true;
  auto& heart = s.tasklet("heart");
  heart.wakes_nobody = heart.is_daemon = true;
  s.waits(3, operation_kind::sleep, 0);
  s.data().sources.timers = s.data().sources.silent = 1;
  s.joins(1, 2);
  const std::string text = text_of(s, 1);
  CHECK_THAT(text, starts_with_text("deadlock: 2 of 3 tasklets blocked forever"));
  CHECK_THAT(text, contains_text("0 I/O in flight, 1 timer, of which 1 wakes nobody]"));
  CHECK_THAT(text, contains_text("#2 idle   never started, and paused"));
  CHECK_THAT(
      text, contains_text("not counted (paused, or they wake nobody): 1\n   #3 heart   sleep")
  );
  auto untracked = sample::ping_pong();
  untracked.data().tracked = false;
  CHECK_THAT(text_of(untracked), contains_text("held by: not known without tracking"));
}

TEST_CASE("text: an async stack, one line a frame") {
  CHECK(
      to_string(sample::ping_pong().at(2).stack) ==
      "   0  fetch(channel<int>&)                         pingpong.cpp:7:13\n"
      "   1  ping(channel<int>, channel<int>)             pingpong.cpp:12:11\n"
  );
}

TEST_CASE("deadlock_error: what() is the report, and copies share it") {
  auto s = sample::ping_pong();
  const deadlock_error error(detail::make_report(s.data(), 2));
  const deadlock_error copy = error;
  CHECK(copy.what() == to_text(error.report()));
  CHECK(&copy.report() == &error.report());
}

TEST_CASE("ages are rounded") {
  using namespace std::chrono_literals;
  CHECK(detail::age_text(0ns) == "0.0 ms");
  CHECK(detail::age_text(340us) == "0.3 ms");
  CHECK(detail::age_text(12ms) == "12 ms");
  CHECK(detail::age_text(1s) == "1.0 s");
  CHECK(detail::age_text(41s) == "41.0 s");
  CHECK(detail::age_text(5min) == "5 min");
  CHECK(detail::age_text(3h) == "3.0 h");
}

TEST_CASE("function names read as they were written") {
  using detail::clean_function;
  using detail::short_function;
  const std::string gcc =
      "stackless::tracked_1::task<> app::{anonymous}::f(stackless::tracked_1::channel<int>&, "
      "std::vector<std::__cxx11::basic_string<char> >)";
  CHECK(clean_function(gcc) == "app::f(channel<int>&, std::vector<std::string>)");
  CHECK(short_function(gcc) == "app::f");
  CHECK(
      clean_function("task<> app::(anonymous namespace)::S::m(const std::string &) const") ==
      "app::S::m(const std::string&)"
  );
  CHECK(clean_function("static stackless::tracked_1::task<> S::s()") == "S::s()");
  CHECK(clean_function("stackless::tracked_1::task<> S::operator()(int)") == "S::operator()(int)");
  CHECK(clean_function("task<> S::operator<(int)") == "S::operator<(int)");
  SECTION("GCC's actor") {
    CHECK(clean_function("void hello(hello()::_Z5hellov.Frame*)") == "hello()");
    CHECK(clean_function("void app::f(f(int)::_ZN3app1fEi.Frame*)") == "app::f(int)");
  }
  SECTION("templates") {
    CHECK(
        clean_function(
            "stackless::tracked_1::task<> g(T, std::string) [with T = int; std::string = "
            "std::__cxx11::basic_string<char>]"
        ) == "g(T, std::string) [T = int]"
    );
    CHECK(
        clean_function("task<> g(T) [T = std::unique_ptr<int>]") ==
        "g(T) [T = std::unique_ptr<int>]"
    );
    CHECK(short_function("task<> g(T) [T = int]") == "g");
  }
  SECTION("lambdas") {
    for (const char* spelled :
         {"hello()::<lambda(stackless::tracked_1::channel<int>)>",
          "auto hello()::(anonymous class)::operator()(channel<int>) const",
          "void hello()::<lambda(stackless::tracked_1::channel<int>)>::operator()(hello()::<lambda("
          "stackless::tracked_1::channel<int>)>::_ZZ5hellovENKUlN9stackless9tracked_17channelIiEEE_"
          "clES2_.Frame*)"}) {
      CHECK(clean_function(spelled) == "lambda(channel<int>) in hello");
      CHECK(short_function(spelled) == "lambda in hello");
    }
    CHECK(
        clean_function("hello(hello()::_Z5hellov.Frame*)::<lambda(auto:14)> [with auto:14 = int]"
        ) == "lambda(auto) in hello"
    );
  }
  SECTION("types of a coroutine's own, as GCC 12 and 14 spell them") {
    using detail::clean_type;
    CHECK(
        clean_type("ZN3app5serveEPZNS_5serveEiE21_ZN3app5serveEi.Frame.actorE5reply") ==
        "app::serve(int)::reply"
    );
    CHECK(
        clean_type("app::serve(app::serve(int)::_ZN3app5serveEi.Frame*)::reply") ==
        "app::serve(int)::reply"
    );
    CHECK(
        clean_type("app::serve(app::serve(int)::_ZN3app5serveEi.Frame*)::in::deep") ==
        "app::serve(int)::in::deep"
    );
    CHECK(
        clean_type("app::S::go(app::S::go(char) const::_ZNK3app1S2goEc.Frame*)::reply") ==
        "app::S::go(char)::reply"
    );
    for (const char* lambda :
         {"f()::{lambda()#1}::operator()(f()::{lambda()#1}::operator()() "
          "const::_ZZL1fvENKUlvE_clEv.Frame*)::reply",
          "ZZL1fvENUlvE_clEPZZL1fvENKS_clEvE25_ZZL1fvENKUlvE_clEv.Frame.actorE5reply"})
      CHECK(clean_type(lambda) == "f()::{lambda()#1}::operator()()::reply");
    for (const char* plain : {"int", "std::vector<int>", "x.Frame*)", "reply"})
      CHECK(clean_type(plain) == plain);
  }
  SECTION("no function at all") {
    for (const char* odd : {"", "(", ")", ">", "]", "[]", "x.Frame*)", "f()::_Z.Frame*)", "ping"})
      CHECK(clean_function(odd) == odd);
  }
}
