#include <stackless/stackless.hpp>

#include "readiness.hpp"

#include <array>
#include <csignal>
#include <random>

#include <sys/stat.h>

using namespace io_test;
using namespace std::chrono_literals;
using stackless::after;
using stackless::channel;
using stackless::select;
using stackless::spawn;
using stackless::task;
namespace io = stackless::io;

namespace {

/// What it raised; empty: nothing.
template <class F>
task<std::error_code> error_of(F& f) {
  try {
    co_await f();
  } catch (const io::io_error& error) {
    co_return error.code();
  }
  co_return std::error_code();
}

}  // namespace

TEST_CASE("readiness: a select waits for data, a message or a time") {
  on_each_backend([]() -> task<> {
    connection c;
    co_await connect_pair(c);
    channel<int> messages;
    auto peer = spawn([&]() -> task<> {
      co_await stackless::sleep_for(5ms);
      co_await c.client.write_all("data");
      co_await stackless::sleep_for(5ms);
      co_await messages.send(7);
    });
    auto first = co_await select(messages.receive(), c.server.readable(), after(10s));
    REQUIRE(first.index() == 1);
    CHECK(messages.balance() == 0);
    const std::string text = co_await read_text(c.server);
    CHECK(text == "data");
    auto second = co_await select(c.server.readable(), messages.receive(), after(10s));
    REQUIRE(second.index() == 1);
    CHECK(std::get<1>(second) == 7);
    auto third = co_await select(c.server.readable(), messages.receive(), after(1ms));
    CHECK(third.index() == 2);
    CHECK(in_flight() == 0);
    co_await peer.join();
  });
}

TEST_CASE("readiness: what is ready is taken at once, and otherwise does not wait") {
  on_each_backend([]() -> task<> {
    connection c;
    co_await connect_pair(c);
    auto not_yet = co_await select(c.server.readable(), stackless::otherwise());
    CHECK(not_yet.index() == 1);
    auto room = co_await select(c.server.readable(), c.server.writable(), stackless::otherwise());
    CHECK(room.index() == 1);
    co_await c.client.write_all("x");
    co_await c.server.readable();  // awaited alone
    auto both = co_await stackless::select_first(c.server.readable(), c.server.writable());
    CHECK(both.index() == 0);
    const std::string text = co_await read_text(c.server);
    CHECK(text == "x");
    c.client.shutdown_send();
    co_await c.server.readable();  // the end can be read
    const std::string end = co_await read_text(c.server);
    CHECK(end.empty());
    CHECK(in_flight() == 0);
  });
}

TEST_CASE("readiness: a listener, and a stream that has no room") {
  on_each_backend([]() -> task<> {
    auto listener = io::listen_tcp(any_port());
    const auto address = listener.local_address();
    auto nobody = co_await select(listener.readable(), after(1ms));
    CHECK(nobody.index() == 1);
    auto connects =
        spawn([&]() -> task<io::tcp_stream> { co_return co_await io::connect_tcp(address); });
    auto somebody = co_await select(after(10s), listener.readable());
    REQUIRE(somebody.index() == 1);
    const io::tcp_stream accepted = co_await listener.accept();
    const io::tcp_stream connected = co_await connects.join();

    local_connection c;
    co_await fill(c.server);
    auto no_room = co_await select(c.server.writable(), after(1ms));
    CHECK(no_room.index() == 1);
    auto reader = spawn([&]() -> task<> { co_await drain_all(c.client); });
    auto room = co_await select(c.server.writable(), after(10s));
    CHECK(room.index() == 0);
    co_await reader.join();
    CHECK(in_flight() == 0);
  });
}

TEST_CASE("readiness: both directions of a stream in one select, and one of several tasklets") {
  on_each_backend([]() -> task<> {
    local_connection c;
    for (int round = 0; round < 3; ++round) {
      co_await fill(c.server);
      int woken = 0;
      auto waits = [&]() -> task<> {
        auto ready = co_await select(c.server.readable(), c.server.writable(), after(10s));
        CHECK(ready.index() < 2);
        ++woken;
      };
      auto one = spawn(waits);
      auto two = spawn(waits);
      co_await settle();
      CHECK(in_flight() == 4);
      // Both at once: what finishes one case takes out the other.
      co_await c.client.write_all("x");
      co_await drain_all(c.client);
      co_await one.join();
      co_await two.join();
      CHECK(woken == 2);
      CHECK(in_flight() == 0);
      co_await drain_all(c.server);
    }
    c.client = {};
    auto gone = co_await select(c.server.readable(), after(10s));
    CHECK(gone.index() == 0);
  });
}

TEST_CASE("readiness: a loser leaves no trace") {
  on_each_backend([]() -> task<> {
    connection c;
    co_await connect_pair(c);
    channel<int> other;
    auto waits = spawn([&]() -> task<std::size_t> {
      co_return (co_await select(c.server.readable(), other.receive())).index();
    });
    co_await settle();
    CHECK(in_flight() == 1);
    co_await other.send(1);
    CHECK(in_flight() == 0);  // at once, though the kernel has not let go of it
    CHECK(co_await waits.join() == 1);
    // Nor is the connection kept open by it.
    c.server = {};
    const std::string end = co_await read_text(c.client);
    CHECK(end.empty());
  });
}

