#include "io_test.hpp"

#include <array>
#include <optional>

#include <sys/socket.h>

using namespace io_test;
using stackless::task;
namespace io = stackless::io;

namespace {

template <class F>
task<std::optional<io::io_error>> failure_of(F& f) {
  try {
    co_await f();
  } catch (const io::io_error& error) {
    co_return error;
  }
  co_return std::nullopt;
}

/// Its next close resets the connection.
void reset_on_close(const io::tcp_stream& stream) {
  const linger now{1, 0};
  REQUIRE(::setsockopt(stream.descriptor(), SOL_SOCKET, SO_LINGER, &now, sizeof now) == 0);
}

void make_buffers_small(const io::tcp_stream& stream) {
  const int size = 4096;
  REQUIRE(::setsockopt(stream.descriptor(), SOL_SOCKET, SO_SNDBUF, &size, sizeof size) == 0);
}

}  // namespace

TEST_CASE("a connection carries bytes both ways") {
  on_each_backend([]() -> task<> {
    auto listener = io::listen_tcp(any_port());
    const auto address = listener.local_address();
    CHECK(address.port() != 0);
    auto server = stackless::spawn([&]() -> task<> {
      io::tcp_stream stream = co_await listener.accept();
      std::array<char, 64> bytes{};
      for (;;) {
        const std::size_t count = co_await stream.read_some(bytes);
        if (count == 0) break;
        co_await stream.write_all(std::span(bytes).first(count));
      }
      co_await stream.close();
    });
    io::tcp_stream client = co_await io::connect_tcp(address);
    client.set_no_delay(true);
    CHECK(client.peer_address() == address);
    CHECK(client.local_address().ip() == address.ip());
    for (int i = 0; i < 10; ++i) {
      co_await client.write_all("ping");
      std::array<char, 4> back{};
      co_await client.read_exactly(back);
      CHECK(std::string_view(back.data(), 4) == "ping");
    }
    client.shutdown_send();
    std::array<char, 4> none{};
    const std::size_t count = co_await client.read_some(none);
    CHECK(count == 0);
    co_await server.join();
    CHECK(in_flight() == 0);
  });
}

TEST_CASE("IPv6 connections") {
  on_each_backend([]() -> task<> {
    std::error_code error;
    const io::socket_address any(io::ip_address::loopback(io::ip_version::v6), 0);
    auto listener = io::listen_tcp(any, error);
    if (error) co_return;  // no IPv6 on this host
    const auto address = listener.local_address();
    io::tcp_stream client = co_await io::connect_tcp(address);
    io::tcp_stream server = co_await listener.accept();
    CHECK(server.peer_address() == client.local_address());
  });
}

