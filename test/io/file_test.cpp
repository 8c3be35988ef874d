#include "io_test.hpp"

#include <array>
#include <cstring>
#include <optional>

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/time.h>

using namespace io_test;
using stackless::task;
namespace io = stackless::io;
using io::open_mode;

namespace {

/// The error of an operation that must fail.
template <class F>
task<std::optional<io::io_error>> failure_of(F& f) {
  try {
    co_await f();
  } catch (const io::io_error& error) {
    co_return error;
  }
  co_return std::nullopt;
}

}  // namespace

TEST_CASE("a file is written and read back") {
  on_each_backend([]() -> task<> {
    const temporary_directory directory;
    const std::string path = directory.file("data");
    {
      io::file out = co_await io::open(path, open_mode::create_truncate);
      CHECK(out.is_open());
      CHECK(out.path() == path);
      CHECK(out.descriptor() >= 0);
      co_await out.write_all("hello ");
      const std::string world = "world";
      const std::size_t count = co_await out.write_some(world);
      CHECK(count == 5);
      co_await out.sync();
      co_await out.sync_data();
      CHECK(out.size() == 11);
      co_await out.close();
      CHECK_FALSE(out.is_open());
      CHECK(out.descriptor() == -1);
    }
    io::file in = co_await io::open(path);
    std::array<char, 6> first{};
    co_await in.read_exactly(first);
    CHECK(std::string_view(first.data(), first.size()) == "hello ");
    std::array<char, 64> rest{};
    std::size_t count = co_await in.read_some(rest);
    CHECK(std::string_view(rest.data(), count) == "world");
    count = co_await in.read_some(rest);
    CHECK(count == 0);
  });
}

TEST_CASE("open modes") {
  on_each_backend([]() -> task<> {
    const temporary_directory directory;
    const std::string path = directory.file("data");

    io::file made = co_await io::open(path, open_mode::create_new, 0600);
    struct stat status{};
    REQUIRE(::stat(path.c_str(), &status) == 0);
    CHECK((status.st_mode & 0777) == 0600);
    co_await made.write_all("12345");

    std::error_code error;
    io::file again = co_await io::open(path, open_mode::create_new, error);
    CHECK(error == std::errc::file_exists);
    CHECK_FALSE(again.is_open());

    again = co_await io::open(path, open_mode::append, error);
    CHECK_FALSE(error);
    co_await again.write_all("6");
    CHECK(contents(path) == "123456");

    again = co_await io::open(path, open_mode::read_write);
    co_await again.write_all("ab");
    CHECK(contents(path) == "ab3456");

    again = co_await io::open(path, open_mode::write_only);
    co_await again.write_all("c");
    CHECK(contents(path) == "cb3456");

    again = co_await io::open(path, open_mode::open_or_create);
    std::array<char, 2> two{};
    co_await again.read_exactly(two);
    CHECK(std::string_view(two.data(), 2) == "cb");

    again = co_await io::open(path, open_mode::create_truncate, 0600, error);
    CHECK(contents(path).empty());

    again = co_await io::open(directory.file("other"), open_mode::open_or_create);
    CHECK(again.size() == 0);
  });
}

TEST_CASE("reads and writes at offsets leave the position alone") {
  on_each_backend([]() -> task<> {
    const temporary_directory directory;
    io::file f = co_await io::open(directory.file("data"), open_mode::create_new);
    co_await f.write_all_at(4, "efgh");
    co_await f.write_all_at(0, "abcd");
    std::size_t count = co_await f.write_some_at(8, "ij");
    CHECK(count == 2);
    std::array<char, 4> four{};
    co_await f.read_exactly_at(3, four);
    CHECK(std::string_view(four.data(), 4) == "defg");
    count = co_await f.read_some_at(9, four);
    CHECK(count == 1);
    count = co_await f.read_some(four);
    CHECK(std::string_view(four.data(), count) == "abcd");
    f.truncate(2);
    CHECK(f.size() == 2);
    std::error_code error;
    f.truncate(1, error);
    CHECK_FALSE(error);
    CHECK(f.size(error) == 1);
  });
}

TEST_CASE("opening what is not there") {
  on_each_backend([]() -> task<> {
    const temporary_directory directory;
    const std::string path = directory.file("missing");
    auto attempt = [&]() -> task<> { (void)co_await io::open(path); };
    const auto error = co_await failure_of(attempt);
    REQUIRE(error);
    CHECK(error->code() == std::errc::no_such_file_or_directory);
    CHECK(error->what() == "open \"" + path + "\": No such file or directory");
    CHECK(std::string_view(error->operation()) == "open");
    CHECK(error->path() == path);
    CHECK(error->descriptor() == -1);

    std::error_code code;
    const io::file f = co_await io::open(path, open_mode::read_only, code);
    CHECK(code == std::errc::no_such_file_or_directory);
    CHECK_FALSE(f.is_open());

    const std::string with_nul("a\0b", 3);
    const io::file g = co_await io::open(with_nul, open_mode::read_only, code);
    CHECK(code == std::errc::invalid_argument);
  });
}

