// Programs as people write them: the report names the cause, and says nothing that is not so.

#include <stackless/stackless.hpp>

#include "catch.hpp"

#include <algorithm>
#include <exception>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

using namespace stackless;

#if STACKLESS_TRACKING

namespace {

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

/// The text with single spaces, so that it does not matter where its lines end.
std::string text_of(const deadlock_report& report) {
  std::string text = to_text(report);
  std::replace(text.begin(), text.end(), '\n', ' ');
  const auto both_blank = [](char a, char b) { return a == ' ' && b == ' '; };
  text.erase(std::unique(text.begin(), text.end(), both_blank), text.end());
  return text;
}

/// The advice without the places.
std::string advice_of(const deadlock_report& report) {
  std::string advice = report.advice;
  for (std::size_t at; (at = advice.find(" (cause_test.cpp")) != std::string::npos;)
    advice.erase(at, advice.find(')', at) + 1 - at);
  return advice;
}

struct cache {
  mutex lock{"cache"};
  channel<int> loaded{"loaded"};
  event ready{"ready"};
};

task<> loads(cache& c) {
  const mutex_guard guard = co_await c.lock.lock();
  c.ready.set();
  co_await c.loaded.send(1);
}

}  // namespace

TEST_CASE("cause: a lock that is kept over a receive from who wants it") {
  const auto report = report_of([]() -> task<> {
    cache c;
    const mutex_guard guard = co_await c.lock.lock();
    spawn("loader", loads, borrow(c));
    co_await c.loaded.receive();
  });
  CHECK(report.why == verdict::circular_wait);
  CHECK(
      report.explanation ==
      "'main' waits to receive from 'loaded' and 'loader' waits for mutex 'cache' of 'main': each "
      "needs the other to go on first"
  );
  CHECK(
      advice_of(report) ==
      "unlock mutex 'cache' in 'main' before it waits to receive: 'loader' needs the lock to go on."
  );
  CHECK_THAT(text_of(report), contains_text("0 outside tasklets holds: mutex 'cache' since "));
}

TEST_CASE("cause: a lock that is kept over a wait for a signal") {
  const auto report = report_of([]() -> task<> {
    cache c;
    const mutex_guard guard = co_await c.lock.lock();
    spawn("loader", loads, borrow(c));
    co_await c.ready.wait();
  });
  CHECK(report.why == verdict::never_signalled);
  CHECK(
      report.explanation ==
      "'main' waits for event 'ready', and nobody is left who could set it: 'loader' waits for "
      "mutex 'cache' of 'main'"
  );
  CHECK(
      advice_of(report) ==
      "unlock mutex 'cache' in 'main' before it waits: 'loader' needs the lock to go on."
  );
  CHECK_THAT(text_of(report), contains_text("freed by: a set holds: mutex 'cache' since "));
}

TEST_CASE("cause: a lock that is kept over a join") {
  const auto report = report_of([]() -> task<> {
    cache c;
    const mutex_guard guard = co_await c.lock.lock();
    const auto loader = spawn("loader", loads, borrow(c));
    co_await loader.join();
  });
  CHECK(report.why == verdict::lock_cycle);
  CHECK(
      advice_of(report) ==
      "unlock mutex 'cache' in 'main' before it waits for the end of 'loader': 'loader' needs the "
      "lock to go on."
  );
  CHECK_THAT(
      text_of(report), contains_text("the end of #2 loader (blocked) holds: mutex 'cache' since ")
  );
}

TEST_CASE("cause: workers whose results are read after they are joined") {
  const auto report = report_of([]() -> task<> {
    channel<int> jobs("jobs", 2);
    channel<int> results("results", 1);
    const auto produce = [](channel<int> out) -> task<> {
      for (int i = 0; i < 10; ++i) co_await out.send(i);
    };
    const auto worker = [](channel<int> in, channel<int> out) -> task<> {
      while (const auto job = co_await in.next()) co_await out.send(*job);
    };
    for (int i = 0; i < 2; ++i) spawn("worker", worker, jobs, results);
    const auto producer = spawn("producer", produce, jobs);
    co_await producer.join();
    co_await results.receive();
  });
  CHECK(report.why == verdict::buffer_full_without_receiver);
  CHECK(report.core == std::vector<std::uint64_t>{2, 3});
  CHECK(
      report.explanation ==
      "'results' is full (1 of 1): 2 tasklets wait to send on 'results', and 'main', which could "
      "receive, waits for 'producer' to end"
  );
  CHECK(
      advice_of(report) ==
      "let 'main' receive what they send on 'results' before it joins 'producer', or give "
      "'results' room for all of it."
  );
}

