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

/// Gives its text in pieces, and then an error or the end.
struct pieces {
  std::vector<std::string> rest;
  std::error_code last;
  std::size_t largest = 0;  ///< room that was offered

  explicit pieces(std::vector<std::string> all) : rest(std::move(all)) {}

  task<std::size_t> read_some(io::mutable_bytes into) {
    co_await stackless::yield();
    largest = std::max(largest, into.size());
    if (rest.empty()) {
      if (last) throw io::io_error(std::exchange(last, {}), "read", -1, "pieces");
      co_return 0;
    }
    std::string& piece = rest.front();
    const std::size_t count = std::min(piece.size(), into.size());
    piece.copy(reinterpret_cast<char*>(into.data()), count);
    piece.erase(0, count);
    if (piece.empty()) rest.erase(rest.begin());
    co_return count;
  }
};

std::vector<std::string> letters(std::string_view text) {
  std::vector<std::string> result;
  for (const char c : text) result.emplace_back(1, c);
  return result;
}

/// Straight to the kernel: nothing is polled meanwhile.
void send_now(const io::tcp_stream& stream, std::string_view text) {
  REQUIRE(
      ::send(stream.descriptor(), text.data(), text.size(), 0) == static_cast<ssize_t>(text.size())
  );
}

template <class F>
task<std::error_code> code_of(F& f) {
  try {
    co_await f();
  } catch (const io::io_error& error) {
    co_return error.code();
  }
  co_return std::error_code();
}

}  // namespace

