#include <stackless/cancel.hpp>
#include <stackless/snapshot.hpp>

#include "io_test.hpp"

#include <array>

#include <fcntl.h>
#include <sys/resource.h>

using namespace io_test;
using namespace std::chrono_literals;
using stackless::task;
namespace io = stackless::io;

TEST_CASE("a pipe carries bytes, and ends when its write end is closed") {
  on_each_backend([]() -> task<> {
    io::pipe_ends ends = io::pipe();
    std::string data;
    for (int i = 0; data.size() < 300'000; ++i) data += std::to_string(i);
    auto writer = stackless::spawn([&]() -> task<> {
      co_await ends.write_end.write_all(data);
      co_await ends.write_end.close();
    });
    co_await settle();
    CHECK(writer.blocked());  // 64 KiB, and no more: nothing is buffered without a limit
    std::string got(data.size(), '\0');
    co_await ends.read_end.read_exactly(got);
    CHECK(got == data);
    std::array<char, 4> none{};
    const std::size_t count = co_await ends.read_end.read_some(none);
    CHECK(count == 0);
    co_await writer.join();
  });
}

TEST_CASE("a pipe without a reader is an error and not a signal") {
  on_each_backend([]() -> task<> {
    io::pipe_ends ends = io::pipe();
    co_await ends.read_end.close();
    std::error_code error;
    (void)co_await ends.write_end.write_some("x", error);
    CHECK(error == std::errc::broken_pipe);
  });
  // Also when it is waiting for room.
  on_each_backend([]() -> task<> {
    io::pipe_ends ends = io::pipe();
    const std::string data(1'000'000, 'x');
    std::string what;
    auto writer = stackless::spawn([&]() -> task<> {
      try {
        co_await ends.write_end.write_all(data);
      } catch (const io::io_error& failure) {
        what = failure.what();
      }
    });
    co_await settle();
    co_await ends.read_end.close();
    co_await writer.join();
    CHECK(what == "write \"pipe, write end\": Broken pipe");
  });
}

TEST_CASE("a pipe that is waited for: killed, timed out, described") {
  on_each_backend([]() -> task<> {
    io::pipe_ends ends = io::pipe();
    std::array<char, 4> bytes{};
    auto reader =
        stackless::spawn([&]() -> task<> { (void)co_await ends.read_end.read_some(bytes); });
    co_await settle();
    CHECK_THAT(stackless::to_text(stackless::snapshot()), contains_text("pipe, read end"));
    co_await stop(reader);
    std::size_t count = 0;
    auto read = [&]() -> task<> { count = co_await ends.read_end.read_some(bytes); };
    bool in_time = co_await stackless::move_on_after(5ms, read);
    CHECK_FALSE(in_time);
    co_await ends.write_end.write_all("ab");
    in_time = co_await stackless::move_on_after(10s, read);
    CHECK(in_time);
    CHECK(count == 2);
  });
}

TEST_CASE("lines through a pipe") {
  on_each_backend([]() -> task<> {
    io::pipe_ends ends = io::pipe();
    auto producer = stackless::spawn([&]() -> task<> {
      io::buffered_writer writer(ends.write_end, 64);
      for (int i = 0; i < 1'000; ++i) co_await writer.write(std::to_string(i) + "\n");
      co_await writer.flush();
      co_await ends.write_end.close();
    });
    io::buffered_reader reader(ends.read_end);
    int count = 0;
    while (auto line = co_await reader.read_line()) count += *line == std::to_string(count);
    CHECK(count == 1'000);
    co_await producer.join();
  });
}

TEST_CASE("standard streams are duplicates") {
  on_each_backend([]() -> task<> {
    // Something to read in the place of standard input.
    const int before = ::dup(STDIN_FILENO);
    std::array<int, 2> other{};
    REQUIRE(::pipe2(other.data(), O_CLOEXEC) == 0);
    REQUIRE(::dup2(other[0], STDIN_FILENO) == STDIN_FILENO);
    ::close(other[0]);
    io::file input = io::standard_input();
    CHECK(input.descriptor() > STDERR_FILENO);
    CHECK(input.path() == "standard input");
    REQUIRE(::write(other[1], "one\n", 4) == 4);
    ::close(other[1]);
    io::buffered_reader reader(input);
    const auto line = co_await reader.read_line();
    CHECK(line == "one");
    const auto more = co_await reader.read_line();
    CHECK_FALSE(more);
    co_await input.close();
    CHECK(::fcntl(STDIN_FILENO, F_GETFD) != -1);
    ::close(STDIN_FILENO);
    std::error_code error;
    const io::file none = io::standard_input(error);
    CHECK(error == std::errc::bad_file_descriptor);
    CHECK_FALSE(none.is_open());
    CHECK_THROWS_AS(io::standard_input(), io::io_error);
    if (before != -1) {
      REQUIRE(::dup2(before, STDIN_FILENO) == STDIN_FILENO);
      ::close(before);
    }
    io::file output = io::standard_output();
    co_await output.write_all("");
    co_await output.close(error);
    CHECK_FALSE(error);
    CHECK(io::standard_error().is_open());
  });
}

TEST_CASE("programs that are started inherit no pipe and no duplicate of a standard stream") {
  on_each_backend([]() -> task<> {
    const io::pipe_ends ends = io::pipe();
    const io::file input = io::standard_input();
    const io::file output = io::standard_output();
    for (const io::file* each : {&ends.read_end, &ends.write_end, &input, &output})
      CHECK((::fcntl(each->descriptor(), F_GETFD) & FD_CLOEXEC) != 0);
    co_return;
  });
}

TEST_CASE("no descriptors are left for a pipe") {
  on_each_backend([]() -> task<> {
    // The undefined behaviour sanitizer needs a pipe for its first look at each type.
    {
      const io::pipe_ends looked_at = io::pipe();
      const io::io_error error_looked_at({EMFILE, std::system_category()}, "pipe", -1, {});
      REQUIRE(error_looked_at.code() == std::errc::too_many_files_open);
      REQUIRE(std::string(error_looked_at.what()) == "pipe: Too many open files");
    }
    rlimit before{};
    REQUIRE(::getrlimit(RLIMIT_NOFILE, &before) == 0);
    rlimit none = before;
    none.rlim_cur = 0;
    REQUIRE(::setrlimit(RLIMIT_NOFILE, &none) == 0);
    std::error_code error;
    const io::pipe_ends ends = io::pipe(error);
    std::string what;
    try {
      (void)io::pipe();
    } catch (const io::io_error& failure) {
      what = failure.what();
    }
    REQUIRE(::setrlimit(RLIMIT_NOFILE, &before) == 0);
    CHECK(error == std::errc::too_many_files_open);
    CHECK_FALSE(ends.read_end.is_open());
    CHECK(what == "pipe: Too many open files");
    co_return;
  });
}
