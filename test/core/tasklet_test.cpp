#include <stackless/stackless.hpp>

#include "catch.hpp"

#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

using stackless::any_tasklet;
using stackless::borrow;
using stackless::channel;
using stackless::drain;
using stackless::run;
using stackless::spawn;
using stackless::task;
using stackless::tasklet;
using stackless::tasklet_exit;
using stackless::tasklet_killed;
using stackless::yield;
namespace this_tasklet = stackless::this_tasklet;

namespace {

task<int> number(int n) {
  co_return n;
}

task<> appends(std::vector<int>& list, int n) {
  co_await yield();
  list.push_back(n);
}

task<std::size_t> length_of(const std::string& text) {
  co_await yield();
  co_return text.size();
}

task<std::string> keeps(std::string text) {
  co_await yield();
  co_return text;
}

task<int> overloaded(int n) {
  co_return n;
}
[[maybe_unused]] task<int> overloaded(const char*) {
  co_return -1;
}

task<int> noexcept_function(int n) noexcept {
  co_return n;
}

task<std::unique_ptr<int>> boxed(int n) {
  co_await yield();
  co_return std::make_unique<int>(n);
}

task<> fails(const char* text) {
  co_await yield();
  throw std::runtime_error(text);
}

task<> waits_for_ever(channel<int> c) {
  (void)co_await c.receive();
}

struct machine {
  int base = 100;
  task<int> add(int n) {
    co_await yield();
    co_return base + n;
  }
  task<int> get() const {
    co_await yield();
    co_return base;
  }
};

struct move_only_callable {
  std::unique_ptr<int> value;
  explicit move_only_callable(int n) : value(std::make_unique<int>(n)) {}
  task<int> operator()(std::unique_ptr<int> more) {
    co_await yield();
    co_return *value + *more;
  }
};

}  // namespace

// Spawning
// -----------------------------------------------------------------------------------------

TEST_CASE("spawn keeps values, callables and closures for the tasklet's life") {
  const auto main = []() -> task<> {
    tasklet<std::string> by_value;
    tasklet<std::size_t> by_reference;
    tasklet<std::string> converted;
    tasklet<int> closure;
    {
      std::string text(100, 'x');
      by_value = spawn(keeps, text);
      by_reference = spawn(length_of, text);  // a copy is kept, the parameter refers to it
      converted = spawn(keeps, "literal");
      const auto values = std::make_shared<std::vector<int>>(std::vector<int>{1, 2, 3});
      const auto sums = [values]() -> task<int> {
        co_await yield();
        int sum = 0;
        for (const int v : *values) sum += v;
        co_return sum;
      };
      closure = spawn(sums);
      text.assign(100, 'y');
    }
    const std::string first = co_await by_value.join();
    CHECK(first == std::string(100, 'x'));
    const std::size_t length = co_await by_reference.join();
    CHECK(length == 100);
    const std::string second = co_await converted.join();
    CHECK(second == "literal");
    const int sum = co_await closure.join();
    CHECK(sum == 6);
  };
  run(main);
}

TEST_CASE("spawn with borrow hands a reference over") {
  std::vector<int> list;
  const auto main = [&]() -> task<> {
    spawn(appends, borrow(list), 1);
    spawn(appends, borrow(list), 2);
    co_await drain();
  };
  run(main);
  CHECK(list == std::vector<int>{1, 2});
}

TEST_CASE("borrow of a const object") {
  const std::string text = "abc";
  const auto main = [&]() -> task<std::size_t> {
    const auto t = spawn(length_of, borrow(text));
    co_return co_await t.join();
  };
  CHECK(run(main) == 3);
}

TEST_CASE("spawn takes one of several overloads, noexcept functions, std::function, members") {
  machine m;
  const auto main = [&]() -> task<int> {
    const auto a = spawn(static_cast<task<int> (*)(int)>(overloaded), 1);
    const auto b = spawn(noexcept_function, 20);
    const std::function<task<int>(int)> f = number;
    const auto c = spawn(f, 300);
    const auto d = spawn(&machine::add, &m, 4000);
    const auto e = spawn(&machine::get, borrow(m).get());
    int sum = co_await a.join();
    sum += co_await b.join();
    sum += co_await c.join();
    sum += co_await d.join();
    sum += co_await e.join();
    co_return sum;
  };
  CHECK(run(main) == 1 + 20 + 300 + 4100 + 100);
}

