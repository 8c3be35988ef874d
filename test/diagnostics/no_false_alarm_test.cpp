// Programs that do not deadlock get no report, however long they wait.

#include <stackless/io/io.hpp>
#include <stackless/stackless.hpp>

#include "catch.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <coroutine>
#include <csignal>
#include <cstdint>
#include <deque>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include <unistd.h>

using namespace stackless;
using namespace std::chrono_literals;

namespace {

class stall_counter final : public observer {
 public:
  void on_stall(const deadlock_report& report) override {
    ++stalls;
    text = to_text(report);
  }
  int stalls = 0;
  std::string text;
};

/// Values flow downhill only, locks are taken in one order, and whoever takes a unit gives it back:
/// so every wait ends, though nearly everybody waits nearly always.
class downhill {
 public:
  explicit downhill(std::uint64_t seed) : random_(seed) {}

  task<> operator()() {
    set_observer(&watcher);
    const std::size_t stages = 1 + below(6);
    for (std::size_t i = 0; i < stages; ++i) channels_.push_back({channel<int>(below(3)), 0});
    for (std::size_t i = 0; i < 3; ++i) locks_.emplace_back();
    semaphore units(1 + below(2));
    units_ = &units;
    event start;
    start_ = &start;
    latch all(static_cast<std::size_t>(stages));
    all_ = &all;

    std::vector<any_tasklet> everybody;
    for (std::size_t i = 0; i < stages; ++i) {
      const std::size_t workers = 1 + below(3);
      for (std::size_t w = 0; w < workers; ++w) {
        everybody.push_back(spawn(work, borrow(*this), i, channels_[i].values, w == 0));
        enter_below(i);
      }
    }
    const std::size_t sources = 1 + below(3);
    for (std::size_t s = 0; s < sources; ++s) {
      everybody.push_back(spawn(produce, borrow(*this), channels_[0].values));
      ++channels_[0].senders;
    }
    const auto opener = spawn(open, borrow(*this));
    std::shuffle(everybody.begin(), everybody.end(), random_);
    for (const any_tasklet& t : everybody) co_await t.join();
    co_await opener.join();
    set_observer(nullptr);
  }

  [[nodiscard]] bool finished() const { return made_ == gone_; }

  stall_counter watcher;
  std::size_t found = 0;
  std::string text;

 private:
  struct stage {
    channel<int> values;
    std::size_t senders;
  };

  std::size_t below(std::size_t limit) { return random_() % limit; }

  void enter_below(std::size_t from) {
    if (from + 1 < channels_.size()) ++channels_[from + 1].senders;
  }
  void leave(std::size_t to) {
    if (to < channels_.size() && --channels_[to].senders == 0) channels_[to].values.close();
  }

  static task<> open(downhill& self) {
    co_await sleep_for(std::chrono::milliseconds(self.below(20)));
    self.start_->set();
  }

  static task<> produce(downhill& self, channel<int> out) {
    if (self.below(2) == 0) co_await self.start_->wait();
    const std::size_t count = self.below(8);
    for (std::size_t i = 0; i < count; ++i) {
      co_await self.pause();
      ++self.made_;
      co_await out.send(1);
    }
    self.leave(0);
  }

  static task<> work(downhill& self, std::size_t at, channel<int> in, bool counts) {
    while (auto value = co_await in.next()) {
      co_await self.pause();
      if (at + 1 < self.channels_.size()) {
        channel<int> out = self.channels_[at + 1].values;
        co_await out.send(*value);
      } else {
        ++self.gone_;
      }
    }
    self.leave(at + 1);
    if (counts) {
      self.all_->count_down();
      co_await self.all_->wait();
    }
  }

  task<> pause() {
    const auto look = [this] {
      for (const deadlock_report& report : find_stalls()) {
        ++found;
        text = to_text(report);
      }
    };
    switch (below(7)) {
    case 0:
      co_await yield();
      break;
    case 1:
      co_await sleep_for(std::chrono::milliseconds(below(5)));
      break;
    case 2: {
      const std::size_t first = below(3);
      const mutex_guard lower = co_await locks_[first].lock();
      co_await yield();
      if (first < 2) {
        const mutex_guard higher = co_await locks_[2].lock();
        co_await yield();
      }
      break;
    }
    case 3: {
      const semaphore_unit unit = co_await units_->acquire();
      co_await sleep_for(1ms);
      break;
    }
    case 4:
      look();
      break;
    case 5:
      co_await start_->wait();
      break;
    default:
      break;
    }
  }

  std::mt19937_64 random_;
  std::deque<stage> channels_;
  std::deque<mutex> locks_;
  semaphore* units_ = nullptr;
  event* start_ = nullptr;
  latch* all_ = nullptr;
  std::size_t made_ = 0;
  std::size_t gone_ = 0;
};

scheduler_options with(io_choice io) {
  scheduler_options options;
  options.io = io;
  return options;
}

/// Ends, without an error, and nobody was told of a stall.
template <class Body>
void check_quiet(const scheduler_options& options, Body body) {
  stall_counter watcher;
  const auto program = [&]() -> task<> {
    set_observer(&watcher);
    co_await body();
    CHECK(find_stalls().empty());
    set_observer(nullptr);
  };
  CHECK_NOTHROW(run(options, program));
  CHECK(watcher.stalls == 0);
}

/// An awaitable of another library, which goes on in a thread of its own.
struct completed_in {
  std::thread& place;
  static bool await_ready() noexcept { return false; }
  void await_suspend(std::coroutine_handle<> h) const {
    place = std::thread([h] {
      std::this_thread::sleep_for(20ms);
      h.resume();
    });
  }
  static void await_resume() noexcept {}
};

/// Waits for a channel that `wake` sends on when it has been woken itself.
template <class Wake>
task<> woken_by(Wake wake) {
  channel<int> news;
  const auto messenger = spawn([&, news]() mutable -> task<> {
    co_await wake();
    co_await news.send(1);
  });
  const auto reader = spawn([&]() -> task<> { CHECK(co_await news.receive() == 1); });
  co_await reader.join();
  co_await messenger.join();
}

}  // namespace

