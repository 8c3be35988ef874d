#include <stackless/cancel.hpp>
#include <stackless/select.hpp>
#include <stackless/snapshot.hpp>

#include "io_test.hpp"

#include <array>
#include <optional>
#include <set>

#include <net/if.h>

using namespace io_test;
using namespace std::chrono_literals;
using stackless::task;
namespace io = stackless::io;

namespace {

using buffer = std::array<char, 64>;

std::string_view text(const buffer& bytes, std::size_t size) {
  return {bytes.data(), size};
}

/// A port of the loopback interface at which nobody is.
io::socket_address unused_port() {
  return io::bind_udp(any_port()).local_address();
}

unsigned loopback_index() {
  return ::if_nametoindex("lo");
}

}  // namespace

TEST_CASE("datagrams there and back, and who has sent them") {
  on_each_backend([]() -> task<> {
    for (const io::ip_version version : {io::ip_version::v4, io::ip_version::v6}) {
      const io::socket_address any(io::ip_address::loopback(version), 0);
      std::error_code error;
      auto server = io::bind_udp(any, error);
      if (error && version == io::ip_version::v6) continue;  // a kernel without IPv6
      REQUIRE_FALSE(error);
      auto client = io::bind_udp(any);
      CHECK(server.local_address().port() != 0);
      co_await client.send_to(server.local_address(), "ping");
      buffer bytes{};
      io::received_datagram got = co_await server.receive_from(bytes);
      CHECK(text(bytes, got.size) == "ping");
      CHECK(got.full_size == 4);
      CHECK_FALSE(got.truncated());
      CHECK(got.from == client.local_address());
      co_await server.send_to(got.from, "pong!", error);
      CHECK_FALSE(error);
      got = co_await client.receive_from(bytes, error);
      CHECK_FALSE(error);
      CHECK(text(bytes, got.size) == "pong!");
      CHECK(got.from == server.local_address());
    }
  });
}

TEST_CASE("a connected UDP socket has one peer, until it is disconnected") {
  on_each_backend([]() -> task<> {
    auto server = io::bind_udp(any_port());
    auto stranger = io::bind_udp(any_port());
    auto client = io::connect_udp(server.local_address());
    CHECK(client.peer_address() == server.local_address());
    co_await stranger.send_to(client.local_address(), "not for you");
    co_await client.send("one");
    buffer bytes{};
    io::received_datagram got = co_await server.receive_from(bytes);
    CHECK(text(bytes, got.size) == "one");
    CHECK(got.from == client.local_address());
    co_await server.send_to(got.from, "two");
    std::size_t size = co_await client.receive(bytes);
    CHECK(text(bytes, size) == "two");

    client.connect(stranger.local_address());
    co_await stranger.send_to(client.local_address(), "three");
    std::error_code error;
    size = co_await client.receive(bytes, error);
    CHECK_FALSE(error);
    CHECK(text(bytes, size) == "three");

    client.disconnect();
    co_await client.send("nowhere", error);
    CHECK(error == std::errc::destination_address_required);
    std::string what;
    try {
      (void)client.peer_address();
    } catch (const io::io_error& failure) {
      what = failure.what();
    }
    CHECK(what == "address: Transport endpoint is not connected");
  });
}

