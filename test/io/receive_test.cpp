#include <stackless/cancel.hpp>
#include <stackless/channel.hpp>
#include <stackless/deadlock.hpp>
#include <stackless/nursery.hpp>
#include <stackless/select.hpp>

#include "io_test.hpp"

#include <array>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <random>
#include <stdexcept>
#include <variant>

#include <sys/socket.h>
#include <sys/utsname.h>

using namespace io_test;
using namespace std::chrono_literals;
using stackless::task;
namespace io = stackless::io;

namespace {

/// The other end of a `unix_pair` as nobody but the test sees it: no operation of the engine.
struct streams {
  io::unix_stream ours;
  io::unix_stream theirs;
  streams() {
    auto made = io::unix_pair();
    ours = std::move(made.first);
    theirs = std::move(made.second);
  }
  void send(std::string_view text) const {
    REQUIRE(
        ::send(theirs.descriptor(), text.data(), text.size(), MSG_NOSIGNAL | MSG_DONTWAIT) ==
        static_cast<ssize_t>(text.size())
    );
  }
};

template <class Stream>
task<std::string> text_of(Stream& stream, io::buffer_pool& pool) {
  const io::pooled_bytes bytes = co_await stream.receive(pool);
  co_return std::string(bytes.text());
}

/// Until `size` bytes are there, or the end.
template <class Stream>
task<std::string> all_of(Stream& stream, io::buffer_pool& pool, std::size_t size) {
  std::string got;
  while (got.size() < size) {
    const io::pooled_bytes bytes = co_await stream.receive(pool);
    if (bytes.empty()) break;
    got += bytes.text();
  }
  co_return got;
}

std::string numbers(std::size_t size) {
  std::string made;
  for (int i = 0; made.size() < size; ++i) made += std::to_string(i) + ',';
  made.resize(size);
  return made;
}

/// What the kernel takes without anybody reading.
std::size_t send_what_fits(const io::unix_stream& stream, std::string_view data) {
  std::size_t sent = 0;
  while (sent < data.size()) {
    const auto count = ::send(
        stream.descriptor(), data.data() + sent, std::min<std::size_t>(data.size() - sent, 1024),
        MSG_NOSIGNAL | MSG_DONTWAIT
    );
    if (count == -1) break;
    sent += static_cast<std::size_t>(count);
  }
  return sent;
}

}  // namespace

TEST_CASE("received into a pool, and the end of the stream") {
  on_each_backend([]() -> task<> {
    io::buffer_pool pool(8, 4096);
    CHECK(pool.count() == 8);
    CHECK(pool.buffer_size() == 4096);
    connection pair;
    co_await connect_pair(pair);
    auto echo = stackless::spawn([&]() -> task<> {
      while (const io::pooled_bytes bytes = co_await pair.server.receive(pool))
        co_await pair.server.write_all(bytes);
      co_await pair.server.close();
    });
    for (int i = 0; i < 100; ++i) {
      const std::string question = std::to_string(i);
      co_await pair.client.write_all(question);
      const std::string answer = co_await text_of(pair.client, pool);
      CHECK(answer == question);
    }
    pair.client.shutdown_send();
    io::pooled_bytes end = co_await pair.client.receive(pool);
    CHECK(end.empty());
    CHECK_FALSE(end);
    end = co_await pair.client.receive(pool);  // and again
    CHECK(end.empty());
    co_await echo.join();
    CHECK(pool.available() == pool.count());
    CHECK(in_flight() == 0);
  });
}

TEST_CASE("bytes of a pool are a range that can be shortened and moved") {
  on_each_backend([]() -> task<> {
    io::buffer_pool pool(2, 64);
    streams pair;
    pair.send("abcdef");
    io::pooled_bytes bytes = co_await pair.ours.receive(pool);
    CHECK(bytes.size() == 6);
    bytes.remove_prefix(2);
    CHECK(bytes.text() == "cdef");
    CHECK(static_cast<std::size_t>(bytes.end() - bytes.begin()) == bytes.size());
    io::pooled_bytes other = std::move(bytes);
    CHECK(bytes.empty());
    CHECK(pool.available() == 1);
    bytes = std::move(other);
    CHECK(bytes.text() == "cdef");
    co_await pair.ours.write_all(bytes);
    bytes = io::pooled_bytes();
    CHECK(pool.available() == 2);
  });
}

