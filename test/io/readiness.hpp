#pragma once

// Filling and emptying what a stream buffers.

#include <stackless/select.hpp>

#include "io_test.hpp"

#include <array>
#include <chrono>
#include <cstddef>
#include <string>
#include <vector>

namespace io_test {

inline stackless::task<std::string> read_text(stackless::io::tcp_stream& stream) {
  std::array<char, 64> bytes{};
  const std::size_t count = co_await stream.read_some(bytes);
  co_return std::string(bytes.data(), count);
}

/// Until nothing more goes in.
inline stackless::task<> fill(stackless::io::tcp_stream& stream) {
  const std::string block(1 << 16, 'x');
  for (;;) {
    const auto wrote = co_await stackless::select(
        stream.writable(), stackless::after(std::chrono::milliseconds(20))
    );
    if (wrote.index() == 1) co_return;
    (void)co_await stream.write_some(block);
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
