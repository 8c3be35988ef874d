#include "catch.hpp"
#include "diagnostics/verdict.hpp"
#include "sample_state.hpp"

#include <utility>

using namespace stackless;
using sample::judge;
using sample::state_builder;
using ids = std::vector<std::uint64_t>;

namespace {

last_operation offered_in_vain(std::uint64_t tasklet, std::uint64_t step) {
  last_operation last;
  last.operation = operation_kind::send;
  last.outcome = operation_outcome::dropped;
  last.attempted_only = true;
  last.tasklet = tasklet;
  last.step = step;
  last.at = {"conn.cpp", 27, 11, {}};
  return last;
}

void ended(state_builder& s, std::uint64_t id, const char* name) {
  ended_info e;
  e.id = id;
  e.name = name;
  s.data().ended.push_back(e);
}

}  // namespace

TEST_CASE("verdict: mutual receive, though main holds both channels too") {
  auto s = sample::ping_pong();
  s.object(1).holders.insert(s.object(1).holders.begin(), {1, 0});
  s.object(2).holders.insert(s.object(2).holders.begin(), {1, 0});
  const auto report = judge(s, 3);
  CHECK(report.why == verdict::mutual_receive);
  CHECK(report.certainty == grade::proven);
  CHECK(report.core == ids{2, 3});
  REQUIRE(report.crowd.size() == 1);
  CHECK(report.crowd[0].tasklets == ids{1});
  CHECK(report.crowd[0].behind_core);
  CHECK(report.explanation == "'ping' and 'pong' each wait for the other to send first");
  CHECK(report.raised_in == 3);
}

TEST_CASE("verdict: the core is no larger for others whom a reference might reach") {
  auto s = sample::ping_pong();
  s.object(1).holders.insert(s.object(1).holders.begin(), {1, 0});
  s.object(2).holders.insert(s.object(2).holders.begin(), {1, 0});
  s.tasklet("bystander");
  const auto own = s.channel("own");
  s.receives(4, own);
  s.holds(1, own);
  const auto report = judge(s);
  CHECK(report.why == verdict::mutual_receive);
  CHECK(report.core == ids{2, 3});
}

TEST_CASE("verdict: names that are not unique come with numbers") {
  auto s = sample::ping_pong();
  s.at(3).name = "ping";
  CHECK(judge(s).explanation == "#2 ping and #3 ping each wait for the other to send first");
}

TEST_CASE("verdict: a circle of sends and receives") {
  state_builder s;
  s.tasklet("main");
  s.tasklet("worker");
  const auto x = s.channel("x");
  const auto y = s.channel("y");
  for (std::uint64_t id : {1U, 2U}) {
    s.holds(id, x);
    s.holds(id, y);
  }
  s.sends(1, x);
  SECTION("both send") {
    s.sends(2, y);
    const auto report = judge(s);
    CHECK(report.why == verdict::circular_wait);
    CHECK(
        report.advice ==
        "let one side receive before it sends, or give 'x' or 'y' room for all that "
        "is sent until the other end receives."
    );
  }
  SECTION("one receives: what would be right is not certain") {
    s.receives(2, y);
    const auto report = judge(s);
    CHECK(report.why == verdict::circular_wait);
    CHECK(report.core == ids{1, 2});
    CHECK(report.advice.empty());
  }
}

