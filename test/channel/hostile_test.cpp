// What users do to channels and their ends at the worst time.

#include <stackless/stackless.hpp>
#include <stackless/testing.hpp>

#include "catch.hpp"

#include <chrono>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using namespace stackless;
using stackless::testing::wait_all_blocked;

namespace {

/// Its moves and copies raise from a given one on.
struct fragile {
  int value = 0;
  static inline int moves_left = 1'000'000;
  static inline int alive = 0;

  explicit fragile(int v) : value(v) { ++alive; }
  fragile(const fragile& other) : value(other.value) {
    use_up();
    ++alive;
  }
  fragile(fragile&& other) : value(other.value) {  // NOLINT(performance-noexcept-move-constructor)
    use_up();
    other.value = -1;
    ++alive;
  }
  fragile& operator=(const fragile&) = default;
  fragile& operator=(fragile&&) = default;
  ~fragile() { --alive; }

  static void use_up() {
    if (--moves_left < 0) throw std::runtime_error("move");
  }
};

/// Sends when it goes.
struct sends_at_end {
  std::optional<channel<int>> to;
  sends_at_end() = default;
  explicit sends_at_end(channel<int> c) : to(std::move(c)) {}
  sends_at_end(sends_at_end&& other) noexcept : to(std::exchange(other.to, std::nullopt)) {}
  sends_at_end& operator=(sends_at_end&& other) noexcept {
    to = std::exchange(other.to, std::nullopt);
    return *this;
  }
  ~sends_at_end() {
    if (to) (void)to->try_send(1);
  }
};

}  // namespace

STACKLESS_TEST("ends are copied, moved and assigned to themselves while others wait on them") {
  auto [made_tx, made_rx] = make_channel<int>();
  sender<int> tx = std::move(made_tx);
  receiver<int> rx = std::move(made_rx);
  std::vector<int> got;
  auto reads = spawn([&]() -> task<> {
    while (const std::optional<int> value = co_await rx.next()) got.push_back(*value);
  });
  auto writes = spawn([&]() -> task<> {
    for (int i = 0; i < 100; ++i) co_await tx.send(i);
  });
  auto shuffles = spawn([&]() -> task<> {
    for (int i = 0; i < 50; ++i) {
      sender<int>& same_tx = tx;
      receiver<int>& same_rx = rx;
      tx = same_tx;
      rx = same_rx;
      tx = std::move(same_tx);
      rx = std::move(same_rx);
      sender<int> copy = tx;
      const sender<int> moved = std::move(copy);
      tx = moved;
      receiver<int> other = rx;
      rx = std::move(other);
      std::vector<sender<int>> many(10, tx);
      many.erase(many.begin(), many.begin() + 9);
      tx = std::move(many.back());
      co_await yield();
    }
  });
  co_await writes.join();
  co_await shuffles.join();
  {
    const auto last = std::move(tx);
  }
  co_await reads.join();
  CHECK(got.size() == 100);
}

STACKLESS_TEST("an end is replaced while a tasklet waits to send on it: it is told") {
  for (const orphan_policy policy : {orphan_policy::closed, orphan_policy::error}) {
    auto [tx, rx] = make_channel<int>(0, policy);
    auto [other_tx, other_rx] = make_channel<int>();
    std::string text;
    sender<int>& out = tx;
    auto writes = spawn([&text, &out]() -> task<> {
      try {
        co_await out.send(1);
      } catch (const std::runtime_error& error) {
        text = error.what();
      }
    });
    co_await wait_all_blocked();
    tx = other_tx;  // the waiting send keeps its place
    co_await wait_all_blocked();
    CHECK(text.empty());
    CHECK(rx.try_receive() == 1);
    co_await writes.join();
    CHECK_FALSE(rx.has_senders());
  }
}

