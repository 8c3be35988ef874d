// A cancellation that comes too late: the kernel has done it. Which of the two is first is chance
// with the engines, so what they do then is done by hand here.

#include <stackless/stackless.hpp>

#include "io_test.hpp"

#include <array>

using namespace io_test;
using stackless::cancel_scope;
using stackless::spawn;
using stackless::task;
namespace io = stackless::io;

namespace {

/// As if the engine had been asked to cancel the one operation in flight, and was too late.
void cancel_too_late() {
  REQUIRE(in_flight() == 1);
  const auto* const backend = stackless::detail::running_scheduler().io_if_made();
  backend->operations().for_each([](stackless::detail::io_operation& operation) {
    operation.cancel_requested = true;
  });
}

/// Its operation is complete, and it has not run since.
template <class T>
task<> until_woken(stackless::tasklet<T> t) {
  while (t.blocked()) co_await stackless::yield();
  REQUIRE(t.alive());
}

}  // namespace

TEST_CASE("a datagram that comes with the cancellation is received") {
  on_each_backend([]() -> task<> {
    io::udp_socket receiver = io::bind_udp(any_port());
    io::udp_socket sender = io::connect_udp(receiver.local_address());
    std::array<char, 10> bytes{};
    std::size_t size = 0;
    bool cancelled_at_the_next = false;
    cancel_scope* scope = nullptr;
    auto waits = spawn([&]() -> task<> {
      (void)co_await stackless::with_cancel_scope([&](cancel_scope& inner) -> task<> {
        scope = &inner;
        size = co_await receiver.receive(bytes);
        try {
          (void)co_await receiver.receive(bytes);
        } catch (const stackless::cancelled&) {
          cancelled_at_the_next = true;
          throw;
        }
      });
    });
    co_await settle();
    cancel_too_late();
    REQUIRE(::send(sender.descriptor(), "once", 4, 0) == 4);
    co_await until_woken(waits);
    scope->cancel();
    co_await waits.join();
    CHECK(size == 4);
    CHECK(cancelled_at_the_next);
    CHECK(in_flight() == 0);
  });
}

TEST_CASE("a datagram that went with the cancellation is sent and said to be, or neither") {
  on_each_backend([]() -> task<> {
    auto pair = io::unix_datagram_pair();
    int fit = 0;
    while (::send(pair.first.descriptor(), "x", 1, MSG_DONTWAIT) == 1) ++fit;
    REQUIRE(fit > 0);
    cancel_scope* scope = nullptr;
    bool sent = false;
    auto waits = spawn([&]() -> task<> {
      (void)co_await stackless::with_cancel_scope([&](cancel_scope& inner) -> task<> {
        scope = &inner;
        co_await pair.first.send("last");
        sent = true;
      });
    });
    co_await settle();
    REQUIRE(waits.blocked());
    cancel_too_late();
    std::array<char, 10> bytes{};
    for (int i = 0; i < fit; ++i)
      REQUIRE(::recv(pair.second.descriptor(), bytes.data(), 10, 0) == 1);
    co_await until_woken(waits);
    scope->cancel();
    co_await waits.join();
    // io_uring waits for room first, and that wait is over; with epoll it has been sent.
    CHECK(sent == (::recv(pair.second.descriptor(), bytes.data(), 10, MSG_DONTWAIT) == 4));
    CHECK(::recv(pair.second.descriptor(), bytes.data(), 10, MSG_DONTWAIT) == -1);
    CHECK(in_flight() == 0);
  });
}

TEST_CASE("a part that comes with the cancellation of a whole transfer is told, and no success") {
  on_each_backend([]() -> task<> {
    connection c;
    co_await connect_pair(c);
    for (const bool counts : {true, false}) {
      std::array<char, 10> bytes{};
      std::size_t done = 0;
      std::error_code error;
      auto waits = spawn([&]() -> task<> {
        try {
          co_await c.server.read_exactly(bytes, counts ? &done : nullptr);
        } catch (const io::io_error& failure) {
          error = failure.code();
        }
      });
      co_await settle();
      cancel_too_late();
      REQUIRE(::send(c.client.descriptor(), "part", 4, 0) == 4);
      co_await waits.join();
      CHECK(error == std::errc::operation_canceled);
      CHECK(done == (counts ? 4 : 0));
    }
    std::array<char, 4> bytes{};
    std::error_code error;
    (void)co_await c.server.read_some(bytes, error);
    CHECK(error == io::errc::broken_stream);
    CHECK(in_flight() == 0);
  });
}
