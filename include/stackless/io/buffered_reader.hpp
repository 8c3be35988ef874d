#pragma once

#include <stackless/detail/stream_step.hpp>
#include <stackless/io/bytes.hpp>
#include <stackless/io/error.hpp>
#include <stackless/task.hpp>

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>

namespace stackless::inline STACKLESS_ABI::io {

/// A `buffered_reader` whatever its stream is: what functions can take that work on any.
///
/// At most `limit` bytes are kept; the buffer begins with 4 KiB or less and grows when a line needs
/// it. A function that suspends may be called by one tasklet at a time; a second one gets
/// `std::logic_error`. Linear in the bytes read, also when they come one by one.
///
/// **Cancellation**: every function that is awaited is a cancel point, also when it need not wait.
/// Nothing is lost: what had come stays in the buffer (one exception: `read_exactly`).
/// **Errors**: what the stream raises; it may be read on if the stream can. With a trailing
/// `std::error_code&` the code of a `std::system_error` is stored there instead, or it is cleared.
/// **Lifetime**: the stream, which stays the caller's, must outlive the reader. Reading past it
/// misses what is in the buffer.
class reader_base {
 public:
  static constexpr std::size_t default_limit = 65'536;
  static constexpr std::size_t no_limit = static_cast<std::size_t>(-1);

  reader_base(const reader_base&) = delete;
  reader_base& operator=(const reader_base&) = delete;

  /// The next line, without its "\n" or "\r\n". The last one need not have an end; nothing when
  /// there is no more. `longest` bytes at most, its end included, and never more than the limit.
  ///
  /// **Errors**: `errc::line_too_long`; the line is still there, for `read_some` or `consume`.
  task<std::optional<std::string>> read_line(std::size_t longest = no_limit);
  task<std::optional<std::string>> read_line(std::error_code& error);
  task<std::optional<std::string>> read_line(std::size_t longest, std::error_code& error);

  /// What comes before the delimiter, which is taken out as well. Nothing when there is no more.
  /// `longest`: as `read_line`.
  ///
  /// **Errors**: `errc::line_too_long`, as `read_line`; `errc::end_of_file` when bytes came, but no
  /// delimiter after them: they are still there. An empty delimiter is `std::logic_error`.
  task<std::optional<std::string>> read_until(
      std::string delimiter, std::size_t longest = no_limit
  );
  task<std::optional<std::string>> read_until(std::string delimiter, std::error_code& error);
  task<std::optional<std::string>> read_until(
      std::string delimiter, std::size_t longest, std::error_code& error
  );

  /// Fills the whole of `into`. `done`, if given, is set to the number of bytes put there, however
  /// it ends.
  ///
  /// **Cancellation**: up to `limit` bytes nothing is lost, and `done` is 0. A longer one that is
  /// left in the middle without `done` breaks the reader: it raises `errc::broken_stream`.
  /// **Errors**: `errc::end_of_file` when the data ends before. Up to `limit` bytes they are still
  /// there.
  task<> read_exactly(mutable_bytes into, std::size_t* done = nullptr);
  task<> read_exactly(mutable_bytes into, std::error_code& error, std::size_t* done = nullptr);

  /// Waits for data if there is none in the buffer; then what there is, up to the size of `into`. 0
  /// at the end.
  task<std::size_t> read_some(mutable_bytes into);
  task<std::size_t> read_some(mutable_bytes into, std::error_code& error);

  /// Waits until at least `count` bytes are in the buffer, or the data has ended, and shows all
  /// that are there, without taking them. Valid until the reader is used again. More than the limit
  /// is `std::logic_error`.
  task<std::string_view> peek(std::size_t count = 1);
  task<std::string_view> peek(std::size_t count, std::error_code& error);

  /// What is in the buffer now. A plain function, as all below.
  [[nodiscard]] std::string_view buffered() const noexcept {
    return {data_.get() + begin_, end_ - begin_};
  }
  /// Takes bytes out of the buffer. \throws std::logic_error there are not as many
  void consume(std::size_t count);
  [[nodiscard]] std::size_t limit() const noexcept { return limit_; }

 protected:
  /// \throws std::logic_error a limit of 0
  reader_base(void* stream, detail::read_step* read, std::size_t limit);
  ~reader_base() = default;

 private:
  class use;
  struct extent;

  task<std::size_t> fill();
  task<> fill_to(std::size_t count);
  task<extent> find(std::string_view delimiter, std::size_t longest);
  std::string take(std::size_t count, std::size_t with_end);
  mutable_bytes make_room();

  void* stream_;
  detail::read_step* read_;
  std::unique_ptr<char[]> data_;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
  std::size_t capacity_ = 0;
  std::size_t limit_;
  bool used_ = false;
  bool broken_ = false;
};

/// Reads a stream through a buffer: by lines, up to a delimiter, in pieces of a given size.
/// `Stream` has a `read_some(mutable_bytes)` that gives a number when it is awaited, 0 at the end;
/// one that has `read_some(mutable_bytes, std::size_t* done)` as well loses nothing when it is
/// cancelled.
///
/// ```cpp
/// io::buffered_reader reader(stream);
/// while (auto line = co_await reader.read_line()) …
/// ```
template <class Stream>
class buffered_reader final : public reader_base {
 public:
  explicit buffered_reader(Stream& stream, std::size_t limit = default_limit)
      : reader_base(&stream, &detail::read_step_of<Stream>, limit) {}
};

}  // namespace stackless::inline STACKLESS_ABI::io
