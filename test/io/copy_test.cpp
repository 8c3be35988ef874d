#include <stackless/cancel.hpp>
#include <stackless/nursery.hpp>
#include <stackless/snapshot.hpp>

#include "io_test.hpp"

#include <algorithm>
#include <array>
#include <stdexcept>

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/resource.h>

using namespace io_test;
using namespace std::chrono_literals;
using stackless::task;
namespace io = stackless::io;

namespace {

std::string numbers(std::size_t size) {
  std::string data;
  for (int i = 0; data.size() < size; ++i) data += std::to_string(i) + " ";
  data.resize(size);
  return data;
}

/// Hides a feature of the kernel from the engines that are made while it lives.
class without {
 public:
  explicit without(const char* feature) {
    if (const char* const before = std::getenv(name)) before_ = before;
    const std::string both = before_.empty() ? feature : before_ + "," + feature;
    ::setenv(name, both.c_str(), 1);
  }
  without(const without&) = delete;
  without& operator=(const without&) = delete;
  ~without() {
    if (before_.empty()) {
      ::unsetenv(name);
    } else {
      ::setenv(name, before_.c_str(), 1);
    }
  }

 private:
  static constexpr const char* name = "STACKLESS_IO_WITHOUT";
  std::string before_;
};

template <class Stream>
task<std::string> read_all(Stream& stream) {
  std::string all;
  std::string piece(10'000, '\0');
  std::size_t count = 0;
  do {
    count = co_await stream.read_some(piece);
    all.append(piece, 0, count);
  } while (count != 0);
  co_return all;
}

/// Sends the data through the copy, whatever its ends are, and closes its destination.
template <class In, class Source, class Destination, class Out>
task<std::string> through(
    const std::string& data, In* in, Source& source, Destination& destination, Out& out
) {
  std::string got;
  co_await stackless::with_nursery([&](stackless::nursery& n) -> task<> {
    if (in != nullptr)
      n.spawn([&]() -> task<> {
        co_await in->write_all(data);
        co_await in->close();
      });
    n.spawn([&]() -> task<> {
      const std::uint64_t count = co_await io::copy(source, destination);
      CHECK(count == data.size());
      co_await destination.close();
    });
    n.spawn([&]() -> task<> { got = co_await read_all(out); });
    co_return;
  });
  co_return got;
}

bool is_spliced() {
  const auto* const backend = stackless::detail::running_scheduler().io_if_made();
  return backend != nullptr && backend->supports(stackless::detail::io_code::splice_in);
}

/// Linger of no time: the peer sees a reset.
template <class Stream>
void reset(Stream& stream) {
  const linger none{1, 0};
  REQUIRE(::setsockopt(stream.descriptor(), SOL_SOCKET, SO_LINGER, &none, sizeof none) == 0);
  stream = Stream();
}

template <class Stream>
bool is_blocking(const Stream& stream) {
  return (::fcntl(stream.descriptor(), F_GETFL) & O_NONBLOCK) == 0;
}

/// Writes until there is no room left, and gives the number of bytes.
task<std::size_t> fill(io::tcp_stream& stream) {
  const std::string bytes(10'000, 'x');
  std::size_t all = 0;
  for (int round = 0; round < 3; ++round) {
    co_await stackless::sleep_for(5ms);
    for (;;) {
      const auto n = ::send(stream.descriptor(), bytes.data(), bytes.size(), MSG_DONTWAIT);
      if (n <= 0) break;
      all += static_cast<std::size_t>(n);
    }
  }
  co_return all;
}

int waiting_in(const io::file& pipe) {
  int count = 0;
  REQUIRE(::ioctl(pipe.descriptor(), FIONREAD, &count) == 0);
  return count;
}

/// A stream that no descriptor stands behind, of as little as is needed.
struct text_source {
  std::string text;
  std::size_t at = 0;
  explicit text_source(std::string t) : text(std::move(t)) {}
  task<std::size_t> read_some(io::mutable_bytes into) {
    co_await stackless::yield();
    const std::size_t count = std::min({into.size(), text.size() - at, std::size_t{1000}});
    if (count != 0) std::memcpy(into.data(), text.data() + at, count);
    at += count;
    co_return count;
  }
};
struct text_destination {
  std::string text;
  std::size_t room;  // then it fails
  explicit text_destination(std::size_t r = 1'000'000) : room(r) {}
  task<std::size_t> write_some(io::const_bytes from) {
    co_await stackless::yield();
    const std::size_t count = std::min({from.size(), room - text.size(), std::size_t{700}});
    if (count == 0)
      throw io::io_error(std::make_error_code(std::errc::no_space_on_device), "write", -1, "text");
    text.append(reinterpret_cast<const char*>(from.data()), count);
    co_return count;
  }
};

}  // namespace

TEST_CASE("copy moves everything from each kind of stream to each other") {
  const temporary_directory directory;
  const std::string data = numbers(300'000);
  put(directory.file("source"), data);
  on_each_backend([&]() -> task<> {
    for (int from = 0; from < 4; ++from) {
      for (int to = 0; to < 4; ++to) {
        CAPTURE(from, to);
        std::string got;
        const auto with_source = [&](auto* in, auto& source) -> task<> {
          if (to == 0) {
            io::file target =
                co_await io::open(directory.file("target"), io::open_mode::create_truncate);
            io::pipe_ends none = io::pipe();
            none.write_end = io::file();
            (void)co_await through(data, in, source, target, none.read_end);
            got = contents(directory.file("target"));
          } else if (to == 1) {
            io::pipe_ends ends = io::pipe();
            got = co_await through(data, in, source, ends.write_end, ends.read_end);
          } else if (to == 2) {
            connection tcp;
            co_await connect_pair(tcp);
            got = co_await through(data, in, source, tcp.client, tcp.server);
          } else {
            std::pair<io::unix_stream, io::unix_stream> pair = io::unix_pair();
            got = co_await through(data, in, source, pair.first, pair.second);
          }
        };
        if (from == 0) {
          io::file file = co_await io::open(directory.file("source"));
          co_await with_source(static_cast<io::file*>(nullptr), file);
        } else if (from == 1) {
          io::pipe_ends ends = io::pipe();
          co_await with_source(&ends.write_end, ends.read_end);
        } else if (from == 2) {
          connection tcp;
          co_await connect_pair(tcp);
          co_await with_source(&tcp.client, tcp.server);
        } else {
          std::pair<io::unix_stream, io::unix_stream> pair = io::unix_pair();
          co_await with_source(&pair.first, pair.second);
        }
        CHECK(got == data);
      }
    }
  });
}

TEST_CASE("copy of a given number of bytes, from a given place") {
  const temporary_directory directory;
  const std::string data = numbers(200'000);
  put(directory.file("source"), data);
  on_each_backend([&]() -> task<> {
    // Below and above what is spliced.
    for (const std::size_t count : {std::size_t{1}, std::size_t{9'000}, std::size_t{100'000}}) {
      CAPTURE(count);
      io::file source = co_await io::open(directory.file("source"));
      io::file target = co_await io::open(directory.file("target"), io::open_mode::create_truncate);
      io::copy_progress progress;
      io::copy_options options;
      options.count = count;
      options.progress = &progress;
      std::uint64_t moved = co_await io::copy(source, target, options);
      CHECK(moved == count);
      CHECK(contents(directory.file("target")) == data.substr(0, count));
      // It has taken no more than that, and an offset moves no position.
      options.offset = 50'000;
      moved = co_await io::copy(source, target, options);
      CHECK(moved == count);
      CHECK(progress.read == count);
      CHECK(progress.written == count);
      CHECK(progress.unwritten.empty());
      options.offset = io::copy_options::at_position;
      moved = co_await io::copy(source, target, options);
      CHECK(moved == std::min(count, data.size() - count));
      CHECK(
          contents(directory.file("target")) ==
          data.substr(0, count) + data.substr(50'000, count) + data.substr(count, count)
      );
      // The end comes before: that is no error.
      options.offset = data.size() - 10;
      moved = co_await io::copy(source, target, options);
      CHECK(moved == std::min<std::size_t>(count, 10));
      options.offset = data.size() + 10;
      moved = co_await io::copy(source, target, options);
      CHECK(moved == 0);
    }
  });
}

TEST_CASE("copy of no bytes") {
  const temporary_directory directory;
  put(directory.file("empty"), "");
  on_each_backend([&]() -> task<> {
    connection tcp;
    co_await connect_pair(tcp);
    io::file empty = co_await io::open(directory.file("empty"));
    std::uint64_t moved = co_await io::copy(empty, tcp.client);
    CHECK(moved == 0);
    io::copy_options none;
    none.count = 0;
    moved = co_await io::copy(tcp.client, tcp.client, none);  // does not wait for any
    CHECK(moved == 0);
    // It is a cancel point all the same.
    auto copier = stackless::spawn([&]() -> task<> {
      bool went_on = false;
      const auto body = [&](stackless::cancel_scope& scope) -> task<> {
        scope.cancel("enough");
        (void)co_await io::copy(empty, tcp.client, none);
        went_on = true;
      };
      (void)co_await stackless::with_cancel_scope(body);
      CHECK_FALSE(went_on);
    });
    co_await copier.join();
  });
}

TEST_CASE("a socket is copied to itself, which is an echo, and keeps its mode") {
  on_each_backend([&]() -> task<> {
    connection tcp;
    co_await connect_pair(tcp);
    const bool was_blocking = is_blocking(tcp.server);
    auto echo = stackless::spawn([&]() -> task<std::uint64_t> {
      co_return co_await io::copy(tcp.server, tcp.server);
    });
    co_await settle();
#ifndef STACKLESS_NO_TRACKING
    CHECK_THAT(
        stackless::to_text(stackless::snapshot()),
        contains_text(is_spliced() ? "copy from" : "receive")
    );
#endif
    co_await tcp.client.write_all("hello");
    std::array<char, 5> back{};
    co_await tcp.client.read_exactly(back);
    CHECK(std::string_view(back.data(), 5) == "hello");
    tcp.client.shutdown_send();  // it is half closed, and still reads
    const std::uint64_t count = co_await echo.join();
    CHECK(count == 5);
    CHECK(is_blocking(tcp.server) == was_blocking);
    co_await tcp.server.write_all("more");
    tcp.server.shutdown_send();
    const std::string rest = co_await read_all(tcp.client);
    CHECK(rest == "more");
  });
}

TEST_CASE("copies in both directions, of which one ends before") {
  on_each_backend([&]() -> task<> {
    connection left;
    connection right;
    co_await connect_pair(left);
    co_await connect_pair(right);
    const std::string data = numbers(500'000);
    co_await stackless::with_nursery([&](stackless::nursery& n) -> task<> {
      n.spawn([&]() -> task<> {
        (void)co_await io::copy(left.server, right.client);
        right.client.shutdown_send();
      });
      n.spawn([&]() -> task<> {
        (void)co_await io::copy(right.client, left.server);
        left.server.shutdown_send();
      });
      n.spawn([&]() -> task<> {  // answers when the question has ended
        const std::string question = co_await read_all(right.server);
        CHECK(question == "question");
        co_await right.server.write_all(data);
        right.server.shutdown_send();
      });
      co_await left.client.write_all("question");
      left.client.shutdown_send();
      const std::string answer = co_await read_all(left.client);
      CHECK(answer == data);
    });
  });
}

TEST_CASE("copy without splice") {
  const temporary_directory directory;
  const std::string data = numbers(150'000);
  put(directory.file("source"), data);

  SECTION("the destination's mode forbids it, when bytes are in the pipe") {
    on_each_backend([&]() -> task<> {
      put(directory.file("target"), "before ");
      io::file source = co_await io::open(directory.file("source"));
      io::file target = co_await io::open(directory.file("target"), io::open_mode::append);
      const std::uint64_t count = co_await io::copy(source, target);
      CHECK(count == data.size());
      CHECK(contents(directory.file("target")) == "before " + data);
    });
  }
  SECTION("the engine does not know it") {
    const without mask("splice");
    on_each_backend([&]() -> task<> {
      connection tcp;
      co_await connect_pair(tcp);
      io::file source = co_await io::open(directory.file("source"));
      const std::string got =
          co_await through(data, static_cast<io::file*>(nullptr), source, tcp.client, tcp.server);
      CHECK(got == data);
    });
  }
  // The undefined behaviour sanitizer looks at memory through a pipe of its own.
#if !defined(__SANITIZE_ADDRESS__)
  SECTION("no descriptors are left for a pipe") {
    on_each_backend([&]() -> task<> {
      io::file source = co_await io::open(directory.file("source"));
      connection again;
      co_await connect_pair(again);
      rlimit before{};
      REQUIRE(::getrlimit(RLIMIT_NOFILE, &before) == 0);
      rlimit none = before;
      none.rlim_cur = 0;
      std::string got;
      co_await stackless::with_nursery([&](stackless::nursery& n) -> task<> {
        n.spawn([&]() -> task<> { got = co_await read_all(again.server); });
        co_await settle();
        REQUIRE(::setrlimit(RLIMIT_NOFILE, &none) == 0);
        (void)co_await io::copy(source, again.client);
        REQUIRE(::setrlimit(RLIMIT_NOFILE, &before) == 0);
        again.client.shutdown_send();
      });
      CHECK(got == data);
    });
  }
#endif
  SECTION("streams of the program's own, and a buffered reader") {
    on_each_backend([&]() -> task<> {
      text_source source(data);
      text_destination target;
      std::uint64_t count = co_await io::copy(source, target);
      CHECK(count == data.size());
      CHECK(target.text == data);
      io::file file = co_await io::open(directory.file("source"));
      io::buffered_reader reader(file);
      const auto first = co_await reader.read_until(" ");
      CHECK(first == "0");
      text_destination rest;
      count = co_await io::copy(reader, rest);
      CHECK(rest.text == data.substr(2));
      io::copy_options options;
      options.count = 70'500;  // no more is taken
      text_source longer(data);
      text_destination part;
      count = co_await io::copy(longer, part, options);
      CHECK(count == 70'500);
      CHECK(longer.at == 70'500);
      CHECK(part.text == data.substr(0, 70'500));
      options.offset = 1;
      bool misuse = false;
      try {
        (void)co_await io::copy(source, target, options);
      } catch (const std::logic_error&) {
        misuse = true;
      }
      CHECK(misuse);
    });
  }
}

TEST_CASE("copy into a stream that fails gives back what it holds") {
  on_each_backend([&]() -> task<> {
    const std::string data = numbers(10'000);
    text_source source(data);
    text_destination target(2'500);
    io::copy_progress progress;
    io::copy_options options;
    options.progress = &progress;
    std::error_code error;
    const std::uint64_t count = co_await io::copy(source, target, options, error);
    CHECK(error == std::errc::no_space_on_device);
    CHECK(count == 2'500);
    CHECK(progress.written == 2'500);
    CHECK(progress.read == 3'000);
    CHECK(progress.unwritten == data.substr(2'500, 500));
  });
}

TEST_CASE("a copy that is cut short in the middle gives back what it holds") {
  const std::string data = numbers(40'000);
  const auto body = [&]() -> task<> {
    for (const bool peer_reads : {false, true}) {
      CAPTURE(peer_reads);
      connection to;
      co_await connect_pair(to);
      const bool was_blocking = is_blocking(to.server);  // as accept made it, unlike connect
      const std::size_t filled = co_await fill(to.server);
      io::pipe_ends from = io::pipe();
      co_await from.write_end.write_all(data);
      io::copy_progress progress;
      io::copy_options options;
      options.progress = &progress;
      auto copier = stackless::spawn([&]() -> task<> {
        (void)co_await io::copy(from.read_end, to.server, options);
      });
      // Until all of it is in the hands of the copy.
      while (waiting_in(from.read_end) != 0) co_await stackless::sleep_for(1ms);
      std::string got;
      if (peer_reads) {
        got.resize(filled / 2);
        co_await to.client.read_exactly(got);
      }
      co_await stop(copier);
      CHECK(progress.read == data.size());
      CHECK(progress.read - progress.written == progress.unwritten.size());
      if (!peer_reads) CHECK(!progress.unwritten.empty());
      to.server.shutdown_send();
      got += co_await read_all(to.client);
      CHECK(got.size() == filled + progress.written);
      CHECK((got.substr(filled) + progress.unwritten == data));
      // Nothing is broken.
      co_await from.write_end.write_all("more");
      std::array<char, 4> more{};
      co_await from.read_end.read_exactly(more);
      CHECK(is_blocking(to.server) == was_blocking);
    }
  };
  on_each_backend(body);
  const without mask("splice");
  on_each_backend(body);
}

TEST_CASE("a copy to who does not read holds no more than it says") {
  const temporary_directory directory;
  put(directory.file("source"), std::string(std::size_t{4} << 20, 'x'));
  std::size_t limit = std::size_t{256} * 1024;
  const auto body = [&]() -> task<> {
    io::pipe_ends to = io::pipe();  // to a socket, a file goes without being held
    io::file source = co_await io::open(directory.file("source"));
    io::copy_progress progress;
    io::copy_options options;
    options.progress = &progress;
    auto copier = stackless::spawn([&]() -> task<> {
      (void)co_await io::copy(source, to.write_end, options);
    });
    // Until it has filled what it has, and more would have come: the position stays.
    off_t before = -1;
    for (int same = 0; same < 10;) {
      co_await stackless::sleep_for(2ms);
      const off_t now = ::lseek(source.descriptor(), 0, SEEK_CUR);
      same = now == before && now != 0 ? same + 1 : 0;
      before = now;
    }
    co_await stop(copier);
    CHECK(progress.read - progress.written == progress.unwritten.size());
    CHECK(progress.unwritten.size() <= limit);
  };
  on_each_backend(body);
  const without mask("splice");
  limit = std::size_t{64} * 1024;
  for (const stackless::io_choice choice : backends()) {
    if (choice != stackless::io_choice::uring) continue;  // the only one that is without
    stackless::scheduler_options options;
    options.io = choice;
    stackless::run(options, body);
  }
}

TEST_CASE("a copy that is cut short at any moment loses nothing") {
  const std::string data = numbers(3'000'000);
  on_each_backend([&]() -> task<> {
    for (int steps = 0; steps < 40; ++steps) {
      CAPTURE(steps);
      connection to;
      co_await connect_pair(to);
      io::pipe_ends from = io::pipe();
      io::copy_progress progress;
      io::copy_options options;
      options.progress = &progress;
      std::size_t fed = 0;
      auto feeder =
          stackless::spawn([&]() -> task<> { co_await from.write_end.write_all(data, &fed); });
      auto copier = stackless::spawn([&]() -> task<> {
        (void)co_await io::copy(from.read_end, to.server, options);
      });
      for (int i = 0; i < steps; ++i) co_await stackless::sleep_for(10us);
      co_await stop(copier);
      co_await stop(feeder);
      from.write_end = io::file();
      to.server.shutdown_send();
      const std::string written = co_await read_all(to.client);
      CHECK(written.size() == progress.written);
      const std::string left = co_await read_all(from.read_end);
      CHECK((written + progress.unwritten + left == data.substr(0, fed)));
    }
  });
}

TEST_CASE("a reader that is slow holds nobody else up") {
  const temporary_directory directory;
  const std::string data = numbers(1'000'000);
  put(directory.file("source"), data);
  on_each_backend([&]() -> task<> {
    connection to;
    co_await connect_pair(to);
    const int little = 4'096;
    REQUIRE(
        ::setsockopt(to.server.descriptor(), SOL_SOCKET, SO_SNDBUF, &little, sizeof little) == 0
    );
    io::file source = co_await io::open(directory.file("source"));
    auto copier = stackless::spawn([&]() -> task<> {
      (void)co_await io::copy(source, to.server);
      co_await to.server.close();
    });
    // There is never room for all that is in the pipe. Each of these turns is one of the loop.
    std::string got;
    std::string piece(5'000, '\0');
    for (;;) {
      co_await stackless::sleep_for(10us);
      const std::size_t count = co_await to.client.read_some(piece);
      if (count == 0) break;
      got.append(piece, 0, count);
    }
    CHECK((got == data));
    co_await copier.join();
  });
}

TEST_CASE("a copy that is cut short, and nobody asked what it held") {
  const std::string data = numbers(1'000'000);
  const temporary_directory directory;
  put(directory.file("source"), numbers(8'000'000));
  on_each_backend([&]() -> task<> {
    connection from;
    connection to;
    co_await connect_pair(from);
    co_await connect_pair(to);
    auto feeder = stackless::spawn([&]() -> task<> { co_await from.client.write_all(data); });
    auto copier =
        stackless::spawn([&]() -> task<> { (void)co_await io::copy(from.server, to.client); });
    std::string some(1000, '\0');
    co_await to.server.read_exactly(some);
    co_await stop(copier);
    co_await stop(feeder);
    std::error_code error;
    std::array<char, 1> byte{};
    (void)co_await from.server.read_some(byte, error);
    CHECK(error == io::errc::broken_stream);
    (void)co_await to.client.write_some("x", error);
    CHECK(error == io::errc::broken_stream);
    (void)co_await io::copy(from.server, to.server, error);
    CHECK(error == io::errc::broken_stream);
    // The other directions are not concerned, and neither is one that had not begun.
    co_await to.server.write_all("y");
    (void)co_await to.client.read_some(byte, error);
    CHECK_FALSE(error);
    connection idle;
    co_await connect_pair(idle);
    const auto wait_for_nothing = [&]() -> task<> {
      (void)co_await io::copy(idle.server, idle.server);
    };
    const bool in_time = co_await stackless::move_on_after(5ms, wait_for_nothing);
    CHECK_FALSE(in_time);
    co_await idle.client.write_all("z");
    (void)co_await idle.server.read_some(byte, error);
    CHECK_FALSE(error);
    // A file that is read at an offset has no position to be lost.
    io::file file = co_await io::open(directory.file("source"));
    io::copy_options options;
    options.offset = 0;
    auto slow =
        stackless::spawn([&]() -> task<> { (void)co_await io::copy(file, idle.server, options); });
    co_await idle.client.read_exactly(some);  // no more: it waits for room in the end
    co_await stop(slow);
    (void)co_await file.read_some(byte, error);
    CHECK_FALSE(error);
    (void)co_await idle.server.write_some("x", error);
    CHECK(error == io::errc::broken_stream);
  });
}

TEST_CASE("copy from or to a peer that resets the connection") {
  on_each_backend([&]() -> task<> {
    {
      connection from;
      connection to;
      co_await connect_pair(from);
      co_await connect_pair(to);
      co_await from.client.write_all("abc");
      std::error_code error;
      std::uint64_t count = 0;
      auto copier = stackless::spawn([&]() -> task<> {
        count = co_await io::copy(from.server, to.client, error);
      });
      std::array<char, 3> got{};
      co_await to.server.read_exactly(got);
      reset(from.client);
      co_await copier.join();
      CHECK(error == std::errc::connection_reset);
      CHECK(count == 3);
      // Everything that it took was written: neither is broken.
      (void)co_await to.client.write_some("x", error);
      CHECK_FALSE(error);
    }
    {
      const temporary_directory directory;
      put(directory.file("source"), numbers(8'000'000));
      io::file source = co_await io::open(directory.file("source"));
      connection to;
      co_await connect_pair(to);
      io::copy_progress progress;
      io::copy_options options;
      options.progress = &progress;
      std::error_code error;
      std::uint64_t count = 0;
      auto copier = stackless::spawn([&]() -> task<> {
        count = co_await io::copy(source, to.client, options, error);
      });
      std::string some(1000, '\0');
      co_await to.server.read_exactly(some);
      reset(to.server);
      co_await copier.join();
      CHECK((error == std::errc::connection_reset || error == std::errc::broken_pipe));
      CHECK(count == progress.written);
      CHECK(progress.read - progress.written == progress.unwritten.size());
      std::string what;  // a second time it is a broken pipe, and not a signal
      try {
        (void)co_await io::copy(source, to.client);
      } catch (const io::io_error& failure) {
        what = failure.what();
        CHECK(failure.code() == std::errc::broken_pipe);
      }
      // Without splice it depends on whether the file is still in memory.
      CAPTURE(what);
      CHECK((what.starts_with("copy to") || (!is_spliced() && what.starts_with("send"))));
    }
  });
}

TEST_CASE("a copy that cannot begin") {
  const temporary_directory directory;
  put(directory.file("file"), numbers(100'000));
  on_each_backend([&]() -> task<> {
    connection tcp;
    co_await connect_pair(tcp);
    io::file closed;
    io::file readable = co_await io::open(directory.file("file"));
    io::file writable = co_await io::open(directory.file("file2"), io::open_mode::create_truncate);
    io::file full = co_await io::open("/dev/full", io::open_mode::write_only);
    io::file folder = co_await io::open(directory.file("."));
    std::error_code error;
    (void)co_await io::copy(closed, writable, error);
    CHECK(error == std::errc::bad_file_descriptor);
    (void)co_await io::copy(readable, closed, error);
    CHECK(error == std::errc::bad_file_descriptor);
    (void)co_await io::copy(readable, writable, error);
    CHECK(error == io::errc::broken_stream);  // what had been read was lost
    io::file again = co_await io::open(directory.file("file"));
    (void)co_await io::copy(writable, tcp.client, error);  // open for writing only
    CHECK(error == std::errc::bad_file_descriptor);
    (void)co_await io::copy(folder, writable, error);
    CHECK(error == std::errc::is_a_directory);
    (void)co_await io::copy(again, full, error);
    CHECK(error == std::errc::no_space_on_device);
    io::copy_options options;
    options.offset = 0;
    (void)co_await io::copy(tcp.client, writable, options, error);
    CHECK(error == std::errc::invalid_seek);
    std::string what;
    try {
      (void)co_await io::copy(writable, tcp.client);
    } catch (const io::io_error& failure) {
      what = failure.what();
    }
    CHECK(
        what ==
        "read \"" + directory.file("file2") + "\" (closed, or never opened): Bad file descriptor"
    );
    const std::uint64_t none = co_await io::copy(writable, tcp.client, error);
    CHECK(none == 0);
    CHECK(error == std::errc::bad_file_descriptor);
  });
}

TEST_CASE("a copy whose end another tasklet closes") {
  on_each_backend([&]() -> task<> {
    connection from;
    connection to;
    co_await connect_pair(from);
    co_await connect_pair(to);
    std::error_code error;
    auto copier = stackless::spawn([&]() -> task<> {
      (void)co_await io::copy(from.server, to.client, error);
    });
    co_await settle();
    co_await from.server.close();
    co_await copier.join();
    CHECK((error == std::errc::operation_canceled || error == std::errc::bad_file_descriptor));
    co_await to.client.write_all("x");
  });
}