TEST_CASE("spawn of move-only callables and arguments") {
  const auto main = []() -> task<int> {
    const auto t = spawn(move_only_callable(1), std::make_unique<int>(2));
    co_return co_await t.join();
  };
  CHECK(run(main) == 3);
}

TEST_CASE("what spawn keeps is destroyed at the tasklet's end, not with its handle") {
  const auto held = std::make_shared<int>(0);
  const auto main = [&]() -> task<> {
    const auto closure = [held]() -> task<> { co_await yield(); };
    const auto function = [](std::shared_ptr<int>) -> task<> { co_await yield(); };
    const long before = held.use_count();
    const auto a = spawn(closure);
    const auto b = spawn(function, held);
    CHECK(held.use_count() > before);
    co_await drain();
    CHECK(held.use_count() == before);
    CHECK_FALSE(a.alive());
    CHECK_FALSE(b.alive());
  };
  run(main);
  CHECK(held.use_count() == 1);
}

TEST_CASE("a tasklet that is killed before its first run destroys what it was given") {
  const auto held = std::make_shared<int>(0);
  bool entered = false;
  const auto main = [&]() -> task<> {
    const auto by_parameter = [&entered](std::shared_ptr<int>) -> task<> {
      entered = true;
      co_return;
    };
    const auto t = spawn(by_parameter, held);
    co_await t.kill();
    CHECK_FALSE(t.alive());
    CHECK(held.use_count() == 1);
  };
  run(main);
  CHECK_FALSE(entered);
}

TEST_CASE("a callable that throws before it makes a task: that is the tasklet's error") {
  const auto throws = []() -> task<int> { throw std::runtime_error("no task"); };
  const auto main = [&]() -> task<std::string> {
    const auto t = spawn(throws);
    try {
      (void)co_await t.join();
    } catch (const std::runtime_error& e) {
      co_return e.what();
    }
    co_return "";
  };
  CHECK(run(main) == "no task");
}

TEST_CASE("spawn needs a running scheduler") {
  CHECK_THROWS_AS(spawn(number, 1), std::logic_error);
  CHECK_THROWS_AS(this_tasklet::handle(), std::logic_error);
  CHECK_THROWS_AS(this_tasklet::id(), std::logic_error);
  CHECK_THROWS_AS(stackless::run_count(), std::logic_error);
  CHECK_THROWS_AS(stackless::main_tasklet(), std::logic_error);
}

TEST_CASE("run inside a running scheduler is refused") {
  const auto main = []() -> task<> {
    CHECK_THROWS_AS(run(number, 1), std::logic_error);
    CHECK_THROWS_AS(run(stackless::scheduler_options{}, number, 1), std::logic_error);
    const int still_here = co_await number(3);
    CHECK(still_here == 3);
  };
  run(main);
  CHECK(run(number, 4) == 4);
}

TEST_CASE("run gives what main returns") {
  CHECK(run(number, 5) == 5);
  CHECK(*run(boxed, 6) == 6);
  CHECK(run(keeps, std::string("text")) == "text");
  int x = 0;
  const auto refers = [&]() -> task<int&> { co_return x; };
  run(refers) = 7;
  CHECK(x == 7);
  run([]() -> task<> { co_return; });
}

TEST_CASE("run waits for all tasklets, not only for main") {
  int ended = 0;
  const auto slow = [&]() -> task<> {
    for (int i = 0; i < 10; ++i) co_await yield();
    ++ended;
  };
  run([&]() -> task<> {
    spawn(slow);
    spawn(slow);
    co_return;
  });
  CHECK(ended == 2);
}

// Names and ids
// ------------------------------------------------------------------------------------