TEST_CASE("connections that wait hold no buffer") {
  on_each_backend([]() -> task<> {
    io::buffer_pool pool(2, 4096);
    std::vector<streams> pairs(20);
    std::vector<stackless::tasklet<std::string>> readers;
    auto read = [&](int i) -> task<std::string> {
      co_return co_await text_of(pairs[static_cast<std::size_t>(i)].ours, pool);
    };
    for (int i = 0; i < 20; ++i) readers.push_back(stackless::spawn(read, i));
    co_await settle();
    CHECK(pool.available() == 2);
    CHECK(in_flight() == 20);
    for (int i = 0; i < 20; ++i) pairs[static_cast<std::size_t>(i)].send(std::to_string(i));
    for (int i = 0; i < 20; ++i) {
      const std::string got = co_await readers[static_cast<std::size_t>(i)].join();
      CHECK(got == std::to_string(i));
    }
    CHECK(pool.available() == 2);
  });
}

TEST_CASE("a busy connection needs no operation for each receive") {
  utsname system{};
  ::uname(&system);
  int major = 0;
  (void)std::sscanf(system.release, "%d", &major);
  const bool kernel_can = major >= 6 && std::getenv("STACKLESS_IO_WITHOUT") == nullptr;
  on_each_backend([&]() -> task<> {
    io::buffer_pool pool(8, 4096);
    streams pair;
    const auto& engine = stackless::detail::running_scheduler().io();
    const std::uint64_t before = engine.taken_in_all();
    for (int i = 0; i < 100; ++i) {
      auto reader = stackless::spawn([&]() -> task<std::string> {
        co_return co_await text_of(pair.ours, pool);
      });
      co_await stackless::drain_ready();
      pair.send("x");
      const std::string got = co_await reader.join();
      CHECK(got == "x");
    }
    if (kernel_can && std::string_view(engine.name()) == "io_uring")
      CHECK(engine.taken_in_all() - before == 1);
  });
}

TEST_CASE("a receive waits while all buffers are in hands of the program") {
  on_each_backend([]() -> task<> {
    io::buffer_pool pool(2, 4);
    std::vector<streams> pairs(4);
    for (const streams& pair : pairs) pair.send("12345678");
    io::pooled_bytes first = co_await pairs[0].ours.receive(pool);
    io::pooled_bytes second = co_await pairs[1].ours.receive(pool);
    CHECK(first.text() == "1234");
    CHECK(second.text() == "1234");
    CHECK(pool.available() == 0);
    std::vector<int> order;
    auto read = [&](int i) -> task<std::string> {
      std::string got = co_await text_of(pairs[static_cast<std::size_t>(i)].ours, pool);
      order.push_back(i);
      co_return got;
    };
    auto third = stackless::spawn(read, 2);
    auto fourth = stackless::spawn(read, 3);
    co_await stackless::sleep_for(20ms);
    CHECK(order.empty());
    CHECK(in_flight() == 0);  // nothing that the kernel does will wake them
    first.reset();
    std::string got = co_await third.join();
    CHECK(got == "1234");
    second.reset();
    got = co_await fourth.join();
    CHECK(got == "1234");
    CHECK(order == std::vector<int>{2, 3});
    for (streams& pair : pairs) {
      got = co_await text_of(pair.ours, pool);
      CHECK(got == "5678");
    }
    CHECK(pool.available() == 2);
  });
}

TEST_CASE("no buffer will ever come back: a deadlock that names the pool") {
  on_each_backend([]() -> task<> {
    io::buffer_pool pool(1, 4);
    streams pair;
    pair.send("12345678");
    io::pooled_bytes kept = co_await pair.ours.receive(pool);
    bool told = false;
    try {
      (void)co_await pair.ours.receive(pool);
    } catch (const stackless::deadlock_error& error) {
      told = true;
      CHECK(error.report().why == stackless::verdict::never_signalled);
      CHECK_THAT(error.what(), contains_text("waits for the buffer of its buffer_pool, which is"));
      CHECK_THAT(error.what(), contains_text("let pooled_bytes go before the next receive"));
    }
    CHECK(told);
    kept.reset();
    const std::string rest = co_await text_of(pair.ours, pool);
    CHECK(rest == "5678");
  });
}

