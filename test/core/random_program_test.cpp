// Random programs over the whole API, checked against what must hold in every program. The seed of
// a failure is printed; `STACKLESS_SEED=n` runs that one alone.

#include <stackless/stackless.hpp>

#include "catch.hpp"
#include "scale.hpp"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace sl = stackless;
using sl::task;

namespace {

/// Where every value is: each must be destroyed exactly once, and received at most once.
struct ledger {
  std::size_t made = 0;
  std::vector<int> destroyed;
  std::vector<int> received;

  std::size_t make() {
    destroyed.push_back(0);
    received.push_back(0);
    return made++;
  }
};

class value {
 public:
  explicit value(ledger& book) : book_(&book), id_(book.make()) {}
  value(value&& other) noexcept : book_(std::exchange(other.book_, nullptr)), id_(other.id_) {}
  value& operator=(value&& other) noexcept {
    std::swap(book_, other.book_);
    std::swap(id_, other.id_);
    return *this;
  }
  ~value() {
    if (book_ != nullptr) ++book_->destroyed[id_];
  }

  [[nodiscard]] bool here() const noexcept { return book_ != nullptr; }
  [[nodiscard]] std::size_t id() const noexcept { return id_; }

 private:
  ledger* book_;
  std::size_t id_;
};

/// What the test knows of a channel, beside the channel.
struct channel_record {
  sl::channel<value> channel;
  std::map<std::size_t, std::uint64_t> send_order;     // value → when its send began
  std::map<std::uint64_t, std::size_t> receive_order;  // when the receive began → value
  std::size_t interrupted_receives = 0;
  std::size_t left_behind = 0;  // sent, and not received
};

/// Who is inside which operation, as its tasklet sees it.
struct pending {
  sl::any_tasklet who;
  std::size_t channel;
  int direction;
  bool buffered;  ///< a value that would wait in the buffer, if there is room
};

template <class F>
class at_exit {
 public:
  explicit at_exit(F f) : f_(f) {}
  at_exit(const at_exit&) = delete;
  at_exit& operator=(const at_exit&) = delete;
  ~at_exit() { f_(); }

 private:
  F f_;
};

struct world {
  explicit world(std::uint64_t seed) : random(seed) {}

  std::mt19937_64 random;
  ledger book;
  std::deque<channel_record> channels;
  std::vector<sl::any_tasklet> tasklets;
  std::vector<pending> inside;
  std::uint64_t clock = 0;
  std::size_t spawned = 0;
  std::vector<std::string> broken;

  std::size_t below(std::size_t limit) { return random() % limit; }
  bool one_in(std::size_t n) { return below(n) == 0; }

  sl::any_tasklet anybody() { return tasklets[below(tasklets.size())]; }

  void expect(bool holds, const std::string& what) {
    if (!holds) broken.push_back(what);
  }

  void check_balances() {
    std::vector<std::ptrdiff_t> expected(channels.size(), 0);
    std::vector<bool> only_values(channels.size(), true);
    for (const pending& p : inside) {
      if (!p.who.blocked()) continue;
      expected[p.channel] += p.direction;
      if (!p.buffered) only_values[p.channel] = false;
    }
    for (std::size_t i = 0; i < channels.size(); ++i) {
      const sl::channel<value>& channel = channels[i].channel;
      expect(
          channel.balance() == expected[i], "balance " + std::to_string(channel.balance()) +
                                                " with " + std::to_string(expected[i]) +
                                                " waiting on channel " + std::to_string(i)
      );
      expect(channel.balance() >= 0 || channel.size() == 0, "a receiver waits beside a value");
      if (channel.balance() > 0 && only_values[i])
        expect(channel.size() == channel.capacity(), "a sender waits beside a free place");
    }
  }
};

class inside_operation {
 public:
  inside_operation(world& w, std::size_t channel, int direction, bool buffered) : world_(w) {
    me_ = sl::this_tasklet::handle();
    world_.inside.push_back({me_, channel, direction, buffered});
  }
  inside_operation(const inside_operation&) = delete;
  inside_operation& operator=(const inside_operation&) = delete;
  ~inside_operation() {
    std::erase_if(world_.inside, [this](const pending& p) { return p.who == me_; });
  }

 private:
  world& world_;
  sl::any_tasklet me_;
};

/// Looks on, and refuses now and then.
class random_observer : public sl::observer {
 public:
  explicit random_observer(world& w) : world_(w) {}
  void on_switch(const sl::any_tasklet& previous, const sl::any_tasklet& next) override {
    world_.expect(!(previous == next), "a switch from a tasklet to itself");
    if (world_.one_in(200)) throw std::runtime_error("from the observer");
  }
  void on_channel(const sl::channel_action& action) override {
    world_.expect(action.tasklet.is_current(), "an action of a tasklet that does not run");
    if (world_.one_in(50)) throw std::runtime_error("from the observer");
  }

