#include <stackless/stackless.hpp>

#include "catch.hpp"
#include "channel/support.hpp"

#include <chrono>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using namespace stackless;

namespace {

scheduler_options virtual_time() {
  scheduler_options options;
  options.clock = clock_choice::virtual_time;
  return options;
}

task<> sends(sender<int> out, std::vector<int> values) {
  for (const int value : values) co_await out.send(value);
}

task<> collects(receiver<int> in, std::vector<int>& into) {
  while (const std::optional<int> value = co_await in.next()) into.push_back(*value);
}

task<> keeps(sender<int>) {
  co_await yield();
}

task<> takes(receiver<int>) {
  co_await yield();
}

template <class Error, class F>
task<std::string> text_of(F f) {
  try {
    co_await f();
  } catch (const Error& error) {
    co_return error.what();
  }
  co_return "";
}

}  // namespace

TEST_CASE("ends: when the last sender has gone the channel is closed") {
  std::vector<int> got;
  run([&]() -> task<> {
    auto [tx, rx] = make_channel<int>();
    spawn(sends, tx, std::vector<int>{1, 2});
    spawn(sends, std::move(tx), std::vector<int>{3});
    CHECK(rx.has_senders());
    const auto all = spawn(collects, rx, borrow(got));
    co_await all.join();
    CHECK_FALSE(rx.has_senders());
    CHECK_THROWS_AS(co_await rx.receive(), channel_closed);
    CHECK(co_await rx.next() == std::nullopt);
    CHECK_FALSE(rx.try_receive());
  });
  CHECK(got.size() == 3);
}

TEST_CASE("ends: what is buffered is still received") {
  run([]() -> task<> {
    auto [tx, rx] = make_channel<int>(4);
    CHECK(tx.try_send(1) == send_status::sent);
    const std::vector<int> more{2, 3};
    CHECK(co_await tx.send_sequence(more) == 2);
    CHECK(rx.size() == 3);
    {
      const auto gone = std::move(tx);
    }
    CHECK(co_await rx.receive() == 1);
    CHECK(co_await rx.next() == 2);
    CHECK(rx.try_receive() == 3);
    CHECK(co_await rx.next() == std::nullopt);
  });
}

TEST_CASE("ends: receivers that wait are woken in their order") {
  std::vector<int> order;
  run([&]() -> task<> {
    auto [tx, rx] = make_channel<int>();
    const auto waits = [&order](receiver<int> in, int number) -> task<> {
      CHECK_FALSE(co_await in.next());
      order.push_back(number);
    };
    for (int i = 0; i < 3; ++i) spawn(waits, rx, i);
    co_await yield();
    {
      const auto gone = std::move(tx);
    }
    CHECK(order.empty());  // it goes on; they are at the tail
    co_await yield();
  });
  CHECK(order == std::vector<int>{0, 1, 2});
}

TEST_CASE("ends: when the last receiver has gone sends fail, and the buffer is dropped") {
  const int before = channel_test::token::alive;
  run([&]() -> task<> {
    auto [tx, rx] = make_channel<channel_test::token>("tokens", 1);
    channel_test::token first(1);
    channel_test::token second(2);
    CHECK(tx.try_send_from(first) == send_status::sent);
    auto& out = tx;
    const auto waits = [&out, &second]() -> task<> { co_await out.send_from(second); };
    const auto sending =
        spawn([&]() -> task<> { CHECK_THROWS_AS(co_await waits(), channel_closed); });
    co_await yield();
    CHECK(tx.size() == 1);
    CHECK(tx.has_receivers());
    {
      const auto gone = std::move(rx);
    }
    CHECK(tx.size() == 0);
    CHECK(channel_test::token::alive == before + 2);  // the one in the buffer is destroyed
    co_await sending.join();
    CHECK_FALSE(tx.has_receivers());
    CHECK(tx.try_send_from(second) == send_status::closed);
    const std::string text =
        co_await text_of<channel_closed>([&]() -> task<> { co_await out.send_from(second); });
    CHECK(text == "send: all receivers of channel 'tokens' are gone");
  });
}