TEST_CASE("verdict: a select whose cases all lead back is part of the core") {
  state_builder s;
  for (const char* name : {"main", "chooser", "left", "right"}) s.tasklet(name);
  s.joins(1, 2);
  const auto from_left = s.channel("from left");
  const auto from_right = s.channel("from right");
  const auto start = s.channel("start");
  s.holds(2, start);
  s.holds(3, from_left);
  s.holds(4, from_right);
  s.selects(2, {{operation_kind::receive, from_left}, {operation_kind::receive, from_right}});
  SECTION("each waits for another to send first") {
    s.receives(3, start);
    s.receives(4, start);
    const auto report = judge(s);
    CHECK(report.why == verdict::mutual_receive);
    CHECK(report.core == ids{2, 3, 4});
    CHECK(
        report.explanation ==
        "'chooser', 'left' and 'right' each wait for another of them to send first; every case of "
        "the select in 'chooser' needs one of them"
    );
    // Something has been sent on one of the cases' channels: what is missing is not known.
    CHECK_THAT(report.advice, contains_text("send before it receives"));
    s.object(from_right).last = offered_in_vain(9, 3);
    s.object(from_right).last->outcome = operation_outcome::delivered;
    CHECK(judge(s).advice.empty());
  }
  SECTION("of two a sentence tells what each needs") {
    s.selects(2, {{operation_kind::receive, from_left}, {operation_kind::send, from_left}});
    s.sends(3, start);
    const auto report = judge(s);
    CHECK(report.why == verdict::circular_wait);
    CHECK(report.core == ids{2, 3});
    CHECK(
        report.explanation ==
        "'chooser' waits to receive from 'from left', or to send on 'from left' and 'left' waits "
        "to send on 'start': each needs the other to go on first; every case of the select in "
        "'chooser' needs the other"
    );
  }
  SECTION("a case that anybody could serve leads nowhere in particular") {
    s.selects(2, {{operation_kind::receive, from_left}, {operation_kind::wait, s.event("stop")}});
    s.receives(3, start);
    s.joins(4, 3);
    const auto report = judge(s);
    CHECK(report.core == ids{2, 3});
    CHECK(report.why == verdict::circular_wait);
    CHECK(report.explanation.find("every case") == std::string::npos);
  }
}

TEST_CASE("verdict: that the first and the last wait on one channel makes it no orphan") {
  state_builder s;
  for (const char* name : {"a", "b", "c"}) s.tasklet(name);
  const auto x = s.channel("x");
  const auto y = s.channel("y");
  s.holds(2, x);
  s.holds(1, y);
  s.holds(3, y);
  s.receives(1, x);
  s.receives(2, y);
  s.receives(3, x);
  CHECK(judge(s).core == ids{1, 2, 3});
  CHECK(judge(s).why == verdict::mutual_receive);
}

TEST_CASE("verdict: of several knots the smallest is shown") {
  state_builder s;
  const auto ring = [&](std::uint64_t first, std::uint64_t size) {
    for (std::uint64_t i = 0; i < size; ++i) {
      s.tasklet("t").spawned_by = 0;
      const auto c = s.channel("c");
      s.receives(first + i, c);
      s.holds(first + (i + 1) % size, c);
    }
  };
  ring(1, 4);
  ring(5, 2);
  ring(7, 3);
  CHECK(judge(s).core == ids{5, 6});
}

TEST_CASE("verdict: the circle that is shown is one of the knot, and not of another one") {
  state_builder s;
  for (const char* name : {"main", "c", "d", "told", "a", "b"}) s.tasklet(name);
  const auto mutual = [&](std::uint64_t one, std::uint64_t other) {
    for (const auto& [receiver, sender] : {std::pair{one, other}, std::pair{other, one}}) {
      const auto c = s.channel("c");
      s.receives(receiver, c);
      s.holds(sender, c);
    }
  };
  mutual(2, 3);  // as good as the other one, and comes first
  mutual(5, 6);
  s.joins(1, 2);
  // By its handle alone `told` leads to nobody; its children might use it. One of them leads back.
  const auto own = s.channel("own");
  s.receives(4, own);
  s.holds(4, own);
  for (const std::uint64_t child : {5U, 6U}) s.at(child).spawned_by = 4;
  s.holds(4, s.at(5).waits.object);
  const auto report = judge(s, 4);
  CHECK(report.core == ids{5, 6});
  CHECK(report.why == verdict::mutual_receive);
}

TEST_CASE("verdict: the circle of who is told goes before a smaller one that it leads to") {
  state_builder s;
  for (const char* name : {"main", "a", "b", "told", "c", "d"}) s.tasklet(name);
  const auto ring = [&](const ids& members) {
    for (std::size_t i = 0; i < members.size(); ++i) {
      const auto c = s.channel("c");
      s.receives(members[i], c);
      s.holds(members[(i + 1) % members.size()], c);
    }
  };
  ring({2, 3});
  ring({4, 5, 6});
  s.joins(1, 2);
  s.holds(2, s.at(6).waits.object);  // from the larger one to the smaller one by a handle,
  s.at(4).spawned_by = 2;            // and back by a reference: one knot
  CHECK(judge(s, 4).core == ids{4, 5, 6});
  CHECK(judge(s, 2).core == ids{2, 3});
  CHECK(judge(s).core == ids{2, 3});
}