TEST_CASE("a tasklet that waits for a buffer can be cancelled and killed") {
  on_each_backend([]() -> task<> {
    io::buffer_pool pool(1, 4);
    streams one;
    streams two;
    one.send("1234");
    two.send("abcd");
    io::pooled_bytes kept = co_await one.ours.receive(pool);
    auto waits = [&]() -> task<> { (void)co_await two.ours.receive(pool); };
    const bool in_time = co_await stackless::move_on_after(5ms, waits);
    CHECK_FALSE(in_time);
    auto killed = stackless::spawn(waits);
    co_await settle();
    co_await killed.kill();
    CHECK_FALSE(killed.alive());
    kept.reset();
    CHECK(pool.available() == 1);
    const std::string got = co_await text_of(two.ours, pool);
    CHECK(got == "abcd");
  });
}

TEST_CASE("bytes for which nobody asks take no buffer from those who do") {
  on_each_backend([]() -> task<> {
    io::buffer_pool pool(4, 16);
    std::vector<streams> silent(6);
    auto waits = [&](io::unix_stream* stream) -> task<> { (void)co_await stream->receive(pool); };
    for (streams& pair : silent) {  // the operations stay when their tasklets have gone
      auto t = stackless::spawn(waits, &pair.ours);
      co_await settle();
      co_await t.kill();
    }
    for (const streams& pair : silent) pair.send("0123456789abcdefghij");
    co_await settle();
    streams asked;
    for (int i = 0; i < 10; ++i) {
      asked.send("question");
      const std::string got = co_await text_of(asked.ours, pool);
      CHECK(got == "question");
    }
    for (streams& pair : silent) {
      const std::string got = co_await all_of(pair.ours, pool, 20);
      CHECK(got == "0123456789abcdefghij");
    }
    CHECK(pool.available() == 4);
  });
}

TEST_CASE("a peer that sends faster than the program receives is told to wait") {
  on_each_backend([]() -> task<> {
    io::buffer_pool pool(64, 1024);
    streams pair;
    auto waits = [&]() -> task<> { (void)co_await pair.ours.receive(pool); };
    auto t = stackless::spawn(waits);
    co_await settle();
    co_await t.kill();  // from here on nobody receives
    const std::string data = numbers(8'000'000);
    std::size_t sent = 0;
    std::size_t before = 1;
    while (before != sent) {  // until the socket is full and stays so
      before = sent;
      sent += send_what_fits(pair.theirs, std::string_view(data).substr(sent));
      co_await settle();
    }
    CHECK(sent < data.size() / 2);
    CHECK(pool.available() >= 16);  // of 64: the rest holds what came before it stopped
    auto sender = stackless::spawn([&]() -> task<> {
      const io::const_bytes rest(data.data() + sent, data.size() - sent);
      co_await pair.theirs.write_all(rest);
      pair.theirs.shutdown_send();
    });
    const std::string got = co_await all_of(pair.ours, pool, data.size() + 1);
    CHECK(got == data);
    co_await sender.join();
    CHECK(pool.available() == 64);
  });
}

TEST_CASE("a peer that sends a little at a time is told to wait as well") {
  on_each_backend([]() -> task<> {
    io::buffer_pool pool(64, 16);
    streams pair;
    auto waits = [&]() -> task<> { (void)co_await pair.ours.receive(pool); };
    auto t = stackless::spawn(waits);
    co_await settle();
    co_await t.kill();
    std::string data;
    for (int i = 0; i < 100; ++i) {
      const std::string piece = std::to_string(i) + ';';
      data += piece;
      pair.send(piece);
      co_await settle();
    }
    CHECK(pool.available() >= 50);  // an eighth, and what came before it stopped
    const std::string got = co_await all_of(pair.ours, pool, data.size());
    CHECK(got == data);
    CHECK(pool.available() == 64);
  });
}

TEST_CASE("a cancelled receive loses nothing") {
  on_each_backend([]() -> task<> {
    io::buffer_pool pool(4, 64);
    streams pair;
    for (int i = 0; i < 20; ++i) {
      auto waits = [&]() -> task<> { (void)co_await pair.ours.receive(pool); };
      const bool in_time = co_await stackless::move_on_after(1ms, waits);
      CHECK_FALSE(in_time);
      CHECK(in_flight() == 0);
      pair.send(std::to_string(i));
      if (i % 2 == 0) co_await settle();  // it comes before anybody asks, or not
      const std::string got = co_await text_of(pair.ours, pool);
      CHECK(got == std::to_string(i));
    }
  });
}

