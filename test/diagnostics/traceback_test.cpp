#include <stackless/scheduler.hpp>
#include <stackless/stackless.hpp>

#include "catch.hpp"
#include "core/process.hpp"
#include "diagnostics/function_name.hpp"

#include <csignal>
#include <memory>
#include <source_location>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

using namespace stackless;

namespace {

unsigned thrown_after = 0;
unsigned middle_line = 0;

unsigned here(std::source_location at = std::source_location::current()) {
  return at.line();
}

task<int> thrower(int value) {
  thrown_after = here() + 1;
  co_await yield();
  if (value < 0) throw std::invalid_argument("negative");
  co_return value;
}

task<int> middle(int value) {
  middle_line = here() + 1;
  const int result = co_await thrower(value);
  co_return result + 1;
}

std::vector<std::string> names(const async_stack& stack) {
  std::vector<std::string> list;
  for (const stack_frame& f : stack)
    if (!f.in_library) list.push_back(detail::short_function(f.function));
  return list;
}

using texts = std::vector<std::string>;

}  // namespace

#if STACKLESS_TRACKING

TEST_CASE("an exception knows the coroutines it has left, and where they were") {
  run([]() -> task<> {
    try {
      (void)co_await middle(-1);
      FAIL("nothing was thrown");
    } catch (const std::invalid_argument&) {
      const async_stack trace = trace_of(std::current_exception());
      REQUIRE(names(trace).size() == 3);
      CHECK(names(trace)[0] == "thrower");
      CHECK(trace[0].line == thrown_after);
      CHECK(names(trace)[1] == "middle");
      CHECK(trace[1].line == middle_line);
      CHECK(trace[2].file == __FILE__);  // where it is caught
    }
  });
}

TEST_CASE("the way of an exception goes on through joins") {
  run([]() -> task<> {
    const auto worker = spawn("worker", middle, -1);
    const auto other = [](tasklet<int> t) -> task<int> { co_return co_await t.join(); };
    const auto relay = spawn("relay", other, worker);
    std::exception_ptr error;
    try {
      (void)co_await relay.join();
    } catch (...) {
      error = std::current_exception();
    }
    const std::string text = traceback(error);
    INFO(text);
    CHECK_THAT(text, starts_with_text("std::invalid_argument: negative\n   0  thrower(int)"));
    CHECK(
        text.find("   1  middle(int)") < text.find("      #2 worker, spawned traceback_test.cpp:")
    );
    CHECK(text.find("#2 worker") < text.find("   2  lambda(tasklet<int>)"));
    CHECK(text.find("   2  lambda(tasklet<int>)") < text.find("      #3 relay, spawned"));
    CHECK(text.find("#3 relay") < text.find("   3  lambda() in "));
    CHECK_THAT(text, ends_with_text("      #1 main\n"));
  });
}

TEST_CASE("each who joins is told its own way") {
  run([]() -> task<> {
    const auto worker = spawn("worker", middle, -1);
    texts told;
    const auto join = [](tasklet<int> t, texts* list) -> task<> {
      try {
        (void)co_await t.join();
      } catch (...) {
        list->push_back(traceback(std::current_exception()));
      }
    };
    const auto first = spawn("first", join, worker, &told);
    const auto second = spawn("second", join, worker, &told);
    co_await first.join();
    co_await second.join();
    REQUIRE(told.size() == 2);
    for (const std::string& text : told) CHECK_THAT(text, contains_text("#2 worker"));
    CHECK_THAT(told[0], contains_text("#3 first"));
    CHECK_THAT(told[0], !contains_text("#4 second"));
    CHECK_THAT(told[1], contains_text("#4 second"));
    CHECK_THAT(told[1], !contains_text("#3 first"));
  });
}

TEST_CASE("an error that nobody takes is traced to main, and out of run") {
  std::string text;
  try {
    run([]() -> task<> {
      spawn("worker", middle, -1);
      channel<int> never;
      (void)co_await never.receive();
    });
  } catch (const std::invalid_argument&) {
    text = traceback(std::current_exception());
  }
  INFO(text);
  CHECK(text.find("#2 worker") < text.find("#1 main"));
  CHECK(text.find("#1 main") != std::string::npos);
}

