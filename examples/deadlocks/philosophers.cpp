// Five philosophers, each with the left fork in hand, each wants the right one. All wait at the
// same line: the report is a table. (examples/philosophers.cpp also has the cure.)

#include <stackless/stackless.hpp>

#include <array>
#include <cstddef>
#include <cstdio>
#include <string>
#include <vector>

namespace sl = stackless;

namespace {

sl::task<> philosopher(sl::mutex& left, sl::mutex& right) {
  const sl::mutex_guard first = co_await left.lock();
  co_await sl::yield();
  const sl::mutex_guard second = co_await right.lock();
}

sl::task<> dinner(std::array<sl::mutex, 5>& forks) {
  std::vector<sl::tasklet<>> guests;
  for (std::size_t seat = 0; seat < forks.size(); ++seat) {
    const std::string name = "philosopher-" + std::to_string(seat);
    const auto left = sl::borrow(forks[seat]);
    const auto right = sl::borrow(forks[(seat + 1) % forks.size()]);
    guests.push_back(sl::spawn(name, philosopher, left, right));
  }
  for (const auto& guest : guests) co_await guest.join();
}

}  // namespace

int main() {
  std::array<sl::mutex, 5> forks{
      sl::mutex("fork 0"), sl::mutex("fork 1"), sl::mutex("fork 2"), sl::mutex("fork 3"),
      sl::mutex("fork 4")
  };
  try {
    sl::run("main", dinner, sl::borrow(forks));
  } catch (const sl::deadlock_error& error) {
    std::puts(error.what());
    return 1;
  }
}