TEST_CASE("ids count up from 1 in a scheduler and are never reused") {
  for (int i = 0; i < 2; ++i) {
    run([]() -> task<> {
      CHECK(this_tasklet::id() == 1);
      const auto a = spawn(number, 1);
      CHECK(a.id() == 2);
      co_await drain();
      const auto b = spawn(number, 1);
      CHECK(b.id() == 3);
      CHECK(a.id() == 2);
    });
  }
}

TEST_CASE("names: given as a literal, at run time, later, or the function's") {
  run([]() -> task<> {
    CHECK(this_tasklet::name() == "main");
    auto literal = spawn("reader", number, 1);
    CHECK(literal.name() == "reader");
    tasklet<int> copied;
    {
      std::string text = "worker ";
      text += std::to_string(17) + " with a name that is long enough for the heap";
      copied = spawn(text, number, 1);
      text.assign(text.size(), '?');
    }
    CHECK(copied.name() == "worker 17 with a name that is long enough for the heap");
    auto unnamed = spawn(number, 1);
#if STACKLESS_TRACKING
    CHECK_THAT(unnamed.name(), contains_text("number"));
#else
    CHECK(unnamed.name() == "tasklet");
#endif
    unnamed.set_name("later");
    CHECK(unnamed.name() == "later");
    unnamed.set_name("and " + unnamed.name());
    CHECK(unnamed.name() == "and later");
    literal.set_name("renamed");
    CHECK(literal.name() == "renamed");
    copied.set_name("");
    CHECK(copied.name().empty());
    co_await drain();
    CHECK(literal.name() == "renamed");
    CHECK(unnamed.name() == "and later");
  });
}

TEST_CASE("a name in a buffer is copied, and one that no tasklet took is given back") {
  run([]() -> task<> {
    char buffer[] = "first";
    const auto named = spawn(buffer, number, 1);
    buffer[0] = 'F';
    CHECK(named.name() == "first");
    co_await named.join();
    // Under AddressSanitizer a name that nobody frees is a leak.
    stackless::detail::frame_slab::fail_next_allocation();
    CHECK_THROWS_AS(spawn(std::string("never"), number, 1), std::bad_alloc);
  });
}

TEST_CASE("a tasklet knows and sets its own name") {
  std::string seen;
  const auto body = [&]() -> task<> {
    seen = this_tasklet::name();
    this_tasklet::set_name("new");
    co_return;
  };
  run([&]() -> task<> {
    const auto t = spawn("old", body);
    co_await drain();
    CHECK(t.name() == "new");
  });
  CHECK(seen == "old");
}

// Handles
// ------------------------------------------------------------------------------------------

TEST_CASE("copies of a handle are the same tasklet, an empty one is none") {
  run([]() -> task<> {
    const auto t = spawn(number, 1);
    any_tasklet copy = t;
    CHECK(copy == t);
    any_tasklet moved = std::move(copy);
    CHECK(moved == t);
    copy = moved;
    CHECK(copy == t);
    copy = std::move(moved);
    CHECK(copy == t);
    const any_tasklet& itself = copy;
    copy = itself;
    CHECK(copy == t);
    CHECK(static_cast<bool>(copy));
    const auto other = spawn(number, 2);
    CHECK_FALSE(other == t);

    const any_tasklet none;
    CHECK_FALSE(static_cast<bool>(none));
    CHECK_THROWS_AS(none.id(), std::logic_error);
    CHECK_THROWS_AS(none.alive(), std::logic_error);
    CHECK_THROWS_AS(none.kill_pending(), std::logic_error);
    CHECK_THROWS_AS((void)none.join(), std::logic_error);
    co_return;
  });
}

TEST_CASE("a handle outlives its tasklet and its scheduler") {
  tasklet<std::string> kept;
  run([&]() -> task<> {
    kept = spawn("kept", keeps, "text");
    co_await drain();
  });
  CHECK_FALSE(kept.alive());
  CHECK_FALSE(kept.paused());
  CHECK_FALSE(kept.blocked());
  CHECK_FALSE(kept.scheduled());
  CHECK(kept.name() == "kept");
  CHECK_THROWS_AS(kept.insert(), std::logic_error);
  kept.remove();
  kept.kill_pending();
  CHECK_THROWS_AS(
      kept.raise_pending(std::make_exception_ptr(std::runtime_error("x"))), std::logic_error
  );
}

