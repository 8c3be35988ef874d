#pragma once

#include <stackless/io/bytes.hpp>
#include <stackless/task.hpp>

#include <cstddef>

namespace stackless::inline STACKLESS_ABI::detail {

/// One read or write of a stream whatever it is. It adds to `done` what it moved, even if it is cut
/// short and the stream can tell.
using read_step = task<>(void* stream, io::mutable_bytes into, std::size_t* done);
using write_step = task<>(void* stream, io::const_bytes from, std::size_t* done);

template <class Stream>
task<> read_step_of(void* stream, io::mutable_bytes into, std::size_t* done) {
  auto& from = *static_cast<Stream*>(stream);
  if constexpr (requires { from.read_some(into, done); }) {
    (void)co_await from.read_some(into, done);
  } else {
    *done += co_await from.read_some(into);
  }
}

template <class Stream>
task<> write_step_of(void* stream, io::const_bytes from, std::size_t* done) {
  auto& to = *static_cast<Stream*>(stream);
  if constexpr (requires { to.write_some(from, done); }) {
    (void)co_await to.write_some(from, done);
  } else {
    *done += co_await to.write_some(from);
  }
}

}  // namespace stackless::inline STACKLESS_ABI::detail
