#include "catch.hpp"
#include "diagnostics/wait_graph.hpp"
#include "sample_state.hpp"

using sample::state_builder;
using stackless::operation_kind;
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

TEST_CASE("a tasklet whose spawner has ended may be the descendant of one with other children") {
  state_builder s;
  s.tasklet("waiter");
  s.tasklet("parent").spawned_by = 0;
  s.tasklet("child").spawned_by = 2;
  s.tasklet("stray").spawned_by = 77;
  const auto channel = s.channel("x");
  s.receives(1, channel);
  s.holds(2, channel);
  s.at(1).spawned_by = 0;
  CHECK(wait_graph(s.data(), reach::by_descent).helpers(0) == indices{1, 2});
  CHECK(wait_graph(s.data(), reach::by_reference).helpers(0) == indices{1, 2, 3});
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
  CHECK(graph.facts().stand_in(0) == 2);
  CHECK(graph.facts().stand_in(1) == 2);
  CHECK(graph.helpers(3) == indices{2});
  CHECK(graph.facts().joined_by(0) == 1);
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
  CHECK(graph.facts().stand_in(0) == 2);
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

TEST_CASE("a select waits for what each of its cases waits for") {
  state_builder s;
  for (const char* name : {"chooser", "owner", "joined", "holder", "anybody"}) s.tasklet(name);
  const auto channel = s.channel("x");
  s.holds(1, channel);
  s.holds(4, channel);
  const auto lock = s.mutex("m", 2);
  s.selects(
      1, {{operation_kind::receive, channel},
          {operation_kind::lock, lock},
          {operation_kind::join, s.end_of(3)}}
  );
  CHECK(wait_graph(s.data(), reach::by_handle).helpers(0) == indices{1, 2, 3});
  CHECK(wait_graph(s.data(), reach::by_reference).helpers(0) == indices{1, 2, 3, 4});

  state_builder of_events;
  of_events.tasklet("chooser");
  of_events.tasklet("other");
  of_events.selects(1, {{operation_kind::wait, of_events.event("e")}});
  CHECK(wait_graph(of_events.data(), reach::by_handle).helpers(0).empty());
  CHECK(wait_graph(of_events.data(), reach::by_reference).helpers(0) == indices{1});
}

TEST_CASE("a select is in a knot when all its cases lead there, and in none when one leads out") {
  state_builder s;
  for (const char* name : {"chooser", "a", "b"}) s.tasklet(name);
  const auto from_a = s.channel("from a");
  const auto from_b = s.channel("from b");
  const auto to_both = s.channel("to both");
  s.holds(1, to_both);
  s.holds(2, from_a);
  s.holds(3, from_b);
  s.selects(1, {{operation_kind::receive, from_a}, {operation_kind::receive, from_b}});
  s.receives(2, to_both);
  s.receives(3, to_both);
  CHECK(wait_graph(s.data(), reach::by_handle).knots() == std::vector<indices>{{0, 1, 2}});
  s.at(3).state = stackless::tasklet_state::ready;
  CHECK(wait_graph(s.data(), reach::by_handle).knots() == std::vector<indices>{{2}});
}

TEST_CASE("a select that a clock can end waits for nobody") {
  state_builder s;
  s.tasklet("chooser");
  const auto channel = s.channel("x");
  s.selects(1, {{operation_kind::receive, channel}, {operation_kind::sleep, 0}});
  const wait_graph graph(s.data(), reach::by_reference);
  CHECK_FALSE(graph.facts().is_stuck(0));
  CHECK(graph.facts().all_awaited().empty());
}

TEST_CASE("by descent only those whose spawners live refer to what another holds") {
  state_builder s;
  s.tasklet("root");
  s.tasklet("child");
  s.tasklet("stray").spawned_by = 77;
  s.tasklet("waiter").spawned_by = 78;
  const auto channel = s.channel("x");
  s.receives(4, channel);
  s.holds(1, channel);
  s.holds(4, channel);
  CHECK(wait_graph(s.data(), reach::by_descent).helpers(3) == indices{0, 1});
  CHECK(wait_graph(s.data(), reach::by_reference).helpers(3) == indices{0, 1, 2});
}

TEST_CASE("a wait graph of nobody") {
  const stackless::snapshot_data nobody;
  CHECK(wait_graph(nobody, reach::by_reference).knots().empty());
}