// Joining
// ------------------------------------------------------------------------------------------

TEST_CASE("join gives a copy of the result to everybody, before the end and after") {
  run([]() -> task<> {
    std::vector<std::string> results;
    const auto t = spawn(keeps, std::string("result"));
    const auto joins = [&]() -> task<> { results.push_back(co_await t.join()); };
    spawn(joins);
    spawn(joins);
    results.push_back(co_await t.join());
    co_await drain();
    results.push_back(co_await t.join());
    CHECK(results == std::vector<std::string>(4, "result"));
  });
}

TEST_CASE("join of a reference gives the same object to everybody") {
  int x = 1;
  const auto refers = [&]() -> task<int&> {
    co_await yield();
    co_return x;
  };
  run([&]() -> task<> {
    const auto t = spawn(refers);
    int& first = co_await t.join();
    int& second = co_await t.join();
    CHECK(&first == &x);
    CHECK(&second == &x);
  });
}

TEST_CASE("a move-only result goes to the first joiner, later ones get a logic_error") {
  run([]() -> task<> {
    std::vector<int> taken;
    int refused = 0;
    const auto t = spawn(boxed, 5);
    const auto joins = [&]() -> task<> {
      try {
        const auto p = co_await t.join();
        taken.push_back(*p);
      } catch (const std::logic_error&) {
        ++refused;
      }
    };
    spawn(joins);
    spawn(joins);
    co_await drain();
    co_await joins();
    CHECK(taken == std::vector<int>{5});
    CHECK(refused == 2);
  });
}

TEST_CASE("a joiner that only waits does not take a move-only result") {
  run([]() -> task<> {
    const auto t = spawn(boxed, 5);
    const any_tasklet only_waits = t;
    co_await only_waits.join();
    const auto p = co_await t.join();
    CHECK(*p == 5);
  });
}

TEST_CASE("join rethrows the error to all joiners and to later ones") {
  run([]() -> task<> {
    int caught = 0;
    const auto t = spawn(fails, "broken");
    const auto joins = [&]() -> task<> {
      try {
        co_await t.join();
      } catch (const std::runtime_error& e) {
        caught += std::string(e.what()) == "broken";
      }
    };
    spawn(joins);
    spawn(joins);
    co_await joins();
    co_await drain();
    co_await joins();
    CHECK(caught == 4);
  });
}

TEST_CASE("join of a tasklet that was killed raises tasklet_killed, which names it") {
  channel<int> c;
  run([&]() -> task<> {
    const auto t = spawn("victim", waits_for_ever, c);
    co_await drain();
    std::string text;
    const auto joins = [&]() -> task<> {
      try {
        co_await t.join();
      } catch (const tasklet_killed& e) {
        text = e.what();
      }
    };
    const auto j = spawn(joins);
    co_await drain();
    co_await t.kill();
    co_await j.join();
    CHECK_THAT(text, contains_text("victim"));
    text.clear();
    co_await joins();
    CHECK_THAT(text, contains_text("victim"));
  });
}

TEST_CASE("a tasklet that ends itself by tasklet_exit counts as killed") {
  const auto exits = []() -> task<> {
    throw tasklet_exit{};
    co_return;
  };
  run([&]() -> task<> {
    const auto t = spawn(exits);
    bool killed = false;
    try {
      co_await t.join();
    } catch (const tasklet_killed&) {
      killed = true;
    }
    CHECK(killed);
  });
}

