// Five philosophers, five forks. Each takes the fork on his left, then the one on his right: they
// deadlock, and the one who closes the circle is told. With --ordered each takes both at once, in
// an order that is the same for all, and they eat.
//
//   philosophers [--ordered]
#include <stackless/stackless.hpp>

#include <array>
#include <cstdio>
#include <string>
#include <string_view>

namespace sl = stackless;

namespace {

struct table {
  std::array<sl::mutex, 5> forks{
      sl::mutex("fork 0"), sl::mutex("fork 1"), sl::mutex("fork 2"), sl::mutex("fork 3"),
      sl::mutex("fork 4")
  };
  std::array<int, 5> meals{};

  sl::mutex& left_of(std::size_t seat) { return forks[seat]; }
  sl::mutex& right_of(std::size_t seat) { return forks[(seat + 1) % forks.size()]; }
};

sl::task<> dine(table& t, std::size_t seat, bool ordered) {
  for (int meal = 0; meal < 3; ++meal) {
    if (ordered) {
      const auto forks = co_await sl::lock_all(t.left_of(seat), t.right_of(seat));
      co_await sl::yield();
      ++t.meals[seat];
    } else {
      const sl::mutex_guard left = co_await t.left_of(seat).lock();
      co_await sl::yield();
      const sl::mutex_guard right = co_await t.right_of(seat).lock();
      ++t.meals[seat];
    }
  }
}

sl::task<> dinner(bool ordered) {
  table t;
  co_await sl::with_nursery([&](sl::nursery& guests) -> sl::task<> {
    constexpr std::array names{"Plato", "Kant", "Hume", "Arendt", "Laozi"};
    for (std::size_t seat = 0; seat < names.size(); ++seat)
      guests.spawn(names[seat], dine, sl::borrow(t), seat, ordered);
    co_return;
  });
  int meals = 0;
  for (const int eaten : t.meals) meals += eaten;
  std::printf("%d meals eaten\n", meals);
}

}  // namespace

int main(int argc, char** argv) {
  const bool ordered = argc > 1 && std::string_view(argv[1]) == "--ordered";
  try {
    sl::run(dinner, ordered);
  } catch (const sl::deadlock_error& error) {
    std::puts(error.what());
    return 1;
  }
  return 0;
}