TEST_CASE("ends: try_send of a named value sends a copy") {
  auto [tx, rx] = make_channel<std::string>(2);
  std::string text = "a text that is too long for the string itself";
  CHECK(tx.try_send(text) == send_status::sent);
  CHECK(rx.try_receive() == text);
  CHECK(tx.try_send_from(text) == send_status::sent);
  CHECK(text.empty());
}

TEST_CASE("ends: a value in the buffer may hold the last sender") {
  struct message {
    std::shared_ptr<std::optional<sender<message>>> back;
    explicit message(std::shared_ptr<std::optional<sender<message>>> end) : back(std::move(end)) {}
  };
  run([]() -> task<> {
    auto [tx, rx] = make_channel<message>(1);
    auto kept = std::make_shared<std::optional<sender<message>>>(tx);
    message m(kept);
    CHECK(tx.try_send(std::move(m)) == send_status::sent);
    kept.reset();
    {
      const auto gone = std::move(tx);
    }
    CHECK(rx.has_senders());
    const auto gone = std::move(rx);
    co_return;  // and with it the value, and with that the channel
  });
}

TEST_CASE("ends: values may be move-only, copies are the same channel") {
  run([]() -> task<> {
    auto [tx, rx] = make_channel<std::unique_ptr<int>>("numbers", 1);
    const sender<std::unique_ptr<int>> other = tx;
    CHECK(other == tx);
    CHECK(rx == receiver<std::unique_ptr<int>>(rx));
    CHECK(tx.name() == "numbers");
    CHECK(rx.capacity() == 1);
    co_await other.send(std::make_unique<int>(7));
    CHECK(*(co_await rx.receive()) == 7);
    co_await tx.emplace(std::make_unique<int>(8));
    CHECK(**rx.try_receive() == 8);
    other.close();
    CHECK(co_await rx.next() == std::nullopt);
  });
}

TEST_CASE("ends: an assignment lets go of the end before") {
  run([]() -> task<> {
    auto [tx, rx] = make_channel<int>();
    auto [tx2, rx2] = make_channel<int>();
    tx = tx2;
    CHECK_FALSE(rx.has_senders());
    CHECK(rx2.has_senders());
    rx = std::move(rx2);
    CHECK(tx.has_receivers());
    CHECK((co_await select(rx.next(), otherwise())).index() == 1);
  });
}

TEST_CASE("ends: of a channel that plain handles know, too") {
  run([]() -> task<> {
    std::optional<channel<int>> c;
    c.emplace("plain", 1);
    auto tx = c->tx();
    auto rx = c->rx();
    {
      const auto gone = std::move(rx);
    }
    CHECK(tx.has_receivers());  // the handle could receive
    CHECK(tx.try_send(1) == send_status::sent);
    c.reset();
    CHECK_FALSE(tx.has_receivers());
    CHECK(tx.try_send(2) == send_status::closed);
    co_return;
  });
}

TEST_CASE("ends: an error travels as through a channel") {
  run([]() -> task<> {
    auto [tx, rx] = make_channel<int>();
    const auto fails = [](sender<int> out) -> task<> {
      co_await out.send_exception(std::make_exception_ptr(std::range_error("no")));
    };
    spawn(fails, std::move(tx));
    CHECK_THROWS_AS(co_await rx.receive(), std::range_error);
    CHECK_THROWS_AS(
        (void)sender<int>(channel<int>().tx()).send_exception(nullptr), std::invalid_argument
    );
  });
}

TEST_CASE("ends: plain functions, without a scheduler") {
  auto [tx, rx] = make_channel<int>(1);
  CHECK(tx.try_send(1) == send_status::sent);
  CHECK(tx.try_send(2) == send_status::would_block);
  CHECK(rx.try_receive() == 1);
  CHECK_FALSE(rx.try_receive());
  {
    const auto gone = std::move(rx);
  }
  CHECK(tx.try_send(3) == send_status::closed);
}