TEST_CASE("verdict: a stuck circle of a lock and a join is no join cycle") {
  state_builder s;
  for (const char* name : {"main", "locks", "joins"}) s.tasklet(name);
  s.at(1).state = tasklet_state::ready;
  s.waits(2, operation_kind::lock, s.mutex("m", 3));
  s.joins(3, 2);
  const auto found = detail::find_stuck(s.data(), 4, 0);
  REQUIRE(found.size() == 1);
  CHECK(found[0].core == ids{2, 3});
  CHECK(found[0].why == verdict::circular_wait);
}

TEST_CASE("verdict: a select on both sides of a channel needs whoever holds either of its ends") {
  for (const channel_side side : {channel_side::send, channel_side::receive}) {
    state_builder s;
    for (const char* name : {"main", "chooser", "holder"}) s.tasklet(name);
    const auto x = s.channel("x");
    const auto y = s.channel("y");
    s.joins(1, 2);
    s.selects(2, {{operation_kind::receive, x}, {operation_kind::send, x}});
    s.object(x).holders = {{2, 0, channel_side::send}, {2, 0, channel_side::receive}, {3, 0, side}};
    s.receives(3, y);
    s.holds(2, y);
    s.holds(3, y);
    CHECK(judge(s).core == ids{2, 3});
    CHECK(judge(s).why == verdict::circular_wait);
  }
}

TEST_CASE("verdict: an end of the side that waits itself is no help") {
  state_builder s;
  for (const char* name : {"main", "receiver", "other"}) s.tasklet(name);
  const auto x = s.channel("x");
  const auto y = s.channel("y");
  s.joins(1, 2);
  s.receives(2, x);
  s.object(x).holders = {{2, 0, channel_side::receive}, {3, 0, channel_side::receive}};
  s.receives(3, y);
  s.holds(2, y);
  s.holds(3, y);
  CHECK(judge(s).core == ids{2});
}

TEST_CASE("verdict: never signalled says what it takes") {
  const auto advice_on = [](object_kind kind, std::size_t count, bool keeps_sender = false) {
    state_builder s;
    s.tasklet("main");
    const auto object = s.event("it");
    s.object(object).kind = kind;
    s.object(object).type = "thing";
    s.object(object).count = count;
    if (keeps_sender) s.holds(1, object);
    s.waits(1, operation_kind::wait, object);
    const auto report = judge(s, 1);
    CHECK(report.why == verdict::never_signalled);
    return report.advice;
  };
  CHECK(
      advice_on(object_kind::event, 0) ==
      "set thing 'it' on every path of who should, also one that fails. What another thread is to "
      "set is an external_source."
  );
  CHECK_THAT(
      advice_on(object_kind::semaphore, 0),
      contains_text("comes back when the guard that acquired it ends")
  );
  CHECK_THAT(
      advice_on(object_kind::latch, 2),
      starts_with_text("count thing 'it' down 2 times more, or make it for 2 fewer.")
  );
  CHECK_THAT(advice_on(object_kind::latch, 1), contains_text("down 1 time more"));
  CHECK(
      advice_on(object_kind::barrier, 1) ==
      "1 more has to arrive at thing 'it', or make it for 1 fewer."
  );
  CHECK(
      advice_on(object_kind::barrier, 2) ==
      "2 more have to arrive at thing 'it', or make it for 2 fewer."
  );
  for (const object_kind kind :
       {object_kind::oneshot, object_kind::watch, object_kind::broadcast}) {
    CHECK(advice_on(kind, 0).empty());
    CHECK(
        advice_on(kind, 0, true) ==
        "move the sending end of thing 'it' to who sends: while 'main' keeps it itself, it is not "
        "told when nobody sends any more."
    );
  }
  CHECK(advice_on(object_kind::condition_variable, 0).empty());
  state_builder s;
  s.tasklet("main");
  s.tasklet("other");
  const auto reply = s.event("reply");
  s.object(reply).kind = object_kind::oneshot;
  s.holds(1, reply);
  s.holds(2, reply);
  s.waits(1, operation_kind::wait, reply);
  s.joins(2, 1);
  CHECK(judge(s, 1).why == verdict::never_signalled);
  CHECK(judge(s, 1).advice.empty());  // the other one may have been meant to send
}

