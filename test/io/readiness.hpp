#pragma once

// Filling and emptying what a stream buffers.

#include <stackless/io/unix.hpp>
#include <stackless/select.hpp>

#include "io_test.hpp"

#include <array>
#include <cstddef>
#include <string>
#include <utility>
#include <vector>

namespace io_test {

template <class Stream>
stackless::task<std::string> read_text(Stream& stream) {
  std::array<char, 64> bytes{};
  const std::size_t count = co_await stream.read_some(bytes);
  co_return std::string(bytes.data(), count);
}

/// Both ends of a connection in the kernel's memory alone. Of TCP some room may come long after
/// there was none, by a probe of the peer's window.
struct local_connection {
  stackless::io::unix_stream client;
  stackless::io::unix_stream server;
  local_connection() {
    auto [one, other] = stackless::io::unix_pair();
    client = std::move(one);
    server = std::move(other);
  }
};

/// Until there is no room.
inline stackless::task<> fill(stackless::io::unix_stream& stream) {
  const std::string block(1 << 16, 'x');
  for (;;) {
    const auto wrote = co_await stackless::select(stream.writable(), stackless::otherwise());
    if (wrote.index() == 1) co_return;
    (void)co_await stream.write_some(block);
  }
}

inline stackless::task<> drain_all(stackless::io::unix_stream& stream) {
  std::vector<char> bytes(1 << 20);
  for (;;) {
    const auto more = co_await stackless::select(stream.readable(), stackless::otherwise());
    if (more.index() == 1) co_return;
    (void)co_await stream.read_some(stackless::io::mutable_bytes(bytes.data(), bytes.size()));
  }
}

}  // namespace io_test
