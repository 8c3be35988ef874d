#include <stackless/stackless.hpp>

#include "tls_test.hpp"

#include <array>

#include <fcntl.h>

using namespace tls_test;
using io_test::on_each_backend;
namespace io = stackless::io;
namespace sl = stackless;

namespace {

/// An echo as it is written for any stream.
template <class Stream>
task<> echo(Stream& stream) {
  std::array<char, 5000> buffer{};
  for (;;) {
    const std::size_t count = co_await stream.read_some(buffer);
    if (count == 0) break;
    co_await stream.write_all({buffer.data(), count});
  }
  co_await stream.shutdown_send();
}

task<std::string> read_all(io::reader_base& reader) {
  std::string all;
  for (;;) {
    const std::string_view part = co_await reader.peek();
    if (part.empty()) co_return all;
    all += part;
    reader.consume(part.size());
  }
}

template <class Stream>
task<std::string> drain_stream(Stream& stream) {
  io::buffered_reader reader(stream);
  co_return co_await read_all(reader);
}

using pipes = io::duplex<io::file, io::file>;

}  // namespace

TEST_CASE("an echo, and lines through buffers") {
  on_each_backend([]() -> task<> {
    ends both;
    co_await connect_ends(both);
    auto server = sl::spawn([&]() -> task<> { co_await echo(both.server); });
    io::buffered_reader reader(both.client);
    io::buffered_writer writer(both.client);
    for (int i = 0; i < 20; ++i) {
      const std::string line = "line " + std::to_string(i);
      co_await writer.write(line + "\r\n");
      co_await writer.flush();
      const auto back = co_await reader.read_line();
      CHECK(back == line);
    }
    co_await both.client.shutdown();
    co_await server.join();
    // Nothing may follow what was ended.
    std::error_code error;
    (void)co_await both.client.write_some("more", error);
    CHECK(error == std::errc::broken_pipe);
    co_await both.client.shutdown_send();
    std::array<char, 4> none{};
    const std::size_t count = co_await both.client.read_some(none);
    CHECK(count == 0);
    co_await both.client.close();
    co_await both.server.close();
    CHECK_FALSE(both.client.is_open());
    CHECK(io_test::in_flight() == 0);
  });
}

TEST_CASE("the first read or write does the handshake, and both may come at once") {
  on_each_backend([]() -> task<> {
    ends both;
    co_await make_ends(both);
    auto server = sl::spawn([&]() -> task<> { co_await echo(both.server); });
    std::string got(5, '\0');
    auto reader = sl::spawn([&]() -> task<> { co_await both.client.read_exactly(got); });
    co_await both.client.write_all("hello");
    co_await reader.join();
    CHECK(got == "hello");
    CHECK(both.client.peer_verified());
    co_await both.client.shutdown();
    co_await server.join();
  });
}

TEST_CASE("much data in both directions at once, with new keys in between") {
  on_each_backend([]() -> task<> {
    ends both;
    co_await connect_ends(both);
    const std::string data = pattern(3'000'000);
    auto send = [&](tls::stream_base& out) -> task<> {
      // Halves of odd sizes, and new keys while the other direction is full of records.
      co_await out.write_all({data.data(), 1'234'567});
      co_await out.update_keys();
      co_await out.write_all({data.data() + 1'234'567, data.size() - 1'234'567});
      co_await out.update_keys();
      co_await out.shutdown_send();
    };
    auto one = sl::spawn(send, sl::borrow<tls::stream_base>(both.client));
    auto two = sl::spawn(send, sl::borrow<tls::stream_base>(both.server));
    auto other =
        sl::spawn([&]() -> task<std::string> { co_return co_await drain_stream(both.server); });
    const std::string at_client = co_await drain_stream(both.client);
    const std::string at_server = co_await other.join();
    co_await one.join();
    co_await two.join();
    CHECK((at_client == data));
    CHECK((at_server == data));
    CHECK(io_test::in_flight() == 0);
  });
}