 private:
  world& world_;
};

struct thrown_at_random : std::runtime_error {
  thrown_at_random() : std::runtime_error("thrown at random") {}
};

task<> send(world& w, std::size_t index) {
  channel_record& record = w.channels[index];
  value v(w.book);
  const std::size_t id = v.id();
  record.send_order[id] = ++w.clock;
  struct outcome {
    world& w;
    channel_record& record;
    value& v;
    std::size_t id;
    ~outcome() {
      if (v.here()) {
        record.send_order.erase(id);  // it did not happen
      } else {
        ++record.left_behind;
      }
    }
  } const count{w, record, v, id};
  const inside_operation note(w, index, 1, true);
  std::optional<sl::switch_trap> trap;
  if (sl::run_count() > 1 && w.one_in(20)) trap.emplace();  // alone it may wait
  co_await record.channel.send_from(v);
  w.expect(!v.here(), "a send came back and kept its value");
}

void received(world& w, channel_record& record, std::uint64_t began, const value& v) {
  w.expect(v.here(), "an empty value was received");
  if (++w.book.received[v.id()] != 1) w.expect(false, "a value was received twice");
  w.expect(record.send_order.contains(v.id()), "a value was received that nobody sent here");
  record.receive_order[began] = v.id();
  --record.left_behind;
}

task<> receive(world& w, std::size_t index, bool optional) {
  channel_record& record = w.channels[index];
  const std::uint64_t began = ++w.clock;
  struct interruption {
    channel_record& record;
    bool happened = true;
    ~interruption() { record.interrupted_receives += happened ? 1 : 0; }
  } interrupted{record};
  const inside_operation note(w, index, -1, true);
  std::optional<sl::switch_trap> trap;
  if (sl::run_count() > 1 && w.one_in(20)) trap.emplace();  // alone it may wait
  if (optional) {
    const auto v = co_await record.channel.next();
    if (v) received(w, record, began, *v);
  } else {
    const value v = co_await record.channel.receive();
    received(w, record, began, v);
  }
  interrupted.happened = false;
}

void plain_operation(world& w, std::size_t index) {
  channel_record& record = w.channels[index];
  if (w.one_in(2)) {
    value v(w.book);
    const std::size_t id = v.id();
    record.send_order[id] = ++w.clock;
    const sl::send_status status = record.channel.try_send_from(v);
    w.expect((status == sl::send_status::sent) == !v.here(), "try_send's answer and deed differ");
    if (v.here()) {
      record.send_order.erase(id);
    } else {
      ++record.left_behind;
    }
  } else {
    const std::uint64_t began = ++w.clock;
    if (const auto v = record.channel.try_receive()) received(w, record, began, *v);
  }
}

task<> worker(world& w, int operations);

void spawn_worker(world& w) {
  if (w.spawned >= 24) return;
  ++w.spawned;
  w.tasklets.push_back(
      sl::spawn("worker " + std::to_string(w.spawned), worker, sl::borrow(w), 3 + int(w.below(12)))
  );
}

task<> other_operation(world& w) {
  const sl::any_tasklet target = w.anybody();
  const std::size_t index = w.below(w.channels.size());
  sl::channel<value>& channel = w.channels[index].channel;
  switch (w.below(20)) {
  case 0:
    co_await sl::suspend();
    break;
  case 1:
    target.insert();
    break;
  case 2:
    target.remove();
    break;
  case 3:
    co_await target.kill();
    break;
  case 4:
    target.kill_pending();
    break;
  case 5:
    co_await target.raise(std::make_exception_ptr(thrown_at_random()));
    break;
  case 6:
    target.raise_pending(std::make_exception_ptr(thrown_at_random()));
    break;
  case 7:
    co_await target.run();
    break;
  case 8:
    co_await target.switch_to();
    break;
  case 9:
    co_await target.join();
    break;
  case 10:
    channel.close();
    break;
  case 11:
    channel.open();
    break;
  case 12:
    channel.begin_closing();
    break;
  case 13:
    channel.set_preference(static_cast<sl::channel_preference>(int(w.below(3)) - 1));
    break;
  case 14:
    channel.set_schedule_all(w.one_in(2));
    break;
  case 15:
    sl::this_tasklet::handle().set_block_trap(w.one_in(2));
    break;
  case 18:
    target.set_error_handler([](const sl::any_tasklet&, const std::exception_ptr& error) {
      std::rethrow_exception(error);
    });
    break;
  case 16:
    co_await sl::sleep_for(std::chrono::milliseconds(w.below(5)));
    break;
  case 17:
    co_await sl::drain();
    break;
  default: {
    const inside_operation note(w, index, 1, false);
    co_await channel.send_exception(std::make_exception_ptr(thrown_at_random()));
    break;
  }
  }
}

task<> operation(world& w) {
  const std::size_t index = w.below(w.channels.size());
  switch (w.below(10)) {
  case 0:
  case 1:
  case 2:
    co_await send(w, index);
    break;
  case 3:
  case 4:
    co_await receive(w, index, false);
    break;
  case 5:
    co_await receive(w, index, true);
    break;
  case 6:
    plain_operation(w, index);
    break;
  case 7:
    co_await sl::yield();
    break;
  case 8:
    spawn_worker(w);
    break;
  default:
    co_await other_operation(w);
    break;
  }
}

task<> worker(world& w, int operations) {
  for (int i = 0; i < operations; ++i) {
    try {
      co_await operation(w);
    } catch (const std::exception&) {
      // deadlocks, closed channels, misuse, thrown_at_random: on with the next one
    }
    w.check_balances();
  }
  if (w.one_in(8)) throw thrown_at_random();
}

// Errors reach main through drain and at any other await: each is one more turn.
task<> program(world& w) {
  w.tasklets.push_back(sl::this_tasklet::handle());
  random_observer observer(w);
  if (w.one_in(3)) sl::set_observer(&observer);
  const at_exit unset([] { sl::set_observer(nullptr); });
  const std::size_t channels = 1 + w.below(3);
  for (std::size_t i = 0; i < channels; ++i) {
    const std::size_t capacity = w.one_in(2) ? 0 : w.below(4);
    w.channels.push_back({sl::channel<value>(capacity), {}, {}});
  }
  const std::size_t workers = 2 + w.below(5);
  for (std::size_t i = 0; i < workers; ++i) spawn_worker(w);
  for (int turn = 0; turn < 200; ++turn) {
    try {
      co_await sl::drain();
      if (turn > 20) break;
      if (w.one_in(2)) co_await operation(w);
      w.check_balances();
    } catch (const std::exception&) {
      w.check_balances();
    }
  }
  for (std::size_t i = 0; i < w.tasklets.size(); ++i) {
    const sl::any_tasklet t = w.tasklets[i];
    if (t.is_main()) continue;
    for (int attempt = 0; t.alive() && attempt < 10; ++attempt) {
      try {
        co_await t.kill();
        co_await sl::yield();
      } catch (const std::exception&) {
        // an uncaught error of somebody else, delivered here
      }
    }
    w.expect(!t.alive(), "a killed tasklet lives on");
  }
  w.check_balances();
  for (const channel_record& c : w.channels)
    w.expect(c.channel.balance() == 0, "a kill has left a wait behind");
}

void check_books(world& w) {
  for (channel_record& c : w.channels) {
    w.expect(
        c.left_behind <= c.channel.size() + c.interrupted_receives,
        std::to_string(c.left_behind) + " values were lost on the way"
    );
    // First come, first served: who began to receive earlier got what was sent earlier.
    std::uint64_t latest = 0;
    for (const auto& [began, id] : c.receive_order) {
      w.expect(latest < c.send_order[id], "a value has overtaken another one");
      latest = std::max(latest, c.send_order[id]);
    }
  }
  w.inside.clear();
  w.tasklets.clear();
  w.channels.clear();
  for (const int count : w.book.destroyed)
    w.expect(count == 1, "a value was destroyed " + std::to_string(count) + " times");
}

std::vector<std::string> run_program(std::uint64_t seed) {
  world w(seed);
  sl::scheduler_options options;
  options.clock = sl::clock_choice::virtual_time;
  try {
    sl::run(options, program, sl::borrow(w));
  } catch (const std::exception&) {
    // an error that was on its way to main when it returned
  } catch (const sl::tasklet_exit&) {
    // somebody killed main
  }
  check_books(w);
  return w.broken;
}

}  // namespace

TEST_CASE("random programs keep every promise") {
  std::uint64_t first = 0;
  std::uint64_t count = scale::random_programs;
  if (const char* seed = std::getenv("STACKLESS_SEED")) {
    first = std::strtoull(seed, nullptr, 10);
    count = 1;
  }
  for (std::uint64_t seed = first; seed < first + count; ++seed) {
    const std::vector<std::string> broken = run_program(seed);
    if (broken.empty()) continue;
    CAPTURE(seed);
    FAIL(broken.front());
  }
}