TEST_CASE("verdict: locks that nothing tells apart are not told apart") {
  state_builder s;
  for (const char* name : {"main", "a to b", "b to a"}) s.tasklet(name);
  for (const std::uint64_t owner : {2U, 3U}) {
    const auto m = s.mutex("", owner);
    s.object(m).made_at = {"bank.cpp", 12, 8, {}};
    s.waits(5 - owner, operation_kind::lock, m);
  }
  s.joins(1, 2);
  const auto report = judge(s);
  CHECK(report.why == verdict::lock_cycle);
  CHECK(
      report.explanation ==
      "'a to b' and 'b to a' each hold one and want the other of two that are both the mutex made "
      "bank.cpp:12:8"
  );
  CHECK(
      report.advice ==
      "lock them all at once: co_await lock_all(…). All are the mutex made bank.cpp:12:8: "
      "object_name tells them apart."
  );
}

TEST_CASE("verdict: one waits on a channel with the lock that the other needs") {
  state_builder s;
  s.tasklet("main", {{"task<> work()", "work.cpp", 32, 5}});
  s.tasklet("worker");
  const auto results = s.channel("results");
  s.holds(1, results);
  s.holds(2, results);
  s.receives(1, results);
  s.waits(2, operation_kind::lock, s.mutex("state", 1));
  const auto report = judge(s);
  CHECK(report.why == verdict::circular_wait);
  CHECK(
      report.advice ==
      "unlock mutex 'state' in 'main' before it waits to receive (work.cpp:32): 'worker' needs the "
      "lock to go on."
  );
}

TEST_CASE("verdict: a join closes a circle through every case of a select") {
  state_builder s;
  s.tasklet("main");
  s.tasklet("server");
  const auto requests = s.channel("requests");
  const auto stop = s.channel("stop");
  for (std::uint64_t id : {1U, 2U}) {
    s.holds(id, requests);
    s.holds(id, stop);
  }
  s.joins(1, 2);
  s.selects(2, {{operation_kind::receive, requests}, {operation_kind::receive, stop}});
  SECTION("which only the joiner could serve") {
    const auto report = judge(s);
    CHECK(report.why == verdict::join_cycle);
    CHECK(report.core == ids{1, 2});
    CHECK(
        report.explanation ==
        "'main' joins 'server', which waits to receive from 'requests', or to receive from 'stop', "
        "and only 'main' could make one happen"
    );
    CHECK(
        report.advice ==
        "let one case of the select in 'server' happen before 'main' joins 'server'."
    );
  }
  SECTION("not if one case has nothing to do with it") {
    std::erase_if(s.object(stop).holders, [](const holder_info& h) { return h.tasklet == 1; });
    CHECK(judge(s).why == verdict::never_signalled);
    CHECK(judge(s).core == ids{2});
  }
  SECTION("nor if its cases close circles of their own") {
    s.tasklet("other");
    s.joins(3, 2);
    s.object(requests).holders = {{1, 0}, {2, 0}};
    s.object(stop).holders = {{2, 0}, {3, 0}};
    CHECK(judge(s).why == verdict::never_signalled);
    CHECK(judge(s).core == ids{2});
  }
  SECTION("nor if somebody who has ended may have been meant to serve it") {
    ended(s, 9, "client");
    CHECK(judge(s).why == verdict::never_signalled);
  }
}