TEST_CASE("what permissions forbid is an error") {
  on_each_backend([]() -> task<> {
    const temporary_directory directory;
    const std::string path = directory.file("read_only");
    put(path, "x");
    std::error_code error;
    io::file f = co_await io::open(path, open_mode::read_only);
    const std::size_t count = co_await f.write_some("y", error);
    CHECK(count == 0);
    CHECK(error == std::errc::bad_file_descriptor);  // not open for writing
    CHECK(f.is_open());
    if (::geteuid() != 0) {
      ::chmod(path.c_str(), 0400);
      f = co_await io::open(path, open_mode::write_only, error);
      CHECK(error == std::errc::permission_denied);
    }
    f = co_await io::open("/proc/version", open_mode::write_only, error);
    CHECK((error == std::errc::permission_denied || error == std::errc::io_error || !error));
  });
}

TEST_CASE("a directory can be opened, and neither read nor written") {
  on_each_backend([]() -> task<> {
    const temporary_directory directory;
    io::file f = co_await io::open(directory.file("."));
    std::array<char, 8> bytes{};
    std::error_code error;
    std::size_t count = co_await f.read_some(bytes, error);
    CHECK(count == 0);
    CHECK(error == std::errc::is_a_directory);
    count = co_await f.read_some_at(0, bytes, error);
    CHECK(error == std::errc::is_a_directory);
    auto attempt = [&]() -> task<> { co_await f.read_exactly(bytes); };
    const auto failure = co_await failure_of(attempt);
    REQUIRE(failure);
    CHECK(failure->code() == std::errc::is_a_directory);
    const io::file g = co_await io::open(directory.file("."), open_mode::write_only, error);
    CHECK(error == std::errc::is_a_directory);
  });
}

TEST_CASE("a full disk") {
  on_each_backend([]() -> task<> {
    io::file f = co_await io::open("/dev/full", open_mode::write_only);
    auto attempt = [&]() -> task<> { co_await f.write_all("data"); };
    const auto error = co_await failure_of(attempt);
    REQUIRE(error);
    CHECK(error->code() == std::errc::no_space_on_device);
    CHECK_THAT(error->what(), equals_text("write \"/dev/full\": No space left on device"));
    CHECK(error->descriptor() == f.descriptor());
    std::error_code code;
    const std::size_t count = co_await f.write_some("data", code);
    CHECK(count == 0);
    CHECK(code == std::errc::no_space_on_device);
  });
}

TEST_CASE("syncing what cannot be synced") {
  on_each_backend([]() -> task<> {
    io::file f = co_await io::open("/dev/null", open_mode::write_only);
    std::error_code error;
    co_await f.sync(error);
    CHECK(error == std::errc::invalid_argument);
    co_await f.sync_data(error);
    CHECK(error == std::errc::invalid_argument);
    auto attempt = [&]() -> task<> { co_await f.sync(); };
    const auto failure = co_await failure_of(attempt);
    REQUIRE(failure);
    CHECK(std::string_view(failure->operation()) == "sync");
    f.truncate(0, error);
    CHECK(error == std::errc::invalid_argument);
    CHECK_THROWS_AS(f.truncate(0), io::io_error);
  });
}

TEST_CASE("the end of a file comes too early") {
  on_each_backend([]() -> task<> {
    const temporary_directory directory;
    const std::string path = directory.file("short");
    put(path, "abc");
    io::file f = co_await io::open(path);
    std::array<char, 10> ten{};
    std::size_t done = 99;
    auto attempt = [&]() -> task<> { co_await f.read_exactly(ten, &done); };
    auto error = co_await failure_of(attempt);
    REQUIRE(error);
    CHECK(error->code() == io::errc::end_of_file);
    CHECK(error->what() == "read \"" + path + "\" after 3 of 10 bytes: end of file");
    CHECK(done == 3);
    auto at = [&]() -> task<> { co_await f.read_exactly_at(1, ten); };
    error = co_await failure_of(at);
    REQUIRE(error);
    CHECK(error->what() == "read \"" + path + "\" after 2 of 10 bytes: end of file");
    // The position is known, so that the file still works.
    const std::size_t count = co_await f.read_some(ten);
    CHECK(count == 0);

    put(path, "");
    io::file empty = co_await io::open(path);
    auto all = [&]() -> task<> { co_await empty.read_exactly(ten); };
    error = co_await failure_of(all);
    REQUIRE(error);
    CHECK(error->code() == io::errc::end_of_file);
    co_await empty.read_exactly(std::span<char>());
  });
}

