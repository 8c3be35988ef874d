#include <stackless/cancel.hpp>
#include <stackless/snapshot.hpp>

#include "io_test.hpp"

#include <array>
#include <optional>

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>

using namespace io_test;
using namespace std::chrono_literals;
using stackless::task;
namespace io = stackless::io;

namespace {

task<> echo_once(const std::string& path) {
  auto listener = io::listen_unix(path);
  CHECK(listener.path() == path);
  auto server = stackless::spawn([&]() -> task<> {
    io::unix_stream stream = co_await listener.accept();
    std::array<char, 4> bytes{};
    co_await stream.read_exactly(bytes);
    co_await stream.write_all(bytes);
  });
  io::unix_stream client = co_await io::connect_unix(path);
  co_await client.write_all("ping");
  std::array<char, 4> bytes{};
  co_await client.read_exactly(bytes);
  CHECK(std::string_view(bytes.data(), 4) == "ping");
  co_await server.join();
  const std::size_t count = co_await client.read_some(bytes);
  CHECK(count == 0);
  co_await listener.close();
}

std::string abstract_name() {
  static int count = 0;
  return "@stackless-test-" + std::to_string(::getpid()) + "-" + std::to_string(++count);
}

bool same_file(int a, int b) {
  struct stat first{};
  struct stat second{};
  return ::fstat(a, &first) == 0 && ::fstat(b, &second) == 0 && first.st_ino == second.st_ino &&
         first.st_dev == second.st_dev;
}

}  // namespace

TEST_CASE("Unix connections by path and by abstract name, and stale socket files") {
  const temporary_directory directory;
  on_each_backend([&]() -> task<> {
    const std::string path = directory.file("socket");
    co_await echo_once(path);
    CHECK(std::filesystem::is_socket(path));  // stale now
    co_await echo_once(path);
    co_await echo_once(abstract_name());
  });
}

TEST_CASE("Unix names that do not do") {
  const temporary_directory directory;
  on_each_backend([&]() -> task<> {
    const std::string path = directory.file("socket");
    const auto listener = io::listen_unix(path);
    std::error_code error;
    (void)io::listen_unix(path, error);
    CHECK(error == std::errc::address_in_use);
    CHECK(std::filesystem::is_socket(path));  // somebody listens there: not replaced
    try {
      (void)io::listen_unix(path);
      FAIL("two listeners share a path");
    } catch (const io::io_error& failure) {
      CHECK(failure.what() == "listen \"" + path + "\": Address already in use");
    }
    const std::string plain = directory.file("plain");
    put(plain, "precious");
    (void)io::listen_unix(plain, error);
    CHECK(error == std::errc::address_in_use);
    CHECK(contents(plain) == "precious");
    const std::string longest = "@" + std::string(107, 'x');
    (void)io::listen_unix(longest, error);
    CHECK_FALSE(error);
    for (const std::string& name : {longest + "x", std::string(108, 'x')}) {
      (void)io::listen_unix(name, error);
      CHECK(error == std::errc::filename_too_long);
      (void)co_await io::connect_unix(name, error);
      CHECK(error == std::errc::filename_too_long);
    }
    (void)io::listen_unix("", error);
    CHECK(error == std::errc::invalid_argument);
    (void)co_await io::connect_unix(std::string("a\0b", 3), error);
    CHECK(error == std::errc::invalid_argument);
    (void)co_await io::connect_unix(directory.file("nothing"), error);
    CHECK(error == std::errc::no_such_file_or_directory);
    std::string what;
    try {
      (void)co_await io::connect_unix(plain);
    } catch (const io::io_error& failure) {
      what = failure.what();
    }
    CHECK(what == "connect \"" + plain + "\": Connection refused");
  });
}

TEST_CASE("a Unix listener whose backlog is full makes connections wait") {
  on_each_backend([]() -> task<> {
    const std::string name = abstract_name();
    auto listener = io::listen_unix(name, 1);
    int connected = 0;
    auto connect = [&]() -> task<> {
      const io::unix_stream stream = co_await io::connect_unix(name);
      ++connected;
    };
    std::vector<stackless::tasklet<void>> clients;
    for (int i = 0; i < 6; ++i) clients.push_back(stackless::spawn(connect));
    co_await stackless::sleep_for(10ms);
    CHECK(connected < 6);
    co_await stop(clients.back());  // one that waits can be killed
    for (int i = 0; i < 5; ++i) (void)co_await listener.accept();
    for (int i = 0; i < 5; ++i) co_await clients[static_cast<std::size_t>(i)].join();
    CHECK(connected == 5);
  });
}