TEST_CASE("ends: misuse") {
  auto [tx, rx] = make_channel<int>();
  const auto tx2 = std::move(tx);
  const auto rx2 = std::move(rx);
  CHECK_THROWS_AS(tx.try_send(1), std::logic_error);
  CHECK_THROWS_AS((void)rx.try_receive(), std::logic_error);
  try {
    (void)rx.name();
  } catch (const std::logic_error& error) {
    CHECK(std::string(error.what()) == "this receiver was moved from");
  }
}

TEST_CASE("ends: who is cancelled or killed while it waits has done nothing") {
  run(virtual_time(), []() -> task<> {
    auto [tx, rx] = make_channel<int>();
    auto& in = rx;
    auto& out = tx;
    CHECK_FALSE(co_await move_on_after(1s, [&in]() -> task<> { (void)co_await in.receive(); }));
    CHECK_FALSE(co_await move_on_after(1s, [&out]() -> task<> { co_await out.send(1); }));
    const auto killed = spawn([&in]() -> task<> { (void)co_await in.receive(); });
    co_await yield();
    co_await killed.kill();
    const auto killed2 = spawn([&out]() -> task<> { co_await out.send(2); });
    co_await yield();
    co_await killed2.kill();
    CHECK_FALSE(rx.try_receive());
    CHECK(tx.try_send(3) == send_status::would_block);
  });
}

TEST_CASE("ends: a tasklet that is killed lets go of its end") {
  run([]() -> task<> {
    auto [tx, rx] = make_channel<int>();
    const auto holder = spawn(
        [](sender<int> out) -> task<> {
          co_await suspend();
          co_await out.send(1);
        },
        std::move(tx)
    );
    co_await yield();
    co_await holder.kill();
    CHECK_FALSE(co_await rx.next());
  });
}

TEST_CASE("ends: a limit at the very time at which the last sender goes") {
  for (const bool end_first : {true, false}) {
    run(virtual_time(), [&]() -> task<> {
      auto [tx, rx] = make_channel<int>();
      auto& in = rx;
      const auto waits = [](sender<int>) -> task<> { co_await sleep_for(1s); };
      std::optional<sender<int>> later;
      if (end_first) {
        spawn(waits, std::move(tx));
        co_await yield();
      } else {
        later.emplace(std::move(tx));
      }
      bool closed = false;
      const bool in_time = co_await move_on_after(1s, [&]() -> task<> {
        if (later) spawn(waits, std::move(*later));
        closed = !co_await in.next();
      });
      CHECK(in_time == closed);  // one or the other, never both
      co_await drain();
      CHECK_FALSE(co_await rx.next());
    });
  }
}

TEST_CASE("ends: a case of a select sees that the other side is gone") {
  run([]() -> task<> {
    auto [tx, rx] = make_channel<int>();
    event never;
    const auto t = spawn(keeps, std::move(tx));
    auto got = co_await select(never.wait(), rx.next());
    REQUIRE(got.index() == 1);
    CHECK_FALSE(std::get<1>(got));

    auto [tx2, rx2] = make_channel<int>();
    const auto t2 = spawn(takes, std::move(rx2));
    CHECK_THROWS_AS(co_await select(never.wait(), tx2.send(1)), channel_closed);
  });
}

// orphan_policy::error
// -----------------------------------------------------------------------------

TEST_CASE("orphans: who waits raises at once, while others run on") {
  bool others_ran = false;
  std::optional<deadlock_report> report;
  run(virtual_time(), [&]() -> task<> {
    auto [tx, rx] = make_channel<int>("reply", 0, orphan_policy::error);
    spawn([&]() -> task<> {
      co_await sleep_for(1h);
      others_ran = true;
    });
    const auto worker = spawn("worker", keeps, std::move(tx));
    try {
      (void)co_await rx.receive();
    } catch (const deadlock_error& error) {
      report = error.report();
    }
    CHECK_FALSE(others_ran);
  });
  CHECK(others_ran);
  REQUIRE(report);
  CHECK(report->why == verdict::orphaned_channel);
  CHECK(report->certainty == grade::proven);
  CHECK(report->core == std::vector<std::uint64_t>{1});
  CHECK(report->raised_in == 1);
  const object_info* object = report->find_object(report->find_tasklet(1)->waits.object);
  REQUIRE(object != nullptr);
  CHECK(object->senders_gone);
  CHECK_FALSE(object->receivers_gone);
#if STACKLESS_TRACKING
  const std::string text = to_text(*report);
  CHECK_THAT(text, contains_text("deadlock: #1 main can never be woken"));
  CHECK_THAT(text, contains_text("[proven: channel 'reply' has no send end left]"));
  CHECK_THAT(text, contains_text("died with #3 worker"));
  CHECK_THAT(text, contains_text("send ends: none"));
  REQUIRE(object->last_end);
  CHECK(object->last_end->tasklet == 3);
#endif
}

