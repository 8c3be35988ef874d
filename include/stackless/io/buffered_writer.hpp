#pragma once

#include <stackless/detail/stream_step.hpp>
#include <stackless/io/bytes.hpp>
#include <stackless/io/error.hpp>
#include <stackless/task.hpp>

#include <cstddef>
#include <memory>
#include <system_error>

namespace stackless::inline STACKLESS_ABI::io {

/// A `buffered_writer` whatever its stream is: what functions can take that work on any.
///
/// At most `capacity` bytes are kept: a write that finds no room awaits that the stream takes some.
/// A function that suspends may be called by one tasklet at a time; a second one gets
/// `std::logic_error`.
///
/// **Cancellation**: every function that is awaited is a cancel point, also when it need not wait.
/// What the stream has not taken stays in the buffer; what it has is not written twice.
/// **Errors**: what the stream raises, perhaps for bytes of an earlier `write`. They stay in the
/// buffer: the next one tries again. With a trailing `std::error_code&` the code of a
/// `std::system_error` is stored there instead, or it is cleared.
/// **Lifetime**: the stream, which stays the caller's, must outlive the writer. The destructor
/// cannot wait: what was not flushed is lost. `pending()` tells how much that would be.
class writer_base {
 public:
  static constexpr std::size_t default_capacity = 8192;

  writer_base(const writer_base&) = delete;
  writer_base& operator=(const writer_base&) = delete;

  /// Puts the bytes into the buffer, after what was in it was written if there is no room. More
  /// than the capacity goes to the stream directly. `done`, if given, is set to the number of bytes
  /// of `from` that were taken, however it ends.
  ///
  /// **Cancellation**, **Errors**: up to `capacity` bytes are taken as a whole or not at all. A
  /// longer one that is left in the middle without `done` breaks the writer: from then on it raises
  /// `errc::broken_stream`.
  task<> write(const_bytes from, std::size_t* done = nullptr);
  task<> write(const_bytes from, std::error_code& error, std::size_t* done = nullptr);

  /// Puts the bytes into the buffer if there is room for all. A plain function.
  [[nodiscard]] bool try_write(const_bytes from);

  /// Returns when the stream has taken everything.
  task<> flush();
  task<> flush(std::error_code& error);

  /// Bytes that the stream has not taken yet. A plain function.
  [[nodiscard]] std::size_t pending() const noexcept { return end_ - begin_; }
  [[nodiscard]] std::size_t capacity() const noexcept { return capacity_; }

 protected:
  /// \throws std::logic_error a capacity of 0
  writer_base(void* stream, detail::write_step* write_to, std::size_t capacity);
  ~writer_base() = default;

 private:
  class use;

  task<> write_pending();
  void append(const_bytes from);

  void* stream_;
  detail::write_step* write_;
  std::unique_ptr<std::byte[]> data_;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
  std::size_t capacity_;
  bool used_ = false;
  bool broken_ = false;
};

/// Collects small writes into large ones. `Stream` has a `write_some(const_bytes)` that gives a
/// number when it is awaited; one that has `write_some(const_bytes, std::size_t* done)` as well
/// keeps count when it is cancelled.
///
/// ```cpp
/// io::buffered_writer writer(stream);
/// for (const auto& row : rows) co_await writer.write(row);
/// co_await writer.flush();
/// ```
template <class Stream>
class buffered_writer final : public writer_base {
 public:
  explicit buffered_writer(Stream& stream, std::size_t capacity = default_capacity)
      : writer_base(&stream, &detail::write_step_of<Stream>, capacity) {}
};

}  // namespace stackless::inline STACKLESS_ABI::io