TEST_CASE("a closed file") {
  on_each_backend([]() -> task<> {
    const temporary_directory directory;
    const std::string path = directory.file("data");
    put(path, "abc");
    io::file f = co_await io::open(path, open_mode::read_write);
    co_await f.close();
    co_await f.close();
    std::error_code error = io::errc::end_of_file;
    co_await f.close(error);
    CHECK_FALSE(error);

    std::array<char, 4> bytes{};
    auto read = [&]() -> task<> { (void)co_await f.read_some(bytes); };
    const auto failure = co_await failure_of(read);
    REQUIRE(failure);
    CHECK(failure->code() == std::errc::bad_file_descriptor);
    CHECK(
        failure->what() == "read \"" + path + "\" (closed, or never opened): Bad file descriptor"
    );
    (void)co_await f.write_some("x", error);
    CHECK(error == std::errc::bad_file_descriptor);
    (void)co_await f.read_some_at(0, bytes, error);
    CHECK(error == std::errc::bad_file_descriptor);
    (void)co_await f.write_some_at(0, "x", error);
    CHECK(error == std::errc::bad_file_descriptor);
    co_await f.sync(error);
    CHECK(error == std::errc::bad_file_descriptor);
    CHECK_THROWS_AS(f.size(), io::io_error);
    CHECK(f.size(error) == 0);
    CHECK(error == std::errc::bad_file_descriptor);

    io::file never;
    auto write = [&]() -> task<> { co_await never.write_all("x"); };
    const auto other = co_await failure_of(write);
    REQUIRE(other);
    CHECK_THAT(other->what(), equals_text("write (closed, or never opened): Bad file descriptor"));
    co_await never.close();
    CHECK(contents(path) == "abc");
  });
}

TEST_CASE("a moved file works, and the one it was moved from is closed") {
  on_each_backend([]() -> task<> {
    const temporary_directory directory;
    io::file a = co_await io::open(directory.file("data"), open_mode::create_new);
    io::file b = std::move(a);
    CHECK_FALSE(a.is_open());  // NOLINT(bugprone-use-after-move): that is the point
    co_await b.write_all("x");
    io::file c;
    c = std::move(b);
    CHECK(c.size() == 1);
  });
}

TEST_CASE("an offset on a pipe is an error") {
  on_each_backend([]() -> task<> {
    const temporary_directory directory;
    const std::string path = directory.file("pipe");
    REQUIRE(::mkfifo(path.c_str(), 0600) == 0);
    io::file f = co_await io::open(path, open_mode::read_write);
    std::error_code error;
    std::array<char, 4> bytes{};
    (void)co_await f.write_some_at(10, "x", error);
    CHECK(error == std::errc::invalid_seek);
    (void)co_await f.read_some_at(10, bytes, error);
    CHECK(error == std::errc::invalid_seek);
  });
}

TEST_CASE("a pipe's reader waits for its writer") {
  on_each_backend([]() -> task<> {
    const temporary_directory directory;
    const std::string path = directory.file("pipe");
    REQUIRE(::mkfifo(path.c_str(), 0600) == 0);
    io::file reader = co_await io::open(path, open_mode::read_write);
    io::file writer = co_await io::open(path, open_mode::write_only);
    // Far more than a pipe holds, so that both have to wait for each other.
    const std::string data(1 << 20, 'x');
    auto write = stackless::spawn([&]() -> task<> { co_await writer.write_all(data); });
    std::string got(data.size(), '\0');
    co_await reader.read_exactly(got);
    co_await write.join();
    CHECK(got == data);
  });
}

TEST_CASE("a read that is interrupted in the middle breaks the stream") {
  on_each_backend([]() -> task<> {
    const temporary_directory directory;
    const std::string path = directory.file("pipe");
    REQUIRE(::mkfifo(path.c_str(), 0600) == 0);
    io::file f = co_await io::open(path, open_mode::read_write);

    // Nothing has come yet: nothing is lost.
    auto reader = stackless::spawn([&]() -> task<> {
      std::array<char, 8> bytes{};
      co_await f.read_exactly(bytes);
    });
    co_await settle();
    co_await stop(reader);
    co_await f.write_all("abcd");

    // With a count the reader knows where it is.
    std::size_t done = 0;
    reader = stackless::spawn([&]() -> task<> {
      std::array<char, 8> bytes{};
      co_await f.read_exactly(bytes, &done);
    });
    co_await settle();
    co_await stop(reader);
    CHECK(done == 4);
    co_await f.write_all("abcd");

    reader = stackless::spawn([&]() -> task<> {
      std::array<char, 8> bytes{};
      co_await f.read_exactly(bytes);
    });
    co_await settle();
    co_await stop(reader);
    auto write = [&]() -> task<> { co_await f.write_all("x"); };
    const auto failure = co_await failure_of(write);
    REQUIRE(failure);
    CHECK(failure->code() == io::errc::broken_stream);
    CHECK_THAT(failure->what(), contains_text("interrupted in the middle"));
    co_await f.close();
  });
}

