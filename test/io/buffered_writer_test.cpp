#include <stackless/cancel.hpp>

#include "io_test.hpp"

#include <array>
#include <optional>
#include <stdexcept>

#include <sys/socket.h>

using namespace io_test;
using namespace std::chrono_literals;
using stackless::task;
namespace io = stackless::io;

namespace {

/// Takes what is written in pieces of a given size; fails when it is told to.
struct sink {
  std::string got;
  std::vector<std::size_t> sizes;
  std::size_t most = static_cast<std::size_t>(-1);
  std::error_code next;

  task<std::size_t> write_some(io::const_bytes from) {
    co_await stackless::yield();
    if (next) throw io::io_error(std::exchange(next, {}), "write", -1, "sink");
    const std::size_t count = std::min(from.size(), most);
    got.append(reinterpret_cast<const char*>(from.data()), count);
    sizes.push_back(count);
    co_return count;
  }
};

/// Takes all at once, and returns late.
struct late_sink {
  std::string got;
  task<std::size_t> write_some(io::const_bytes from, std::size_t* done) {
    got.append(reinterpret_cast<const char*>(from.data()), from.size());
    *done += from.size();
    co_await stackless::sleep_for(1h);
    co_return from.size();
  }
};

std::string numbers(std::size_t size) {
  std::string data;
  for (int i = 0; data.size() < size; ++i) data += std::to_string(i) + ' ';
  data.resize(size);
  return data;
}

void make_small(const io::tcp_stream& stream) {
  const int size = 4096;
  REQUIRE(::setsockopt(stream.descriptor(), SOL_SOCKET, SO_SNDBUF, &size, sizeof size) == 0);
}

}  // namespace

TEST_CASE("small writes go out as one") {
  stackless::run([]() -> task<> {
    sink stream;
    io::buffered_writer writer(stream, 16);
    for (int i = 0; i < 5; ++i) co_await writer.write("abc");
    CHECK(stream.sizes.empty());
    CHECK(writer.pending() == 15);
    co_await writer.write("defg");  // no room: what is there goes first
    CHECK(stream.got == "abcabcabcabcabc");
    CHECK(writer.pending() == 4);
    co_await writer.flush();
    CHECK(writer.pending() == 0);
    const std::string large = numbers(40);
    co_await writer.write("x");
    co_await writer.write(large);  // goes past the buffer, in order
    CHECK(writer.pending() == 0);
    CHECK(stream.got == "abcabcabcabcabcdefgx" + large);
    CHECK(stream.sizes == std::vector<std::size_t>{15, 4, 1, 40});
    co_await writer.flush();
    CHECK(stream.sizes.size() == 4);
  });
}

TEST_CASE("try_write takes all or nothing, and never waits") {
  sink stream;
  io::buffered_writer writer(stream, 4);
  CHECK(writer.try_write("abc"));
  CHECK_FALSE(writer.try_write("de"));
  CHECK(writer.try_write("d"));
  CHECK(writer.try_write(""));
  CHECK(writer.pending() == 4);
  CHECK_THROWS_AS(io::buffered_writer(stream, 0), std::logic_error);
  stackless::run([&]() -> task<> {
    stream.most = 3;
    stream.next = std::make_error_code(std::errc::no_space_on_device);
    std::error_code error;
    co_await writer.flush(error);
    CHECK(error == std::errc::no_space_on_device);
    CHECK(writer.pending() == 4);
    co_await writer.flush(error);  // tries again
    CHECK_FALSE(error);
    CHECK(stream.got == "abcd");
  });
}

TEST_CASE("a failure takes the new bytes as a whole or not at all") {
  stackless::run([]() -> task<> {
    sink stream;
    io::buffered_writer writer(stream, 8);
    co_await writer.write("123456");
    stream.next = std::make_error_code(std::errc::broken_pipe);
    std::size_t done = 9;
    std::error_code error;
    co_await writer.write("abc", error, &done);
    CHECK(error == std::errc::broken_pipe);
    CHECK(done == 0);
    CHECK(writer.pending() == 6);
    co_await writer.write("abc", &done);
    CHECK(done == 3);
    co_await writer.flush();
    CHECK(stream.got == "123456abc");
    // A stream that takes nothing for ever.
    stream.most = 0;
    co_await writer.write("x");
    co_await writer.flush(error);
    CHECK(error == std::errc::io_error);
  });
}