STACKLESS_TEST("the last handles of both sides go while tasklets wait on them by reference") {
  std::vector<std::string> log;
  std::optional<std::pair<sender<int>, receiver<int>>> ends = make_channel<int>();
  const auto sends = [&](std::string name) -> task<> {
    try {
      co_await ends->first.send(1);
      log.push_back(name + " sent");
    } catch (const channel_closed&) {
      log.push_back(name + " closed");
    }
  };
  auto a = spawn(sends, std::string("a"));
  auto b = spawn(sends, std::string("b"));
  auto killed = spawn(sends, std::string("killed"));
  co_await wait_all_blocked();
  killed.kill_pending();
  ends.reset();
  co_await a.join();
  co_await b.join();
  CHECK(log == std::vector<std::string>{"a closed", "b closed"});
}

STACKLESS_TEST("a move that raises at every place of a send and a receive loses nothing") {
  for (const std::size_t capacity : {0U, 1U, 2U}) {
    for (int limit = 0; limit < 12; ++limit) {
      CAPTURE(capacity, limit);
      fragile::moves_left = 1'000'000;
      std::vector<int> got;
      int send_errors = 0;
      int receive_errors = 0;
      {
        const channel<fragile> c(capacity);
        auto writes = spawn([&]() -> task<> {
          for (int i = 0; i < 4; ++i) {
            fragile value(i);
            for (bool sent = false; !sent;) {
              try {
                co_await c.send_from(value);
                sent = true;
              } catch (const std::runtime_error&) {
                ++send_errors;
                fragile::moves_left = 1'000'000;
              }
            }
          }
        });
        auto reads = spawn([&]() -> task<> {
          while (got.size() < 4) {
            try {
              const fragile value = co_await c.receive();
              got.push_back(value.value);
            } catch (const std::runtime_error&) {
              ++receive_errors;
              fragile::moves_left = 1'000'000;
              if (receive_errors > 4) break;
            }
          }
        });
        fragile::moves_left = limit;
        // A value whose last move raises, out of the receiver's frame, is gone: it was received.
        const auto ended = co_await move_on_after(1s, [&]() -> task<> {
          co_await writes.join();
          co_await reads.join();
        });
        fragile::moves_left = 1'000'000;
        if (!ended) {
          CHECK(receive_errors != 0);
          co_await reads.kill();
          co_await writes.kill();
        }
      }
      CHECK(got.size() + static_cast<std::size_t>(receive_errors) >= 4);
      CHECK(send_errors + receive_errors <= 1);
      for (std::size_t i = 1; i < got.size(); ++i) CHECK(got[i - 1] < got[i]);
      CHECK(fragile::alive == 0);
    }
  }
}

STACKLESS_TEST("a broadcast whose copies raise at every place gives each value once or an error") {
  for (int limit = 0; limit < 16; ++limit) {
    CAPTURE(limit);
    fragile::moves_left = 1'000'000;
    {
      const broadcast<fragile> b(4);
      auto first = b.subscribe();
      auto second = b.subscribe();
      fragile::moves_left = limit;
      int sent = 0;
      for (int i = 0; i < 3; ++i) {
        try {
          (void)b.send(fragile(i));
          ++sent;
        } catch (const std::runtime_error&) {
          fragile::moves_left = 1'000'000;
        }
      }
      for (auto* r : {&first, &second}) {
        int got = 0;
        for (int tries = 0; tries < 10 && r->available() != 0; ++tries) {
          try {
            (void)r->try_receive();
            ++got;
          } catch (const std::runtime_error&) {
            fragile::moves_left = 1'000'000;
          }
        }
        CHECK(got >= sent - 1);
        CHECK(r->available() == 0);
      }
    }
    CHECK(fragile::alive == 0);
  }
  co_return;
}

