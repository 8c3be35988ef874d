// Whole programs: one for each verdict, and those that go on after a deadlock.

#include <stackless/stackless.hpp>

#include "catch.hpp"

#include <algorithm>
#include <array>
#include <memory>
#include <string>
#include <vector>

using namespace stackless;

namespace {

template <class Program>
deadlock_report report_of(Program program, scheduler_options options = {}) {
  try {
    run(options, program);
  } catch (const deadlock_error& error) {
    return error.report();
  }
  FAIL("no deadlock");
  return {};
}

#if STACKLESS_TRACKING

task<> receive_then_send(channel<int> in, channel<int> out) {
  const int value = co_await in.receive();
  co_await out.send(value);
}

task<> send_then_receive(channel<int> out, channel<int> in) {
  co_await out.send(1);
  co_await in.receive();
}

task<> receive_one(channel<int> in) {
  co_await in.receive();
}

task<> lock_both(mutex& first, mutex& second) {
  const mutex_guard one = co_await first.lock();
  co_await yield();
  const mutex_guard two = co_await second.lock();
}

task<> join_it(const std::shared_ptr<any_tasklet>& other) {
  co_await other->join();
}

#endif

}  // namespace

#if STACKLESS_TRACKING

TEST_CASE("programs: mutual receive") {
  const auto program = []() -> task<> {
    channel<int> a;
    channel<int> b;
    spawn(receive_then_send, a, b);
    spawn(receive_then_send, b, a);
    co_return;
  };
  CHECK(report_of(program).why == verdict::mutual_receive);
}

TEST_CASE("programs: circular wait") {
  const auto program = []() -> task<> {
    channel<int> a;
    channel<int> b;
    spawn(send_then_receive, a, b);
    spawn(send_then_receive, b, a);
    co_return;
  };
  CHECK(report_of(program).why == verdict::circular_wait);
}

TEST_CASE("programs: lock cycle") {
  mutex a;  // outlive those who wait for them when main has failed
  mutex b;
  const auto program = [&]() -> task<> {
    const auto one = spawn(lock_both, borrow(a), borrow(b));
    const auto two = spawn(lock_both, borrow(b), borrow(a));
    co_await one.join();
    co_await two.join();
  };
  CHECK(report_of(program).why == verdict::lock_cycle);
}

TEST_CASE("programs: self wait") {
  const auto program = []() -> task<> {
    channel<int> own;
    co_await own.receive();
  };
  CHECK(report_of(program).why == verdict::self_wait);
}

TEST_CASE("programs: join cycle") {
  const auto program = []() -> task<> {
    const auto other = std::make_shared<any_tasklet>();
    const auto first = spawn(join_it, other);
    *other = spawn(join_it, std::make_shared<any_tasklet>(first));
    co_await first.join();
  };
  CHECK(report_of(program).why == verdict::join_cycle);
}

TEST_CASE("programs: orphaned channel") {
  const auto program = []() -> task<> {
    auto jobs = std::make_unique<channel<int>>();
    spawn([](channel<int> out) -> task<> { co_await out.send(1); }, *jobs);
    const auto worker = spawn(
        [](channel<int> in) -> task<> {
          co_await in.receive();
          co_await in.receive();
        },
        *jobs
    );
    jobs.reset();
    co_await worker.join();
  };
  CHECK(report_of(program).why == verdict::orphaned_channel);
}

TEST_CASE("programs: nobody is said to be the only one who could use a channel on the heap") {
  struct connection {
    channel<int> requests{"requests"};
    channel<int> replies{"replies"};
  };
  const auto program = []() -> task<> {
    const auto c = std::make_unique<connection>();
    const auto pass = [](channel<int>* from, channel<int>* to) -> task<> {
      const int value = co_await from->receive();
      co_await to->send(value);
    };
    const auto client = spawn("client", pass, &c->replies, &c->requests);
    const auto server = spawn("server", pass, &c->requests, &c->replies);
    co_await client.join();
    co_await server.join();
  };
  const deadlock_report report = report_of(program);
  CHECK(report.why == verdict::unknown);
  CHECK_THAT(report.explanation, contains_text("a handle is in no tasklet's frame"));
}

TEST_CASE("programs: each waits on a channel of its own, and who spawned them has ended") {
  const auto program = []() -> task<> {
    const auto setup = spawn([]() -> task<> {
      for (int i = 0; i < 5; ++i) spawn("worker", receive_one, channel<int>());
      co_return;
    });
    co_await setup.join();
  };
  const deadlock_report report = report_of(program);
  CHECK(report.why == verdict::orphaned_channel);
  CHECK(report.core.size() == 1);
  REQUIRE(report.crowd.size() == 1);
  CHECK(report.crowd[0].tasklets.size() == 4);
}