TEST_CASE("verdict: tasklets that only the end of their spawner ties together are not mutual") {
  state_builder s;
  s.tasklet("main");
  for (std::uint64_t id = 2; id <= 4; ++id) {
    s.tasklet("worker").spawned_by = 77;
    const auto own = s.channel("own " + std::to_string(id));
    s.receives(id, own);
    s.holds(id, own);
  }
  s.joins(1, 3);
  ended(s, 77, "setup");
  for (const std::uint64_t told : {2U, 3U, 4U}) {
    const auto report = judge(s, told);
    CHECK(report.why == verdict::orphaned_channel);
    CHECK(report.core == ids{told});
  }
  CHECK(judge(s, 1).core == ids{3});  // main waits for that one
  CHECK(judge(s).core == ids{2});
  SECTION("those that a live tasklet's handles tie together still are") {
    s.tasklet("parent").spawned_by = 77;
    for (const char* name : {"ping", "pong"}) {
      s.tasklet(name).spawned_by = 5;
      const std::uint64_t id = s.data().tasklets.size();
      s.receives(id, s.channel(name));
      s.holds(5, s.data().objects.back().id);
    }
    s.joins(5, 6);
    CHECK(judge(s, 6).core == ids{6, 7});
    CHECK(judge(s, 6).why == verdict::mutual_receive);
    CHECK(judge(s, 2).core == ids{2});
  }
}

TEST_CASE("verdict: self wait") {
  state_builder s;
  s.tasklet("main");
  const auto c = s.channel("c");
  s.holds(1, c);
  SECTION("to receive") {
    s.receives(1, c);
    CHECK(judge(s, 1).explanation == "'main' waits to receive from 'c', and only it could send");
  }
  SECTION("to send") {
    s.sends(1, c);
    CHECK(judge(s, 1).explanation == "'main' waits to send on 'c', and only it could receive");
  }
  SECTION("a handle outside, and nobody else who could use it") {
    s.receives(1, c);
    s.holds(0, c);
  }
  CHECK(judge(s, 1).why == verdict::self_wait);
  CHECK(judge(s, 1).core == ids{1});
}

TEST_CASE("verdict: a handle that is in no frame may be within anybody's reach") {
  state_builder s;
  s.tasklet("main");
  s.tasklet("left");
  s.tasklet("right");
  const auto a = s.channel("a");
  const auto b = s.channel("b");
  s.receives(2, a);
  s.receives(3, b);
  s.holds(0, a);
  s.holds(0, b);
  SECTION("of two, behind one of whom main waits") {
    s.joins(1, 2);
    CHECK(judge(s, 3).why == verdict::unknown);
    CHECK(judge(s, 3).core == ids{3});
    CHECK(
        judge(s, 3).explanation ==
        "'right' waits to receive from 'b', of which a handle is in no tasklet's frame: any of the "
        "others may reach it and send, and none of them can run"
    );
    CHECK(judge(s, 3).advice.empty());
    CHECK(judge(s, 2).why == verdict::unknown);
  }
  SECTION("not of those who wait for its end") {
    s.joins(1, 3);
    s.joins(2, 1);
    CHECK(judge(s, 3).why == verdict::join_cycle);
  }
  SECTION("in a select as well") {
    s.joins(1, 3);
    const auto c = s.channel("c");
    s.selects(3, {{operation_kind::receive, b}, {operation_kind::receive, c}});
    s.holds(0, c);
    CHECK(judge(s, 3).why != verdict::join_cycle);
  }
  SECTION("two on one channel, and a third who waits for something else") {
    s.receives(2, b);
    s.holds(2, b);
    s.holds(3, b);
    s.joins(1, 2);
    CHECK(judge(s, 3).why == verdict::orphaned_channel);
    s.waits(1, operation_kind::wait, s.event("e"));
    CHECK(judge(s, 3).why == verdict::unknown);
    CHECK(judge(s, 3).core == ids{2, 3});
  }
}