TEST_CASE("cause: a lock that is kept over a send, and who would receive wants it") {
  const auto report = report_of([]() -> task<> {
    mutex lock("stats");
    channel<int> out("out", 1);
    const auto work = [&]() -> task<> {
      for (;;) {
        const mutex_guard guard = co_await lock.lock();
        co_await out.send(1);
      }
    };
    const auto take = [&]() -> task<> {
      for (;;) {
        co_await out.receive();
        const mutex_guard guard = co_await lock.lock();
      }
    };
    co_await with_nursery([&](nursery& n) -> task<> {
      n.spawn("worker", work);
      n.spawn("worker", work);
      n.spawn("taker", take);
      co_return;
    });
  });
  CHECK(report.why == verdict::circular_wait);
  CHECK(
      report.explanation ==
      "'worker' waits to send on 'out' and 'taker' waits for mutex 'stats' of 'worker': each needs "
      "the other to go on first"
  );
  CHECK(
      advice_of(report) ==
      "unlock mutex 'stats' in 'worker' before it waits to send: 'taker' needs the lock to go on."
  );
}

TEST_CASE("cause: who should have received has ended by an error") {
  const auto report = report_of([]() -> task<> {
    channel<int> raw("raw", 1);
    const auto reads = [](channel<int> out) -> task<> {
      for (;;) co_await out.send(1);
    };
    const auto packs = [](channel<int> in) -> task<> {
      co_await in.receive();
      throw std::runtime_error("disk full");
    };
    const auto reader = spawn("reader", reads, raw);
    auto packer = spawn("packer", packs, raw);
    packer.set_error_handler([](const any_tasklet&, const std::exception_ptr&) {});
    co_await reader.join();
  });
  CHECK(report.why == verdict::buffer_full_without_receiver);
  CHECK(
      report.explanation ==
      "'raw' is full (1 of 1): 'reader' waits to send on 'raw', and 'main', which could receive, "
      "waits for 'reader' to end; #3 packer has ended by an error"
  );
  CHECK(
      report.advice ==
      "if #3 packer was to receive from 'raw': in a nursery its error cancels those who send."
  );
}

TEST_CASE("cause: stages that each send to the other have no receiver to look for") {
  const auto report = report_of([]() -> task<> {
    channel<int> there("there", 1);
    channel<int> back("back", 1);
    const auto stage = [](channel<int> in, channel<int> out) -> task<> {
      for (;;) {
        co_await out.send(1);
        co_await out.send(1);
        co_await in.receive();
      }
    };
    const auto source = [](channel<int> in) -> task<> { co_await in.send(1); };
    const auto one = spawn("one", stage, back, there);
    spawn("other", stage, there, back);
    spawn("source", source, back);
    co_await one.join();
  });
  CHECK(report.why == verdict::circular_wait);
  CHECK(
      report.explanation ==
      "'one', 'other' and 'source' each wait for another of them to receive first"
  );
}

TEST_CASE("cause: who has ended may be the one who should have sent first") {
  const auto report = report_of([]() -> task<> {
    channel<int> frames("frames");
    channel<int> sound("sound");
    const auto show = [](channel<int> mine, channel<int>) -> task<> { co_await mine.receive(); };
    const auto decode = [](channel<int>, channel<int>) -> task<> { co_return; };
    spawn("decoder", decode, frames, sound);
    const auto shows = spawn("shows", show, frames, sound);
    spawn("plays", show, sound, frames);
    co_await shows.join();
  });
  CHECK(report.why == verdict::mutual_receive);
  CHECK(
      report.explanation ==
      "'shows' and 'plays' each wait to receive, and of those who are left only the other could "
      "send"
  );
  CHECK(report.advice.empty());
  CHECK_THAT(text_of(report), contains_text("ended before: #2 decoder"));
}