TEST_CASE("an error that was sent through a channel is traced to its receiver") {
  run([]() -> task<> {
    channel<int> results("results");
    spawn(
        "worker",
        [](channel<int> out) -> task<> {
          std::exception_ptr error;
          try {
            (void)co_await middle(-1);
          } catch (...) {
            error = std::current_exception();
          }
          co_await out.send_exception(error);
        },
        results
    );
    std::string text;
    try {
      (void)co_await results.receive();
    } catch (...) {
      text = traceback(std::current_exception());
    }
    INFO(text);
    CHECK(text.find("   0  thrower(int)") < text.find("#2 worker"));
    CHECK(text.find("#2 worker") < text.find("#1 main"));
    CHECK(text.find("#1 main") != std::string::npos);
  });
}

TEST_CASE("a nursery's error has its way in it, and what it suppressed beside it") {
  std::string text;
  try {
    run([]() -> task<> {
      co_await with_nursery([](nursery& n) -> task<> {
        n.spawn("a", middle, -1);
        n.spawn(
            "b",
            [](int) -> task<> {
              try {
                co_await suspend();
              } catch (...) {
              }
              throw std::out_of_range("in b");
            },
            0
        );
        co_return;
      });
    });
  } catch (const std::invalid_argument&) {
    text = traceback(std::current_exception());
  }
  INFO(text);
  CHECK_THAT(text, contains_text("#2 a, spawned"));
  CHECK_THAT(text, contains_text("#1 main"));
  const std::size_t besides = text.find("besides: std::out_of_range: in b\n   0  lambda(int)");
  CHECK(besides != std::string::npos);
  CHECK(text.find("#3 b, spawned", besides) != std::string::npos);
}

TEST_CASE("a trace is its exception's alone, also at the address of an earlier one") {
  run([]() -> task<> {
    for (int i = 0; i < 50; ++i) {
      try {
        (void)co_await middle(-1);
      } catch (const std::invalid_argument&) {
        CHECK(trace_of(std::current_exception()).size() == 3);
      }
      const std::exception_ptr unrelated = std::make_exception_ptr(std::invalid_argument("new"));
      CHECK(trace_of(unrelated).empty());
      try {
        throw std::invalid_argument("here");
      } catch (...) {
        CHECK(trace_of(std::current_exception()).empty());
      }
    }
  });
}

TEST_CASE("an exception that is thrown on from a handler keeps its way and goes on") {
  run([]() -> task<> {
    const auto passes_on = []() -> task<> {
      try {
        (void)co_await middle(-1);
      } catch (const std::invalid_argument&) {
        throw;
      }
    };
    try {
      co_await passes_on();
    } catch (...) {
      CHECK(names(trace_of(std::current_exception())).size() == 4);
    }
  });
}

TEST_CASE("a traced exception is destroyed as soon as any other, and with its own destructor") {
  struct counted : std::runtime_error {
    explicit counted(std::shared_ptr<int> token)
        : std::runtime_error("x"), alive(std::move(token)) {}
    std::shared_ptr<int> alive;
  };
  auto token = std::make_shared<int>(0);
  run([&]() -> task<> {
    const auto thrown = [](std::shared_ptr<int> t) -> task<> {
      co_await yield();
      throw counted(std::move(t));
    };
    try {
      co_await thrown(token);
    } catch (const counted&) {
      CHECK(token.use_count() == 2);
      CHECK(!trace_of(std::current_exception()).empty());
    }
    CHECK(token.use_count() == 1);
  });
  CHECK(token.use_count() == 1);
}

TEST_CASE("a trace is read, and its exception destroyed, on another thread") {
  std::exception_ptr error;
  try {
    run([]() -> task<> { (void)co_await middle(-1); });
  } catch (...) {
    error = std::current_exception();
  }
  std::size_t frames = 0;
  std::thread other([&, moved = std::exchange(error, nullptr)]() mutable {
    frames = trace_of(moved).size();
    moved = nullptr;
  });
  other.join();
  CHECK(frames == 3);
}

TEST_CASE("what is thrown need be no std::exception") {
  run([]() -> task<> {
    const auto throws_int = []() -> task<> {
      co_await yield();
      throw 42;
    };
    try {
      co_await throws_int();
    } catch (int) {
      CHECK(trace_of(std::current_exception()).size() == 2);
      CHECK_THAT(traceback(std::current_exception()), starts_with_text("int\n   0  lambda() in "));
    }
  });
}

namespace {

task<> deep(int levels) {
  if (levels == 0) {
    co_await yield();
    throw std::runtime_error("at the bottom");
  }
  co_await deep(levels - 1);
}

}  // namespace