TEST_CASE("verdict: what only the host holds besides is not orphaned for many either") {
  state_builder s;
  s.tasklet("a");
  s.tasklet("b");
  s.data().host_driven = true;
  const auto events = s.channel("events");
  for (std::uint64_t id : {1U, 2U}) {
    s.holds(id, events);
    s.receives(id, events);
  }
  CHECK(judge(s, 2).why == verdict::orphaned_channel);
  auto& holders = s.object(events).holders;
  holders.insert(holders.begin(), holder_info{});
  CHECK(judge(s, 2).why == verdict::unknown);
  CHECK(judge(s, 2).core == ids{1, 2});
  CHECK(
      judge(s, 2).explanation == "'a' waits to receive from 'events': no tasklet of this scheduler "
                                 "could send, only who holds 'events' outside it"
  );
}

TEST_CASE("verdict: who waits for the same signal is of the core, and who waits for him behind it"
) {
  state_builder s;
  for (const char* name : {"main", "child", "other child"}) s.tasklet(name);
  const auto slots = s.event("slots");
  s.object(slots).kind = object_kind::semaphore;
  for (std::uint64_t id : {2U, 3U}) s.waits(id, operation_kind::acquire, slots);
  s.joins(1, 2);
  const deadlock_report report = judge(s, 3);
  CHECK(report.why == verdict::never_signalled);
  CHECK(report.core == ids{2, 3});
  CHECK(
      report.explanation ==
      "'child' and 'other child' wait for event 'slots', and nobody is left who could release it: "
      "'main' waits for the end of 'child'"
  );
  REQUIRE(report.crowd.size() == 1);
  CHECK(report.crowd[0].behind_core);
}

TEST_CASE("verdict: behind the core is also who waits for one of its queue") {
  state_builder s;
  for (const char* name : {"main", "first", "second"}) s.tasklet(name);
  const auto gone = s.mutex("m", 9);
  for (std::uint64_t id : {2U, 3U}) s.waits(id, operation_kind::lock, gone);
  s.joins(1, 2);
  const deadlock_report report = judge(s, 3);
  CHECK(report.core == ids{3});
  REQUIRE(report.crowd.size() == 2);
  CHECK(report.crowd[0].behind_core);
  CHECK(report.crowd[1].behind_core);
}

TEST_CASE("verdict: no receiver") {
  state_builder s;
  s.tasklet("main");
  s.tasklet("other");
  const auto c = s.channel("c", 2);
  s.object(c).buffered = 2;
  s.holds(1, c);
  s.sends(1, c);
  SECTION("nobody else") {
    s.joins(2, 1);
    CHECK(judge(s).explanation == "'c' is full (2 of 2), and nobody is left who could receive");
  }
  SECTION("all of them send") {
    s.holds(2, c);
    s.sends(2, c);
    CHECK(judge(s).core == ids{1, 2});
  }
  CHECK(judge(s).why == verdict::buffer_full_without_receiver);
}

TEST_CASE("verdict: join cycle") {
  state_builder s;
  s.tasklet("main");
  s.tasklet("between");
  s.tasklet("worker");
  s.joins(1, 2);
  s.joins(2, 3);
  SECTION("of joins alone") {
    s.joins(3, 1);
    CHECK(
        judge(s).explanation ==
        "'main', 'between' and 'worker' each wait for another of them to end"
    );
  }
  SECTION("closed by a channel") {
    const auto c = s.channel("c");
    s.receives(3, c);
    s.holds(1, c);
    s.holds(3, c);
    CHECK(
        judge(s).explanation ==
        "'main' joins 'between', which joins 'worker', which waits to receive from 'c', and only "
        "'main' could send"
    );
    CHECK_THAT(
        judge(s).advice, starts_with_text("send on 'c', or close it, before 'main' joins 'between'")
    );
  }
  CHECK(judge(s).why == verdict::join_cycle);
  CHECK(judge(s).core == ids{1, 2, 3});
}

