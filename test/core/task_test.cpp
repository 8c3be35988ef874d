#include <stackless/stackless.hpp>

#include "catch.hpp"
#include "process.hpp"
#include "scale.hpp"

#include <cstdint>
#include <memory>
#include <new>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

using stackless::channel;
using stackless::drain;
using stackless::run;
using stackless::spawn;
using stackless::task;
namespace frame_slab = stackless::detail::frame_slab;

namespace {

/// Counts constructions at addresses that are not aligned as the type asks.
template <std::size_t Alignment>
struct alignas(Alignment) aligned {
  static inline int misplaced = 0;
  int value;

  explicit aligned(int v) : value(v) { check(); }
  aligned(const aligned& other) : value(other.value) { check(); }
  aligned(aligned&& other) noexcept : value(other.value) { check(); }
  ~aligned() { check(); }

 private:
  void check() const { misplaced += reinterpret_cast<std::uintptr_t>(this) % Alignment != 0; }
};

template <std::size_t Alignment>
task<aligned<Alignment>> make_aligned(int value) {
  aligned<Alignment> result(value);
  co_return result;
}

template <std::size_t Alignment>
task<int> use_aligned(aligned<Alignment> argument) {
  const char filler = 'x';
  const aligned<Alignment> local = co_await make_aligned<Alignment>(argument.value + 1);
  co_await stackless::yield();
  co_return local.value + (filler == 'x' ? 1 : 0);
}

task<> nothing() {
  co_return;
}

task<int> number(int n) {
  co_return n;
}

task<std::unique_ptr<int>> move_only(int n) {
  co_return std::make_unique<int>(n);
}

task<int&> reference(int& x) {
  co_return x;
}

/// A result that is not default-constructible, and counts its instances.
struct counted {
  static inline int alive = 0;
  int value;
  explicit counted(int v) : value(v) { ++alive; }
  counted(counted&& other) noexcept : value(other.value) { ++alive; }
  ~counted() { --alive; }
};

task<counted> make_counted(int v) {
  co_return counted(v);
}

struct note {
  std::vector<int>& order;
  int level;
  note(std::vector<int>& o, int l) : order(o), level(l) {}
  note(const note&) = delete;
  note& operator=(const note&) = delete;
  ~note() { order.push_back(level); }
};

task<int> throws_below(int level, std::vector<int>& order) {
  const note leaving(order, level);
  if (level == 0) throw std::runtime_error("from below");
  co_return 1 + co_await throws_below(level - 1, order);
}

task<int> depth(int n, scale::native_stack& stack) {
  stack.mark();
  if (n == 0) co_return 0;
  const int below = co_await depth(n - 1, stack);
  stack.mark();
  co_return below + 1;
}

task<int> throws_at_depth(int n, scale::native_stack& stack) {
  stack.mark();
  if (n == 0) throw std::runtime_error("deep");
  co_return 1 + co_await throws_at_depth(n - 1, stack);
}

}  // namespace

TEST_CASE("a task gives its result: a value, nothing, a reference, a move-only thing") {
  int x = 0;
  const auto main = [&]() -> task<int> {
    co_await nothing();
    const int n = co_await number(7);
    CHECK(n == 7);
    const auto p = co_await move_only(8);
    CHECK(*p == 8);
    int& r = co_await reference(x);
    r = 9;
    co_return n + *p;
  };
  CHECK(run(main) == 15);
  CHECK(x == 9);
}

TEST_CASE("a result is destroyed once, and so is one that nobody looks at") {
  const auto main = []() -> task<> {
    {
      const counted c = co_await make_counted(1);
      CHECK(c.value == 1);
      CHECK(counted::alive == 1);
    }
    (void)co_await make_counted(2);
    CHECK(counted::alive == 0);
  };
  run(main);
  CHECK(counted::alive == 0);
  CHECK(run(make_counted, 3).value == 3);
  CHECK(counted::alive == 0);
}

TEST_CASE("over-aligned arguments, results and locals are aligned") {
  const auto main = []() -> task<int> {
    int sum = 0;
    for (int i = 0; i < 20; ++i) {
      const std::string filler(static_cast<std::size_t>(i), 'x');
      const aligned<32> a(i);
      const aligned<64> b(i);
      sum += co_await use_aligned<32>(a);
      sum += co_await use_aligned<64>(b);
      const auto t = spawn(make_aligned<64>, i);
      const aligned<64> joined = co_await t.join();
      sum += joined.value - i;
    }
    co_return sum;
  };
  CHECK(run(main) == 2 * (20 * 19 / 2 + 20 * 2));
  CHECK(aligned<32>::misplaced == 0);
  CHECK(aligned<64>::misplaced == 0);
  CHECK(run(make_aligned<64>, 5).value == 5);
  CHECK(aligned<64>::misplaced == 0);
}

