// read_exactly and write_all: one operation for the tasklet, several for the kernel.

#include <stackless/stackless.hpp>

#include "io_test.hpp"

#include <string>
#include <utility>

#include <sys/ioctl.h>

using namespace io_test;
using stackless::task;
using stackless::detail::io_code;
using stackless::detail::io_operation;
namespace io = stackless::io;

namespace {

/// Waits until the kernel takes no more of a write.
task<> wait_until_full(io::unix_stream& stream, std::size_t& buffered) {
  for (std::size_t before = 0;; before = buffered) {
    co_await stackless::sleep_for(std::chrono::milliseconds(5));
    int bytes = 0;
    ::ioctl(stream.descriptor(), FIONREAD, &bytes);
    buffered = static_cast<std::size_t>(bytes);
    if (buffered != 0 && buffered == before) co_return;
  }
}

task<std::size_t> drain(io::unix_stream& stream) {
  std::string block(65'536, ' ');
  std::size_t total = 0;
  while (const std::size_t count = co_await stream.read_some(block)) total += count;
  co_return total;
}

}  // namespace

TEST_CASE("whole transfers with devices that cannot be waited for") {
  on_each_backend([]() -> task<> {
    std::string data(1'000'000, 'x');
    std::size_t done = 0;
    io::file null = co_await io::open("/dev/null", io::open_mode::create_truncate);
    co_await null.write_all(data, &done);
    CHECK(done == data.size());
    io::file zero = co_await io::open("/dev/zero");
    co_await zero.read_exactly(data, &done);
    CHECK(done == data.size());
    CHECK(data == std::string(data.size(), '\0'));
    io::file full = co_await io::open("/dev/full", io::open_mode::write_only);
    bool was_told = false;
    try {
      co_await full.write_all(data, &done);
    } catch (const io::io_error& error) {
      was_told = error.code() == std::errc::no_space_on_device;
    }
    CHECK(was_told);

    auto writer = stackless::spawn([&]() -> task<> { co_await null.write_all(data); });
    co_await stackless::yield();
    co_await stop(writer);
    CHECK(in_flight() == 0);
    co_await null.close();
  });
}

TEST_CASE("a part that was moved leaves the operation for the rest") {
  char data[100];
  io_operation operation(io_code::write);
  operation.data = data;
  operation.length = 100;
  operation.offset = 1000;
  operation.rest = 100;

  SECTION("with data, length and offset moved") {
    CHECK(operation.continues(30));
    CHECK(operation.data == data + 30);
    CHECK(operation.length == 70);
    CHECK(operation.offset == 1030);
    CHECK(operation.rest == 70);
    CHECK_FALSE(operation.continues(70));
    CHECK(operation.rest == 0);
  }
  SECTION("but not when it failed, or moved nothing") {
    CHECK_FALSE(operation.continues(-EPIPE));
    CHECK_FALSE(operation.continues(0));
    CHECK(operation.rest == 100);
  }
  SECTION("but not when it was cancelled, though the part counts") {
    operation.cancel_requested = true;
    CHECK_FALSE(operation.continues(30));
    CHECK(operation.rest == 70);
  }
  SECTION("the position of a stream is the kernel's") {
    operation.offset = io_operation::current_position;
    CHECK(operation.continues(30));
    CHECK(operation.offset == io_operation::current_position);
  }
  SECTION("no more than the longest transfer at a time") {
    operation.rest = 3 * stackless::detail::longest_transfer;
    CHECK(operation.continues(1 << 30));
    CHECK(operation.length == stackless::detail::longest_transfer);
  }
  SECTION("a single operation is complete with any part") {
    operation.rest = 0;
    CHECK_FALSE(operation.continues(30));
  }
}

TEST_CASE("the tasklet runs once for a transfer of many parts") {
  on_each_backend([]() -> task<> {
    auto [left, right] = io::unix_pair();
    const std::string text(3'000'000, 't');
    std::string received(text.size(), ' ');
    const auto writer = [&left = left, &text]() -> task<> { co_await left.write_all(text); };
    const auto writing = stackless::spawn("writer", writer);
    co_await right.read_exactly(received);
    co_await writing.join();
    CHECK(received == text);
    CHECK(stackless::statistics().io_operations == 2);
  });
}

TEST_CASE("a write that is cut short in the middle tells how far it came") {
  on_each_backend([]() -> task<> {
    auto [left, right] = io::unix_pair();
    const std::string text(8'000'000, 't');
    std::size_t done = 1;
    const auto writer = [&left = left, &text, &done]() -> task<> {
      co_await left.write_all(text, &done);
    };
    const auto writing = stackless::spawn("writer", writer);
    std::size_t buffered = 0;
    co_await wait_until_full(right, buffered);
    co_await stop(writing);
    CHECK(done > 0);
    CHECK(done < text.size());
    const auto ending = [&left = left]() -> task<> {
      co_await left.write_all("the end");  // the position is known: it is not broken
      co_await left.close();
    };
    const auto end = stackless::spawn("end", ending);
    CHECK(co_await drain(right) == done + 7);
    co_await end.join();
  });
}

TEST_CASE("a write that is cut short in the middle without a count breaks the stream") {
  on_each_backend([]() -> task<> {
    auto [left, right] = io::unix_pair();
    const std::string text(8'000'000, 't');
    const auto writer = [&left = left, &text]() -> task<> { co_await left.write_all(text); };
    const auto writing = stackless::spawn("writer", writer);
    std::size_t buffered = 0;
    co_await wait_until_full(right, buffered);
    co_await stop(writing);
    std::error_code error;
    co_await left.write_some("more", error);
    CHECK(error == io::errc::broken_stream);
  });
}

TEST_CASE("a read that is cut short in the middle tells how far it came") {
  on_each_backend([]() -> task<> {
    auto [left, right] = io::unix_pair();
    std::string into(100, ' ');
    std::size_t done = 1;
    const auto reader = [&right = right, &into, &done]() -> task<> {
      co_await right.read_exactly(into, &done);
    };
    const auto reading = stackless::spawn("reader", reader);
    co_await left.write_all("0123456789");
    co_await stackless::sleep_for(std::chrono::milliseconds(5));
    co_await stop(reading);
    CHECK(done == 10);
    CHECK(into.substr(0, 10) == "0123456789");
    co_await left.write_all("more");
    CHECK(co_await right.read_some(into) == 4);
  });
}

TEST_CASE("the input ends in the middle of a read") {
  on_each_backend([]() -> task<> {
    auto [left, right] = io::unix_pair();
    co_await left.write_all("0123456789");
    co_await left.close();
    std::string into(100, ' ');
    std::string what;
    try {
      co_await right.read_exactly(into);
    } catch (const io::io_error& error) {
      CHECK(error.code() == io::errc::end_of_file);
      what = error.what();
    }
    CHECK(what.find("after 10 of 100 bytes") != std::string::npos);
    CHECK(co_await right.read_some(into) == 0);  // not broken: the position is the end
  });
}

TEST_CASE("a peer that goes in the middle of a write") {
  on_each_backend([]() -> task<> {
    auto [left, right] = io::unix_pair();
    const std::string text(8'000'000, 't');
    std::error_code error;
    const auto writer = [&left = left, &text, &error]() -> task<> {
      try {
        co_await left.write_all(text);
      } catch (const io::io_error& failure) {
        error = failure.code();
      }
    };
    const auto writing = stackless::spawn("writer", writer);
    std::size_t buffered = 0;
    co_await wait_until_full(right, buffered);
    co_await right.close();
    co_await writing.join();
    CHECK((error == std::errc::broken_pipe || error == std::errc::connection_reset));
  });
}

TEST_CASE("another tasklet closes the stream in the middle of a write") {
  on_each_backend([]() -> task<> {
    auto [left, right] = io::unix_pair();
    const std::string text(8'000'000, 't');
    std::error_code error;
    std::size_t done = 0;
    const auto writer = [&left = left, &text, &error, &done]() -> task<> {
      try {
        co_await left.write_all(text, &done);
      } catch (const io::io_error& failure) {
        error = failure.code();
      }
    };
    const auto writing = stackless::spawn("writer", writer);
    std::size_t buffered = 0;
    co_await wait_until_full(right, buffered);
    co_await left.close();
    co_await writing.join();
    CHECK(error == std::errc::operation_canceled);
    CHECK(co_await drain(right) == done);
  });
}

TEST_CASE("a part of a read that comes together with a close is no success") {
  on_each_backend([]() -> task<> {
    auto [left, right] = io::unix_pair();
    std::error_code error;
    std::string into(100, ' ');
    const auto reader = [&right = right, &error, &into]() -> task<> {
      try {
        co_await right.read_exactly(into);
      } catch (const io::io_error& failure) {
        error = failure.code();
      }
    };
    const auto reading = stackless::spawn("reader", reader);
    co_await settle();
    REQUIRE(::send(left.descriptor(), "0123456789", 10, 0) == 10);
    co_await right.close();
    co_await reading.join();
    CHECK(error == std::errc::operation_canceled);
  });
}

TEST_CASE("a whole transfer of nothing is a cancel point, and no operation") {
  on_each_backend([]() -> task<> {
    auto [left, right] = io::unix_pair();
    std::size_t done = 1;
    co_await left.write_all({}, &done);
    CHECK(done == 0);
    CHECK(stackless::statistics().io_operations == 0);
  });
}