TEST_CASE("verdict: orphaned channel") {
  state_builder s;
  s.tasklet("main");
  s.tasklet("worker");
  const auto c = s.channel("jobs");
  s.holds(2, c);
  s.receives(2, c);
  s.joins(1, 2);
  ended(s, 9, "producer");
  SECTION("only the receiver is left") {
    CHECK(
        judge(s).explanation ==
        "nobody is left who could send on 'jobs': only 'worker' still holds it"
    );
    CHECK(judge(s).core == ids{2});
  }
  SECTION("main could have sent, but another one did") {
    s.object(c).holders.insert(s.object(c).holders.begin(), {1, 0});
    s.object(c).last = offered_in_vain(9, 3);
    s.object(c).last->outcome = operation_outcome::delivered;
    CHECK(
        judge(s).explanation ==
        "nobody is left who could send on 'jobs'; the last who used it, #9 producer, has ended"
    );
    CHECK_THAT(
        judge(s).advice,
        contains_text("close 'jobs' after the last send (conn.cpp:27, by #9 producer)")
    );
  }
  SECTION("the value of the last send was in a buffer, and has been received") {
    s.object(c).last = offered_in_vain(2, 4);
    s.object(c).last->operation = operation_kind::receive;
    s.object(c).last->outcome = operation_outcome::delivered;
    CHECK_THAT(
        judge(s).advice,
        contains_text("if nobody is to send any more, close 'jobs' after the last send: ")
    );
    // With a history it is known which one that was.
    s.object(c).history = {offered_in_vain(9, 3), *s.object(c).last};
    CHECK_THAT(
        judge(s).advice,
        contains_text("close 'jobs' after the last send (conn.cpp:27, by #9 producer)")
    );
    // Another one has ended too, and may have sent as well.
    s.data().ended.insert(s.data().ended.begin(), ended_info{});
    s.data().ended.front().id = 8;
    CHECK_THAT(
        judge(s).advice, contains_text("close 'jobs' when the last of its senders is done; the "
                                       "latest send was (conn.cpp:27, by "
                                       "#9 producer).")
    );
    // Not if who sent it was killed: it would not have closed.
    s.data().ended.back().killed = true;
    CHECK(judge(s).advice.empty());
  }
  SECTION("a pool of receivers") {
    s.tasklet("worker");
    s.holds(3, c);
    s.receives(3, c);
    CHECK(judge(s).core == ids{2, 3});
  }
  CHECK(judge(s).why == verdict::orphaned_channel);
}

TEST_CASE("verdict: lost notification") {
  state_builder s;
  s.tasklet("main");
  s.tasklet("reader");
  const auto c = s.channel("ready");
  s.holds(2, c);
  s.receives(2, c);
  s.joins(1, 2);
  s.object(c).last = offered_in_vain(3, 39);
  ended(s, 3, "notifier");
  const auto report = judge(s);
  CHECK(report.why == verdict::lost_notification);
  CHECK(
      report.explanation ==
      "#3 notifier offered a value on 'ready' 3 steps BEFORE 'reader' began to wait; nobody was "
      "waiting then, and it was dropped"
  );
  CHECK(
      report.advice ==
      "give 'ready' room for 1 if the value offered at conn.cpp:27:11 is to wait for its receiver; "
      "if nothing more is to come, close 'ready' after the last value, which ends the wait."
  );
  s.object(c).last->outcome = operation_outcome::delivered;
  CHECK(judge(s).why != verdict::lost_notification);
}

TEST_CASE("verdict: never started, and paused") {
  state_builder s;
  s.tasklet("main");
  s.tasklet("idle");
  s.joins(1, 2);
  CHECK(judge(s, 1).why == verdict::unknown);
  CHECK(judge(s, 1).explanation == "'idle' is paused, and nobody is left to insert() it");
  CHECK(judge(s, 1).advice.empty());
  s.at(2).never_started = true;
  CHECK(judge(s, 1).why == verdict::never_started);
  CHECK(judge(s, 1).core == ids{2});
}

TEST_CASE("verdict: a paused tasklet that only a reference might bring in explains nothing") {
  state_builder s;
  s.tasklet("main");
  s.tasklet("idle");
  const auto c = s.channel("c");
  s.receives(1, c);
  s.holds(1, c);
  const auto report = judge(s, 1);
  CHECK(report.core == ids{1});
  CHECK(report.why == verdict::unknown);
  CHECK(report.explanation.empty());
}

