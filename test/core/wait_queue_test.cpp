#include <stackless/detail/wait.hpp>

#include "catch.hpp"

#include <algorithm>
#include <deque>
#include <memory>
#include <random>
#include <vector>

using stackless::detail::wait;
using stackless::detail::wait_kind;
using stackless::detail::wait_queue;

namespace {

std::vector<const wait*> content(const wait_queue& queue) {
  std::vector<const wait*> all;
  queue.for_each([&](const wait& w) { all.push_back(&w); });
  return all;
}

}  // namespace

TEST_CASE("a queue of waits does what a deque does, whoever leaves it from wherever") {
  std::mt19937 random(1);
  std::vector<std::unique_ptr<wait>> waits;
  for (int i = 0; i < 6; ++i) {
    waits.push_back(std::make_unique<wait>(wait_kind::receive, nullptr));
    // Links say nothing beyond the ends: whatever was there before must not matter.
    waits.back()->next = waits.back()->previous = waits.front().get();
  }
  wait_queue queue;
  std::deque<const wait*> model;
  for (int round = 0; round < 20'000; ++round) {
    wait& chosen = *waits[random() % waits.size()];
    const auto place = std::find(model.begin(), model.end(), &chosen);
    if (place == model.end()) {
      queue.push_back(chosen);
      model.push_back(&chosen);
    } else if (random() % 2 == 0) {
      queue.remove(chosen);
      model.erase(place);
    } else {
      REQUIRE(&queue.pop_front() == model.front());
      model.pop_front();
    }
    REQUIRE(queue.empty() == model.empty());
    REQUIRE((queue.any() != 0) == !model.empty());
    REQUIRE(queue.size() == model.size());
    REQUIRE(content(queue) == std::vector<const wait*>(model.begin(), model.end()));
    if (!model.empty()) REQUIRE(&queue.front() == model.front());
  }
}
