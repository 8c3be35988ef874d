#include <stackless/stackless.hpp>

#include "catch.hpp"

#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

using namespace stackless;

namespace {

tasklet_local<int> depth;
tasklet_local<std::string> who("nobody");

int plain_function() {
  return ++*depth;
}

/// Says when it goes.
class tracked {
 public:
  tracked(std::vector<std::string>& log, std::string text) : log_(&log), text_(std::move(text)) {}
  tracked(tracked&& other) noexcept
      : log_(std::exchange(other.log_, nullptr)), text_(other.text_) {}
  tracked(const tracked&) = delete;
  tracked& operator=(tracked&&) = delete;
  tracked& operator=(const tracked&) = delete;
  ~tracked() {
    if (log_ != nullptr) log_->push_back(text_);
  }

 private:
  std::vector<std::string>* log_;
  std::string text_;
};

using slot = std::unique_ptr<tracked>;

slot tracks(std::vector<std::string>& log, std::string text) {
  return std::make_unique<tracked>(log, std::move(text));
}

}  // namespace

TEST_CASE("tasklet_local: every tasklet has its own, and so have the functions that it calls") {
  run([]() -> task<> {
    CHECK(depth.find() == nullptr);
    const auto counts = [](int times) -> task<int> {
      for (int i = 0; i < times; ++i) {
        (void)plain_function();
        co_await yield();
      }
      co_return *depth;
    };
    auto three = spawn(counts, 3);
    auto five = spawn(counts, 5);
    CHECK(co_await three.join() == 3);
    CHECK(co_await five.join() == 5);
    CHECK(depth.find() == nullptr);
    CHECK(co_await counts(2) == 2);  // a call: it is still this tasklet
    CHECK(*depth == 2);
  });
}

TEST_CASE("tasklet_local: begins as the first value, and is not inherited") {
  run([]() -> task<> {
    CHECK(who->empty() == false);
    CHECK(*who == "nobody");
    who.set("main");
    const auto asks = []() -> task<std::string> { co_return *who; };
    auto child = spawn(asks);
    CHECK(co_await child.join() == "nobody");
    const auto told = [](std::string name) -> task<std::string> {
      who.set(std::move(name));
      co_return who.get();
    };
    child = spawn(told, *who);
    CHECK(co_await child.join() == "main");
    CHECK(*who == "main");
    who.reset();
    CHECK(who.find() == nullptr);
    CHECK(*who == "nobody");
  });
}

TEST_CASE("tasklet_local: values end with the tasklet, the latest first, however it ends") {
  tasklet_local<slot> first;
  tasklet_local<slot> second;
  std::vector<std::string> log;
  const std::vector<std::string> expected{"frame", "second", "first"};
  const auto uses = [&](int how) -> task<> {
    const tracked in_the_frame(log, "frame");
    first.set(tracks(log, "first"));
    second.set(tracks(log, "second"));
    if (how == 1) throw std::range_error("no");
    if (how == 2) co_await suspend();
  };
  run([&]() -> task<> {
    auto returns = spawn(uses, 0);
    co_await yield();
    CHECK(log == expected);
    co_await returns.join();

    log.clear();
    auto fails = spawn(uses, 1);
    CHECK_THROWS_AS(co_await fails.join(), std::range_error);
    CHECK(log == expected);

    log.clear();
    auto killed = spawn(uses, 2);
    co_await yield();
    CHECK(log.empty());
    co_await killed.kill();
    CHECK(log == expected);
    log.clear();
  });
  CHECK_THROWS_AS(
      run([&]() -> task<> {
        spawn(uses, 2);
        co_await yield();
        throw std::range_error("main");  // the teardown ends the other
      }),
      std::range_error
  );
  CHECK(log == expected);
}

TEST_CASE("tasklet_local: a value replaced or reset goes at once") {
  run([]() -> task<> {
    tasklet_local<slot> local;
    std::vector<std::string> log;
    local.set(tracks(log, "a"));
    local.set(tracks(log, "b"));
    CHECK(log == std::vector<std::string>{"a"});
    local.reset();
    CHECK(log == std::vector<std::string>{"a", "b"});
    local.reset();
    CHECK(local.get() == nullptr);
    co_return;
  });
}

TEST_CASE("tasklet_local: one of several is reset") {
  run([]() -> task<> {
    tasklet_local<int> a(1);
    tasklet_local<int> b(2);
    tasklet_local<int> c(3);
    CHECK(*a + *b + *c == 6);
    ++*a, ++*b, ++*c;
    b.reset();
    CHECK(*a == 2);
    CHECK(*b == 2);
    CHECK(*c == 4);
    a.reset();
    c.reset();
    CHECK(a.find() == nullptr);
    CHECK(*b.find() == 2);
    co_return;
  });
}

