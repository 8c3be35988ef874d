#include <stackless/stackless.hpp>

#include "catch.hpp"
#include "diagnostics/report.hpp"
#include "diagnostics/wording.hpp"
#include "sample_state.hpp"

#include <memory>
#include <optional>
#include <string>
#include <vector>

// Objects that sentences cannot tell apart, and those whose place says nothing.

using namespace stackless;
using sample::state_builder;

namespace {

std::size_t count(const std::string& text, const std::string& part) {
  std::size_t times = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1))
    ++times;
  return times;
}

deadlock_report numbered_report(state_builder& s) {
  detail::number_namesakes(s.data().objects);
  return detail::make_report(s.data(), 2);
}

}  // namespace

TEST_CASE("namesakes: ordinals") {
  CHECK(detail::ordinal_text(1) == "1st");
  CHECK(detail::ordinal_text(2) == "2nd");
  CHECK(detail::ordinal_text(3) == "3rd");
  CHECK(detail::ordinal_text(4) == "4th");
  for (const std::size_t number : {11U, 12U, 13U, 111U})
    CHECK(detail::ordinal_text(number) == std::to_string(number) + "th");
  CHECK(detail::ordinal_text(21) == "21st");
  CHECK(detail::ordinal_text(102) == "102nd");
}

TEST_CASE("namesakes: numbered are those that are called alike, and nobody else") {
  state_builder s;
  const auto first = s.channel("a");
  const auto lock = s.mutex("a", 0);  // another kind of thing
  const auto second = s.channel("a");
  s.object(second).type = "long";  // sentences do not say that
  const auto alone = s.channel("b");
  const auto here = s.channel("");
  const auto there = s.channel("");
  const auto elsewhere = s.channel("");
  const auto in_a_vector = s.channel("");
  const auto in_an_optional = s.channel("");
  const auto nowhere = s.channel("");
  const auto nowhere_either = s.channel("");
  s.object(here).made_at = {"one/x.cpp", 7, 3, {}};
  s.object(there).made_at = {"two/x.cpp", 7, 9, {}};
  s.object(elsewhere).made_at = {"one/x.cpp", 8, 3, {}};
  s.object(in_a_vector).made_at = {"/usr/include/c++/12/bits/stl_construct.h", 97, 3, {}};
  s.object(in_an_optional).made_at = {"/usr/lib/llvm/include/c++/v1/optional", 300, 3, {}};
  s.end_of(1);
  s.end_of(1);
  detail::number_namesakes(s.data().objects);
  const auto ordinal = [&](std::uint64_t id) { return detail::ordinal_of(s.object(id)); };
  CHECK(ordinal(first) == " (1st of 2)");
  CHECK(ordinal(second) == " (2nd of 2)");
  CHECK(ordinal(here) == " (1st of 2)");
  CHECK(ordinal(there) == " (2nd of 2)");
  CHECK(ordinal(in_a_vector) == " (1st of 2)");
  CHECK(ordinal(in_an_optional) == " (2nd of 2)");
  for (const auto id : {lock, alone, elsewhere, nowhere, nowhere_either})
    CHECK(ordinal(id).empty());
  CHECK(s.data().objects.back().ordinal == 0);
}

TEST_CASE("namesakes: sentences, the drawing, tables and pictures tell them apart") {
  auto s = sample::philosophers();
  for (object_info& object : s.data().objects)
    if (object.kind == object_kind::mutex) object.name = "fork";
  s.object(3).name = "spoon";
  const deadlock_report report = numbered_report(s);
  const std::string text = to_text(report);
  INFO(text);
  CHECK_THAT(text, contains_text("'spoon' ─▶"));
  CHECK_THAT(text, contains_text("'fork' (2nd of 4) ─▶"));
  CHECK_THAT(text, contains_text("'fork' (1st of 4)  #2 philosopher 0  "));  // held by
  CHECK_THAT(
      report.advice, contains_text("lock mutex 'fork' (1st of 4) before mutex 'fork' (4th of")
  );
  CHECK_THAT(to_dot(report), contains_text("\"mutex 'fork' (3rd of 4)\""));
  CHECK_THAT(to_mermaid(report), contains_text("mutex 'fork' (3rd of 4)"));
  CHECK_THAT(to_html(report), contains_text("(3rd of 4)"));
  CHECK_THAT(to_json(report), contains_text("\"ordinal\":3,\"namesakes\":4"));
  CHECK(count(to_json(report), "\"ordinal\":") == 4);
}

