#pragma once

#include <stackless/detail/stream_step.hpp>
#include <stackless/io/bytes.hpp>
#include <stackless/io/file.hpp>
#include <stackless/io/socket_stream.hpp>
#include <stackless/task.hpp>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <string>
#include <system_error>

namespace stackless::inline STACKLESS_ABI::io {

/// What a `copy` has done, however it ended.
struct copy_progress {
  std::uint64_t read = 0;     ///< bytes taken from the source
  std::uint64_t written = 0;  ///< bytes that the destination has taken
  std::string unwritten;      ///< the bytes between: taken, and not yet written; 256 KiB at most
};

/// Trivially destructible on purpose: GCC 12 destroys other aggregates in a co_await expression
/// twice.
struct copy_options {
  static constexpr std::uint64_t everything = ~std::uint64_t{0};
  static constexpr std::uint64_t at_position = ~std::uint64_t{0};

  std::uint64_t count = everything;    ///< bytes at most
  std::uint64_t offset = at_position;  ///< where a source that is a file begins; moves no position
  copy_progress* progress = nullptr;   ///< set when the copy ends, however that is
};

}  // namespace stackless::inline STACKLESS_ABI::io

namespace stackless::inline STACKLESS_ABI::detail {

struct stream_access {
  static io_resource* resource_of(io::file& file) noexcept { return file.handle_.get(); }
  static io_resource* resource_of(io::socket_stream& stream) noexcept {
    return stream.handle_.get();
  }
};

/// One end of a copy: a descriptor of the library, or a stream that only its own functions know.
template <class Step>
struct copy_end {
  io_resource* resource = nullptr;
  void* stream = nullptr;  ///< null: the resource, which may be null as well, of a closed one
  Step* step = nullptr;
};

template <class Stream>
concept stream_of_library =
    std::derived_from<Stream, io::file> || std::derived_from<Stream, io::socket_stream>;

template <class Source>
copy_end<read_step> copy_source(Source& source) noexcept {
  if constexpr (stream_of_library<Source>) {
    return {stream_access::resource_of(source), nullptr, nullptr};
  } else {
    return {nullptr, &source, &read_step_of<Source>};
  }
}

template <class Destination>
copy_end<write_step> copy_destination(Destination& destination) noexcept {
  if constexpr (stream_of_library<Destination>) {
    return {stream_access::resource_of(destination), nullptr, nullptr};
  } else {
    return {nullptr, &destination, &write_step_of<Destination>};
  }
}

task<std::uint64_t> copy(
    copy_end<read_step> from, copy_end<write_step> to, io::copy_options options
);
task<std::uint64_t> copy(
    copy_end<read_step> from,
    copy_end<write_step> to,
    io::copy_options options,
    std::error_code& error
);

}  // namespace stackless::inline STACKLESS_ABI::detail

namespace stackless::inline STACKLESS_ABI::io {

/// What `copy` can read: files, pipes, sockets, a `buffered_reader`, and yours.
template <class Stream>
concept readable_stream = requires(Stream& stream, mutable_bytes into) { stream.read_some(into); };

/// What `copy` can write to: files, pipes, sockets, and yours.
template <class Stream>
concept writable_stream = requires(Stream& stream, const_bytes from) { stream.write_some(from); };

/// Moves bytes from `source` to `destination` until the source ends or `count` are moved, and gives
/// their number: fewer than `count` when the source ended, which is no error. Neither is closed.
///
/// Between descriptors of the library the kernel moves the bytes: those of a file that are in
/// memory go to a socket by `sendfile`, 2 MiB at most in one turn of the loop; all else goes
/// through a pipe of the copy's own (`splice`). Where it refuses that, where an end is a stream of
/// yours, and for a `count` below 16 KiB they pass through a buffer. The pipe holds 256 KiB at
/// most, the buffer 64 KiB. A socket is in non-blocking mode meanwhile.
///
/// **Cancellation**: a cancel point at each step, and one when nothing is to be moved. What was
/// taken from the source and not yet written is given back in `copy_options::progress`; the bytes
/// before have been written, all others are still in the source. Left in the middle without
/// `progress`, the source's next read and the destination's next write fail with
/// `errc::broken_stream` (a source that is read at an offset has no position that could be lost).
/// **Errors**: what reading the source or writing to the destination raises; the operation is named
/// "copy from" or "copy to" where the kernel moved the bytes. Bytes held are as in a cancellation.
/// With `error` given it is set instead, and the result is what was written; then only a source
/// whose bytes are lost is broken. An offset into what is no file is `std::errc::invalid_seek`, or
/// `std::logic_error` for a stream that is not the library's.
/// **Lifetime**: both ends must live until it is complete.
template <readable_stream Source, writable_stream Destination>
[[nodiscard]] task<std::uint64_t> copy(
    Source& source, Destination& destination, copy_options options = {}
) {
  return detail::copy(detail::copy_source(source), detail::copy_destination(destination), options);
}
template <readable_stream Source, writable_stream Destination>
[[nodiscard]] task<std::uint64_t> copy(
    Source& source, Destination& destination, copy_options options, std::error_code& error
) {
  return detail::copy(
      detail::copy_source(source), detail::copy_destination(destination), options, error
  );
}
template <readable_stream Source, writable_stream Destination>
[[nodiscard]] task<std::uint64_t> copy(
    Source& source, Destination& destination, std::error_code& error
) {
  return io::copy(source, destination, copy_options(), error);
}

}  // namespace stackless::inline STACKLESS_ABI::io