STACKLESS_TEST("destructors that send: of tasklet_locals, of values in a buffer, of arguments") {
  const channel<int> to(16);
  tasklet_local<sends_at_end> local;
  auto t = spawn([&]() -> task<> {
    *local = sends_at_end(to);
    co_return;
  });
  co_await t.join();
  CHECK(to.try_receive() == 1);
  auto argument = spawn([](sends_at_end) -> task<> { co_await suspend(); }, sends_at_end(to));
  co_await wait_all_blocked();
  co_await argument.kill();
  CHECK(to.try_receive() == 1);
  {
    const channel<sends_at_end> buffer(4);
    (void)buffer.try_send(sends_at_end(to));
    (void)buffer.try_send(sends_at_end(to));
  }
  CHECK(to.try_receive() == 1);
  CHECK(to.try_receive() == 1);
  {
    auto [tx, rx] = make_channel<sends_at_end>(4);
    (void)tx.try_send(sends_at_end(to));
    {
      const auto gone = std::move(rx);
    }
    CHECK(to.try_receive() == 1);
  }
  CHECK_FALSE(to.try_receive());
}

STACKLESS_TEST("a value in a buffer closes its own channel when it is destroyed") {
  struct closes {
    std::optional<sender<std::shared_ptr<closes>>> end;
    ~closes() {
      if (end) end->close();
    }
  };
  auto [tx, rx] = make_channel<std::shared_ptr<closes>>(4);
  for (int i = 0; i < 3; ++i) {
    auto value = std::make_shared<closes>();
    value->end = tx;
    co_await tx.send(std::move(value));
  }
  {
    const auto gone = std::move(tx);
  }
  CHECK(rx.has_senders());
  {
    const auto gone = std::move(rx);  // drops the values, and with them the last senders
  }
}

STACKLESS_TEST("a watch and a broadcast are closed, and go, while many wait, some killed") {
  for (const bool close_first : {true, false}) {
    std::optional<watch<int>> w(0);
    std::optional<broadcast<int>> b(2);
    int ended = 0;
    std::vector<tasklet<>> all;
    for (int i = 0; i < 5; ++i) {
      all.push_back(spawn([&ended, r = w->subscribe()]() mutable -> task<> {
        while (const auto value = co_await r.next()) {
        }
        ++ended;
      }));
      all.push_back(spawn([&ended, r = b->subscribe()]() mutable -> task<> {
        while (const auto value = co_await r.next()) {
        }
        ++ended;
      }));
    }
    co_await wait_all_blocked();
    w->set(1);
    (void)b->send(1);
    if (close_first) {
      w->close();
      b->close();
    }
    all[0].kill_pending();
    all[3].kill_pending();
    w.reset();
    b.reset();
    for (const auto& t : all) {
      if (t.alive()) {
        try {
          co_await t.join();
        } catch (const tasklet_killed&) {
          CHECK((t == all[0] || t == all[3]));
        }
      }
    }
    CHECK(ended == 8);
  }
}

STACKLESS_TEST("a oneshot's ends go at every step of its life") {
  enum class step { nothing, sender_first, receiver_first, sent_then_receiver, sent_then_sender };
  for (const step how :
       {step::nothing, step::sender_first, step::receiver_first, step::sent_then_receiver,
        step::sent_then_sender}) {
    for (const bool waits : {false, true}) {
      CAPTURE(static_cast<int>(how), waits);
      auto [tx, rx] = make_oneshot<std::unique_ptr<int>>();
      std::optional out(std::move(tx));
      std::optional in(std::move(rx));
      std::string outcome;
      std::optional<tasklet<>> reader;
      if (waits) {
        reader = spawn([&]() -> task<> {
          try {
            const auto value = co_await in->receive();
            outcome = "value";
          } catch (const channel_closed&) {
            outcome = "closed";
          } catch (const object_gone&) {
            outcome = "gone";
          }
        });
        co_await wait_all_blocked();
      }
      if (how == step::sent_then_receiver || how == step::sent_then_sender)
        CHECK(out->send(std::make_unique<int>(1)));
      if (how == step::sender_first || how == step::sent_then_sender) {
        out.reset();
        if (reader) co_await reader->join();
        in.reset();
      } else {
        in.reset();
        out.reset();
        if (reader) co_await reader->join();
      }
      if (!waits) continue;
      if (how == step::sent_then_sender) {
        CHECK(outcome == "value");
      } else if (how == step::sender_first) {
        CHECK(outcome == "closed");
      } else {
        CHECK(outcome == "gone");
      }
    }
  }
}