TEST_CASE("readiness: a deadlock is seen through what a loser has left") {
  for (const stackless::io_choice choice : backends()) {
    CAPTURE(name_of(choice));
    stackless::scheduler_options options;
    options.io = choice;
    std::string text;
    bool told_at_the_await = false;
    stackless::run(options, [&]() -> task<> {
      connection c;
      co_await connect_pair(c);
      channel<int> other;
      auto waits = spawn([&]() -> task<> {
        (void)co_await select(c.server.readable(), other.receive());
        co_await stackless::yield();  // until the one who sent waits for us
        try {
          co_await other.receive();
        } catch (const stackless::deadlock_error& error) {
          told_at_the_await = true;
          text = error.what();
        }
      });
      co_await settle();
      co_await other.send(1);
      co_await waits.join();
    });
    CHECK(told_at_the_await);
    CHECK_THAT(text, contains_text("[proven: none runnable, 0 I/O in flight, 0 timers]"));
  }
}

TEST_CASE("readiness: cancelled or killed while it waits, and a scheduler that ends with leftovers"
) {
  on_each_backend([]() -> task<> {
    connection c;
    co_await connect_pair(c);
    channel<int> never;
    const bool in_time =
        co_await stackless::move_on_after(1ms, [&]() -> task<> { co_await c.server.readable(); });
    CHECK_FALSE(in_time);
    CHECK(in_flight() == 0);
    auto alone = spawn([&]() -> task<> { co_await c.server.readable(); });
    auto selects =
        spawn([&]() -> task<> { (void)co_await select(never.receive(), c.server.readable()); });
    co_await settle();
    CHECK(in_flight() == 2);
    co_await alone.kill();
    co_await selects.kill();
    CHECK_FALSE(alone.alive());  // they wait for no completion
    CHECK_FALSE(selects.alive());
    CHECK(in_flight() == 0);
    CHECK(never.balance() == 0);
  });
}

TEST_CASE("readiness: data races with a time limit, in both orders") {
  on_each_backend([]() -> task<> {
    connection c;
    co_await connect_pair(c);
    auto late = co_await select(c.server.readable(), after(1ms));
    CHECK(late.index() == 1);
    co_await c.client.write_all("a");
    auto early = co_await select(after(1h), c.server.readable());
    CHECK(early.index() == 1);
    // Ready together: the first that is seen, and the data is there still.
    auto either = co_await select(c.server.readable(), after(0ns));
    CHECK(either.index() < 2);
    const std::string text = co_await read_text(c.server);
    CHECK(text == "a");
    CHECK(in_flight() == 0);
  });
}

TEST_CASE("readiness: of a closed stream, and of one that is closed meanwhile") {
  on_each_backend([]() -> task<> {
    io::tcp_stream closed;
    auto alone = [&]() -> task<> { co_await closed.readable(); };
    auto in_select = [&]() -> task<> { (void)co_await select(closed.writable(), after(1h)); };
    CHECK(co_await error_of(alone) == std::errc::bad_file_descriptor);
    CHECK(co_await error_of(in_select) == std::errc::bad_file_descriptor);
    std::error_code error;
    co_await closed.readable(error);
    CHECK(error == std::errc::bad_file_descriptor);

    connection c;
    co_await connect_pair(c);
    std::error_code why;
    auto waits = spawn([&]() -> task<> {
      auto f = [&]() -> task<> { (void)co_await select(c.server.readable(), after(1h)); };
      why = co_await error_of(f);
    });
    co_await settle();
    co_await c.server.close();
    co_await waits.join();
    CHECK(why == std::errc::operation_canceled);
    CHECK(in_flight() == 0);
  });
}

TEST_CASE("readiness: without an engine it is misuse") {
  stackless::scheduler_options options;
  options.io = stackless::io_choice::none;
  stackless::run(options, []() -> task<> {
    io::tcp_stream closed;
    bool refused = false;
    try {
      (void)co_await select(closed.readable(), after(1h));
    } catch (const std::logic_error&) {
      refused = true;
    }
    CHECK(refused);
  });
}

TEST_CASE("readiness: it is listed as a source, and by name") {
  on_each_backend([]() -> task<> {
    connection c;
    co_await connect_pair(c);
    channel<int> never;
    auto waits = spawn([&]() -> task<> {
      (void)co_await select(never.receive(), c.server.readable(), c.server.readable());
    });
    co_await settle();
    const stackless::wait_info info = waits.waiting_for();
    REQUIRE(info.cases.size() == 3);
    CHECK(info.cases[1].operation == stackless::operation_kind::io);
    const stackless::snapshot_data all = stackless::snapshot();
    CHECK(all.sources.io_in_flight == 2);
    const auto* object = all.find_object(info.cases[1].object);
    REQUIRE(object != nullptr);
    CHECK(object->type == "readable");
    CHECK(object->name == '"' + to_string(c.server.peer_address()) + '"');
    co_await waits.kill();
  });
}