TEST_CASE("namesakes: advice does not tell which of the locks of one line to take first") {
  auto s = sample::philosophers();
  for (object_info& object : s.data().objects) {
    if (object.kind != object_kind::mutex) continue;
    object.name.clear();
    object.made_at = {"dine.cpp", 4, 2, {}};
  }
  const deadlock_report report = numbered_report(s);
  CHECK_THAT(report.advice, starts_with_text("lock them all at once: co_await lock_all(…)."));
  CHECK_THAT(report.advice, contains_text("All are the mutex made dine.cpp:4:2: object_name"));
}

TEST_CASE("namesakes: a group that waits for several of them names none") {
  state_builder s;
  s.tasklet("main");
  for (int i = 0; i < 3; ++i) {
    s.tasklet("worker", {{"task<> work()", "work.cpp", 9, 3}});
    s.receives(static_cast<std::uint64_t>(i) + 2, s.channel("jobs"));
  }
  s.joins(1, 2);
  detail::number_namesakes(s.data().objects);
  const std::string text = to_text(s.data());
  INFO(text);
  CHECK_THAT(text, contains_text("3 x   receive on channel<int> 'jobs' (and oth"));
}

#if STACKLESS_TRACKING

namespace {

struct two_ways {
  channel<int> there;
  channel<int> back;
};

task<> receives_first(channel<int> from, channel<int> to) {
  (void)co_await from.receive();
  co_await to.send(1);
}

template <class Program>
deadlock_report report_of(Program program) {
  try {
    run("main", program);
  } catch (const deadlock_error& error) {
    return error.report();
  }
  FAIL("no deadlock");
  return {};
}

}  // namespace

TEST_CASE("namesakes: the members of one aggregate") {
  const deadlock_report report = report_of([]() -> task<> {
    const two_ways both;
    const auto ping = spawn("ping", receives_first, both.there, both.back);
    const auto pong = spawn("pong", receives_first, both.back, both.there);
    co_await ping.join();
    co_await pong.join();
  });
  CHECK(report.why == verdict::mutual_receive);
  const std::string text = to_text(report);
  INFO(text);
  for (const std::string which : {" (1st of 2)", " (2nd of 2)"}) {
    CHECK(count(text, which) >= 3);  // the drawing, a block, and the advice
    CHECK_THAT(report.advice, contains_text(which));
    CHECK_THAT(to_dot(report), contains_text("channel" + which));
  }
}

TEST_CASE("what was made in a container does not name the standard library's line") {
  const deadlock_report report = report_of([]() -> task<> {
    std::vector<channel<int>> numbers;
    numbers.emplace_back();
    const auto waits = [](channel<int> from) -> task<> { (void)co_await from.receive(); };
    const auto reader = spawn("reader", waits, numbers[0]);
    std::optional<mutex> lock;
    lock.emplace();
    const mutex_guard guard = co_await lock->lock();
    const auto locker = spawn("locker", [&]() -> task<> { (void)co_await lock->lock(); });
    const auto done = std::make_unique<event>();
    co_await done->wait();
  });
  const std::string text = to_text(report) + to_text(report.state) + to_dot(report.state);
  INFO(text);
  CHECK_THAT(text, contains_text("receive on channel<int> made by a container or make_unique"));
  CHECK_THAT(text, contains_text("(unbuffered, give it a name)"));
  CHECK_THAT(text, contains_text("lock of the mutex made by a container or make_unique"));
  CHECK_THAT(text, contains_text("owned by #1 main, give it a name)"));
  CHECK_THAT(text, contains_text("wait for the event made by a container or make_unique"));
  for (const object_info& object : report.state.objects) {
    if (object.made_at.line == 0) continue;
    CHECK(count(text, detail::place(object.made_at.file, object.made_at.line)) == 0);
  }
}

TEST_CASE("what was made in a container, and named there, has a name and no place") {
  const deadlock_report report = report_of([]() -> task<> {
    std::vector<channel<int>> numbers;
    numbers.emplace_back("jobs");  // the name is made within the container, too
    numbers.emplace_back(channel_name("results"));
    const auto waits = [](channel<int> from) -> task<> { (void)co_await from.receive(); };
    const auto reader = spawn("reader", waits, numbers[0]);
    (void)co_await numbers[1].receive();
  });
  const std::string text = to_text(report.state);
  INFO(text);
  CHECK_THAT(text, contains_text("receive on channel<int> 'jobs'  (unbuffered)"));
  CHECK_THAT(text, contains_text("(unbuffered, made namesakes_test.cpp:"));
}

TEST_CASE("errors about what was made in a container name no line of the standard library") {
  const auto numbers = std::make_unique<channel<int>>();
  numbers->close();
  const auto sends = [&]() -> task<> { co_await numbers->send(1); };
  CHECK_THROWS_WITH(
      run(sends), "send: channel 'channel<int> made by a container or make_unique' is closed"
  );
}

#endif
