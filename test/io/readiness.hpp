#pragma once

// Filling and emptying what a stream buffers.

#include <stackless/select.hpp>

#include "io_test.hpp"

#include <array>
#include <chrono>
#include <cstddef>
#include <string>
#include <vector>

#include <linux/sockios.h>
#include <sys/ioctl.h>

namespace io_test {

inline stackless::task<std::string> read_text(stackless::io::tcp_stream& stream) {
  std::array<char, 64> bytes{};
  const std::size_t count = co_await stream.read_some(bytes);
  co_return std::string(bytes.data(), count);
}

/// Until nothing more goes in.
/// Bytes that are sent and not yet acknowledged: when they are, there is room again.
inline int under_way(const stackless::io::tcp_stream& stream) {
  int left = 0;
  int unsent = 0;
  REQUIRE(::ioctl(stream.descriptor(), SIOCOUTQ, &left) == 0);
  REQUIRE(::ioctl(stream.descriptor(), SIOCOUTQNSD, &unsent) == 0);
  return left - unsent;
}

/// Until there is no room, and none comes before the peer reads. What the peer's kernel has no
/// memory for stays under way.
inline stackless::task<> fill(stackless::io::tcp_stream& stream) {
  const std::string block(1 << 16, 'x');
  for (int full = 0; full < 100;) {
    const auto wrote = co_await stackless::select(
        stream.writable(), stackless::after(std::chrono::milliseconds(20))
    );
    if (wrote.index() == 0) {
      (void)co_await stream.write_some(block);
    } else if (under_way(stream) == 0) {
      co_return;
    } else {
      ++full;
    }
  }
}

inline stackless::task<> drain_all(stackless::io::tcp_stream& stream) {
  std::vector<char> bytes(1 << 20);
  for (;;) {
    const auto more = co_await stackless::select(
        stream.readable(), stackless::after(std::chrono::milliseconds(20))
    );
    if (more.index() == 1) co_return;
    (void)co_await stream.read_some(stackless::io::mutable_bytes(bytes.data(), bytes.size()));
  }
}

}  // namespace io_test