TEST_CASE("programs: a select of which every case waits for one that waits for it") {
  const auto program = []() -> task<> {
    channel<int> requests("requests");
    channel<int> replies("replies");
    channel<int> errors("errors");
    spawn(
        "server",
        [](channel<int> in, channel<int> out, channel<int> bad) -> task<> {
          const int got = co_await in.receive();
          if (got < 0) co_await bad.send(1);
          co_await out.send(1);
        },
        requests, replies, errors
    );
    co_await spawn(
        "client",
        [](channel<int> out, channel<int> in, channel<int> bad) -> task<> {
          (void)co_await select(in.receive(), bad.receive());
          co_await out.send(1);
        },
        requests, replies, errors
    )
        .join();
  };
  const deadlock_report report = report_of(program);
  CHECK(report.why == verdict::mutual_receive);
  CHECK(report.core.size() == 2);
  CHECK_THAT(report.explanation, contains_text("every case of the select in 'client' needs"));
}

TEST_CASE("programs: owner exited holding a lock") {
  SECTION("for itself") {
    const auto program = []() -> task<> {
      mutex m("m");
      const auto kept = std::make_shared<mutex_guard>();
      const auto owner = spawn("owner", [&m, kept]() -> task<> {
        *kept = co_await m.lock();
        kept->disown();
      });
      co_await owner.join();
      const mutex_guard mine = co_await m.lock();
    };
    const deadlock_report report = report_of(program);
    CHECK(report.why == verdict::owner_exited_holding_lock);
    CHECK_THAT(
        report.explanation,
        starts_with_text("'main' waits for mutex 'm'; #2 owner, which locked it (programs_test.cpp:"
        )
    );
    CHECK_THAT(report.explanation, ends_with_text("), has ended, and its guard was not unlocked"));
  }
  SECTION("as a reader") {
    const auto program = []() -> task<> {
      shared_mutex m;
      const auto kept = std::make_shared<shared_mutex::shared_guard>();
      const auto reader = spawn([&m, kept]() -> task<> { *kept = co_await m.lock_shared(); });
      co_await reader.join();
      const auto mine = co_await m.lock();
    };
    CHECK(report_of(program).why == verdict::owner_exited_holding_lock);
  }
}

TEST_CASE("programs: lost notification") {
  const auto program = []() -> task<> {
    mutex m;
    condition_variable ready;
    ready.notify_one();
    mutex_guard lock = co_await m.lock();
    co_await ready.wait(lock);
  };
  CHECK(report_of(program).why == verdict::lost_notification);
}

TEST_CASE("programs: buffer full, and no receiver") {
  const auto program = []() -> task<> {
    channel<int> out(1);
    co_await out.send(1);
    co_await out.send(2);
  };
  CHECK(report_of(program).why == verdict::buffer_full_without_receiver);
}

TEST_CASE("programs: leaked") {
  verdict why = verdict::unknown;
  const auto program = [&]() -> task<> {
    auto worker = spawn(receive_one, channel<int>());
    co_await yield();
    const auto found = find_stalls();
    REQUIRE(found.size() == 1);
    CHECK(found[0].certainty == grade::likely);
    why = found[0].why;
    co_await worker.kill();
  };
  run(program);
  CHECK(why == verdict::leaked);
}

TEST_CASE("programs: queued behind a deadlock") {
  scheduler host;
  const channel<int> input;  // the host's: it might still send
  const auto reader = host.spawn(receive_one, input);
  verdict why = verdict::unknown;
  host.spawn([&]() -> task<> {
    try {
      co_await reader.join();
    } catch (const deadlock_error& error) {
      why = error.report().why;
    }
    reader.kill_pending();
  });
  host.run();
  CHECK(why == verdict::queued_behind_a_deadlock);
}

TEST_CASE("programs: unknown") {
  const auto program = []() -> task<> {
    channel<int> c;
    spawn([&c]() -> task<> {  // might be inserted, and has the channel by reference
      co_await suspend();
      co_await c.send(1);
    });
    co_await c.receive();
  };
  CHECK(report_of(program).why == verdict::unknown);
}

#endif

TEST_CASE("programs: never started") {
  const auto program = []() -> task<> {
    auto idle = spawn([]() -> task<> { co_return; });
    idle.remove();
    co_await idle.join();
  };
  CHECK(report_of(program).why == verdict::never_started);
}