TEST_CASE("tasklet_local: one that goes first leaves the values to their tasklets") {
  std::vector<std::string> log;
  run([&]() -> task<> {
    auto local = std::make_unique<tasklet_local<slot>>();
    local->set(tracks(log, "value"));
    const void* address = local.get();
    local.reset();
    CHECK(log.empty());
    // Not mistaken for a new one, wherever that lies.
    const auto again = std::make_unique<tasklet_local<slot>>();
    INFO((address == again.get()));
    CHECK(again->find() == nullptr);
    co_return;
  });
  CHECK(log == std::vector<std::string>{"value"});
}

TEST_CASE("tasklet_local: destructors may use tasklet_locals, and make new values") {
  std::vector<std::string> log;
  struct chain {
    using local = tasklet_local<std::unique_ptr<chain>>;
    chain(int n, std::vector<std::string>& l, local& o) : left(n), log(&l), other(&o) {}
    chain(const chain&) = delete;
    chain& operator=(const chain&) = delete;
    ~chain() {
      log->push_back(*who + " " + std::to_string(left));
      if (left != 0) other->set(std::make_unique<chain>(left - 1, *log, *other));
    }
    int left;
    std::vector<std::string>* log;
    local* other;
  };
  chain::local first;
  chain::local other;
  run([&]() -> task<> {
    const auto uses = [&]() -> task<> {
      first.set(std::make_unique<chain>(3, log, other));
      co_return;
    };
    auto t = spawn(uses);
    co_await t.join();
    CHECK(log == std::vector<std::string>{"nobody 3", "nobody 2", "nobody 1", "nobody 0"});
  });
}

TEST_CASE("tasklet_local: an error handler sees the values of the tasklet that failed") {
  run([]() -> task<> {
    std::string seen;
    set_error_handler([&](const any_tasklet&, const std::exception_ptr&) { seen = *who; });
    spawn([]() -> task<> {
      who.set("the one that failed");
      throw std::range_error("no");
      co_return;
    });
    co_await yield();
    CHECK(seen == "the one that failed");
    set_error_handler({});
  });
}

TEST_CASE("tasklet_local: with locks, which are let go, too") {
  run([]() -> task<> {
    mutex m("m");
    std::optional<mutex_guard> guard;
    std::vector<std::string> log;
    tasklet_local<slot> local;
    auto t = spawn("owner", [&]() -> task<> {
      local.set(tracks(log, "value"));
      guard.emplace(co_await m.lock());
    });
    co_await t.join();
    CHECK(log.size() == 1);
    CHECK_THROWS_AS(co_await m.lock(), broken_mutex);
  });
}

TEST_CASE("tasklet_local: making a value raises") {
  struct picky {
    picky() = default;
    picky(const picky& other) : fails(other.fails) {
      if (*fails) throw std::range_error("no copy");
    }
    picky(picky&&) = default;
    picky& operator=(const picky&) = delete;
    picky& operator=(picky&&) = delete;
    ~picky() = default;
    std::shared_ptr<bool> fails = std::make_shared<bool>(false);
  };
  picky model;
  const auto fails = model.fails;
  const tasklet_local<picky> local(std::move(model));
  run([&]() -> task<> {
    *fails = true;
    CHECK_THROWS_AS((void)local.get(), std::range_error);
    CHECK(local.find() == nullptr);
    *fails = false;
    CHECK(local.get().fails == fails);
    co_return;
  });
}

TEST_CASE("tasklet_local: two schedulers on one thread, and one on another") {
  scheduler a;
  scheduler b;
  std::vector<std::string> seen;
  const auto uses = [&](std::string name) -> task<> {
    CHECK(*who == "nobody");
    who.set(name);
    co_await yield();
    seen.push_back(*who);
  };
  a.spawn(uses, std::string("a"));
  b.spawn(uses, std::string("b"));
  a.run_steps(1);
  b.run_steps(1);
  a.run();
  std::thread([&] {
    run([&]() -> task<> {
      CHECK(*who == "nobody");
      *who = "another thread";
      co_await yield();
      CHECK(*who == "another thread");
    });
  }).join();
  b.run();
  CHECK(seen == std::vector<std::string>{"a", "b"});
}

TEST_CASE("tasklet_local: outside of tasklets") {
  std::string text;
  try {
    (void)who.get();
  } catch (const std::logic_error& error) {
    text = error.what();
  }
  CHECK_THAT(text, contains_text("there is no running tasklet"));
  CHECK_THROWS_AS((void)who.find(), std::logic_error);
  CHECK_THROWS_AS(who.set("x"), std::logic_error);
  CHECK_THROWS_AS(who.reset(), std::logic_error);
}