TEST_CASE("readiness: a daemon that wakes nobody hides no deadlock with it") {
  for (const stackless::io_choice choice : backends()) {
    CAPTURE(name_of(choice));
    stackless::scheduler_options options;
    options.io = choice;
    bool told = false;
    stackless::run(options, [&]() -> task<> {
      connection c;
      co_await connect_pair(c);
      channel<int> other;
      stackless::spawn_daemon(stackless::wakes_nobody, [&]() -> task<> {
        for (;;) (void)co_await select(c.server.readable(), after(1h));
      });
      co_await settle();
      try {
        co_await other.receive();
      } catch (const stackless::deadlock_error&) {
        told = true;
      }
    });
    CHECK(told);
  }
}

TEST_CASE("readiness: pipes and signals") {
  on_each_backend([]() -> task<> {
    const temporary_directory directory;
    const std::string path = directory.file("pipe");
    REQUIRE(::mkfifo(path.c_str(), 0600) == 0);
    io::file pipe = co_await io::open(path, io::open_mode::read_write);
    auto empty = co_await select(pipe.readable(), after(1ms));
    CHECK(empty.index() == 1);
    auto room = co_await select(pipe.writable(), after(10s));
    CHECK(room.index() == 0);
    co_await pipe.write_all("x");
    auto full = co_await select(pipe.readable(), after(10s));
    CHECK(full.index() == 0);

    io::signal_set signals{SIGUSR2};
    auto none = co_await select(signals.readable(), after(1ms));
    CHECK(none.index() == 1);
    ::raise(SIGUSR2);
    auto one = co_await select(signals.readable(), after(10s));
    CHECK(one.index() == 0);
    CHECK(co_await signals.wait() == SIGUSR2);
  });
}

TEST_CASE("readiness: thousands of losers, with a small ring") {
  for (const stackless::io_choice choice : backends()) {
    CAPTURE(name_of(choice));
    const std::size_t before = open_descriptors();
    stackless::scheduler_options options;
    options.io = choice;
    options.ring_entries = 4;
    stackless::run(options, []() -> task<> {
      connection c;
      co_await connect_pair(c);
      channel<int> numbers;
      auto producer = spawn([&]() -> task<> {
        for (int i = 0; i < 5000; ++i) co_await numbers.send(i);
        numbers.close();
      });
      int count = 0;
      for (;;) {
        auto got = co_await select(c.server.readable(), numbers.next(), c.client.readable());
        REQUIRE(got.index() == 1);
        if (!std::get<1>(got)) break;
        ++count;
      }
      CHECK(count == 5000);
      CHECK(in_flight() == 0);
      co_await producer.join();
    });
    CHECK(open_descriptors() == before);
  }
}

TEST_CASE("readiness: random programs lose no byte and no message") {
  for (const stackless::io_choice choice : backends())
    for (unsigned seed = 1; seed <= 60; ++seed) {
      CAPTURE(name_of(choice), seed);
      std::mt19937 random(seed);
      const auto below = [&](unsigned n) { return random() % n; };
      stackless::scheduler_options options;
      options.io = choice;
      std::size_t sent = 0;
      std::size_t read = 0;
      int messages_sent = 0;
      int messages_got = 0;
      stackless::run(options, [&]() -> task<> {
        connection c;
        co_await connect_pair(c);
        channel<int> messages;
        auto writer = spawn([&]() -> task<> {
          for (int i = 0; i < 20; ++i) {
            co_await c.client.write_all("x");
            ++sent;
            if (below(2) == 0) co_await stackless::yield();
            if (below(8) == 0) co_await stackless::sleep_for(100us);
          }
          c.client.shutdown_send();
        });
        auto sender = spawn([&]() -> task<> {
          for (int i = 0; i < 20; ++i) {
            int value = i;
            const auto did = co_await select(
                messages.send_from(value), after(std::chrono::microseconds(below(300)))
            );
            messages_sent += did.index() == 0;
            if (below(3) == 0) co_await stackless::yield();
          }
          messages.close();
        });
        bool at_end = false;
        bool closed = false;
        while (!at_end || !closed) {
          std::optional<std::size_t> which;
          (void)co_await stackless::move_on_after(
              std::chrono::microseconds(below(400)),
              [&]() -> task<> {
                auto got = co_await select(c.server.readable(), messages.next());
                which = got.index();
                if (got.index() == 1 && std::get<1>(got)) ++messages_got;
                if (got.index() == 1 && !std::get<1>(got)) closed = true;
              }
          );
          if (which == std::size_t{0} && !at_end) {
            std::array<char, 4> bytes{};
            const std::size_t count = co_await c.server.read_some(bytes);
            read += count;
            at_end = count == 0;
          }
          if (at_end || closed) co_await stackless::yield();  // it is ready for ever
        }
        co_await writer.join();
        co_await sender.join();
        CHECK(in_flight() == 0);
      });
      CHECK(read == sent);
      CHECK(messages_got == messages_sent);
    }
}