TEST_CASE("many files at once") {
  on_each_backend([]() -> task<> {
    const temporary_directory directory;
    int finished = 0;
    auto work = [&](int number) -> task<> {
      const std::string text(
          static_cast<std::size_t>(number) * 37, static_cast<char>('a' + number % 26)
      );
      io::file f = co_await io::open(directory.file(std::to_string(number)), open_mode::create_new);
      co_await f.write_all(text);
      std::string back(text.size(), '\0');
      co_await f.read_exactly_at(0, back);
      CHECK(back == text);
      co_await f.close();
      ++finished;
    };
    std::vector<stackless::tasklet<void>> all;
    for (int i = 0; i < 200; ++i) all.push_back(stackless::spawn(work, i));
    for (const auto& one : all) co_await one.join();
    CHECK(finished == 200);
  });
}

namespace {

/// SIGALRM every half millisecond, without SA_RESTART.
class alarm_rain {
 public:
  alarm_rain() {
    struct sigaction action{};
    action.sa_handler = [](int) { count = count + 1; };
    ::sigaction(SIGALRM, &action, &before_);
    set(500);
  }
  alarm_rain(const alarm_rain&) = delete;
  alarm_rain& operator=(const alarm_rain&) = delete;
  ~alarm_rain() {
    set(0);
    // Ignored first: that drops one that is on its way to a thread that does not run, and would
    // meet the default action.
    struct sigaction ignore{};
    ignore.sa_handler = SIG_IGN;
    ::sigaction(SIGALRM, &ignore, nullptr);
    ::sigaction(SIGALRM, &before_, nullptr);
  }
  static inline volatile sig_atomic_t count = 0;

 private:
  static void set(int microseconds) {
    itimerval timer{};
    timer.it_interval.tv_usec = timer.it_value.tv_usec = microseconds;
    ::setitimer(ITIMER_REAL, &timer, nullptr);
  }
  struct sigaction before_{};
};

}  // namespace

TEST_CASE("signals interrupt nothing that is noticed") {
  on_each_backend([]() -> task<> {
    const temporary_directory directory;
    const std::string path = directory.file("pipe");
    REQUIRE(::mkfifo(path.c_str(), 0600) == 0);
    io::file pipe = co_await io::open(path, open_mode::read_write);
    io::file f = co_await io::open(directory.file("data"), open_mode::create_new);
    alarm_rain::count = 0;
    const alarm_rain rain;
    const std::string block(100'000, 'x');
    auto write = stackless::spawn([&]() -> task<> {
      while (alarm_rain::count < 50) {
        co_await stackless::sleep_for(std::chrono::microseconds(300));
        co_await pipe.write_all(block);
        co_await f.write_all(block);
        co_await f.sync_data();
      }
      co_await pipe.write_all(".");
    });
    std::string got;
    std::array<char, 5000> part{};
    while (got.empty() || got.back() != '.') {
      const std::size_t count = co_await pipe.read_some(part);
      REQUIRE(count > 0);
      got.append(part.data(), count);
    }
    co_await write.join();
    CHECK(got.size() % block.size() == 1);
    CHECK(f.size() == got.size() - 1);
  });
}

TEST_CASE("a file takes over a descriptor that came from elsewhere") {
  const temporary_directory directory;
  put(directory.file("data"), "hello");
  on_each_backend([&]() -> task<> {
    const int number = ::open(directory.file("data").c_str(), O_RDONLY | O_CLOEXEC);
    io::file file(io::owned_descriptor(number), "from elsewhere");
    CHECK(file.descriptor() == number);
    CHECK(file.path() == "from elsewhere");
    std::array<char, 5> bytes{};
    co_await file.read_exactly(bytes);
    CHECK(std::string_view(bytes.data(), bytes.size()) == "hello");
    co_await file.close();
    CHECK(::fcntl(number, F_GETFD) == -1);

    io::file none(io::owned_descriptor(), "nothing");
    CHECK_FALSE(none.is_open());
    std::error_code error;
    (void)co_await none.read_some(bytes, error);
    CHECK(error == std::errc::bad_file_descriptor);

    std::array<int, 2> ends{};
    REQUIRE(::pipe2(ends.data(), O_CLOEXEC) == 0);
    ::signal(SIGPIPE, SIG_DFL);
    io::file write_end(io::owned_descriptor(ends[1]), "pipe");
    ::close(ends[0]);
    (void)co_await write_end.write_some("x", error);  // an error and not a signal
    CHECK(error == std::errc::broken_pipe);
  });
}