TEST_CASE("lines, whatever pieces they come in") {
  const std::string text = "one\n\ntwo\r\n\r\n\rthree\n" + std::string(10'000, 'x') + "\nlast\r";
  for (const bool in_letters : {false, true}) {
    stackless::run([&]() -> task<> {
      pieces stream(in_letters ? letters(text) : std::vector<std::string>{text});
      io::buffered_reader reader(stream);
      std::vector<std::string> lines;
      while (auto line = co_await reader.read_line()) lines.push_back(*line);
      const std::vector<std::string> wanted{"one",   "",        "two",
                                            "",      "\rthree", std::string(10'000, 'x'),
                                            "last\r"};
      CHECK(lines == wanted);
      const auto more = co_await reader.read_line();
      CHECK_FALSE(more);
    });
  }
}

TEST_CASE("lines of a file") {
  const temporary_directory directory;
  const std::string path = directory.file("text");
  std::string text;
  for (int i = 0; i < 5'000; ++i) text += std::to_string(i) + "\n";
  put(path, text);
  on_each_backend([&]() -> task<> {
    io::file file = co_await io::open(path);
    io::buffered_reader reader(file, 100);
    int count = 0;
    while (auto line = co_await reader.read_line()) {
      if (*line != std::to_string(count)) break;
      ++count;
    }
    CHECK(count == 5'000);
  });
}

TEST_CASE("a line that is too long is told, and kept") {
  stackless::run([]() -> task<> {
    pieces stream({"abcdefghi\nok\n", "0123", "4567\nend"});
    io::buffered_reader reader(stream, 8);
    auto read = [&]() -> task<> { (void)co_await reader.read_line(); };
    auto code = co_await code_of(read);
    CHECK(code == io::errc::line_too_long);
    code = co_await code_of(read);
    CHECK(code == io::errc::line_too_long);
    CHECK(reader.buffered() == "abcdefgh");
    CHECK(stream.largest <= 8);
    reader.consume(8);
    CHECK_THROWS_AS(reader.consume(1), std::logic_error);
    std::error_code error;
    auto line = co_await reader.read_line(error);
    CHECK_FALSE(error);
    CHECK(line == "i");
    line = co_await reader.read_line(2, error);
    CHECK(error == io::errc::line_too_long);
    CHECK_FALSE(line);
    line = co_await reader.read_line(3, error);
    CHECK_FALSE(error);
    CHECK(line == "ok");
    // Its end does not fit any more.
    line = co_await reader.read_line(error);
    CHECK(error == io::errc::line_too_long);
    reader.consume(8);
    line = co_await reader.read_line();
    CHECK(line == "");
    line = co_await reader.read_line();
    CHECK(line == "end");
    try {
      pieces other({"0123456789"});
      io::buffered_reader small(other, 4);
      (void)co_await small.read_line();
      FAIL("no limit");
    } catch (const io::io_error& failure) {
      CHECK(std::string_view(failure.what()) == "read after 4 bytes: line too long");
    }
  });
}

TEST_CASE("up to a delimiter of several bytes") {
  stackless::run([]() -> task<> {
    pieces stream(letters("a\r\r\nb\r\n\r\nrest"));
    io::buffered_reader reader(stream);
    auto part = co_await reader.read_until("\r\n");
    CHECK(part == "a\r");
    part = co_await reader.read_until("\r\n");
    CHECK(part == "b");
    part = co_await reader.read_until("\r\n", 2);
    CHECK(part == "");
    std::error_code error;
    part = co_await reader.read_until("\r\n", error);
    CHECK(error == io::errc::end_of_file);
    CHECK_FALSE(part);
    CHECK(reader.buffered() == "rest");
    auto none = [&]() -> task<> { (void)co_await reader.read_until(""); };
    bool refused = false;
    try {
      co_await none();
    } catch (const std::logic_error&) {
      refused = true;
    }
    CHECK(refused);
    reader.consume(4);
    part = co_await reader.read_until("\r\n", error);
    CHECK_FALSE(error);
    CHECK_FALSE(part);
  });
}

TEST_CASE("pieces of a given size") {
  stackless::run([]() -> task<> {
    pieces stream(letters("abcdefghijklmnopqrstuvwxyz"));
    io::buffered_reader reader(stream, 4);
    std::array<char, 4> four{};
    co_await reader.read_exactly(four);
    CHECK(std::string_view(four.data(), 4) == "abcd");
    const auto ahead = co_await reader.peek(2);
    CHECK(ahead == "ef");
    std::array<char, 10> ten{};
    std::size_t done = 0;
    co_await reader.read_exactly(ten, &done);
    CHECK(std::string_view(ten.data(), 10) == "efghijklmn");
    CHECK(done == 10);
    std::size_t count = co_await reader.read_some(ten);
    CHECK(count == 1);
    // More than the limit goes past the buffer; the end is told, and breaks nothing.
    std::array<char, 20> twenty{};
    std::error_code error;
    co_await reader.read_exactly(twenty, error, &done);
    CHECK(error == io::errc::end_of_file);
    CHECK(done == 11);
    count = co_await reader.read_some(twenty, error);
    CHECK_FALSE(error);
    CHECK(count == 0);
    const auto nothing = co_await reader.peek();
    CHECK(nothing.empty());
    bool refused = false;
    try {
      (void)co_await reader.peek(5);
    } catch (const std::logic_error&) {
      refused = true;
    }
    CHECK(refused);
  });
  stackless::run([]() -> task<> {
    pieces stream({"abc"});
    io::buffered_reader reader(stream);
    std::array<char, 4> four{};
    std::size_t done = 7;
    std::error_code error;
    co_await reader.read_exactly(four, error, &done);
    CHECK(error == io::errc::end_of_file);
    CHECK(done == 0);
    CHECK(reader.buffered() == "abc");
  });
}

TEST_CASE("an error of the stream comes after what was read before it, and it goes on") {
  stackless::run([]() -> task<> {
    pieces stream({"one\ntw"});
    stream.last = std::make_error_code(std::errc::connection_reset);
    io::buffered_reader reader(stream);
    auto line = co_await reader.read_line();
    CHECK(line == "one");
    auto read = [&]() -> task<> { (void)co_await reader.read_line(); };
    const auto code = co_await code_of(read);
    CHECK(code == std::errc::connection_reset);
    CHECK(reader.buffered() == "tw");
    stream.rest = {"o\n"};
    line = co_await reader.read_line();
    CHECK(line == "two");
  });
}

TEST_CASE("a reader that is killed in the middle of a line loses nothing") {
  on_each_backend([]() -> task<> {
    connection pair;
    co_await connect_pair(pair);
    io::buffered_reader reader(pair.client);
    auto read = [&]() -> task<> { (void)co_await reader.read_line(); };
    auto first = stackless::spawn(read);
    co_await pair.server.write_all("ab");
    co_await settle();
    co_await stop(first);
    CHECK(reader.buffered() == "ab");
    // And when it is killed by one that the same poll has woken: the data has come, and it does not
    // get to see it.
    connection other;
    co_await connect_pair(other);
    std::string wanted = "ab";
    for (int i = 0; i < 5; ++i) {
      stackless::tasklet<void> next;
      auto killer = stackless::spawn([&]() -> task<> {
        std::array<char, 4> bytes{};
        (void)co_await other.client.read_some(bytes);
        co_await next.kill();
      });
      co_await settle();
      next = stackless::spawn(read);
      co_await settle();
      send_now(other.server, "!");
      send_now(pair.server, "c");
      wanted += 'c';
      co_await killer.join();
      while (next.alive()) co_await stackless::drain_ready();
    }
    CHECK(reader.buffered() == wanted);
    co_await pair.server.write_all("d\n");
    const auto line = co_await reader.read_line();
    CHECK(line == wanted + "d");
  });
}

TEST_CASE("a read that breaks off, longer than the limit") {
  on_each_backend([]() -> task<> {
    connection pair;
    co_await connect_pair(pair);
    io::buffered_reader reader(pair.client, 16);
    std::string room(64, '\0');
    std::size_t done = 0;
    auto counted = stackless::spawn([&]() -> task<> { co_await reader.read_exactly(room, &done); });
    co_await pair.server.write_all("0123456789");
    co_await settle();
    co_await stop(counted);
    CHECK(done == 10);
    auto uncounted = stackless::spawn([&]() -> task<> { co_await reader.read_exactly(room); });
    co_await settle();
    co_await stop(uncounted);  // nothing had come: nothing is broken
    uncounted = stackless::spawn([&]() -> task<> { co_await reader.read_exactly(room); });
    co_await pair.server.write_all("0123456789");
    co_await settle();
    co_await stop(uncounted);
    std::error_code error;
    (void)co_await reader.read_line(error);
    CHECK(error == io::errc::broken_stream);
  });
}

TEST_CASE("a deadline and a line, in both orders") {
  on_each_backend([]() -> task<> {
    connection pair;
    co_await connect_pair(pair);
    io::buffered_reader reader(pair.client);
    std::optional<std::string> line;
    auto read = [&]() -> task<> { line = co_await reader.read_line(); };
    send_now(pair.server, "half");
    bool in_time = co_await stackless::move_on_after(20ms, read);
    CHECK_FALSE(in_time);
    CHECK_FALSE(line);
    CHECK(reader.buffered() == "half");
    send_now(pair.server, " and half\n");
    in_time = co_await stackless::move_on_after(10s, read);
    CHECK(in_time);
    CHECK(line == "half and half");
    // What is in the buffer is no way around a cancellation.
    send_now(pair.server, "a\nb\n");
    line = co_await reader.read_line();
    auto cancelled = [&](stackless::cancel_scope& scope) -> task<> {
      scope.cancel();
      line = co_await reader.read_line();
    };
    (void)co_await stackless::with_cancel_scope(cancelled);
    CHECK(line == "a");
    CHECK(reader.buffered() == "b\n");
  });
}

TEST_CASE("two tasklets may not read at once") {
  on_each_backend([]() -> task<> {
    connection pair;
    co_await connect_pair(pair);
    io::buffered_reader reader(pair.client);
    auto first = stackless::spawn([&]() -> task<> { (void)co_await reader.read_line(); });
    co_await settle();
    bool refused = false;
    try {
      (void)co_await reader.peek();
    } catch (const std::logic_error& error) {
      refused = true;
      CHECK_THAT(error.what(), contains_text("used by two tasklets at once"));
    }
    CHECK(refused);
    CHECK_THROWS_AS(reader.consume(0), std::logic_error);
    co_await pair.server.write_all("x\n");
    co_await first.join();
    co_await pair.server.close();
    const auto line = co_await reader.read_line();
    CHECK_FALSE(line);
  });
  pieces none({});
  CHECK_THROWS_AS(io::buffered_reader(none, 0), std::logic_error);
}
