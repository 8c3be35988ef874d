#include "catch.hpp"
#include "diagnostics/wait_graph.hpp"
#include "sample_state.hpp"

using sample::state_builder;
using stackless::detail::reach;
using stackless::detail::wait_graph;
using indices = std::vector<wait_graph::index>;

TEST_CASE("who could help: everybody who holds the channel, but not oneself") {
  state_builder s;
  s.tasklet("a");
  s.tasklet("b");
  s.tasklet("c");
  const auto channel = s.channel("x");
  s.receives(1, channel);
  s.holds(1, channel);
  s.holds(3, channel);
  const wait_graph graph(s.data(), reach::by_handle);
  CHECK(graph.helpers(0) == indices{2});
  CHECK(graph.helpers(1).empty());
}

TEST_CASE("a handle in a frame may be used by reference by every descendant") {
  state_builder s;
  s.tasklet("root");
  s.tasklet("child");
  s.tasklet("grandchild").spawned_by = 2;
  s.tasklet("stranger").spawned_by = 0;
  const auto channel = s.channel("x");
  s.receives(4, channel);
  s.holds(1, channel);
  CHECK(wait_graph(s.data(), reach::by_handle).helpers(3) == indices{0});
  CHECK(wait_graph(s.data(), reach::by_reference).helpers(3) == indices{0, 1, 2});
}

TEST_CASE("a tasklet whose spawner has ended may be anybody's descendant") {
  state_builder s;
  s.tasklet("root");
  s.tasklet("waiter");
  s.tasklet("stray").spawned_by = 77;
  const auto channel = s.channel("x");
  s.receives(2, channel);
  s.holds(2, channel);
  CHECK(wait_graph(s.data(), reach::by_handle).helpers(1).empty());
  CHECK(wait_graph(s.data(), reach::by_reference).helpers(1) == indices{2});
}

TEST_CASE("a handle outside may be used by anybody") {
  state_builder s;
  s.tasklet("a");
  s.tasklet("b");
  s.tasklet("quiet").wakes_nobody = true;
  const auto channel = s.channel("x");
  s.receives(1, channel);
  s.holds(0, channel);
  CHECK(wait_graph(s.data(), reach::by_handle).helpers(0).empty());
  CHECK(wait_graph(s.data(), reach::by_reference).helpers(0) == indices{1});
}

TEST_CASE("without tracking nobody is known to hold anything, so everybody may") {
  state_builder s;
  s.data().tracked = false;
  s.tasklet("a");
  s.tasklet("b");
  s.receives(1, s.channel("x"));
  CHECK(wait_graph(s.data(), reach::by_handle).helpers(0) == indices{1});
}

TEST_CASE("one who joins can do nothing before the joined tasklet has ended") {
  state_builder s;
  s.tasklet("joiner");
  s.tasklet("between");
  s.tasklet("worker");
  s.tasklet("waiter");
  s.joins(1, 2);
  s.joins(2, 3);
  const auto channel = s.channel("x");
  s.receives(3, s.channel("y"));
  s.receives(4, channel);
  s.holds(1, channel);
  const wait_graph graph(s.data(), reach::by_handle);
  CHECK(graph.stand_in(0) == 2);
  CHECK(graph.stand_in(1) == 2);
  CHECK(graph.helpers(3) == indices{2});
  CHECK(graph.joined_by(0) == 1);
}

TEST_CASE("a cycle of joins is a knot, and who joins one of it stands behind it") {
  state_builder s;
  for (const char* name : {"outside", "a", "b", "c"}) s.tasklet(name);
  s.joins(1, 3);
  s.joins(2, 3);
  s.joins(3, 4);
  s.joins(4, 2);
  const wait_graph graph(s.data(), reach::by_reference);
  CHECK(graph.knots() == std::vector<indices>{{1, 2, 3}});
  CHECK(graph.stand_in(0) == 2);
  CHECK(graph.leads_to(indices{2}) == std::vector<bool>{true, true, true, true});
}

TEST_CASE("knots: those who wait for each other and for nobody else") {
  const auto knots = wait_graph(sample::ping_pong().data(), reach::by_handle).knots();
  CHECK(knots == std::vector<indices>{{1, 2}});
}

TEST_CASE("an exit from the circle makes it no knot") {
  auto s = sample::ping_pong();
  s.tasklet("free").state = stackless::tasklet_state::ready;
  s.holds(4, 1);
  const wait_graph graph(s.data(), reach::by_handle);
  CHECK(graph.knots() == std::vector<indices>{{3}});
  CHECK(graph.leads_to(indices{3}) == std::vector<bool>{true, true, true, true});
  CHECK(graph.reached_from(1) == std::vector<bool>{false, true, true, true});
}

TEST_CASE("a wait graph of nobody") {
  const stackless::snapshot_data nobody;
  CHECK(wait_graph(nobody, reach::by_reference).knots().empty());
}
