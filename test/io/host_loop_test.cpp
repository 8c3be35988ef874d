// A host that sleeps in its own poll loop drives a scheduler by `poll_fd`.

#include <stackless/stackless.hpp>

#include "io_test.hpp"

#include <chrono>
#include <string>

#include <poll.h>

using namespace io_test;
using stackless::run_result;
using stackless::task;
namespace io = stackless::io;
using std::chrono::milliseconds;

namespace {

bool readable_within(int descriptor, int milliseconds) {
  pollfd entry{descriptor, POLLIN, 0};
  return ::poll(&entry, 1, milliseconds) == 1;
}

stackless::scheduler_options options_of(stackless::io_choice choice) {
  stackless::scheduler_options options;
  options.io = choice;
  return options;
}

/// Until all have ended; false when the descriptor missed something.
bool host_loop(stackless::scheduler& s) {
  const int descriptor = s.poll_fd();
  while (s.run_ready() != run_result::all_ended)
    if (!readable_within(descriptor, 5'000)) return false;
  return true;
}

}  // namespace

TEST_CASE("poll_fd wakes the host for timers") {
  stackless::scheduler s(options_of(stackless::io_choice::none));
  int woken = 0;
  const auto sleeper = [&](int times) -> task<> {
    for (int i = 0; i < times; ++i) {
      co_await stackless::sleep_for(milliseconds(2));
      ++woken;
    }
  };
  s.spawn(sleeper, 3);
  s.spawn(sleeper, 5);
  CHECK(s.run_ready() == run_result::idle);
  CHECK(s.poll_fd() == s.poll_fd());
  CHECK(host_loop(s));
  CHECK(woken == 8);
}

TEST_CASE("poll_fd is quiet while nothing is due, and after all timers") {
  stackless::scheduler s(options_of(stackless::io_choice::none));
  const auto t = s.spawn([]() -> task<> { co_await stackless::sleep_for(std::chrono::hours(1)); });
  const int descriptor = s.poll_fd();
  CHECK(s.run_ready() == run_result::idle);
  CHECK_FALSE(readable_within(descriptor, 5));
  t.kill_pending();
  CHECK(s.run_ready() == run_result::all_ended);
  CHECK_FALSE(readable_within(descriptor, 5));
}

TEST_CASE("poll_fd wakes the host for I/O, whenever it was asked for") {
  for (const stackless::io_choice choice : backends()) {
    CAPTURE(name_of(choice));
    const temporary_directory directory;
    const std::string path = directory.file("data");
    stackless::scheduler s(options_of(choice));
    std::size_t read = 0;
    const auto works = [&]() -> task<> {
      io::file out = co_await io::open(path, io::open_mode::create_truncate);
      for (int i = 0; i < 20; ++i) co_await out.write_all("0123456789");
      co_await out.sync();
      co_await out.close();
      io::file in = co_await io::open(path);
      std::string block(50, ' ');
      while (const std::size_t count = co_await in.read_some(block)) {
        read += count;
        co_await stackless::sleep_for(milliseconds(1));
      }
    };
    s.spawn(works);
    CHECK(host_loop(s));
    CHECK(read == 200);
  }
}

TEST_CASE("poll_fd wakes the host for a socket, and the host itself may send") {
  for (const stackless::io_choice choice : backends()) {
    CAPTURE(name_of(choice));
    stackless::scheduler s(options_of(choice));
    stackless::channel<std::string> outgoing("outgoing", 8);
    std::string received;
    const auto serves = [&]() -> task<> {
      io::tcp_listener listener = io::listen_tcp(any_port());
      const auto address = listener.local_address();
      const auto client = [&]() -> task<> {
        io::tcp_stream stream = co_await io::connect_tcp(address);
        while (const auto text = co_await outgoing.next()) co_await stream.write_all(*text);
      };
      const auto writer = stackless::spawn(client);
      io::tcp_stream stream = co_await listener.accept();
      std::string block(64, ' ');
      while (const std::size_t count = co_await stream.read_some(block))
        received.append(block, 0, count);
      co_await writer.join();
    };
    s.spawn(serves);
    const int descriptor = s.poll_fd();
    int sent = 0;
    while (s.run_ready() != run_result::all_ended) {
      if (sent < 3) {
        CHECK(outgoing.try_send("text ") == stackless::send_status::sent);
        if (++sent == 3) outgoing.close();
      } else {
        REQUIRE(readable_within(descriptor, 5'000));
      }
    }
    CHECK(received == "text text text ");
  }
}

TEST_CASE("poll_fd wakes the host for what goes on by itself after a part") {
  for (const stackless::io_choice choice : backends()) {
    CAPTURE(name_of(choice));
    stackless::scheduler s(options_of(choice));
    const std::string text(3'000'000, 't');  // more than a socket holds
    std::size_t received = 0;
    auto [left, right] = io::unix_pair();
    const auto writes = [&writer = left, &text]() -> task<> { co_await writer.write_all(text); };
    s.spawn("writer", writes);
    // The host reads by itself: no other operation makes the engine submit.
    const auto drain = [&, &reader = right]() {
      std::string block(65'536, ' ');
      for (;;) {
        const ssize_t count = ::recv(reader.descriptor(), block.data(), block.size(), MSG_DONTWAIT);
        if (count <= 0) return;
        received += static_cast<std::size_t>(count);
      }
    };
    const int descriptor = s.poll_fd();
    bool missed = false;
    while (!missed && s.run_ready() != run_result::all_ended) {
      drain();
      missed = !readable_within(descriptor, 5'000);
    }
    CHECK_FALSE(missed);
    drain();
    CHECK(received == text.size());
  }
}