TEST_CASE("a tasklet killed with its bytes at hand leaves them to the next") {
  on_each_backend([]() -> task<> {
    io::buffer_pool pool(4, 64);
    streams one;
    streams two;
    bool finished = false;
    std::optional<stackless::tasklet<void>> victim;
    auto killer = stackless::spawn([&]() -> task<> {
      (void)co_await one.ours.receive(pool);
      co_await victim->kill();  // woken in the same turn, and has not run yet
    });
    victim = stackless::spawn([&]() -> task<> {
      (void)co_await two.ours.receive(pool);
      finished = true;
    });
    co_await settle();
    one.send("1");
    two.send("abc");
    two.theirs.shutdown_send();
    co_await killer.join();
    CHECK_FALSE(finished);
    const std::string got = co_await text_of(two.ours, pool);
    CHECK(got == "abc");
    const std::string end = co_await text_of(two.ours, pool);
    CHECK(end.empty());
    CHECK(pool.available() == 4);
  });
}

TEST_CASE("bytes of a killed tasklet make room for one that waits for a buffer") {
  on_each_backend([]() -> task<> {
    io::buffer_pool pool(1, 64);
    streams one;
    streams two;
    streams three;
    one.send("1");
    two.send("2");
    three.send("3");
    io::pooled_bytes kept = co_await one.ours.receive(pool);
    auto read = [&](io::unix_stream* stream) -> task<std::string> {
      co_return co_await text_of(*stream, pool);
    };
    auto victim = stackless::spawn(read, &two.ours);
    auto other = stackless::spawn(read, &three.ours);
    co_await settle();
    kept.reset();  // the victim is given it, and has not run yet
    co_await victim.kill();
    std::string got = co_await other.join();
    CHECK(got == "3");
    got = co_await text_of(two.ours, pool);
    CHECK(got == "2");
    CHECK(pool.available() == 1);
  });
}

TEST_CASE("an error comes after the bytes before it, once") {
  on_each_backend([]() -> task<> {
    io::buffer_pool pool(4, 64);
    connection pair;
    co_await connect_pair(pair);
    const linger now{1, 0};
    REQUIRE(::setsockopt(pair.server.descriptor(), SOL_SOCKET, SO_LINGER, &now, sizeof now) == 0);
    co_await pair.server.write_all("last words");
    co_await pair.server.close();
    const std::string got = co_await text_of(pair.client, pool);
    CHECK(got == "last words");
    bool reset = false;
    try {
      (void)co_await pair.client.receive(pool);
    } catch (const io::io_error& error) {
      reset = error.code() == std::errc::connection_reset;
      CHECK(std::string_view(error.operation()) == "receive");
    }
    CHECK(reset);
    std::error_code error = std::make_error_code(std::errc::io_error);
    const io::pooled_bytes end = co_await pair.client.receive(pool, error);
    CHECK_FALSE(error);
    CHECK(end.empty());
  });
}

TEST_CASE("a stream that is closed while a tasklet receives") {
  on_each_backend([]() -> task<> {
    io::buffer_pool pool(4, 64);
    connection pair;
    co_await connect_pair(pair);
    std::error_code error;
    auto reader =
        stackless::spawn([&]() -> task<> { (void)co_await pair.server.receive(pool, error); });
    co_await settle();
    CHECK(in_flight() == 1);
    co_await pair.server.close();
    co_await reader.join();
    CHECK(error == std::errc::operation_canceled);
    (void)co_await pair.server.receive(pool, error);
    CHECK(error == std::errc::bad_file_descriptor);
    const std::string end = co_await text_of(pair.client, pool);
    CHECK(end.empty());
    io::tcp_stream never;
    (void)co_await never.receive(pool, error);
    CHECK(error == std::errc::bad_file_descriptor);
  });
}