TEST_CASE("no report: a thousand random programs that do not deadlock") {
  for (std::uint64_t seed = 1; seed <= 1000; ++seed) {
    INFO("seed " << seed);
    downhill program(seed);
    scheduler_options options;
    options.clock = clock_choice::virtual_time;
    options.io = io_choice::none;
    options.keep_history = seed % 5 == 0;
    std::string error;
    try {
      run(options, [&]() -> task<> { return program(); });
    } catch (const std::exception& e) {
      error = e.what();
    }
    REQUIRE(error.empty());
    CHECK(program.finished());
    INFO(program.text << program.watcher.text);
    REQUIRE(program.found == 0);
    REQUIRE(program.watcher.stalls == 0);
  }
}

TEST_CASE("no report: woken by a timer") {
  for (const io_choice io : {io_choice::none, io_choice::epoll, io_choice::automatic})
    check_quiet(with(io), [] { return woken_by([]() -> task<> { co_await sleep_for(20ms); }); });
}

TEST_CASE("no report: woken by a signal") {
  for (const io_choice io : {io_choice::epoll, io_choice::automatic}) {
    check_quiet(with(io), []() -> task<> {
      io::signal_set signals{SIGUSR1};
      std::thread sender([] {
        std::this_thread::sleep_for(30ms);
        ::kill(::getpid(), SIGUSR1);
      });
      co_await woken_by([&]() -> task<> { CHECK(co_await signals.wait() == SIGUSR1); });
      sender.join();
    });
  }
}

TEST_CASE("no report: woken by an I/O completion") {
  for (const io_choice io : {io_choice::epoll, io_choice::automatic}) {
    check_quiet(with(io), []() -> task<> {
      auto listener =
          io::listen_tcp(io::socket_address(io::ip_address::loopback(io::ip_version::v4), 0));
      const auto address = listener.local_address();
      channel<int> ready;
      const auto server = spawn([&]() -> task<> {
        io::tcp_stream stream = co_await listener.accept();
        co_await ready.receive();
        const std::array<char, 1> byte{'x'};
        co_await stream.write_all(byte);
      });
      io::tcp_stream client = co_await io::connect_tcp(address);
      const auto later = spawn([&]() -> task<> {
        co_await sleep_for(20ms);
        co_await ready.send(1);
      });
      co_await woken_by([&]() -> task<> {
        std::array<char, 8> bytes{};
        CHECK(co_await client.read_some(bytes) == 1);
      });
      co_await server.join();
      co_await later.join();
    });
  }
}

TEST_CASE("no report: woken by a foreign thread") {
  for (const io_choice io : {io_choice::none, io_choice::epoll, io_choice::automatic}) {
    check_quiet(with(io), []() -> task<> {  // by a notification
      external_source source;
      std::thread other([notifier = source.notifier()] {
        std::this_thread::sleep_for(20ms);
        notifier.notify();
      });
      co_await woken_by([&]() -> task<> { co_await source.wait(); });
      other.join();
    });
    check_quiet(with(io), []() -> task<> {  // by a value
      remote<int> in(1);
      std::thread other([to = in.sender()] {
        std::this_thread::sleep_for(20ms);
        (void)to.send(7);
      });
      co_await woken_by([&]() -> task<> { CHECK(co_await in.next() == 7); });
      other.join();
    });
    check_quiet(with(io), []() -> task<> {  // by the end of the last who could have sent one
      remote<int> in(1);
      std::thread other([to = in.sender()] { std::this_thread::sleep_for(20ms); });
      co_await woken_by([&]() -> task<> { CHECK_FALSE(co_await in.next()); });
      other.join();
    });
    check_quiet(with(io), []() -> task<> {  // through an awaitable of another library
      std::thread other;
      co_await woken_by([&]() -> task<> { co_await completed_in{other}; });
      other.join();
    });
  }
}

TEST_CASE("no report: one case of a select is served, late") {
  check_quiet(with(io_choice::none), []() -> task<> {  // by a tasklet that sleeps
    channel<int> never;
    channel<int> late;
    const auto server = spawn(
        [](channel<int> out) -> task<> {
          co_await sleep_for(20ms);
          co_await out.send(1);
        },
        late
    );
    const auto chooser = spawn(
        [](channel<int> one, channel<int> two) -> task<> {
          CHECK((co_await select(one.receive(), two.receive())).index() == 1);
        },
        never, late
    );
    co_await yield();
    CHECK(find_stalls().empty());
    co_await chooser.join();
    co_await server.join();
  });
  check_quiet(with(io_choice::none), []() -> task<> {  // by the clock
    const auto chooser = spawn(
        [](channel<int> never) -> task<> {
          CHECK((co_await select(never.receive(), after(20ms))).index() == 1);
        },
        channel<int>()
    );
    co_await yield();
    CHECK(find_stalls().empty());
    co_await chooser.join();
  });
  check_quiet(with(io_choice::none), []() -> task<> {  // by whoever sets an event
    event stop;
    const auto chooser = spawn(
        [&stop](channel<int> never) -> task<> {
          CHECK((co_await select(never.receive(), stop.wait())).index() == 1);
        },
        channel<int>()
    );
    co_await yield();
    CHECK(find_stalls().empty());
    stop.set();
    co_await chooser.join();
  });
}
