#include <stackless/stackless.hpp>

#include "tls_test.hpp"

#include <array>
#include <optional>

using namespace tls_test;
using namespace std::chrono_literals;
using io_test::in_flight;
using io_test::on_each_backend;
using io_test::settle;
namespace io = stackless::io;
namespace sl = stackless;

namespace {

template <class Stream>
task<bool> is_readable(Stream& stream) {
  const auto first = co_await sl::select_first(stream.readable(), sl::otherwise());
  co_return first.index() == 0;
}

template <class Stream>
task<std::string> read(Stream& stream, std::size_t size) {
  std::string text(size, '\0');
  const std::size_t count = co_await stream.read_some({text.data(), text.size()});
  text.resize(count);
  co_return text;
}

/// "-": nothing.
template <class Stream>
task<std::string> read_available(Stream& stream, std::size_t size) {
  std::string text(size, '\0');
  const std::optional<std::size_t> count =
      co_await stream.read_available({text.data(), text.size()});
  text.resize(count.value_or(0));
  co_return count ? text : std::string("-");
}

template <class Stream>
task<> until_readable(Stream& stream) {
  const auto first = co_await sl::select(stream.readable(), sl::after(1h));
  CHECK(first.index() == 0);
}

}  // namespace

TEST_CASE("tls readable: what has been decrypted already counts") {
  on_each_backend([]() -> task<> {
    ends both;
    co_await connect_ends(both);
    co_await both.server.write_all("0123456789");
    co_await both.server.write_all("another record");
    CHECK(co_await read(both.client, 4) == "0123");
    CHECK(co_await is_readable(both.client));
    co_await both.client.readable();  // alone
    const auto time = co_await sl::select(sl::after(1h), both.client.readable());
    CHECK(time.index() == 1);
    CHECK(in_flight() == 0);
  });
}

TEST_CASE("tls readable: two records that came together, and nothing after them") {
  on_each_backend([]() -> task<> {
    ends both;
    co_await connect_ends(both);
    // Both, before anybody reads.
    co_await both.server.write_all("one");
    co_await both.server.write_all("two");
    co_await until_readable(both.client);
    CHECK(co_await read(both.client, 100) == "one");
    co_await until_readable(both.client);
    CHECK(co_await read(both.client, 2) == "tw");
    CHECK_FALSE(co_await is_readable(both.client.beneath()));
    CHECK(co_await is_readable(both.client));
    CHECK(co_await read_available(both.client, 100) == "o");
    CHECK_FALSE(co_await is_readable(both.client));
    CHECK(co_await read_available(both.client, 100) == "-");
    CHECK(in_flight() == 0);
  });
}

TEST_CASE("tls readable: a select waits for data, a message or a time") {
  on_each_backend([]() -> task<> {
    ends both;
    co_await connect_ends(both);
    sl::channel<int> messages;
    auto waits = sl::spawn([&]() -> task<std::string> {
      std::string order;
      for (int i = 0; i < 2; ++i) {
        const auto got =
            co_await sl::select(both.server.readable(), messages.receive(), sl::after(1h));
        order += std::to_string(got.index());
        if (got.index() == 0) order += co_await read(both.server, 100);
      }
      co_return order;
    });
    co_await settle();
    CHECK(in_flight() == 1);
    CHECK(waits.blocked());
    co_await messages.send(1);
    co_await settle();
    CHECK(waits.blocked());
    co_await both.client.write_all("data");
    CHECK(co_await waits.join() == "10data");
    const auto nothing = co_await sl::select(both.server.readable(), sl::after(1ms));
    CHECK(nothing.index() == 1);
    CHECK(in_flight() == 0);
  });
}

TEST_CASE("tls readable: what comes and is no data") {
  on_each_backend([]() -> task<> {
    ends both;
    co_await connect_ends(both);
    co_await both.server.flush();  // its session tickets
    co_await both.client.beneath().readable();
    CHECK(co_await is_readable(both.client));
    CHECK(co_await read_available(both.client, 100) == "-");
    CHECK_FALSE(co_await is_readable(both.client));

    // New keys ask for an answer, and are no data either.
    co_await both.server.update_keys();
    co_await both.client.beneath().readable();
    CHECK(co_await read_available(both.client, 100) == "-");
    co_await both.server.write_all("data");
    co_await until_readable(both.client);
    CHECK(co_await read_available(both.client, 100) == "data");
    CHECK(co_await read_available(both.client, 100) == "-");
    co_await both.client.write_all("answer");
    CHECK(co_await read(both.server, 100) == "answer");

    // Another tasklet waits for the data: it gets it.
    auto reader =
        sl::spawn([&]() -> task<std::string> { co_return co_await read(both.client, 9); });
    co_await settle();
    CHECK(co_await read_available(both.client, 100) == "-");
    co_await both.server.write_all("for it");
    CHECK(co_await reader.join() == "for it");
  });
}