TEST_CASE("programs: a forgotten close in a pipeline is no mutual receive") {
  const auto program = []() -> task<> {
    const channel<int> raw(channel_name("raw"));
    const channel<int> cooked(channel_name("cooked"));
    const auto reads = [](channel<int> out) -> task<> { co_await out.send(1); };  // and forgets it
    const auto cooks = [](channel<int> in, channel<int> out) -> task<> {
      while (const auto value = co_await in.next()) co_await out.send(*value);
      out.close();
    };
    const auto eats = [](channel<int> in) -> task<> {
      while (const auto value = co_await in.next()) (void)*value;
    };
    const auto body = [&](nursery& n) -> task<> {
      n.spawn("read", reads, raw);
      n.spawn("cook", cooks, raw, cooked);
      n.spawn("eat", eats, cooked);
      co_return;
    };
    co_await with_nursery(body);
  };
  const deadlock_report report = report_of(program);
  CHECK(report.why == verdict::orphaned_channel);
  CHECK_THAT(report.explanation, contains_text("nobody is left who could send on 'raw'"));
}

TEST_CASE("programs: of a full buffer no advice says that one more place would do") {
  const auto program = []() -> task<> {
    const channel<int> jobs(channel_name("jobs"), 1);
    const channel<int> results(channel_name("results"));
    const auto works = [](channel<int> in, channel<int> out) -> task<> {
      while (const auto value = co_await in.next()) co_await out.send(*value);
    };
    spawn("worker", works, jobs, results);
    for (int i = 0; i < 8; ++i) co_await jobs.send(i);  // nobody takes the results meanwhile
  };
  const deadlock_report report = report_of(program);
  CHECK(report.why == verdict::circular_wait);
  CHECK(report.advice.empty());
}

TEST_CASE("programs: a reader that wants to write") {
  const auto program = []() -> task<> {
    shared_mutex table("table");
    const auto reads = co_await table.lock_shared();
    const auto also = co_await table.lock_shared();
    const auto writes = co_await table.lock();
  };
  const deadlock_report report = report_of(program);
  CHECK(report.why == verdict::never_signalled);
  CHECK_THAT(
      report.explanation, contains_text("'table', which is locked by 2 readers; who reads is")
  );
}

TEST_CASE("programs: a lock in the hands of a daemon that sleeps and wakes nobody") {
  const auto program = []() -> task<> {
    mutex table("table");
    spawn_daemon(wakes_nobody, "heart", [&]() -> task<> {
      const auto locked = co_await table.lock();
      co_await sleep_for(std::chrono::hours(1));
    });
    co_await yield();
    const auto never = co_await table.lock();
  };
  const deadlock_report report = report_of(program);
  CHECK(report.core == std::vector<std::uint64_t>{1});
  CHECK(report.why == verdict::never_signalled);
  CHECK_THAT(
      report.explanation, contains_text("of 'heart', which sleeps, and promised to wake nobody")
  );
}

TEST_CASE("programs: a nursery's picture shows every child") {
  const auto program = []() -> task<> {
    channel<int> a("a");
    channel<int> b("b");
    const auto receives = [](channel<int> in) -> task<> { co_await in.receive(); };
    const auto body = [&](nursery& n) -> task<> {
      n.spawn("first", receives, a);
      n.spawn("second", receives, b);
      n.spawn_daemon("watcher", receives, b);
      co_return;
    };
    co_await with_nursery(body);
  };
  const deadlock_report report = report_of(program);
  INFO(to_dot(report));
  std::size_t found = 0;
  for (const object_info& object : report.state.objects) {
    if (object.kind != object_kind::nursery) continue;
    ++found;
    CHECK(object.unfinished == std::vector<std::uint64_t>{2, 3});  // a daemon is waited for by none
  }
  CHECK(found == 1);
}

TEST_CASE("programs: the tasks of a when_all have their own names") {
  const auto program = []() -> task<> {
    channel<int> a("a");
    channel<int> b("b");
    co_await when_all(receive_one(a), receive_one(b));
  };
  const deadlock_report report = report_of(program);
  const std::string text = to_text(report);
  INFO(text);
  CHECK_THAT(text, contains_text("#2 receive_one   blocked"));
  CHECK(text.find("deliver") == std::string::npos);
}

TEST_CASE("programs: a channel of a coroutine's own type has its name") {
  const auto program = []() -> task<> {
    struct reply {
      int number;
    };
    channel<reply> replies;
    (void)co_await replies.receive();
  };
  const deadlock_report report = report_of(program);
  INFO(to_text(report));
  REQUIRE(!report.state.objects.empty());
  const std::string type = report.state.objects.front().type;
  CHECK(type.ends_with("::reply"));
  CHECK(type.find("_Z") == std::string::npos);
  CHECK(type.find("Frame") == std::string::npos);
  CHECK_THAT(to_text(report), contains_text("on channel<"));
}