TEST_CASE("orphans: who comes later raises, too, and a caught error in a loop escalates") {
  int caught = 0;
  try {
    run([&]() -> task<> {
      auto [tx, rx] = make_channel<int>("reply", 0, orphan_policy::error);
      {
        const auto gone = std::move(tx);
      }
      for (;;) {
        try {
          (void)co_await rx.receive();
        } catch (const deadlock_error&) {
          ++caught;
        }
      }
    });
    FAIL("it spins");
  } catch (const deadlock_error& error) {
    CHECK(error.report().why == verdict::orphaned_channel);
  }
  CHECK(caught == 1);
}

TEST_CASE("orphans: all who wait get one report, in their order") {
  std::vector<int> order;
  run([&]() -> task<> {
    auto [tx, rx] = make_channel<int>("reply", 0, orphan_policy::error);
    const auto waits = [&order](receiver<int> in, int number) -> task<> {
      try {
        (void)co_await in.next();
      } catch (const deadlock_error& error) {
        CHECK(error.report().core.size() == 3);
        order.push_back(number);
      }
    };
    for (int i = 0; i < 3; ++i) spawn(waits, rx, i);
    co_await yield();
    {
      const auto gone = std::move(tx);
    }
    co_await yield();
  });
  CHECK(order == std::vector<int>{0, 1, 2});
}

TEST_CASE("orphans: senders without a receiver, and what has room is buffered") {
  std::optional<deadlock_report> report;
  run([&]() -> task<> {
    auto [tx, rx] = make_channel<int>("orders", 1, orphan_policy::error);
    const auto t = spawn("taker", takes, std::move(rx));
    co_await tx.send(1);
    try {
      co_await tx.send(2);
    } catch (const deadlock_error& error) {
      report = error.report();
    }
    CHECK(tx.size() == 1);
    CHECK(tx.try_send(3) == send_status::would_block);
    CHECK_THROWS_AS(co_await tx.send(4), deadlock_error);
  });
  REQUIRE(report);
  CHECK(report->why == verdict::orphaned_channel);
  const std::string text = to_text(*report);
  CHECK_THAT(text, contains_text("has no receive end left]"));
}

TEST_CASE("orphans: a select goes on with its other cases, and a value that was sent is received") {
  run(virtual_time(), []() -> task<> {
    auto [tx, rx] = make_channel<int>("reply", 1, orphan_policy::error);
    spawn([](sender<int> out) -> task<> { co_await out.send(5); }, std::move(tx));
    co_await yield();
    CHECK_FALSE(rx.has_senders());
    CHECK(co_await rx.receive() == 5);
    CHECK((co_await select(rx.receive(), after(1s))).index() == 1);
    CHECK_FALSE(rx.try_receive());
    auto [tx2, rx2] = make_channel<int>("reply", 0, orphan_policy::error);
    const auto t = spawn(keeps, std::move(tx2));
    CHECK((co_await select(rx2.receive(), after(1s))).index() == 1);
  });
}

TEST_CASE("orphans: a deadline is no way out, and a daemon that wakes nobody is told") {
  run(virtual_time(), []() -> task<> {
    auto [tx, rx] = make_channel<int>("reply", 0, orphan_policy::error);
    auto& in = rx;
    spawn(keeps, std::move(tx));
    CHECK_THROWS_AS(
        co_await move_on_after(1s, [&in]() -> task<> { (void)co_await in.receive(); }),
        deadlock_error
    );
    bool told = false;
    spawn_daemon(wakes_nobody, [&in, &told]() -> task<> {
      try {
        (void)co_await in.receive();
      } catch (const deadlock_error&) {
        told = true;
      }
    });
    co_await yield();
    co_await yield();
    CHECK(told);
  });
}

