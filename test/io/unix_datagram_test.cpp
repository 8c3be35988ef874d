#include <stackless/cancel.hpp>
#include <stackless/snapshot.hpp>

#include "io_test.hpp"

#include <array>

#include <fcntl.h>
#include <sys/stat.h>

using namespace io_test;
using namespace std::chrono_literals;
using stackless::task;
namespace io = stackless::io;

namespace {

using buffer = std::array<char, 64>;

std::string_view text(const buffer& bytes, std::size_t size) {
  return {bytes.data(), size};
}

std::string abstract_name() {
  static int count = 0;
  return "@stackless-datagram-" + std::to_string(::getpid()) + "-" + std::to_string(++count);
}

}  // namespace

TEST_CASE("Unix datagrams by path and by abstract name, and who has sent them") {
  const temporary_directory directory;
  on_each_backend([&]() -> task<> {
    for (const std::string& at : {directory.file("server"), abstract_name()}) {
      for (int round = 0; round < 2; ++round) {  // the second finds a stale file
        auto server = io::bind_unix_datagram(at);
        CHECK(server.path() == at);
        const std::string answer_to = abstract_name();
        auto client = io::bind_unix_datagram(answer_to);
        buffer bytes{};
        co_await client.send_to(at, "ping");
        io::received_unix_datagram got = co_await server.receive_from(bytes);
        CHECK(text(bytes, got.size) == "ping");
        CHECK(got.from == answer_to);
        CHECK_FALSE(got.truncated());
        co_await server.send_to(got.from, "pong");
        client.connect(at);
        std::error_code error;
        std::size_t size = co_await client.receive(bytes, error);
        CHECK_FALSE(error);
        CHECK(text(bytes, size) == "pong");
        co_await client.send("");
        got = co_await server.receive_from(bytes);
        CHECK(got.size == 0);
        CHECK(got.from == answer_to);

        auto nameless = io::open_unix_datagram();
        CHECK(nameless.path().empty());
        co_await nameless.send_to(at, std::string(100, 'x'));
        got = co_await server.receive_from(bytes, error);
        CHECK(got.from.empty());
        CHECK(got.size == 64);
        CHECK(got.full_size == 100);
        CHECK(got.truncated());
      }
    }
  });
}

TEST_CASE("Unix datagrams that fail") {
  const temporary_directory directory;
  on_each_backend([&]() -> task<> {
    const std::string at = directory.file("server");
    std::error_code error;
    auto client = io::open_unix_datagram();
    co_await client.send_to(at, "x", error);
    CHECK(error == std::errc::no_such_file_or_directory);
    co_await client.send_to("", "x", error);
    CHECK(error == std::errc::invalid_argument);
    co_await client.send_to(std::string(200, 'x'), "x", error);
    CHECK(error == std::errc::filename_too_long);
    co_await client.send("x", error);
    CHECK(error == std::errc::not_connected);
    {
      auto server = io::bind_unix_datagram(at);
      (void)io::bind_unix_datagram(at, error);
      CHECK(error == std::errc::address_in_use);
      const std::string huge(64 << 20, 'x');
      co_await client.send_to(at, huge, error);
      CHECK(error == std::errc::message_size);
      client.connect(at);
      co_await client.send(huge, error);
      CHECK(error == std::errc::message_size);
      co_await client.send("fits");
    }
    std::string what;
    try {
      co_await client.send_to(at, "x");
    } catch (const io::io_error& failure) {
      what = failure.what();
    }
    CHECK(what == "send \"" + at + "\": Connection refused");
    client.connect(at, error);
    CHECK(error == std::errc::connection_refused);
    const auto stream = io::listen_unix(directory.file("stream"));
    client.connect(directory.file("stream"), error);
    CHECK(error == std::errc::wrong_protocol_type);
    std::filesystem::remove(directory.file("stream"));
    std::filesystem::remove(at);
    co_await client.close();
    co_await client.send_to(at, "x", error);
    CHECK(error == std::errc::bad_file_descriptor);
  });
}