TEST_CASE("programs: never signalled") {
  const auto program = []() -> task<> {
    event ready;
    co_await ready.wait();
  };
  CHECK(report_of(program).why == verdict::never_signalled);
}

// --- caught, broken, and on
// -----------------------------------------------------------------------

TEST_CASE("after a deadlock: main closes the channel, and the reader ends") {
  int received = 0;
  bool told = false;
  const auto program = [&]() -> task<> {
    channel<int> numbers;
    const auto reader = spawn([&]() -> task<> {
      while (auto n = co_await numbers.next()) received += *n;
    });
    co_await numbers.send(7);
    try {
      co_await reader.join();
    } catch (const deadlock_error& error) {
      told = error.report().certainty == grade::proven;
    }
    numbers.close();
    co_await reader.join();
  };
  run(program);
  CHECK(told);
  CHECK(received == 7);
}

TEST_CASE("after a deadlock: an error is raised in another of the core, by the report's id") {
  std::string end_of_ping;
  bool told = false;
  const auto program = [&]() -> task<> {
    channel<int> a;
    channel<int> b;
    any_tasklet ping = spawn("ping", [&]() -> task<> {
      try {
        co_await a.receive();
      } catch (const std::runtime_error& error) {
        end_of_ping = error.what();
      }
      co_await b.send(1);
    });
    const auto pong = spawn("pong", [&]() -> task<> {
      std::vector<std::uint64_t> core;
      try {
        co_await b.receive();
      } catch (const deadlock_error& error) {
        core = error.report().core;
        told = true;
      }
      CHECK(std::find(core.begin(), core.end(), ping.id()) != core.end());
      co_await ping.raise(std::make_exception_ptr(std::runtime_error("do without")));
      CHECK(co_await b.receive() == 1);
    });
    co_await ping.join();
    co_await pong.join();
  };
  run(program);
  CHECK(told);
  CHECK(end_of_ping == "do without");
}

TEST_CASE("after a deadlock: what was missing is sent") {
  int answer = 0;
  int deadlocks = 0;
  const auto program = [&]() -> task<> {
    channel<int> questions;
    channel<int> answers;
    spawn([&]() -> task<> {
      const int question = co_await questions.receive();
      co_await answers.send(question + 1);
    });
    co_await yield();  // so that main is the one that waits last
    try {
      answer = co_await answers.receive();
    } catch (const deadlock_error&) {
      ++deadlocks;
    }
    co_await questions.send(41);
    answer = co_await answers.receive();
  };
  run(program);
  CHECK(deadlocks == 1);
  CHECK(answer == 42);
}

TEST_CASE("after a deadlock: who is told gives its lock back, and all get theirs") {
  int meals = 0;
  int deadlocks = 0;
  const auto dine = [&](mutex& left, mutex& right) -> task<> {
    for (bool eaten = false; !eaten;) {
      try {
        const mutex_guard one = co_await left.lock();
        co_await yield();
        const mutex_guard two = co_await right.lock();
        eaten = true;
        ++meals;
      } catch (const deadlock_error& error) {
        CHECK(error.report().why == verdict::lock_cycle);
        ++deadlocks;
      }
      co_await yield();
    }
  };
  const auto program = [&]() -> task<> {
    std::array<mutex, 5> forks;
    std::vector<any_tasklet> guests;
    for (std::size_t i = 0; i < forks.size(); ++i)
      guests.push_back(spawn(dine, borrow(forks[i]), borrow(forks[(i + 1) % forks.size()])));
    for (const any_tasklet& guest : guests) co_await guest.join();
  };
  run(program);
  CHECK(meals == 5);
  CHECK(deadlocks >= 1);
}

TEST_CASE("after a deadlock: catching it in a loop does not spin, the error leaves run") {
  int caught = 0;
  const auto stubborn = [&](channel<int> in) -> task<> {
    for (;;) {
      try {
        co_await in.receive();
        co_return;
      } catch (const deadlock_error&) {
        ++caught;
      }
    }
  };
  SECTION("a tasklet, while main waits for it") {
    const auto program = [&]() -> task<> { co_await spawn(stubborn, channel<int>()).join(); };
    CHECK_THROWS_AS(run(program), deadlock_error);
  }
  SECTION("main and a tasklet, each in its loop") {
    const auto both = [&]() -> task<> {
      channel<int> c;
      spawn(stubborn, c);
      for (;;) {
        try {
          co_await c.receive();
          co_return;
        } catch (const deadlock_error&) {
          ++caught;
        }
      }
    };
    CHECK_THROWS_AS(run(both), deadlock_error);
  }
  CHECK(caught >= 1);
  CHECK(caught <= 10);
}