TEST_CASE("a tasklet cannot join itself, nor one of another scheduler") {
  channel<int> c;
  stackless::scheduler other;
  const auto foreign = other.spawn(waits_for_ever, c);
  run([&]() -> task<> {
    int refused = 0;
    try {
      co_await this_tasklet::handle().join();
    } catch (const std::logic_error&) {
      ++refused;
    }
    try {
      co_await foreign.join();
    } catch (const std::logic_error&) {
      ++refused;
    }
    try {
      co_await foreign.kill();
    } catch (const std::logic_error&) {
      ++refused;
    }
    try {
      co_await foreign.run();
    } catch (const std::logic_error&) {
      ++refused;
    }
    CHECK(refused == 4);
  });
  CHECK(foreign.alive());
  other.shutdown();
  CHECK_FALSE(foreign.alive());
}

TEST_CASE("joiners go on in the order in which they came, at the tail") {
  run([]() -> task<> {
    std::vector<std::string> order;
    const auto slow = [&]() -> task<> {
      co_await yield();
      co_await yield();
      order.emplace_back("end");
    };
    const auto t = spawn(slow);
    const auto joins = [&](const char* name) -> task<> {
      co_await t.join();
      order.emplace_back(name);
    };
    const auto bystander = [&]() -> task<> {
      for (int i = 0; i < 3; ++i) co_await yield();
      order.emplace_back("X");
    };
    spawn(joins, "J1");
    spawn(joins, "J2");
    spawn(bystander);
    co_await drain();
    CHECK(order == std::vector<std::string>{"end", "J1", "J2", "X"});
  });
}

TEST_CASE("a joiner that is killed leaves the target alone, which may be joined again") {
  run([]() -> task<> {
    const auto t = spawn(number, 3);
    t.remove();
    const auto joins = [&]() -> task<> { (void)co_await t.join(); };
    const auto j = spawn(joins);
    co_await drain();
    CHECK(j.blocked());
    co_await j.kill();
    CHECK_FALSE(j.alive());
    CHECK(t.alive());
    t.insert();
    const int n = co_await t.join();
    CHECK(n == 3);
  });
}

TEST_CASE("join of an ended tasklet does not switch") {
  run([]() -> task<> {
    bool ran = false;
    const auto other = [&]() -> task<> {
      ran = true;
      co_return;
    };
    const auto t = spawn(number, 3);
    co_await drain();
    spawn(other);
    const int n = co_await t.join();
    CHECK(n == 3);
    CHECK_FALSE(ran);
    co_await drain();
    CHECK(ran);
  });
}

// Being removed while what it waited for has happened
// ----------------------------------------------

TEST_CASE("a woken tasklet that is removed before it runs is paused, and gets its value later") {
  const int how = GENERATE(0, 1, 2);
  run([&]() -> task<> {
    channel<int> c;
    int got = 0;
    const auto receives = [&]() -> task<> { got = co_await c.receive(); };
    const auto t = spawn(receives);
    co_await drain();
    (void)c.try_send(7);
    t.remove();
    CHECK(t.paused());
    CHECK_FALSE(t.blocked());
    co_await drain();
    CHECK(got == 0);
    if (how == 0) t.insert();
    if (how == 1) co_await t.run();
    if (how == 2) co_await t.switch_to();
    co_await drain();
    CHECK(got == 7);
    CHECK(c.balance() == 0);
  });
}

TEST_CASE("a sender that was refused and then removed does not take its message for sent") {
  run([]() -> task<> {
    bool refused = false;
    bool sent = false;
    tasklet<> t;
    {
      auto c = std::make_unique<channel<int>>();
      const auto sends = [&](channel<int>* out) -> task<> {
        try {
          co_await out->send(1);
          sent = true;
        } catch (const stackless::channel_closed&) {
          refused = true;
        }
      };
      t = spawn(sends, c.get());
      co_await drain();
    }
    t.remove();
    t.insert();
    co_await drain();
    CHECK(refused);
    CHECK_FALSE(sent);
  });
}

TEST_CASE("a woken tasklet that is removed before it runs can be killed") {
  run([]() -> task<> {
    channel<int> c;
    const auto receives = [&]() -> task<> { (void)co_await c.receive(); };
    const auto t = spawn(receives);
    co_await drain();
    (void)c.try_send(7);
    t.remove();
    co_await t.kill();
    CHECK_FALSE(t.alive());
    CHECK(c.balance() == 0);
  });
}