TEST_CASE("cause: a reply that was dropped is no tasklet's fault who waits for it") {
  const auto report = report_of([]() -> task<> {
    channel<channel<int>> requests("requests");
    const auto serve = [](channel<channel<int>> in) -> task<> {
      while (const auto reply = co_await in.next()) continue;
    };
    spawn("server", serve, requests);
    const channel<int> reply("reply");
    co_await requests.send(reply);
    co_await reply.receive();
  });
  CHECK(report.why == verdict::self_wait);
  CHECK(
      report.explanation ==
      "'main' waits to receive from 'reply', and no other tasklet has a handle to send with"
  );
  CHECK(
      report.advice ==
      "leave a handle of 'reply' with who is to send until it has sent, on every path. With the "
      "ends of make_channel() the wait ends when the last sender goes."
  );
}

TEST_CASE("cause: what is set only behind the end of who waits for it") {
  const auto report = report_of([]() -> task<> {
    event done("done");
    const auto beat = [&]() -> task<> { co_await done.wait(); };
    co_await with_nursery([&](nursery& n) -> task<> {
      n.spawn("heartbeat", beat);
      co_return;
    });
    done.set();
  });
  CHECK(
      report.explanation ==
      "'heartbeat' waits for event 'done', and nobody is left who could set it: 'main' waits for "
      "its end"
  );
  CHECK(
      advice_of(report) ==
      "set event 'done' before 'main' waits for the end of 'heartbeat', or on every path of who "
      "else should."
  );
}

TEST_CASE("cause: those who are left are told of, the most interesting first") {
  const auto report = report_of([]() -> task<> {
    semaphore items("items", 0);
    semaphore slots("slots", 0);
    const auto take = [](semaphore& from) -> task<> { const auto unit = co_await from.acquire(); };
    const auto consumer = spawn("consumer", take, borrow(items));
    spawn("producer", take, borrow(slots));
    const auto join = [&]() -> task<> { co_await consumer.join(); };
    spawn("waiter", join);
    co_await consumer.join();
  });
  CHECK(
      report.explanation ==
      "'consumer' waits for semaphore 'items', and nobody is left who could release it: 'producer' "
      "waits for semaphore 'slots', 'main' waits for its end and 1 more waits"
  );
}

TEST_CASE("cause: an event that was reset, and one that merges what is set") {
  const auto reset = report_of([]() -> task<> {
    event go("go");
    go.set();
    go.reset();
    co_await go.wait();
  });
  CHECK(
      advice_of(reset) ==
      "set event 'go' after its reset too: a reset takes back what was set before, also for those "
      "who come to wait later."
  );
  const auto merged = report_of([]() -> task<> {
    auto_event arrived("arrived");
    arrived.set();
    arrived.set();
    co_await arrived.wait();
    co_await arrived.wait();
  });
  CHECK_THAT(
      merged.advice, contains_text("Sets for which nobody waits yet count as one: a semaphore")
  );
}

TEST_CASE("cause: who left before the others may have arrived at a barrier all the same") {
  const auto program = [](int rounds_of_last) {
    return [rounds_of_last]() -> task<> {
      barrier meet("meet", 2);
      const auto party = [&](int rounds) -> task<> {
        for (int i = 0; i < rounds; ++i) co_await meet.arrive_and_wait();
      };
      co_await with_nursery([&](nursery& n) -> task<> {
        n.spawn("stays", party, 2);
        if (rounds_of_last != 0) n.spawn("leaves", party, rounds_of_last);
        co_return;
      });
    };
  };
  const auto left = report_of(program(1));
  CHECK(
      left.advice ==
      "1 more has to arrive at barrier 'meet': who ends before the others no longer does."
  );
  CHECK_THAT(text_of(left), contains_text("ended before: #3 leaves"));
  CHECK(
      report_of(program(0)).advice ==
      "1 more has to arrive at barrier 'meet', or make it for 1 fewer."
  );
}

TEST_CASE("cause: the end of a nursery is no join that could be left out") {
  const auto report = report_of([]() -> task<> {
    const auto joins = [](any_tasklet parent) -> task<> { co_await parent.join(); };
    co_await with_nursery([&](nursery& n) -> task<> {
      n.spawn("cleaner", joins, this_tasklet::handle());
      co_return;
    });
  });
  CHECK(report.why == verdict::join_cycle);
  CHECK(advice_of(report) == "leave out the join in 'cleaner'.");
}