TEST_CASE("TLS 1.2 both ways, which has no new keys") {
  on_each_backend([]() -> task<> {
    const tls::context client = test_authority().client();
    const tls::context server = test_authority().server();
    ::SSL_CTX_set_max_proto_version(server.settings()->context.get(), TLS1_2_VERSION);
    ends both;
    co_await make_ends(both, client, server);
    const std::string data = pattern(300'000);
    auto send = [&](tls::stream_base& out) -> task<> {
      co_await out.write_all(data);
      co_await out.shutdown_send();
    };
    auto one = sl::spawn(send, sl::borrow<tls::stream_base>(both.client));
    auto two = sl::spawn(send, sl::borrow<tls::stream_base>(both.server));
    auto other =
        sl::spawn([&]() -> task<std::string> { co_return co_await drain_stream(both.server); });
    const std::string at_client = co_await drain_stream(both.client);
    const std::string at_server = co_await other.join();
    co_await one.join();
    co_await two.join();
    CHECK((at_client == data));
    CHECK((at_server == data));
  });
  on_each_backend([]() -> task<> {
    const tls::context client = test_authority().client();
    const tls::context server = test_authority().server();
    ::SSL_CTX_set_max_proto_version(server.settings()->context.get(), TLS1_2_VERSION);
    ends both;
    co_await make_ends(both, client, server);
    (void)co_await shake_hands(both);
    auto update = [&]() -> task<> { co_await both.client.update_keys(); };
    const outcome failed = co_await outcome_of(update);
    CHECK_THAT(failed.what, contains_text("wrong ssl version"));
    // It breaks nothing.
    co_await both.client.write_all("still there");
    std::string got(11, '\0');
    co_await both.server.read_exactly(got);
    CHECK(got == "still there");
  });
}

TEST_CASE("over Unix sockets and over a pair of pipes") {
  on_each_backend([]() -> task<> {
    const tls::context client = test_authority().client();
    const tls::context server = test_authority().server();
    const std::string data = pattern(200'000);
    auto talk = [&](auto near, auto far) -> task<> {
      auto serve = sl::spawn([&]() -> task<> { co_await echo(far); });
      auto send = sl::spawn([&]() -> task<> {
        co_await near.write_all(data);
        co_await near.shutdown_send();
      });
      const std::string back = co_await drain_stream(near);
      CHECK((back == data));
      co_await send.join();
      co_await serve.join();
      co_await near.close();
      co_await far.close();
    };
    {
      auto [a, b] = io::unix_pair();
      tls::stream near(std::move(a), client, "localhost");
      tls::stream far(std::move(b), server);
      co_await talk(std::move(near), std::move(far));
    }
    {
      auto there = io::pipe();
      auto back = io::pipe();
      tls::stream near(
          pipes(std::move(back.read_end), std::move(there.write_end)), client, "localhost"
      );
      tls::stream far(pipes(std::move(there.read_end), std::move(back.write_end)), server);
      co_await talk(std::move(near), std::move(far));
    }
  });
}

TEST_CASE("a connection that is cut is told from one that was ended") {
  on_each_backend([]() -> task<> {
    ends both;
    co_await connect_ends(both);
    co_await both.server.write_all("abc");
    co_await both.server.beneath().close();
    std::string got(3, '\0');
    co_await both.client.read_exactly(got);
    CHECK(got == "abc");
    std::error_code error;
    (void)co_await both.client.read_some(got, error);
    CHECK(error == tls::errc::truncated);
    auto again = [&]() -> task<> { (void)co_await both.client.read_some(got); };
    const outcome failed = co_await outcome_of(again);
    CHECK(failed.what == "tls read \"localhost\": unexpected eof while reading");
    auto shutdown = [&]() -> task<> { co_await both.client.shutdown(); };
    const outcome late = co_await outcome_of(shutdown);
    CHECK(late.code == tls::errc::truncated);
  });
  // In the middle of a record.
  on_each_backend([]() -> task<> {
    ends both;
    co_await connect_ends(both);
    co_await both.server.beneath().write_all("\x17\x03\x03\x01\x30 half of it");
    co_await both.server.beneath().close();
    std::array<char, 10> bytes{};
    std::error_code error;
    (void)co_await both.client.read_some(bytes, error);
    CHECK(error == tls::errc::truncated);
  });
  on_each_backend([]() -> task<> {
    ends both;
    co_await connect_ends(both);
    co_await both.server.write_all("abc");
    co_await both.server.close();  // says goodbye
    std::string got(10, '\0');
    std::size_t done = 0;
    auto whole = [&]() -> task<> { co_await both.client.read_exactly(got, &done); };
    const outcome failed = co_await outcome_of(whole);
    CHECK(failed.code == io::errc::end_of_file);
    CHECK(failed.what == "tls read \"localhost\" after 3 of 10 bytes: end of file");
    CHECK(done == 3);
    const std::size_t count = co_await both.client.read_some(got);
    CHECK(count == 0);
  });
}

TEST_CASE("records that somebody has changed") {
  on_each_backend([]() -> task<> {
    ends both;
    co_await connect_ends(both);
    std::string record("\x17\x03\x03\x00\x20", 5);
    record += std::string(32, 'x');
    co_await both.server.beneath().write_all(record);
    std::array<char, 10> bytes{};
    auto read = [&]() -> task<> { (void)co_await both.client.read_some(bytes); };
    const outcome failed = co_await outcome_of(read);
    CHECK(failed.code.category() == tls::openssl_category());
    CHECK_THAT(failed.what, contains_text("bad record mac"));
    // Nothing is sent under keys that are not to be trusted any more; the peer has been told.
    std::error_code error;
    (void)co_await both.client.write_some("x", error);
    CHECK(error == failed.code);
    (void)co_await both.server.read_some(bytes, error);
    CHECK(error == tls::errc::refused_by_peer);
  });
}

TEST_CASE("half of a connection may be ended") {
  on_each_backend([]() -> task<> {
    ends both;
    co_await connect_ends(both);
    co_await both.client.write_all("question");
    co_await both.client.shutdown_send();
    const std::string question = co_await drain_stream(both.server);
    CHECK(question == "question");
    co_await both.server.write_all("answer");
    co_await both.server.shutdown_send();
    const std::string answer = co_await drain_stream(both.client);
    CHECK(answer == "answer");
  });
}

TEST_CASE("shutdown drops what still comes") {
  on_each_backend([]() -> task<> {
    ends both;
    co_await connect_ends(both);
    auto server = sl::spawn([&]() -> task<> {
      co_await both.server.write_all(pattern(100'000));
      co_await both.server.shutdown();
    });
    co_await both.client.shutdown();
    co_await server.join();
    co_await both.client.close();
    co_await both.server.close();
  });
}

TEST_CASE("a server writes its tickets only when it writes, and a client may write first and much"
) {
  on_each_backend([]() -> task<> {
    const tls::context client = test_authority().client();
    const tls::context server = test_authority().server();
    // Pipes that hold one page: whoever writes more waits for a reader.
    auto there = io::pipe();
    auto back = io::pipe();
    REQUIRE(::fcntl(there.write_end.descriptor(), F_SETPIPE_SZ, 4096) >= 4096);
    REQUIRE(::fcntl(back.write_end.descriptor(), F_SETPIPE_SZ, 4096) >= 4096);
    tls::stream near(
        pipes(std::move(back.read_end), std::move(there.write_end)), client, "localhost"
    );
    tls::stream far(pipes(std::move(there.read_end), std::move(back.write_end)), server);
    auto serve = sl::spawn([&]() -> task<std::size_t> {
      std::size_t total = 0;
      std::array<char, 4000> buffer{};
      for (;;) {
        const std::size_t count = co_await far.read_some(buffer);
        if (count == 0) break;
        total += count;
      }
      co_await far.write_all("thanks");
      co_await far.shutdown_send();
      co_return total;
    });
    co_await near.write_all(pattern(500'000));
    co_await near.shutdown_send();
    const std::string answer = co_await drain_stream(near);
    CHECK(answer == "thanks");
    const std::size_t total = co_await serve.join();
    CHECK(total == 500'000);
  });
}

TEST_CASE("a closed stream") {
  on_each_backend([]() -> task<> {
    ends both;
    std::array<char, 4> bytes{};
    std::error_code error;
    (void)co_await both.client.read_some(bytes, error);
    CHECK(error == std::errc::bad_file_descriptor);
    (void)co_await both.client.write_some("x", error);
    CHECK(error == std::errc::bad_file_descriptor);
    co_await both.client.handshake(error);
    CHECK(error == std::errc::bad_file_descriptor);
    co_await both.client.shutdown_send(error);
    CHECK(error == std::errc::bad_file_descriptor);
    co_await both.client.shutdown(error);
    CHECK(error == std::errc::bad_file_descriptor);
    co_await both.client.close(error);
    CHECK_FALSE(error);
    CHECK(both.client.host().empty());
    CHECK(both.client.version().empty());
    CHECK_FALSE(both.client.peer_verified());
    co_await connect_ends(both);
    co_await both.client.close();
    co_await both.client.close();
    auto read = [&]() -> task<> { (void)co_await both.client.read_some(bytes); };
    const outcome failed = co_await outcome_of(read);
    CHECK(failed.what == "tls read (closed, or never opened): Bad file descriptor");
    // A stream before its handshake has nothing to say goodbye with.
    ends fresh;
    co_await make_ends(fresh);
    co_await fresh.client.shutdown_send();
    co_await fresh.client.close();
    CHECK_FALSE(fresh.client.is_open());
  });
}

TEST_CASE("sizes of nothing") {
  on_each_backend([]() -> task<> {
    ends both;
    co_await connect_ends(both);
    const std::size_t read = co_await both.client.read_some(io::mutable_bytes());
    CHECK(read == 0);
    const std::size_t written = co_await both.client.write_some(io::const_bytes());
    CHECK(written == 0);
    co_await both.client.write_all(io::const_bytes());
    co_await both.client.read_exactly(io::mutable_bytes());
    co_await both.client.flush();
    // and 64 KiB at a time of what is more
    const std::string data = pattern(100'000);
    auto drain =
        sl::spawn([&]() -> task<std::string> { co_return co_await drain_stream(both.server); });
    const std::size_t count = co_await both.client.write_some(data);
    CHECK(count == 65'536);
    co_await both.client.close();
    const std::string got = co_await drain.join();
    CHECK(got.size() == 65'536);
  });
}