TEST_CASE("an exception passes through 1 to 20 levels and destroys each on its way") {
  for (int levels = 1; levels <= 20; ++levels) {
    std::vector<int> order;
    const auto main = [&]() -> task<std::string> {
      try {
        (void)co_await throws_below(levels - 1, order);
      } catch (const std::runtime_error& e) {
        co_return e.what();
      }
      co_return "nothing";
    };
    CHECK(run(main) == "from below");
    REQUIRE(order.size() == static_cast<std::size_t>(levels));
    for (int i = 0; i < levels; ++i) CHECK(order[static_cast<std::size_t>(i)] == i);
  }
}

TEST_CASE("an exception leaves run as it was thrown") {
  std::vector<int> order;
  CHECK_THROWS_WITH(run([&]() -> task<> { (void)co_await throws_below(3, order); }), "from below");
  CHECK(order == std::vector<int>{0, 1, 2, 3});
}

TEST_CASE("an exception may be caught, and the same frame goes on") {
  std::vector<int> order;
  const auto main = [&]() -> task<int> {
    int caught = 0;
    for (int i = 0; i < 3; ++i) {
      try {
        (void)co_await throws_below(2, order);
      } catch (const std::runtime_error&) {
        ++caught;
      }
      caught += co_await number(10);
    }
    co_return caught;
  };
  CHECK(run(main) == 33);
}

TEST_CASE("awaits in loops, in both operands of an expression, in conditions") {
  const auto main = []() -> task<int> {
    int sum = 0;
    for (int i = 0; i < 100; ++i) sum += co_await number(i);
    if (co_await number(1) == 1) sum += co_await number(20) - co_await number(10);
    while (co_await number(sum) < 5000) ++sum;
    co_return sum;
  };
  CHECK(run(main) == 5000);
}

TEST_CASE("a million calls deep the native stack is flat") {
  scale::native_stack stack;
  const auto main = [&]() -> task<int> { co_return co_await depth(scale::one_million, stack); };
  CHECK(run(main) == scale::one_million);
  CHECK(stack.spread() < scale::flat);
}

TEST_CASE("an exception from a great depth") {
  scale::native_stack stack;
  const auto main = [&]() -> task<> {
    (void)co_await throws_at_depth(scale::one_million / 20, stack);
  };
  CHECK_THROWS_WITH(run(main), "deep");
  CHECK(stack.spread() < scale::flat);
}

TEST_CASE("ten million calls in a loop leave the native stack flat") {
  scale::native_stack stack;
  const auto main = [&]() -> task<std::int64_t> {
    std::int64_t sum = 0;
    for (int i = 0; i < scale::ten_million; ++i) {
      sum += co_await number(1);
      stack.mark();
    }
    co_return sum;
  };
  CHECK(run(main) == scale::ten_million);
  CHECK(stack.spread() < scale::flat);
}

TEST_CASE("ten million channel messages leave the native stack flat") {
  const std::size_t capacity = GENERATE(std::size_t{0}, std::size_t{16});
  scale::native_stack stack;
  const auto main = [&]() -> task<std::int64_t> {
    channel<int> c(capacity);
    const auto producer = [](channel<int> out, scale::native_stack* s) -> task<> {
      for (int i = 0; i < scale::ten_million; ++i) {
        co_await out.send(1);
        s->mark();
      }
      out.close();
    };
    spawn(producer, c, &stack);
    std::int64_t sum = 0;
    while (const auto v = co_await c.next()) {
      sum += *v;
      stack.mark();
    }
    co_return sum;
  };
  CHECK(run(main) == scale::ten_million);
  CHECK(stack.spread() < scale::flat);
}

TEST_CASE("many yields of two tasklets leave the native stack flat") {
  scale::native_stack stack;
  const auto yields = [&]() -> task<> {
    for (int i = 0; i < scale::one_million; ++i) {
      co_await stackless::yield();
      stack.mark();
    }
  };
  const auto main = [&]() -> task<> {
    spawn(yields);
    spawn(yields);
    co_await drain();
  };
  run(main);
  CHECK(stack.spread() < scale::flat);
}

TEST_CASE("a chain of joins and ends leaves the native stack flat") {
  scale::native_stack stack;
  const auto main = [&]() -> task<> {
    for (int i = 0; i < scale::one_million / 10; ++i) {
      const auto t = spawn(number, i);
      const int n = co_await t.join();
      stack.mark();
      if (n != i) throw std::logic_error("wrong result");
    }
  };
  run(main);
  CHECK(stack.spread() < scale::flat);
}

// A task that nobody awaits
// ------------------------------------------------------------------------

TEST_CASE("a task that is never awaited says so, and frees what it holds") {
  const auto held = std::make_shared<int>(1);
  const auto text = process::stderr_of([&] {
    run([&]() -> task<> {
      const auto forgotten = [](std::shared_ptr<int>) -> task<> { co_return; };
      (void)forgotten(held);
      co_return;
    });
  });
  CHECK_THAT(text, contains_text("destroyed without having been awaited"));
  CHECK(held.use_count() == 1);
}