TEST_CASE("a full buffer waits for the peer") {
  on_each_backend([]() -> task<> {
    connection pair;
    co_await connect_pair(pair);
    make_small(pair.client);
    const std::string data = numbers(2'000'000);
    io::buffered_writer writer(pair.client, 4096);
    std::size_t written = 0;
    auto sender = stackless::spawn([&]() -> task<> {
      for (; written < data.size(); written += 1000)
        co_await writer.write(std::string_view(data).substr(written, 1000));
      co_await writer.flush();
      pair.client.shutdown_send();
    });
    co_await settle();
    CHECK(sender.blocked());
    CHECK(written < data.size() / 2);
    CHECK(writer.pending() <= writer.capacity());
    CHECK_FALSE(writer.try_write("x"));  // another tasklet is writing
    bool refused = false;
    try {
      co_await writer.write("x");
    } catch (const std::logic_error& error) {
      refused = true;
      CHECK_THAT(error.what(), contains_text("used by two tasklets at once"));
    }
    CHECK(refused);
    std::string got(data.size(), '\0');
    co_await pair.server.read_exactly(got);
    co_await sender.join();
    CHECK(got == data);
  });
}

TEST_CASE("a flush that is killed or timed out loses nothing and doubles nothing") {
  on_each_backend([]() -> task<> {
    connection pair;
    co_await connect_pair(pair);
    make_small(pair.client);
    const std::string data = numbers(2'000'000);
    io::buffered_writer writer(pair.client, data.size());
    co_await writer.write(data);
    std::string got;
    std::string part(50'000, '\0');
    auto read = [&]() -> task<> {
      const std::size_t count = co_await pair.server.read_some(part);
      got.append(part, 0, count);
    };
    auto flush = [&]() -> task<> { co_await writer.flush(); };
    connection other;
    co_await connect_pair(other);
    for (int i = 0; i < 5; ++i) {
      stackless::tasklet<void> flusher;
      auto killer = stackless::spawn([&]() -> task<> {
        std::array<char, 4> bytes{};
        (void)co_await other.client.read_some(bytes);
        co_await flusher.kill();
      });
      co_await settle();
      flusher = stackless::spawn(flush);
      co_await settle();
      CHECK(flusher.alive());
      // Straight to the kernel: the same poll wakes both, and there is room again just when it is
      // killed.
      REQUIRE(::send(other.server.descriptor(), "!", 1, 0) == 1);
      ssize_t count = 0;
      while ((count = ::recv(pair.server.descriptor(), part.data(), part.size(), MSG_DONTWAIT)) > 0)
        got.append(part, 0, static_cast<std::size_t>(count));
      co_await killer.join();
      while (flusher.alive()) co_await stackless::drain_ready();
    }
    const bool in_time = co_await stackless::move_on_after(5ms, flush);
    CHECK_FALSE(in_time);
    CHECK(writer.pending() != 0);
    CHECK(writer.pending() < data.size());
    auto flusher = stackless::spawn(flush);
    while (got.size() < data.size()) co_await read();
    co_await flusher.join();
    CHECK(got == data);
  });
}

TEST_CASE("what the stream had taken when it was cut short is not written again") {
  stackless::run([]() -> task<> {
    late_sink stream;
    io::buffered_writer writer(stream, 8);
    co_await writer.write("abc");
    auto flush = [&]() -> task<> { co_await writer.flush(); };
    bool in_time = co_await stackless::move_on_after(1ms, flush);
    CHECK_FALSE(in_time);
    CHECK(writer.pending() == 0);
    co_await writer.write("12345");
    co_await writer.write("678");
    in_time = co_await stackless::move_on_after(1ms, flush);
    CHECK(stream.got == "abc12345678");
  });
}

TEST_CASE("a write that is killed") {
  on_each_backend([]() -> task<> {
    connection pair;
    co_await connect_pair(pair);
    make_small(pair.client);
    const std::string data = numbers(8'000'000);
    io::buffered_writer writer(pair.client, 4096);
    std::size_t done = 0;
    auto counted = stackless::spawn([&]() -> task<> { co_await writer.write(data, &done); });
    co_await settle();
    co_await stop(counted);
    CHECK(done != 0);
    CHECK(done < data.size());
    CHECK(writer.try_write(std::string(4096, 'y')));
    // Waiting for room, nothing of it has been taken.
    auto small = stackless::spawn([&]() -> task<> { co_await writer.write("z", &done); });
    co_await settle();
    const std::size_t before = writer.pending();
    co_await stop(small);
    CHECK(done == 0);
    CHECK(writer.pending() <= before);
  });
  on_each_backend([]() -> task<> {
    connection pair;
    co_await connect_pair(pair);
    make_small(pair.client);
    const std::string data = numbers(8'000'000);
    io::buffered_writer writer(pair.client, 4096);
    auto uncounted = stackless::spawn([&]() -> task<> { co_await writer.write(data); });
    co_await settle();
    co_await stop(uncounted);
    std::error_code error;
    co_await writer.write("x", error);
    CHECK(error == io::errc::broken_stream);
    CHECK_FALSE(writer.try_write("x"));
  });
}