TEST_CASE("a Unix listener that is waited for: killed, timed out, described, closed") {
  on_each_backend([]() -> task<> {
    const std::string name = abstract_name();
    auto listener = io::listen_unix(name);
    auto accept = [&]() -> task<> { (void)co_await listener.accept(); };
    auto killed = stackless::spawn(accept);
    co_await settle();
    CHECK_THAT(stackless::to_text(stackless::snapshot()), contains_text(name));
    co_await stop(killed);
    bool in_time = co_await stackless::move_on_after(5ms, accept);
    CHECK_FALSE(in_time);
    const auto client = co_await io::connect_unix(name);
    in_time = co_await stackless::move_on_after(10s, accept);
    CHECK(in_time);
    std::error_code error;
    auto closed = stackless::spawn([&]() -> task<> { (void)co_await listener.accept(error); });
    co_await settle();
    co_await listener.close();
    co_await closed.join();
    CHECK(error == std::errc::operation_canceled);
    (void)co_await listener.accept(error);
    CHECK(error == std::errc::bad_file_descriptor);
    (void)co_await io::connect_unix(name, error);
    CHECK(error == std::errc::connection_refused);
  });
}

TEST_CASE("descriptors go through a Unix connection, in order with the bytes") {
  on_each_backend([]() -> task<> {
    auto pair = io::unix_pair();
    io::pipe_ends ends = io::pipe();
    co_await pair.first.write_all("ab");
    co_await pair.first.send_descriptor(ends.write_end.descriptor());
    co_await pair.first.write_all("cd");
    std::error_code error;
    io::owned_descriptor none = co_await pair.second.receive_descriptor(error);
    CHECK(error == io::errc::no_descriptor);  // a byte came first
    CHECK_FALSE(none.is_open());
    std::array<char, 1> one{};
    co_await pair.second.read_exactly(one);
    CHECK(one[0] == 'b');
    std::array<char, 2> two{};
    io::owned_descriptor got = co_await pair.second.receive_descriptor();
    CHECK(got.get() != ends.write_end.descriptor());
    CHECK(same_file(got.get(), ends.write_end.descriptor()));
    CHECK((::fcntl(got.get(), F_GETFD) & FD_CLOEXEC) != 0);
    co_await pair.second.read_exactly(two);
    CHECK(std::string_view(two.data(), 2) == "cd");

    // One that waits for it.
    std::optional<int> number;
    auto receiver = stackless::spawn([&]() -> task<> {
      const io::owned_descriptor later = co_await pair.second.receive_descriptor();
      number = later.get();
    });
    co_await settle();
    CHECK(receiver.blocked());
    co_await pair.first.send_descriptor(STDERR_FILENO);
    co_await receiver.join();
    CHECK(number);
    auto killed =
        stackless::spawn([&]() -> task<> { (void)co_await pair.second.receive_descriptor(); });
    co_await settle();
    co_await stop(killed);
    co_await pair.first.send_descriptor(-1, error);
    CHECK(error == std::errc::bad_file_descriptor);
    co_await pair.first.close();
    none = co_await pair.second.receive_descriptor(error);
    CHECK(error == io::errc::end_of_file);
    co_await pair.second.send_descriptor(STDERR_FILENO, error);
    CHECK(error == std::errc::broken_pipe);
    std::string what;
    try {
      (void)co_await pair.second.receive_descriptor();
    } catch (const io::io_error& failure) {
      what = failure.what();
    }
    CHECK(what == "receive_descriptor \"unix pair, second end\": end of file");
    co_await pair.second.close();
    none = co_await pair.second.receive_descriptor(error);
    CHECK(error == std::errc::bad_file_descriptor);
  });
}

TEST_CASE("sending descriptors waits when the peer takes none") {
  on_each_backend([]() -> task<> {
    auto pair = io::unix_pair();
    int sent = 0;
    std::error_code error;
    auto sender = stackless::spawn([&]() -> task<> {
      while (sent < 2'000) {
        co_await pair.first.send_descriptor(STDERR_FILENO, error);
        if (error) break;
        ++sent;
      }
      co_await pair.first.close();
    });
    co_await settle();
    CHECK(sent < 2'000);
    int received = 0;
    std::error_code end;
    for (;;) {
      const io::owned_descriptor got = co_await pair.second.receive_descriptor(end);
      if (end) break;
      ++received;
    }
    co_await sender.join();
    CHECK(end == io::errc::end_of_file);
    CHECK(received == sent);
  });
}