// Reports
// ------------------------------------------------------------------------------------------

TEST_CASE("ends: a report says who holds which end") {
  std::string text;
  std::optional<deadlock_report> report;
  try {
    run([]() -> task<> {
      auto [tx_a, rx_a] = make_channel<int>("a");
      auto [tx_b, rx_b] = make_channel<int>("b");
      const auto waits = [](receiver<int> in, sender<int> out) -> task<> {
        co_await out.send(co_await in.receive());
      };
      const auto ping = spawn("ping", waits, std::move(rx_a), std::move(tx_b));
      const auto pong = spawn("pong", waits, std::move(rx_b), std::move(tx_a));
      co_await ping.join();
    });
  } catch (const deadlock_error& error) {
    text = error.what();
    report = error.report();
  }
  REQUIRE(report);
  CHECK(report->why == verdict::mutual_receive);
  CHECK(report->core == std::vector<std::uint64_t>{2, 3});
#if STACKLESS_TRACKING
  CHECK_THAT(text, contains_text("send ends: #3 pong frame 0 (blocked),"));
  CHECK_THAT(text, contains_text("──send end in──▶ pong"));
  CHECK(text.find("itself") == std::string::npos);  // its own receive end helps nobody
  CHECK(text.find("held by") == std::string::npos);
#endif
}

TEST_CASE("ends: a receiver that keeps a send end itself is told so") {
  std::string text;
  try {
    run([]() -> task<> {
      auto [tx, rx] = make_channel<int>("numbers");
      std::vector<int> got;
      spawn(sends, tx, std::vector<int>{1});
      while (const auto value = co_await rx.next()) got.push_back(*value);
    });
  } catch (const deadlock_error& error) {
    text = error.what();
  }
  CHECK_THAT(text, contains_text("orphaned channel"));
#if STACKLESS_TRACKING
  CHECK_THAT(text, contains_text("FIX   move the send end in frame 0 to who sends"));
#endif
}

#if STACKLESS_TRACKING
TEST_CASE("ends: the history tells where an end went, and how its holder failed") {
  scheduler_options options;
  options.keep_history = true;
  std::optional<deadlock_report> report;
  std::string text;
  run(options, [&]() -> task<> {
    const auto parse = []() -> task<> {
      co_await yield();
      throw std::range_error("unknown column");
    };
    const auto works = [parse](sender<int> reply) -> task<> {
      co_await parse();
      co_await reply.send(1);
    };
    auto [tx, rx] = make_channel<int>("reply", 0, orphan_policy::error);
    set_error_handler([](const any_tasklet&, const std::exception_ptr&) {});
    spawn("worker", works, std::move(tx));
    try {
      (void)co_await rx.receive();
    } catch (const deadlock_error& error) {
      text = error.what();
      report = error.report();
    }
  });
  REQUIRE(report);
  const object_info& object = *report->find_object(report->find_tasklet(1)->waits.object);
  REQUIRE(object.history.size() == 4);
  CHECK(object.history[0].outcome == operation_outcome::created);
  CHECK(object.history[1].operation == operation_kind::send_end);
  CHECK(object.history[1].given_to == 2);
  CHECK(object.history[1].given_to_name == "worker");
  CHECK(object.history[1].at.line != 0);
  CHECK(object.history[2].outcome == operation_outcome::blocked);
  CHECK(object.history[3].operation == operation_kind::send_end);
  CHECK(object.history[3].outcome == operation_outcome::closed);
  CHECK(object.history[3].tasklet == 2);
  REQUIRE(report->state.ended.size() == 1);
  const ended_info& ended = report->state.ended.front();
  CHECK_THAT(ended.error, contains_text("unknown column"));
  CHECK(ended.spawned_by_name == "main");
  CHECK(ended.thrown_at.line != 0);
  CHECK_THAT(text, contains_text("died with #2 worker, which ended with an error"));
}
#endif
