#include <stackless/stackless.hpp>

#include "catch.hpp"

#include <algorithm>
#include <memory>
#include <numeric>
#include <ranges>
#include <stdexcept>
#include <string>
#include <vector>

using stackless::elements_of;
using stackless::generator;
using stackless::move_from;

namespace {

static_assert(std::ranges::input_range<generator<int>>);
static_assert(std::ranges::view<generator<int>>);
static_assert(std::same_as<std::ranges::range_reference_t<generator<int>>, int&&>);
static_assert(std::same_as<std::ranges::range_reference_t<generator<const int&>>, const int&>);

generator<int> up_to(int last) {
  for (int i = 1; i <= last; ++i) co_yield i;
}

generator<int> count_down(int from) {  // as deep as it is long
  co_yield int(from);
  if (from != 0) co_yield elements_of(count_down(from - 1));
}

struct noted {
  std::vector<std::string>& log;
  std::string name;
  noted(std::vector<std::string>& l, std::string n) : log(l), name(std::move(n)) {}
  noted(const noted&) = delete;
  noted& operator=(const noted&) = delete;
  ~noted() { log.push_back(name); }
};

template <class T>
std::vector<std::remove_cvref_t<T>> all_of(generator<T> g) {
  std::vector<std::remove_cvref_t<T>> all;
  for (auto&& x : g) all.push_back(std::forward<decltype(x)>(x));
  return all;
}

}  // namespace

TEST_CASE("a generator gives its elements, lazily, in a plain function") {
  int made = 0;
  const auto squares = [&]() -> generator<int> {
    for (int i = 1;; ++i) {
      ++made;
      co_yield i* i;
    }
  };
  auto g = squares();
  CHECK(made == 0);
  int sum = 0;
  for (const int x : g) {
    sum += x;
    if (x == 9) break;
  }
  CHECK(sum == 14);
  CHECK(made == 3);
  CHECK(all_of(up_to(0)).empty());
  sum = 0;
  for (const int x : up_to(10) | std::views::take(3)) sum += x;
  CHECK(sum == 6);
}

TEST_CASE("a generator's lvalues are copied, its rvalues and move_from are moved") {
  const auto texts = []() -> generator<std::string> {
    std::string kept = "kept";
    co_yield kept;
    CHECK(kept == "kept");
    co_yield std::string("made");
    co_yield move_from(kept);
  };
  CHECK(all_of(texts()) == std::vector<std::string>{"kept", "made", "kept"});

  const auto owners = []() -> generator<std::unique_ptr<int>> {
    co_yield std::make_unique<int>(1);
    auto two = std::make_unique<int>(2);
    co_yield std::move(two);
  };
  int sum = 0;
  for (std::unique_ptr<int> p : owners()) sum += *p;
  CHECK(sum == 3);
}

TEST_CASE("a generator of references gives the objects themselves") {
  std::vector<int> numbers{1, 2, 3};
  const auto each = [&]() -> generator<int&> {
    for (int& n : numbers) co_yield n;
  };
  for (int& n : each()) n *= 10;
  CHECK(numbers == std::vector{10, 20, 30});

  const auto texts = []() -> generator<const std::string&> { co_yield std::string("a"); };
  for (const std::string& s : texts()) CHECK(s == "a");
}

TEST_CASE("elements_of gives those of generators and of ranges, flat at any depth") {
  const auto mixed = []() -> generator<int> {
    const std::vector<int> some{7, 8};
    co_yield elements_of(up_to(2));
    co_yield elements_of(some);
    co_yield elements_of(std::vector<short>(2, short{9}));
    co_yield elements_of(up_to(0));
    co_yield 10;
  };
  CHECK(all_of(mixed()) == std::vector{1, 2, 7, 8, 9, 9, 10});

  constexpr int deep = 100'000;
  long sum = 0;
  for (const int x : count_down(deep)) sum += x;
  CHECK(sum == long{deep} * (deep + 1) / 2);
  int left = deep;
  {
    auto g = count_down(deep);  // destroyed where it is deepest
    auto i = g.begin();
    for (; *i != 1; ++i) --left;
  }
  CHECK(left == 1);
}

TEST_CASE("a generator's error comes out of the iteration, and ends it") {
  const auto fails = [](int after) -> generator<int> {
    co_yield elements_of(up_to(after));
    throw std::runtime_error("fails");
  };
  CHECK_THROWS_MATCHES(all_of(fails(0)), std::runtime_error, has_message("fails"));
  auto g = fails(1);
  auto i = g.begin();
  CHECK(*i == 1);
  CHECK_THROWS_MATCHES(++i, std::runtime_error, has_message("fails"));
  CHECK((i == std::default_sentinel));

  const auto goes_on = [&]() -> generator<int> {
    try {
      co_yield elements_of(fails(1));
    } catch (const std::runtime_error&) {
    }
    co_yield 5;
  };
  CHECK(all_of(goes_on()) == std::vector{1, 5});
}

TEST_CASE("a generator that is left early destroys its locals, innermost first") {
  std::vector<std::string> log;
  const auto inner = [&]() -> generator<int> {
    const noted local(log, "inner");
    co_yield 1;
    co_yield 2;
  };
  const auto outer = [&]() -> generator<int> {
    const noted local(log, "outer");
    co_yield elements_of(inner());
  };
  {
    auto g = outer();
    CHECK(*g.begin() == 1);
    CHECK(log.empty());
  }
  CHECK(log == std::vector<std::string>{"inner", "outer"});
}

TEST_CASE("a generator is iterated once, and not after it was moved from") {
  auto g = up_to(2);
  CHECK(*g.begin() == 1);
  CHECK_THROWS_MATCHES(
      g.begin(), std::logic_error, has_message("generator: it can be iterated only once")
  );
  auto taken = std::move(g);
  CHECK_THROWS_MATCHES(
      taken.begin(), std::logic_error, has_message("generator: it can be iterated only once")
  );
  CHECK_THROWS_MATCHES(g.begin(), std::logic_error, has_message("generator: it was moved from"));
  const auto again = [&]() -> generator<int> { co_yield elements_of(std::move(taken)); };
  CHECK_THROWS_AS(all_of(again()), std::logic_error);
}