TEST_CASE("short reads and writes through small buffers") {
  on_each_backend([]() -> task<> {
    connection pair;
    co_await connect_pair(pair);
    make_buffers_small(pair.client);
    make_buffers_small(pair.server);
    std::string data;
    for (int i = 0; data.size() < 500'000; ++i) data += std::to_string(i);
    // Both directions of both sockets at once.
    auto echo = stackless::spawn([&]() -> task<> {
      std::array<char, 3000> bytes{};
      for (;;) {
        const std::size_t count = co_await pair.server.read_some(bytes);
        if (count == 0) break;
        co_await pair.server.write_all(std::span(bytes).first(count));
      }
    });
    auto sender = stackless::spawn([&]() -> task<> {
      co_await pair.client.write_all(data);
      pair.client.shutdown_send();
    });
    std::string got(data.size(), '\0');
    std::size_t done = 0;
    co_await pair.client.read_exactly(got, &done);
    co_await sender.join();
    co_await echo.join();
    CHECK(done == data.size());
    CHECK(got == data);
    CHECK(in_flight() == 0);
  });
}

TEST_CASE("many connections at once") {
  on_each_backend([]() -> task<> {
    auto listener = io::listen_tcp(any_port());
    const auto address = listener.local_address();
    auto serve = [&](std::shared_ptr<io::tcp_stream> stream) -> task<> {
      std::array<char, 16> bytes{};
      co_await stream->read_exactly(bytes);
      co_await stream->write_all(bytes);
    };
    auto server = stackless::spawn([&]() -> task<> {
      for (int i = 0; i < 100; ++i) {
        auto stream = std::make_shared<io::tcp_stream>(co_await listener.accept());
        (void)stackless::spawn(serve, stream);
      }
    });
    int answers = 0;
    auto ask = [&](int number) -> task<> {
      std::string question = std::to_string(number);
      question.resize(16, '.');
      io::tcp_stream stream = co_await io::connect_tcp(address);
      co_await stream.write_all(question);
      std::string answer(16, '\0');
      co_await stream.read_exactly(answer);
      answers += answer == question;
    };
    std::vector<stackless::tasklet<void>> clients;
    for (int i = 0; i < 100; ++i) clients.push_back(stackless::spawn(ask, i));
    for (const auto& client : clients) co_await client.join();
    co_await server.join();
    CHECK(answers == 100);
  });
}

TEST_CASE("a refused connection") {
  on_each_backend([]() -> task<> {
    auto listener = io::listen_tcp(any_port());
    const auto address = listener.local_address();
    co_await listener.close();
    auto attempt = [&]() -> task<> { (void)co_await io::connect_tcp(address); };
    const auto failure = co_await failure_of(attempt);
    REQUIRE(failure);
    CHECK(failure->code() == std::errc::connection_refused);
    CHECK(failure->what() == "connect \"" + to_string(address) + "\": Connection refused");
    CHECK(failure->path() == to_string(address));
    std::error_code error;
    const io::tcp_stream stream = co_await io::connect_tcp(address, error);
    CHECK(error == std::errc::connection_refused);
    CHECK_FALSE(stream.is_open());
  });
}

TEST_CASE("a listener that cannot be made") {
  on_each_backend([]() -> task<> {
    const auto listener = io::listen_tcp(any_port());
    const auto address = listener.local_address();
    std::error_code error;
    const auto second = io::listen_tcp(address, error);
    CHECK(error == std::errc::address_in_use);
    CHECK_FALSE(second.is_open());
    try {
      (void)io::listen_tcp(address);
      FAIL("two listeners share a port");
    } catch (const io::io_error& failure) {
      CHECK(failure.what() == "listen \"" + to_string(address) + "\": Address already in use");
    }
    const io::socket_address foreign(io::ip_address::v4({192, 0, 2, 1}), 0);
    CHECK_THROWS_AS(io::listen_tcp(foreign), io::io_error);
    io::listen_options shared;
    shared.reuse_port = true;
    const auto third = io::listen_tcp(any_port(), shared);
    const auto fourth = io::listen_tcp(third.local_address(), shared);
    CHECK(fourth.is_open());
    co_return;
  });
}

TEST_CASE("a peer that finishes too early") {
  on_each_backend([]() -> task<> {
    connection pair;
    co_await connect_pair(pair);
    co_await pair.server.write_all("abc");
    co_await pair.server.close();
    std::array<char, 10> bytes{};
    auto attempt = [&]() -> task<> { co_await pair.client.read_exactly(bytes); };
    const auto failure = co_await failure_of(attempt);
    REQUIRE(failure);
    CHECK(failure->code() == io::errc::end_of_file);
    CHECK_THAT(failure->what(), contains_text("after 3 of 10 bytes: end of file"));
  });
}

TEST_CASE("a peer that resets the connection") {
  on_each_backend([]() -> task<> {
    connection pair;
    co_await connect_pair(pair);
    reset_on_close(pair.server);
    co_await pair.server.close();
    std::array<char, 10> bytes{};
    auto attempt = [&]() -> task<> { (void)co_await pair.client.read_some(bytes); };
    auto failure = co_await failure_of(attempt);
    REQUIRE(failure);
    CHECK(failure->code() == std::errc::connection_reset);
    CHECK(std::string_view(failure->operation()) == "receive");

    // No SIGPIPE: it would end this program.
    auto write = [&]() -> task<> { co_await pair.client.write_all("x"); };
    failure = co_await failure_of(write);
    REQUIRE(failure);
    CHECK(failure->code() == std::errc::broken_pipe);
    std::error_code error;
    (void)co_await pair.client.write_some("x", error);
    CHECK(error == std::errc::broken_pipe);
    pair.client.shutdown_send(error);
    CHECK(error == std::errc::not_connected);
    CHECK_THROWS_AS(pair.client.shutdown_send(), io::io_error);
    CHECK_THROWS_AS(pair.client.peer_address(), io::io_error);
  });
}

TEST_CASE("a peer that resets the connection under a waiting read") {
  on_each_backend([]() -> task<> {
    connection pair;
    co_await connect_pair(pair);
    std::error_code error;
    auto reader = stackless::spawn([&]() -> task<> {
      std::array<char, 10> bytes{};
      (void)co_await pair.client.read_some(bytes, error);
    });
    co_await settle();
    CHECK(in_flight() == 1);
    reset_on_close(pair.server);
    co_await pair.server.close();
    co_await reader.join();
    CHECK(error == std::errc::connection_reset);
  });
}

TEST_CASE("closed streams and listeners") {
  on_each_backend([]() -> task<> {
    connection pair;
    co_await connect_pair(pair);
    co_await pair.client.close();
    std::error_code error;
    std::array<char, 4> bytes{};
    (void)co_await pair.client.read_some(bytes, error);
    CHECK(error == std::errc::bad_file_descriptor);
    (void)co_await pair.client.write_some("x", error);
    CHECK(error == std::errc::bad_file_descriptor);
    pair.client.set_no_delay(true, error);
    CHECK(error == std::errc::bad_file_descriptor);
    CHECK_THROWS_AS(pair.client.set_no_delay(true), io::io_error);
    CHECK_THROWS_AS(pair.client.local_address(), io::io_error);

    auto listener = io::listen_tcp(any_port());
    co_await listener.close(error);
    CHECK_FALSE(error);
    const io::tcp_stream none = co_await listener.accept(error);
    CHECK(error == std::errc::bad_file_descriptor);
    CHECK_THROWS_AS(listener.local_address(), io::io_error);
    io::tcp_listener never;
    auto attempt = [&]() -> task<> { (void)co_await never.accept(); };
    const auto failure = co_await failure_of(attempt);
    REQUIRE(failure);
    CHECK_THAT(
        failure->what(), equals_text("accept (closed, or never opened): Bad file descriptor")
    );
  });
}

TEST_CASE("an interrupted read breaks reading and not writing") {
  on_each_backend([]() -> task<> {
    connection pair;
    co_await connect_pair(pair);
    auto reader = stackless::spawn([&]() -> task<> {
      std::array<char, 8> bytes{};
      co_await pair.client.read_exactly(bytes);
    });
    co_await pair.server.write_all("abcd");
    co_await settle();
    co_await stop(reader);
    std::error_code error;
    std::array<char, 4> bytes{};
    (void)co_await pair.client.read_some(bytes, error);
    CHECK(error == io::errc::broken_stream);
    co_await pair.client.write_all("x");
    const std::size_t count = co_await pair.server.read_some(bytes);
    CHECK(count == 1);
  });
}

TEST_CASE("an interrupted write breaks writing and not reading") {
  on_each_backend([]() -> task<> {
    connection pair;
    co_await connect_pair(pair);
    make_buffers_small(pair.client);
    const std::string data(8 << 20, 'x');
    auto writer = stackless::spawn([&]() -> task<> { co_await pair.client.write_all(data); });
    co_await settle();
    co_await stop(writer);
    std::error_code error;
    (void)co_await pair.client.write_some("x", error);
    CHECK(error == io::errc::broken_stream);
    co_await pair.server.write_all("y");
    std::array<char, 4> bytes{};
    const std::size_t count = co_await pair.client.read_some(bytes, error);
    CHECK(count == 1);
  });
}
