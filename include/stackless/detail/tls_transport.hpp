#pragma once

#include <stackless/io/bytes.hpp>
#include <stackless/task.hpp>

#include <cstddef>
#include <utility>

namespace stackless::inline STACKLESS_ABI::detail {

/// What carries the records of a TLS stream, whatever its type.
class tls_transport {
 public:
  tls_transport() = default;
  tls_transport(const tls_transport&) = delete;
  tls_transport& operator=(const tls_transport&) = delete;
  virtual ~tls_transport() = default;

  /// One operation. Adds to `done` what it moved, even if it is cut short.
  virtual task<> read(io::mutable_bytes into, std::size_t* done) = 0;
  virtual task<> write(io::const_bytes from, std::size_t* done) = 0;
  virtual task<> close() = 0;
};

template <class Stream>
class tls_transport_over final : public tls_transport {
 public:
  explicit tls_transport_over(Stream&& s) : stream(std::move(s)) {}

  task<> read(io::mutable_bytes into, std::size_t* done) override {
    (void)co_await stream.read_some(into, done);
  }
  task<> write(io::const_bytes from, std::size_t* done) override {
    (void)co_await stream.write_some(from, done);
  }
  task<> close() override { co_await stream.close(); }

  Stream stream;
};

}  // namespace stackless::inline STACKLESS_ABI::detail