TEST_CASE("senders of Unix datagrams wait for room, and none is lost") {
  on_each_backend([]() -> task<> {
    const std::string at = abstract_name();
    auto server = io::bind_unix_datagram(at);
    auto by_name = io::open_unix_datagram();
    auto connected = io::open_unix_datagram();
    connected.connect(at);
    constexpr int count = 100;
    int sent = 0;
    auto first = stackless::spawn([&]() -> task<> {
      for (int i = 0; i < count; ++i, ++sent) co_await by_name.send_to(at, "a");
    });
    auto second = stackless::spawn([&]() -> task<> {
      for (int i = 0; i < count; ++i, ++sent) co_await connected.send("b");
    });
    co_await stackless::sleep_for(5ms);
    CHECK(sent < 2 * count);
    auto killed = stackless::spawn([&]() -> task<> {
      for (;;) co_await by_name.send_to(at, "c");
    });
    co_await settle();
    co_await stop(killed);
    buffer bytes{};
    int from_first = 0;
    int from_second = 0;
    while (from_first < count || from_second < count) {
      const io::received_unix_datagram got = co_await server.receive_from(bytes);
      REQUIRE(got.size == 1);
      from_first += text(bytes, got.size) == "a" ? 1 : 0;
      from_second += text(bytes, got.size) == "b" ? 1 : 0;
    }
    co_await first.join();
    co_await second.join();
    CHECK(from_first == count);
    CHECK(from_second == count);
  });
}

TEST_CASE("a pair of Unix datagram sockets: descriptors, time-outs, closing") {
  on_each_backend([]() -> task<> {
    auto pair = io::unix_datagram_pair();
    co_await pair.first.send("plain");
    std::error_code error;
    io::owned_descriptor got = co_await pair.second.receive_descriptor(error);
    CHECK(error == io::errc::no_descriptor);
    co_await pair.first.send("");
    got = co_await pair.second.receive_descriptor(error);
    CHECK(error == io::errc::no_descriptor);  // an empty datagram is no end
    const io::pipe_ends ends = io::pipe();
    co_await pair.first.send_descriptor(ends.read_end.descriptor());
    got = co_await pair.second.receive_descriptor();
    struct stat ours{};
    struct stat theirs{};
    REQUIRE(::fstat(got.get(), &theirs) == 0);
    REQUIRE(::fstat(ends.read_end.descriptor(), &ours) == 0);
    CHECK(ours.st_ino == theirs.st_ino);
    CHECK((::fcntl(got.get(), F_GETFD) & FD_CLOEXEC) != 0);
    // One who does not want it must not keep it open.
    const std::size_t before = open_descriptors();
    co_await pair.first.send_descriptor(ends.read_end.descriptor(), error);
    CHECK_FALSE(error);
    buffer bytes{};
    std::size_t size = co_await pair.second.receive(bytes);
    CHECK(size == 1);
    CHECK(open_descriptors() == before);

    auto receive = [&]() -> task<> { (void)co_await pair.second.receive_from(bytes); };
    const bool in_time = co_await stackless::move_on_after(2ms, receive);
    CHECK_FALSE(in_time);
    auto waiting = stackless::spawn(receive);
    co_await settle();
    const std::string shown = stackless::to_text(stackless::snapshot());
    CHECK_THAT(shown, contains_text("unix datagram pair, second end"));
    co_await pair.first.send("x");
    co_await waiting.join();

    auto closed =
        stackless::spawn([&]() -> task<> { (void)co_await pair.second.receive(bytes, error); });
    co_await settle();
    co_await pair.second.close();
    co_await closed.join();
    CHECK(error == std::errc::operation_canceled);
    co_await pair.first.send("x", error);
    CHECK(error == std::errc::connection_refused);
    CHECK_FALSE(pair.second.is_open());
  });
}