TEST_CASE("of a very long way both ends are kept") {
  run([]() -> task<> {
    try {
      co_await deep(1000);
    } catch (...) {
      const async_stack trace = trace_of(std::current_exception());
      CHECK(trace.size() == 256);
      CHECK_THAT(
          traceback(std::current_exception()),
          contains_text("   …  746 more frames\n 874  deep(int)")
      );
    }
  });
}

TEST_CASE("how a tasklet is told to end leaves no trace") {
  run([]() -> task<> {
    const auto sleeper = spawn("sleeper", []() -> task<> {
      try {
        co_await suspend();
      } catch (const tasklet_exit&) {
        CHECK(trace_of(std::current_exception()).empty());
        throw;
      }
    });
    co_await yield();
    co_await sleeper.kill();
  });
}

TEST_CASE("a deadlock error has its way too") {
  std::string text;
  try {
    run([]() -> task<> {
      const auto waits = []() -> task<> {
        channel<int> c("c");
        (void)co_await c.receive();
      };
      co_await waits();
    });
  } catch (const deadlock_error&) {
    text = traceback(std::current_exception());
  }
  CHECK_THAT(text, contains_text("\n\nits way, innermost first:\n   0  lambda() in "));
  CHECK_THAT(text, ends_with_text("      #1 main\n"));
}

TEST_CASE("a deadlock report tells where an ended tasklet's error was thrown") {
  std::string text;
  try {
    run([]() -> task<> {
      set_error_handler([](const any_tasklet&, const std::exception_ptr&) {});
      spawn("worker", middle, -1);
      channel<int> reply("reply");
      (void)co_await reply.receive();
    });
  } catch (const deadlock_error& error) {
    REQUIRE(error.report().state.ended.size() == 1);
    const ended_info& ended = error.report().state.ended.front();
    CHECK(detail::short_function(ended.thrown_at.function) == "thrower");
    CHECK(ended.thrown_at.line == thrown_after);
    CHECK(ended.thrown_at.file == __FILE__);
    text = error.what();
  }
  INFO(text);
  CHECK_THAT(text, contains_text("by an error: std::invalid_argument: negative\n"));
  CHECK_THAT(text, contains_text("thrown in thrower(int), traceback_test.cpp:"));
}

TEST_CASE("std::terminate prints the traceback of what nobody caught, and then goes on as before") {
  const process::end end = process::end_of([] {
    print_traceback_on_terminate();
    print_traceback_on_terminate();
    const auto call = []() noexcept { run(middle, -1); };
    call();
  });
  INFO(end.text);
  CHECK(end.signal == SIGABRT);
  CHECK_THAT(
      end.text,
      contains_text("stackless: nobody caught std::invalid_argument: negative\n   0  thrower(int)")
  );
  CHECK_THAT(end.text, contains_text("   1  middle(int)"));
  CHECK(end.text.find("nobody caught") == end.text.rfind("nobody caught"));
  CHECK(end.text.find("negative") == end.text.rfind("negative"));  // nor by who prints what()
}

TEST_CASE("std::terminate tells which tasklet ran") {
  const process::end end = process::end_of([] {
    print_traceback_on_terminate();
    run([]() -> task<> {
      co_await spawn("worker", []() -> task<> {
        const auto fails = [] { throw std::logic_error("in a noexcept function"); };
        const auto plain = [&]() noexcept { fails(); };
        co_await yield();
        plain();
      }).join();
    });
  });
  INFO(end.text);
  CHECK(end.signal == SIGABRT);
  CHECK_THAT(end.text, contains_text("nobody caught std::logic_error: in a noexcept function"));
  CHECK_THAT(end.text, contains_text("stackless: terminated in #2 worker\n   0  lambda() in "));
}

TEST_CASE("std::terminate without an exception, and outside the tasklets") {
  const process::end end = process::end_of([] {
    print_traceback_on_terminate();
    std::terminate();
  });
  CHECK(end.signal == SIGABRT);
  CHECK_THAT(end.text, !contains_text("stackless:"));
}

#else

TEST_CASE("without tracking an exception goes its way without a trace") {
  std::exception_ptr error;
  try {
    run(middle, -1);
  } catch (...) {
    error = std::current_exception();
  }
  CHECK(trace_of(error).empty());
  CHECK(traceback(error) == "std::invalid_argument: negative\n");
}

#endif

TEST_CASE("no exception has no trace") {
  CHECK(trace_of(nullptr).empty());
  CHECK(traceback(nullptr) == "no exception\n");
}
