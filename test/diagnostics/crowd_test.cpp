#include "catch.hpp"
#include "diagnostics/report.hpp"
#include "sample_state.hpp"

using namespace stackless;

TEST_CASE("crowd: equal operation and stack make a group") {
  auto s = sample::ping_pong();
  for (int i = 0; i < 5; ++i) {
    auto& t = s.tasklet("w", {{"task<> work()", "w.cpp", i < 3 ? 5U : 9U, 1}});
    s.joins(t.id, 2);
  }
  const auto report = detail::make_report(s.data(), 0);
  REQUIRE(report.crowd.size() == 3);
  CHECK(report.crowd[0].tasklets == std::vector<std::uint64_t>{4, 5, 6});
  CHECK(report.crowd[1].tasklets == std::vector<std::uint64_t>{7, 8});
  CHECK(report.crowd[2].tasklets == std::vector<std::uint64_t>{1});
}