TEST_CASE("datagrams of no bytes, cut off ones, and ones that are too long") {
  on_each_backend([]() -> task<> {
    auto server = io::bind_udp(any_port());
    const io::socket_address at = server.local_address();
    auto client = io::connect_udp(at);
    buffer bytes{};
    co_await client.send("");
    io::received_datagram got = co_await server.receive_from(bytes);
    CHECK(got.size == 0);
    CHECK(got.full_size == 0);
    CHECK(got.from == client.local_address());
    co_await client.send("");
    std::size_t size = co_await server.receive(bytes);
    CHECK(size == 0);

    const std::string longer(100, 'x');
    co_await client.send(longer);
    got = co_await server.receive_from(bytes);
    CHECK(got.size == bytes.size());
    CHECK(got.full_size == 100);
    CHECK(got.truncated());
    co_await client.send(longer);
    co_await client.send("next");
    std::error_code error;
    size = co_await server.receive(bytes, error);
    CHECK(error == std::errc::message_size);
    CHECK(size == bytes.size());
    size = co_await server.receive(bytes);
    CHECK(text(bytes, size) == "next");
    co_await client.send("gone");
    got = co_await server.receive_from(io::mutable_bytes());
    CHECK(got.size == 0);
    CHECK(got.full_size == 4);

    const std::string longest(65'507, 'x');
    co_await client.send(longest, error);
    CHECK_FALSE(error);
    std::vector<char> room(70'000);
    size = co_await server.receive(room);
    CHECK(size == longest.size());
    const std::string too_long(65'508, 'x');
    co_await client.send(too_long, error);
    CHECK(error == std::errc::message_size);
    std::string what;
    try {
      co_await client.send_to(at, too_long);
    } catch (const io::io_error& failure) {
      what = failure.what();
      CHECK(failure.path() == to_string(at));
      CHECK(std::string_view(failure.operation()) == "send");
    }
    CHECK(what == "send \"" + to_string(at) + "\": Message too long");
  });
}

TEST_CASE("a host that answers that nobody is there") {
  on_each_backend([]() -> task<> {
    const io::socket_address nobody = unused_port();
    auto client = io::connect_udp(nobody);
    buffer bytes{};
    std::error_code error;
    co_await client.send("hello?");
    (void)co_await client.receive(bytes, error);
    CHECK(error == std::errc::connection_refused);

    // While it waits.
    auto waiting = stackless::spawn([&]() -> task<> { (void)co_await client.receive(bytes); });
    co_await settle();
    CHECK(waiting.blocked());
    co_await client.send("hello?");
    std::string what;
    try {
      co_await waiting.join();
    } catch (const io::io_error& failure) {
      what = failure.what();
    }
    CHECK(what == "receive \"" + to_string(nobody) + "\": Connection refused");

    co_await client.send("hello?");
    co_await client.send("hello?", error);
    CHECK(error == std::errc::connection_refused);
    // One without a peer hears nothing of it.
    auto unconnected = io::bind_udp(any_port());
    co_await unconnected.send_to(nobody, "hello?");
    co_await unconnected.send_to(nobody, "hello?");
  });
}

TEST_CASE("cancelled and timed out receives lose no datagram") {
  on_each_backend([]() -> task<> {
    auto server = io::bind_udp(any_port());
    auto client = io::connect_udp(server.local_address());
    constexpr int count = 300;
    int received = 0;
    int cancelled = 0;
    auto receive_one = [&]() -> task<> {
      std::array<char, 4> bytes{};
      const std::size_t size = co_await server.receive(bytes);
      CHECK(size == sizeof(int));
      int number = 0;
      std::memcpy(&number, bytes.data(), sizeof number);
      CHECK(number == received);
      ++received;
    };
    for (int i = 0; i < count; ++i) {
      // The datagram and the cancellation come in the same turn, in either order.
      stackless::cancel_scope* scope = nullptr;
      bool done = false;
      auto receiver = stackless::spawn([&]() -> task<> {
        auto body = [&](stackless::cancel_scope& own) -> task<> {
          scope = &own;
          co_await receive_one();
          done = true;
        };
        co_await stackless::with_cancel_scope(body);
      });
      co_await settle();
      if (i % 2 == 0) {
        REQUIRE(::send(client.descriptor(), &i, sizeof i, 0) == sizeof i);
        scope->cancel();
      } else {
        scope->cancel();
        REQUIRE(::send(client.descriptor(), &i, sizeof i, 0) == sizeof i);
      }
      co_await receiver.join();
      if (!done) {
        ++cancelled;
        co_await receive_one();
      }
    }
    CHECK(received == count);
    const bool in_time = co_await stackless::move_on_after(2ms, receive_one);
    CHECK_FALSE(in_time);
    CAPTURE(cancelled);
  });
}

TEST_CASE("a UDP socket that is waited for: described, killed, a case of select, closed") {
  on_each_backend([]() -> task<> {
    auto server = io::bind_udp(any_port());
    auto client = io::connect_udp(server.local_address());
    buffer bytes{};
    auto killed = stackless::spawn([&]() -> task<> { (void)co_await server.receive_from(bytes); });
    co_await settle();
    const std::string shown = stackless::to_text(stackless::snapshot());
    CHECK_THAT(shown, contains_text(to_string(server.local_address())));
    co_await stop(killed);

    auto chosen = co_await stackless::select(server.readable(), stackless::after(1ms));
    CHECK(chosen.index() == 1);
    co_await client.send("x");
    auto ready = co_await stackless::select(server.readable(), stackless::after(10s));
    CHECK(ready.index() == 0);
    co_await client.writable();
    std::error_code error;
    std::size_t size = co_await server.receive(bytes, error);
    CHECK(size == 1);

    auto closed =
        stackless::spawn([&]() -> task<> { (void)co_await server.receive_from(bytes, error); });
    co_await settle();
    co_await server.close();
    co_await closed.join();
    CHECK(error == std::errc::operation_canceled);
    CHECK_FALSE(server.is_open());
    (void)co_await server.receive_from(bytes, error);
    CHECK(error == std::errc::bad_file_descriptor);
    co_await server.send_to(any_port(), "x", error);
    CHECK(error == std::errc::bad_file_descriptor);
    server.set_broadcast(true, error);
    CHECK(error == std::errc::bad_file_descriptor);
  });
}

TEST_CASE("UDP sockets that cannot be made") {
  auto taken = io::bind_udp(any_port());
  std::error_code error;
  auto second = io::bind_udp(taken.local_address(), error);
  CHECK(error == std::errc::address_in_use);
  CHECK_FALSE(second.is_open());
  std::string what;
  try {
    (void)io::bind_udp(taken.local_address());
  } catch (const io::io_error& failure) {
    what = failure.what();
  }
  CHECK(what == "bind \"" + to_string(taken.local_address()) + "\": Address already in use");
  const auto elsewhere = io::socket_address::parse("192.0.2.1:0");
  (void)io::bind_udp(*elsewhere, error);
  CHECK(error == std::errc::address_not_available);

  io::udp_options options;
  options.reuse_port = true;
  auto first_shared = io::bind_udp(any_port(), options);
  second = io::bind_udp(first_shared.local_address(), options, error);
  CHECK_FALSE(error);
  CHECK(second.local_address() == first_shared.local_address());
}

TEST_CASE("broadcasts want permission") {
  on_each_backend([]() -> task<> {
    auto socket = io::bind_udp({io::ip_address::any(), 0});
    const io::socket_address all(io::ip_address::v4({127, 255, 255, 255}), 9);
    std::error_code error;
    co_await socket.send_to(all, "x", error);
    CHECK(error == std::errc::permission_denied);
    socket.set_broadcast(true);
    co_await socket.send_to(all, "x", error);
    CHECK(error != std::errc::permission_denied);
    socket.set_receive_buffer(1 << 16);
  });
}

TEST_CASE("groups are joined and left") {
  on_each_backend([]() -> task<> {
    const io::ip_address group = io::ip_address::v4({239, 255, 77, 1});
    io::udp_options options;
    options.reuse_address = true;
    auto first = io::bind_udp({io::ip_address::any(), 0}, options);
    const std::uint16_t port = first.local_address().port();
    auto second = io::bind_udp({io::ip_address::any(), port}, options);
    const unsigned lo = loopback_index();
    REQUIRE(lo != 0);
    std::error_code error;
    first.join(group, lo, error);
    CHECK_FALSE(error);
    second.join(group, lo);
    first.join(group, lo, error);
    CHECK(error == std::errc::address_in_use);
    first.join(io::ip_address::loopback(), lo, error);
    CHECK(error == std::errc::invalid_argument);

    auto sender = io::bind_udp({io::ip_address::loopback(), 0});
    io::udp_socket::multicast_options out;
    out.interface = lo;
    sender.set_multicast(out);
    co_await sender.send_to({group, port}, "all");
    buffer bytes{};
    for (io::udp_socket* member : {&first, &second}) {
      const io::received_datagram got = co_await member->receive_from(bytes);
      CHECK(text(bytes, got.size) == "all");
      CHECK(got.from == sender.local_address());
    }
    second.leave(group, lo);
    second.leave(group, lo, error);
    CHECK(error == std::errc::address_not_available);
    std::string what;
    try {
      second.leave(group, lo);
    } catch (const io::io_error& failure) {
      what = failure.what();
    }
    CHECK(what == "leave \"239.255.77.1\": Cannot assign requested address");

    out.loop = false;
    out.hops = 7;
    sender.set_multicast(out, error);
    CHECK_FALSE(error);
    int loops = 1;
    int hops = 0;
    socklen_t length = sizeof loops;
    REQUIRE(::getsockopt(sender.descriptor(), IPPROTO_IP, IP_MULTICAST_LOOP, &loops, &length) == 0);
    REQUIRE(::getsockopt(sender.descriptor(), IPPROTO_IP, IP_MULTICAST_TTL, &hops, &length) == 0);
    CHECK(loops == 0);
    CHECK(hops == 7);
  });
}

TEST_CASE("a UDP sender that finds no room waits, and all datagrams of a burst come through") {
  on_each_backend([]() -> task<> {
    auto server = io::bind_udp(any_port());
    server.set_receive_buffer(4 << 20);
    auto client = io::connect_udp(server.local_address());
    constexpr int count = 200;
    std::set<int> seen;
    auto receiver = stackless::spawn([&]() -> task<> {
      int number = 0;
      while (seen.size() < count) {
        co_await server.receive(io::mutable_bytes(&number, sizeof number));
        seen.insert(number);
      }
    });
    for (int i = 0; i < count; ++i) {
      co_await client.send(io::const_bytes(&i, sizeof i));
      if (i % 16 == 0) co_await stackless::drain_ready();
    }
    co_await receiver.join();
    CHECK(seen.size() == count);
  });
}
