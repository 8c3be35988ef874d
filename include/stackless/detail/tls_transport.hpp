#pragma once

#include <stackless/io/bytes.hpp>
#include <stackless/io/readiness.hpp>
#include <stackless/select.hpp>
#include <stackless/task.hpp>

#include <cstddef>
#include <utility>

namespace stackless::inline STACKLESS_ABI::detail {

/// Streams that tell when they can be read.
template <class Stream>
concept tells_readable =
    requires(Stream& stream) { requires selectable_operation<decltype(stream.readable())>; };

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
  /// Whether a read would not wait. Of those alone that tell.
  virtual task<bool> can_read() = 0;
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
  task<bool> can_read() override {
    if constexpr (tells_readable<Stream>) {
      const auto first = co_await select_first(stream.readable(), otherwise());
      co_return first.index() == 0;
    } else {
      co_return true;
    }
  }

  Stream stream;
};

}  // namespace stackless::inline STACKLESS_ABI::detail