TEST_CASE("a stream that is closed while a tasklet waits for a buffer is named") {
  on_each_backend([]() -> task<> {
    io::buffer_pool pool(1, 64);
    connection pair;
    co_await connect_pair(pair);
    co_await pair.client.write_all("a");
    const io::pooled_bytes held = co_await pair.server.receive(pool);
    co_await pair.client.write_all("b");
    std::string text;
    auto reader = stackless::spawn([&]() -> task<> {
      try {
        (void)co_await pair.server.receive(pool);
      } catch (const io::io_error& failure) {
        text = failure.what();
      }
    });
    co_await settle();
    const std::string peer = to_string(pair.server.peer_address());
    co_await pair.server.close();
    co_await reader.join();
    CHECK(text == "receive \"" + peer + "\": Operation canceled");
  });
}

TEST_CASE("a stream is closed with bytes that nobody took") {
  on_each_backend([]() -> task<> {
    io::buffer_pool pool(4, 64);
    streams pair;
    auto waits = [&]() -> task<> { (void)co_await pair.ours.receive(pool); };
    auto t = stackless::spawn(waits);
    co_await settle();
    co_await t.kill();
    pair.send("nobody wants this");
    co_await settle();
    co_await pair.ours.close();
    CHECK(pool.available() == 4);
    CHECK(in_flight() == 0);
  });
}

TEST_CASE("a stream that is destroyed after a receive was given up is closed") {
  on_each_backend([]() -> task<> {
    io::buffer_pool pool(4, 64);
    connection pair;
    co_await connect_pair(pair);
    {
      const io::tcp_stream gone = std::move(pair.server);
      auto waits = [&]() -> task<> {
        (void)co_await const_cast<io::tcp_stream&>(gone).receive(pool);
      };
      const bool in_time = co_await stackless::move_on_after(1ms, waits);
      CHECK_FALSE(in_time);
    }
    const std::string end = co_await text_of(pair.client, pool);
    CHECK(end.empty());
  });
}

TEST_CASE("a stream that is destroyed under a receive serves it first") {
  on_each_backend([]() -> task<> {
    io::buffer_pool pool(4, 64);
    streams pair;
    auto reader = stackless::spawn([&]() -> task<std::string> {
      co_return co_await text_of(pair.ours, pool);
    });
    co_await settle();
    pair.ours = io::unix_stream();
    pair.send("late");
    const std::string got = co_await reader.join();
    CHECK(got == "late");
    std::error_code error;
    char byte = 0;
    const std::size_t count = co_await pair.theirs.read_some(io::mutable_bytes(&byte, 1), error);
    CHECK(count == 0);  // closed when the last one had gone
  });
}

TEST_CASE("several tasklets that receive from one stream are served in turn") {
  on_each_backend([]() -> task<> {
    io::buffer_pool pool(8, 64);
    streams pair;
    std::vector<std::string> got(3);
    auto read = [&](int i) -> task<> {
      got[static_cast<std::size_t>(i)] = co_await text_of(pair.ours, pool);
    };
    std::vector<stackless::tasklet<void>> readers;
    for (int i = 0; i < 3; ++i) readers.push_back(stackless::spawn(read, i));
    co_await settle();
    for (int i = 0; i < 3; ++i) {
      pair.send(std::to_string(i));
      co_await readers[static_cast<std::size_t>(i)].join();
    }
    CHECK(got == std::vector<std::string>{"0", "1", "2"});
    std::vector<stackless::tasklet<void>> late;
    for (int i = 0; i < 3; ++i) late.push_back(stackless::spawn(read, i));
    co_await settle();
    co_await late[1].kill();
    pair.theirs.shutdown_send();  // told to all of them
    co_await late[0].join();
    co_await late[2].join();
    CHECK(got == std::vector<std::string>{"", "1", ""});
  });
}

TEST_CASE("a receive is a case of a select, and one that lost has lost nothing") {
  on_each_backend([]() -> task<> {
    io::buffer_pool pool(4, 64);
    streams one;
    streams two;
    auto first = co_await stackless::select(one.ours.receive(pool), stackless::after(1ms));
    CHECK(first.index() == 1);
    two.send("two");
    auto second = co_await stackless::select(one.ours.receive(pool), two.ours.receive(pool));
    REQUIRE(second.index() == 1);
    CHECK(std::get<1>(second).text() == "two");
    one.send("one");
    // With `otherwise` nothing is waited for, and what has come is seen all the same.
    bool seen = false;
    for (int i = 0; i < 1000 && !seen; ++i) {
      auto third = co_await stackless::select(one.ours.receive(pool), stackless::otherwise());
      seen = third.index() == 0;
      if (seen) CHECK(std::get<0>(third).text() == "one");
      co_await settle();
    }
    CHECK(seen);
  });
}