#if STACKLESS_TRACKING
TEST_CASE("a task that is never awaited is named") {
  const auto text = process::stderr_of([] { (void)move_only(1); });
  CHECK_THAT(text, contains_text("the task of 'move_only(int)' was destroyed without"));
}

namespace {
task<> forgets_a_task() {
  (void)move_only(1);
  co_return;
}
}  // namespace

TEST_CASE("a task that is never awaited: by whom") {
  const auto text = process::stderr_of([] {
    run([]() -> task<> { co_await spawn("forgetful", forgets_a_task).join(); });
  });
  CHECK_THAT(text, contains_text("awaited, in 'forgets_a_task()' of the tasklet 'forgetful'"));
}
#endif

#if STACKLESS_AWAITS_ARE_CHECKED
TEST_CASE("an operation that is never awaited says so") {
  channel<int> c(1);
  const auto text = process::stderr_of([&] {
    run("main", [&]() -> task<> {
      {
        auto forgotten = c.send(1);
        (void)forgotten.value();
      }
      co_await stackless::yield();
    });
  });
  CHECK_THAT(text, contains_text("an operation was destroyed without having been awaited, in '"));
  CHECK_THAT(text, contains_text("of the tasklet 'main'"));
  CHECK(c.size() == 0);
}

TEST_CASE("an operation that is awaited says nothing") {
  channel<int> c(2);
  const auto text = process::stderr_of([&] {
    run([&]() -> task<> {
      auto named = c.send(1);
      auto copied = named;
      co_await copied;
      (void)co_await stackless::select(c.receive(), stackless::otherwise());
      co_await stackless::yield();
    });
  });
  CHECK(text.empty());
}
#endif

TEST_CASE("a task that an exception passes by before its co_await is no mistake") {
  const auto text = process::stderr_of([] {
    const auto takes_two = [](const task<int>&, int) {};
    const auto throws = []() -> int { throw std::runtime_error("in between"); };
    try {
      const auto evaluate = [&](const task<int>& made) { takes_two(made, throws()); };
      evaluate(number(1));
    } catch (const std::runtime_error&) {
      CHECK(std::uncaught_exceptions() == 0);
    }
  });
  CHECK(text.empty());
}

// Out of memory
// ------------------------------------------------------------------------------------

TEST_CASE("no memory for a frame: the call raises bad_alloc, and the program goes on") {
  const auto main = []() -> task<int> {
    bool failed = false;
    frame_slab::fail_next_allocation();
    try {
      (void)co_await number(1);
    } catch (const std::bad_alloc&) {
      failed = true;
    }
    CHECK(failed);
    co_return co_await number(2);
  };
  CHECK(run(main) == 2);
}

TEST_CASE("no memory for a tasklet: spawn raises bad_alloc and nothing was spawned") {
  const auto main = []() -> task<> {
    const auto closure = [] { return number(1); };
    frame_slab::fail_next_allocation();
    CHECK_THROWS_AS(spawn(number, 1), std::bad_alloc);
    frame_slab::fail_next_allocation();
    CHECK_THROWS_AS(spawn(closure), std::bad_alloc);
    CHECK(stackless::run_count() == 1);
    co_await drain();
  };
  run(main);
}

namespace {

/// Makes the allocation after its nth move fail.
struct saboteur {
  int* moves_left;
  explicit saboteur(int* left) : moves_left(left) {}
  saboteur(saboteur&& other) noexcept : moves_left(other.moves_left) {
    if (--*moves_left == 0) frame_slab::fail_next_allocation();
  }
  ~saboteur() = default;
};

task<> takes(saboteur) {
  co_return;
}

}  // namespace

TEST_CASE("no memory at any step of a spawn: nothing was spawned, nothing leaks") {
  const auto main = []() -> task<> {
    int failures = 0;
    for (int n = 1; n <= 8; ++n) {
      int moves_left = n;
      const std::size_t before = stackless::run_count();
      bool failed = false;
      try {
        (void)spawn(takes, saboteur(&moves_left));
      } catch (const std::bad_alloc&) {
        failed = true;
        ++failures;
      }
      CHECK(stackless::run_count() == before + (failed ? 0 : 1));
      try {
        co_await number(0);  // whatever is left of the sabotage
      } catch (const std::bad_alloc&) {
        CHECK_FALSE(failed);
      }
    }
    CHECK(failures >= 2);
    co_await drain();
  };
  run(main);
}

TEST_CASE("no memory for the frame of a kept callable: that is the tasklet's error") {
  const auto main = []() -> task<> {
    const int* nothing = nullptr;
    const auto closure = [nothing]() -> task<int> { co_return nothing == nullptr ? 1 : 0; };
    const auto t = spawn(closure);
    frame_slab::fail_next_allocation();
    bool failed = false;
    try {
      (void)co_await t.join();
    } catch (const std::bad_alloc&) {
      failed = true;
    }
    CHECK(failed);
  };
  run(main);
}