TEST_CASE("verdict: the knot of the one who is told goes before others") {
  state_builder s;
  for (const char* name : {"main", "a", "b"}) s.tasklet(name);
  for (std::uint64_t id : {2U, 3U}) {
    const auto own = s.channel("own");
    s.receives(id, own);
    s.holds(id, own);
  }
  s.joins(1, 3);
  CHECK(judge(s, 3).core == ids{3});
  CHECK(judge(s, 1).core == ids{3});
  CHECK(judge(s, 2).core == ids{2});
  CHECK(judge(s).core == ids{2});
}

TEST_CASE("verdict: nobody who promised to wake nobody is a hope or a core") {
  state_builder s;
  s.tasklet("main");
  s.tasklet("heartbeat").wakes_nobody = true;
  const auto c = s.channel("c");
  s.waits(2, operation_kind::sleep, 0);
  s.receives(1, c);
  s.holds(1, c);
  s.holds(2, c);
  CHECK(judge(s, 1).core == ids{1});
  CHECK(judge(s, 1).why == verdict::orphaned_channel);
}

TEST_CASE("verdict: who needs one that promised to wake nobody is the core, and not that one") {
  state_builder s;
  s.tasklet("main");
  s.tasklet("heart").wakes_nobody = true;
  s.tasklet("other");
  s.waits(2, operation_kind::sleep, 0);
  SECTION("its lock") {
    const auto m = s.mutex("m", 2);
    s.waits(1, operation_kind::lock, m);
    s.waits(3, operation_kind::lock, m);
    CHECK(judge(s).core == ids{1});
    CHECK(judge(s, 3).core == ids{3});
    CHECK(judge(s, 3).why == verdict::never_signalled);
    const deadlock_report report = judge(s, 1);
    CHECK(
        report.explanation ==
        "'main' waits for mutex 'm' of 'heart', which sleeps, and promised to wake nobody"
    );
    CHECK(report.advice == "spawn #2 heart without wakes_nobody: others wait for what it holds.");
    REQUIRE(report.crowd.size() == 2);
    CHECK(report.crowd[0].tasklets == ids{2});
    CHECK_FALSE(report.crowd[0].behind_core);
    CHECK(report.crowd[1].behind_core);
  }
  SECTION("its end") {
    s.joins(1, 2);
    s.joins(3, 1);
    CHECK(judge(s, 3).core == ids{1});
    const deadlock_report report = judge(s, 1);
    CHECK(report.core == ids{1});
    CHECK_THAT(report.explanation, contains_text("'main' waits for the end of "));
    CHECK_THAT(report.explanation, contains_text("of 'heart', which sleeps, and promised to wake"));
  }
}

TEST_CASE("verdict: a report about nobody, and waits for objects that are not known") {
  state_builder nobody;
  CHECK(judge(nobody).why == verdict::unknown);
  CHECK(judge(nobody, 7).core.empty());
  state_builder s;
  s.tasklet("main");
  s.waits(1, operation_kind::receive, 0);
  CHECK(judge(s, 1).why == verdict::unknown);
}

TEST_CASE("verdict: what may still come, and what never wakes anybody") {
  const auto goes_on = [](auto change) {
    state_builder s;
    s.tasklet("main");
    s.receives(1, s.channel("c"));
    change(s.data().sources);
    return detail::can_go_on(s.data());
  };
  CHECK_FALSE(goes_on([](source_info&) {}));
  CHECK(goes_on([](source_info& all) { all.timers = 1; }));
  CHECK(goes_on([](source_info& all) { all.io_in_flight = 1; }));
  CHECK(goes_on([](source_info& all) { all.foreign = 1; }));
  CHECK_FALSE(goes_on([](source_info& all) { all.timers = all.silent = 1; }));
  CHECK_FALSE(goes_on([](source_info& all) {
    all.timers = all.io_in_flight = 1;
    all.silent = 2;
  }));
  CHECK(goes_on([](source_info& all) {
    all.timers = all.io_in_flight = 1;
    all.silent = 1;
  }));
  for (const tasklet_state state : {tasklet_state::ready, tasklet_state::running}) {
    auto s = sample::ping_pong();
    CHECK_FALSE(detail::can_go_on(s.data()));
    s.at(2).state = state;
    CHECK(detail::can_go_on(s.data()));
  }
}