TEST_CASE("what else would read a stream is refused after a receive") {
  on_each_backend([]() -> task<> {
    io::buffer_pool pool(4, 64);
    io::buffer_pool other(4, 64);
    streams pair;
    pair.send("x");
    std::string got = co_await text_of(pair.ours, pool);
    CHECK(got == "x");
    pair.send("y");
    std::array<char, 4> bytes{};
    auto refuses = [&](auto what) -> task<bool> {
      try {
        co_await what();
      } catch (const std::logic_error&) {
        co_return true;
      }
      co_return false;
    };
    auto read_some = [&]() -> task<> { (void)co_await pair.ours.read_some(bytes); };
    auto read_exactly = [&]() -> task<> { co_await pair.ours.read_exactly(bytes); };
    auto readable = [&]() -> task<> { co_await pair.ours.readable(); };
    auto copy = [&]() -> task<> { (void)co_await io::copy(pair.ours, pair.theirs); };
    auto descriptor = [&]() -> task<> { (void)co_await pair.ours.receive_descriptor(); };
    auto other_pool = [&]() -> task<> { (void)co_await pair.ours.receive(other); };
    CHECK(co_await refuses(read_some));
    CHECK(co_await refuses(read_exactly));
    CHECK(co_await refuses(readable));
    CHECK(co_await refuses(copy));
    CHECK(co_await refuses(descriptor));
    CHECK(co_await refuses(other_pool));
    co_await pair.ours.writable();
    got = co_await text_of(pair.ours, pool);
    CHECK(got == "y");
  });
}

TEST_CASE("what was read before is not received again, and half a read breaks receiving") {
  on_each_backend([]() -> task<> {
    io::buffer_pool pool(4, 64);
    streams pair;
    pair.send("head body");
    std::array<char, 5> head{};
    co_await pair.ours.read_exactly(head);
    const std::string got = co_await text_of(pair.ours, pool);
    CHECK(got == "body");
    streams broken;
    broken.send("ab");
    auto reads = [&]() -> task<> { co_await broken.ours.read_exactly(head); };
    auto t = stackless::spawn(reads);
    co_await settle();
    co_await stop(t);
    std::error_code error;
    (void)co_await broken.ours.receive(pool, error);
    CHECK(error == io::errc::broken_stream);
  });
}

TEST_CASE("an operation of a stream that nobody waits for hides no deadlock") {
  on_each_backend([]() -> task<> {
    io::buffer_pool pool(4, 64);
    streams pair;
    auto waits = [&]() -> task<> { (void)co_await pair.ours.receive(pool); };
    auto t = stackless::spawn(waits);
    co_await settle();
    co_await t.kill();
    stackless::channel<int> never;
    bool told = false;
    try {
      (void)co_await never.receive();
    } catch (const stackless::deadlock_error&) {
      told = true;
    }
    CHECK(told);
    // Nor does one that somebody waits for who wakes nobody.
    auto daemon = stackless::spawn_daemon(stackless::wakes_nobody, waits);
    co_await settle();
    CHECK(in_flight() == 1);
    told = false;
    try {
      (void)co_await never.receive();
    } catch (const stackless::deadlock_error&) {
      told = true;
    }
    CHECK(told);
    co_await daemon.kill();
  });
}

TEST_CASE("bytes outlive the stream, the pool and the scheduler") {
  for (const stackless::io_choice choice : backends()) {
    CAPTURE(name_of(choice));
    stackless::scheduler_options options;
    options.io = choice;
    io::pooled_bytes kept;
    io::unix_stream stream;
    stackless::run(options, [&]() -> task<> {
      io::buffer_pool pool(2, 64);
      streams pair;
      pair.send("kept");
      kept = co_await pair.ours.receive(pool);
      auto waits = [&]() -> task<> { (void)co_await pair.ours.receive(pool); };
      auto t = stackless::spawn(waits);
      co_await settle();
      co_await t.kill();  // its operation is still there when the engine goes
      stream = std::move(pair.ours);
    });
    CHECK(kept.text() == "kept");
    kept.reset();
    CHECK(stream.is_open());
  }
}