TEST_CASE("tls readable: the end, and what is no record") {
  on_each_backend([]() -> task<> {
    ends both;
    co_await connect_ends(both);
    co_await both.server.shutdown_send();
    co_await until_readable(both.client);
    CHECK((co_await read_available(both.client, 100)).empty());
    CHECK(co_await is_readable(both.client));

    co_await both.client.beneath().write_all("this is no record of the protocol");
    co_await until_readable(both.server);
    std::array<char, 4> bytes{};
    auto attempt = [&]() -> task<> { (void)co_await both.server.read_available(bytes); };
    const outcome first = co_await outcome_of(attempt);
    CHECK(first.code == tls::errc::not_tls);
    CHECK(co_await is_readable(both.server));
    const outcome second = co_await outcome_of(attempt);
    CHECK(second.code == first.code);

    ends cut;
    co_await connect_ends(cut);
    co_await cut.server.beneath().close();
    co_await until_readable(cut.client);
    auto read_on = [&]() -> task<> { (void)co_await cut.client.read_available(bytes); };
    const outcome truncated = co_await outcome_of(read_on);
    CHECK(truncated.code == tls::errc::truncated);
    CHECK(co_await is_readable(cut.client));
  });
}

TEST_CASE("tls readable: before the handshake, and a part of a record") {
  on_each_backend([]() -> task<> {
    ends both;
    co_await make_ends(both);
    CHECK(co_await is_readable(both.client));
    co_await both.client.readable();
    (void)co_await shake_hands(both);
    CHECK(co_await read_available(both.client, 4) == "-");
    // A header that promises more: it comes no further with it, and loses nothing.
    co_await both.server.beneath().write_all(io::const_bytes("\x17\x03\x03\x00", 4));
    co_await both.client.beneath().readable();
    CHECK(co_await read_available(both.client, 4) == "-");
    CHECK_FALSE(co_await is_readable(both.client));
  });
}

TEST_CASE("tls readable: cancelled, killed, closed meanwhile, and of a closed one") {
  on_each_backend([]() -> task<> {
    ends both;
    CHECK_THROWS_AS((void)both.client.readable(), io::io_error);
    co_await connect_ends(both);
    const bool in_time =
        co_await sl::move_on_after(1ms, [&]() -> task<> { co_await both.client.readable(); });
    CHECK_FALSE(in_time);
    CHECK(in_flight() == 0);
    auto waits = sl::spawn([&]() -> task<> { co_await both.client.readable(); });
    co_await settle();
    CHECK(in_flight() == 1);
    co_await waits.kill();
    CHECK_FALSE(waits.alive());
    CHECK(in_flight() == 0);

    outcome why;
    auto closed_under = sl::spawn([&]() -> task<> {
      auto attempt = [&]() -> task<> { co_await both.client.readable(); };
      why = co_await outcome_of(attempt);
    });
    co_await settle();
    co_await both.client.close();
    co_await closed_under.join();
    CHECK(why.code == std::errc::operation_canceled);
    CHECK_THROWS_AS((void)both.client.readable(), io::io_error);
    auto attempt = [&]() -> task<> {
      std::array<char, 4> bytes{};
      (void)co_await both.client.read_available(bytes);
    };
    const outcome after = co_await outcome_of(attempt);
    CHECK(after.code == std::errc::bad_file_descriptor);
  });
}

TEST_CASE("tls readable: over a pair of pipes, and over another one") {
  on_each_backend([]() -> task<> {
    using pipes = io::duplex<io::file, io::file>;
    using inner = tls::stream<pipes>;
    io::pipe_ends up = io::pipe();
    io::pipe_ends down = io::pipe();
    const tls::context client_context = test_authority().client();
    const tls::context server_context = test_authority().server();
    tls::stream<inner> client(
        inner(
            pipes(std::move(down.read_end), std::move(up.write_end)), client_context, "localhost"
        ),
        client_context, "localhost"
    );
    tls::stream<inner> server(
        inner(pipes(std::move(up.read_end), std::move(down.write_end)), server_context),
        server_context
    );
    auto answers = sl::spawn([&]() -> task<> { co_await server.write_all("data"); });
    CHECK(co_await read(client, 1) == "d");
    co_await answers.join();
    CHECK(co_await is_readable(client));
    CHECK(co_await read(client, 10) == "ata");
    CHECK(co_await read_available(client, 10) == "-");
    CHECK_FALSE(co_await is_readable(client));
  });
}