TEST_CASE("cause: who sent on a case of a select, and has ended, is told of") {
  const auto report = report_of([]() -> task<> {
    channel<int> left("left");
    channel<int> right("right");
    const auto feed = [](channel<int> out) -> task<> { co_await out.send(1); };
    spawn("feed", feed, left);
    for (;;) co_await select(left.next(), right.next());
  });
  CHECK_THAT(text_of(report), contains_text("ended before: #2 feed"));
  CHECK(report.advice.empty());  // nothing was ever sent on the other
}

TEST_CASE("cause: a select of channels whose senders have all come to their end") {
  const bool killed = GENERATE(false, true);
  const auto report = report_of([killed]() -> task<> {
    channel<int> left("left");
    channel<int> right("right");
    const auto feed = [](channel<int> out, bool waits) -> task<> {
      co_await out.send(1);
      if (waits) co_await suspend();
    };
    spawn("left feed", feed, left, false);
    const auto other = spawn("right feed", feed, right, killed);
    for (int i = 0; i < 2; ++i) co_await select(left.next(), right.next());
    if (killed) co_await other.kill();
    for (;;) co_await select(left.next(), right.next());
  });
  CHECK(
      report.advice ==
      (killed ? ""
              : "close 'left' and 'right' when the last sender on it is done: then the select ends "
                "instead of waiting.")
  );
}

TEST_CASE("cause: the only reader of a shared_mutex that would write waits for itself") {
  const auto report = report_of([]() -> task<> {
    shared_mutex table("table");
    const auto reads = co_await table.lock_shared();
    const auto writes = co_await table.lock();
  });
  CHECK(report.why == verdict::self_wait);
  CHECK(report.explanation == "'main' waits for shared_mutex 'table', which it reads itself");
  CHECK_THAT(
      report.advice, contains_text("unlock what 'main' has locked to read (cause_test.cpp:")
  );
  const auto others = report_of([]() -> task<> {
    shared_mutex table("table");
    auto reads = co_await table.lock_shared();
    const auto also = co_await table.lock_shared();
    reads.unlock();
    const auto writes = co_await table.lock();
  });
  CHECK(others.why == verdict::never_signalled);  // what was unlocked is not known
}

TEST_CASE("cause: a send end that is kept by who joins the receiver") {
  const bool two_keep_one = GENERATE(false, true);
  const auto report = report_of([two_keep_one]() -> task<> {
    auto [log, lines] = make_channel<int>("log", 2);
    const auto writes = [](receiver<int> in) -> task<> {
      while (const auto line = co_await in.next()) continue;
    };
    const auto works = [](sender<int> out) -> task<> { co_await out.send(1); };
    const auto waits = [](sender<int>, any_tasklet other) -> task<> { co_await other.join(); };
    const auto logger = spawn_daemon("logger", writes, std::move(lines));
    spawn("worker", works, log);
    if (two_keep_one) spawn("waiter", waits, log, logger);
    co_await logger.join();
  });
  CHECK(report.why == verdict::orphaned_channel);
  const std::string told = advice_of(report);
  const std::string let_go =
      "let go of the send end in frame 0 of 'main' before it joins 'logger': while that is kept, "
      "'log' is not closed when the senders have gone.";
  CHECK(told.starts_with("let go") == !two_keep_one);
  if (!two_keep_one) CHECK(told == let_go);
}

TEST_CASE("cause: a report in an error's text is cut to its first line") {
  const auto report = report_of([]() -> task<> {
    channel<int> in("in");
    const auto receives = [](channel<int> from) -> task<> { co_await from.receive(); };
    const auto first = spawn("first", receives, in);
    try {
      co_await first.join();
    } catch (const deadlock_error&) {
    }
    co_await in.receive();
  });
  const std::string text = text_of(report);
  CHECK_THAT(text, contains_text("deadlock_error: deadlock: 2 of 2 tasklets blocked forever"));
  CHECK_THAT(text, !contains_text("\\n"));
}

TEST_CASE("cause: nothing is stuck where there is no tasklet") {
  CHECK(to_text(explain(snapshot_data{})) == "no deadlock: nothing waits for ever");
}

#endif