TEST_CASE("a pool and a stream of a scheduler that has ended serve the next") {
  for (const stackless::io_choice choice : backends()) {
    CAPTURE(name_of(choice));
    stackless::scheduler_options options;
    options.io = choice;
    io::buffer_pool pool(2, 64);
    streams pair;
    std::string got;
    for (int i = 0; i < 3; ++i) {
      stackless::run(options, [&]() -> task<> {
        pair.send("first");
        got = co_await text_of(pair.ours, pool);
        CHECK(got == "first");
        auto waits = [&]() -> task<> { (void)co_await pair.ours.receive(pool); };
        auto t = stackless::spawn(waits);
        co_await settle();
        co_await t.kill();
        pair.send("second");  // comes while nobody drives
      });
      CHECK(pool.available() + 1 >= 2);
      stackless::run(options, [&]() -> task<> {
        got = co_await text_of(pair.ours, pool);
        CHECK(got == "second");
      });
      CHECK(pool.available() == 2);
    }
  }
}

TEST_CASE("a pool is of one scheduler at a time") {
  for (const stackless::io_choice choice : backends()) {
    CAPTURE(name_of(choice));
    stackless::scheduler_options options;
    options.io = choice;
    io::buffer_pool pool(2, 64);
    streams one;
    streams two;
    stackless::scheduler first(options);
    stackless::scheduler second(options);
    one.send("1");
    bool done = false;
    bool refused = false;
    (void)first.spawn([&]() -> task<> {
      (void)co_await one.ours.receive(pool);
      done = true;
    });
    for (int i = 0; i < 1000 && !done; ++i) first.run_ready();
    CHECK(done);
    (void)second.spawn([&]() -> task<> {
      try {
        (void)co_await two.ours.receive(pool);
      } catch (const std::logic_error&) {
        refused = true;
      }
    });
    second.run_ready();
    CHECK(refused);
  }
}

TEST_CASE("pools that cannot be") {
  CHECK_THROWS_AS(io::buffer_pool(0, 64), std::invalid_argument);
  CHECK_THROWS_AS(io::buffer_pool(32'769, 64), std::invalid_argument);
  CHECK_THROWS_AS(io::buffer_pool(1, 0), std::invalid_argument);
  CHECK_THROWS_AS(io::buffer_pool(1, (std::size_t{1} << 30) + 1), std::invalid_argument);
  const io::buffer_pool one(1, 1);
  const io::buffer_pool same = one;
  CHECK(same.available() == 1);
}

TEST_CASE("many connections share few buffers") {
  on_each_backend([]() -> task<> {
    io::buffer_pool pool(3, 100);
    constexpr int count = 30;
    std::vector<streams> pairs(count);
    const std::string data = numbers(20'000);
    auto echo = [&](int i) -> task<> {
      io::unix_stream& stream = pairs[static_cast<std::size_t>(i)].ours;
      while (const io::pooled_bytes bytes = co_await stream.receive(pool)) {
        co_await stackless::yield();
        co_await stream.write_all(bytes);
      }
      stream.shutdown_send();
    };
    auto ask = [&](int i) -> task<> {
      io::unix_stream& stream = pairs[static_cast<std::size_t>(i)].theirs;
      std::minstd_rand random(static_cast<unsigned>(i));
      for (std::size_t sent = 0; sent < data.size();) {
        const std::size_t size = std::min<std::size_t>(random() % 700 + 1, data.size() - sent);
        co_await stream.write_all(io::const_bytes(data.data() + sent, size));
        std::string back(size, '\0');
        co_await stream.read_exactly(back);
        CHECK(back == data.substr(sent, size));
        sent += size;
      }
      stream.shutdown_send();
    };
    std::vector<stackless::tasklet<void>> all;
    for (int i = 0; i < count; ++i) {
      all.push_back(stackless::spawn(echo, i));
      all.push_back(stackless::spawn(ask, i));
    }
    for (const auto& t : all) co_await t.join();
    CHECK(pool.available() == 3);
    CHECK(in_flight() == 0);
  });
}
