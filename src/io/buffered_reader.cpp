#include <stackless/error.hpp>
#include <stackless/io/buffered_reader.hpp>

#include "resource.hpp"

#include <algorithm>
#include <cstring>
#include <stdexcept>
#include <utility>

#include <string.h>

namespace stackless::inline STACKLESS_ABI::io {

namespace {

constexpr std::size_t first_capacity = 4096;
constexpr std::size_t nowhere = std::string_view::npos;

[[noreturn]] void throw_short(errc code, const char* operation, std::size_t had) {
  throw io_error(code, operation, -1, {}, "after " + std::to_string(had) + " bytes");
}

std::size_t position_of(std::string_view text, std::string_view wanted, std::size_t from) noexcept {
  if (text.size() - from < wanted.size()) return nowhere;
  const void* found =
      ::memmem(text.data() + from, text.size() - from, wanted.data(), wanted.size());
  if (found == nullptr) return nowhere;
  return static_cast<std::size_t>(static_cast<const char*>(found) - text.data());
}

}  // namespace

/// One function at a time, while it runs.
class reader_base::use {
 public:
  explicit use(reader_base& reader) : reader_(reader) {
    detail::check_current_tasklet();
    if (reader.used_)
      throw std::logic_error(
          "a buffered_reader is used by two tasklets at once: what one has begun to read the other "
          "would take"
      );
    if (reader.broken_) throw io_error(errc::broken_stream, "read", -1, {});
    reader.used_ = true;
  }
  use(const use&) = delete;
  use& operator=(const use&) = delete;
  ~use() { reader_.used_ = false; }

 private:
  reader_base& reader_;
};

/// `with_end` bytes, of which the first `text` are wanted.
struct reader_base::extent {
  bool found = false;
  std::size_t text = 0;
  std::size_t with_end = 0;
};

reader_base::reader_base(void* stream, detail::read_step* read, std::size_t limit)
    : stream_(stream), read_(read), limit_(limit) {
  if (limit == 0) throw std::logic_error("a buffered_reader needs a limit of at least one byte");
}

// The buffer
// ---------------------------------------------------------------------------------------

mutable_bytes reader_base::make_room() {
  const std::size_t held = end_ - begin_;
  if (held == 0) begin_ = end_ = 0;
  // Half of it free, or all that the limit permits: few large reads, and each byte is moved a few
  // times at most.
  if (capacity_ - end_ < (capacity_ + 1) / 2 || capacity_ == 0) {
    if (held > capacity_ / 2 || capacity_ == 0) {
      const std::size_t wanted = std::min(limit_, capacity_ == 0 ? first_capacity : 2 * capacity_);
      if (wanted > capacity_) {
        // Not value-initialized: what is never read into is never touched.
        std::unique_ptr<char[]> larger(new char[wanted]);
        if (held != 0) std::memcpy(larger.get(), data_.get() + begin_, held);
        data_ = std::move(larger);
        capacity_ = wanted;
        begin_ = 0;
        end_ = held;
      }
    }
    if (begin_ != 0) {
      std::memmove(data_.get(), data_.get() + begin_, held);
      begin_ = 0;
      end_ = held;
    }
  }
  return {data_.get() + end_, capacity_ - end_};
}

task<std::size_t> reader_base::fill() {
  // What has moved counts, also when the tasklet is killed at the same time.
  struct commit {
    std::size_t& end;
    std::size_t moved = 0;
    explicit commit(std::size_t& e) noexcept : end(e) {}
    commit(const commit&) = delete;
    commit& operator=(const commit&) = delete;
    ~commit() { end += moved; }
  };
  const mutable_bytes room = make_room();
  commit read(end_);
  co_await read_(stream_, room, &read.moved);
  co_return read.moved;
}

task<> reader_base::fill_to(std::size_t count) {
  while (end_ - begin_ < count) {
    const std::size_t moved = co_await fill();
    if (moved == 0) break;
  }
}

std::string reader_base::take(std::size_t count, std::size_t with_end) {
  std::string result(buffered().substr(0, count));
  begin_ += with_end;
  return result;
}

void reader_base::consume(std::size_t count) {
  if (used_) throw std::logic_error("consume: a tasklet is reading from this buffered_reader");
  if (count > end_ - begin_)
    throw std::logic_error(
        "consume: " + std::to_string(count) + " bytes of " + std::to_string(end_ - begin_) +
        " in the buffer"
    );
  begin_ += count;
}

// Up to a delimiter
// --------------------------------------------------------------------------------

task<reader_base::extent> reader_base::find(std::string_view delimiter, std::size_t longest) {
  longest = std::min(longest, limit_);
  std::size_t searched = 0;
  for (;;) {
    const std::size_t at = position_of(buffered(), delimiter, searched);
    extent result;
    if (at != nowhere && at + delimiter.size() <= longest) {
      result.found = true;
      result.text = at;
      result.with_end = at + delimiter.size();
      co_return result;
    }
    const std::size_t held = end_ - begin_;
    if (at != nowhere || held >= longest) throw_short(errc::line_too_long, "read", longest);
    searched = held - std::min(held, delimiter.size() - 1);
    const std::size_t moved = co_await fill();
    if (moved == 0) {
      result.text = result.with_end = held;
      co_return result;
    }
  }
}

task<std::optional<std::string>> reader_base::read_line(std::size_t longest) {
  const use one(*this);
  extent line = co_await find("\n", longest);
  if (line.with_end == 0) co_return std::nullopt;
  if (line.found && line.text != 0 && buffered()[line.text - 1] == '\r') --line.text;
  co_return take(line.text, line.with_end);
}

task<std::optional<std::string>> reader_base::read_until(
    std::string delimiter, std::size_t longest
) {
  if (delimiter.empty()) throw std::logic_error("read_until: the delimiter is empty");
  const use one(*this);
  const extent found = co_await find(delimiter, longest);
  if (found.with_end == 0) co_return std::nullopt;
  if (!found.found) throw_short(errc::end_of_file, "read", found.text);
  co_return take(found.text, found.with_end);
}

// By number
// ----------------------------------------------------------------------------------------

task<std::size_t> reader_base::read_some(mutable_bytes into) {
  const use one(*this);
  if (into.size() == 0) co_return 0;
  co_await fill_to(1);
  const std::size_t count = std::min(into.size(), end_ - begin_);
  if (count != 0) std::memcpy(into.data(), data_.get() + begin_, count);
  begin_ += count;
  co_return count;
}

task<std::string_view> reader_base::peek(std::size_t count) {
  if (count > limit_)
    throw std::logic_error(
        "peek: " + std::to_string(count) + " bytes, and the limit is " + std::to_string(limit_)
    );
  const use one(*this);
  co_await fill_to(count);
  co_return buffered();
}

task<> reader_base::read_exactly(mutable_bytes into, std::size_t* done) {
  if (done != nullptr) *done = 0;
  const use one(*this);
  if (into.size() <= limit_) {
    co_await fill_to(into.size());
    if (end_ - begin_ < into.size()) throw_short(errc::end_of_file, "read", end_ - begin_);
    if (into.size() != 0) std::memcpy(into.data(), data_.get() + begin_, into.size());
    begin_ += into.size();
    if (done != nullptr) *done = into.size();
    co_return;
  }
  struct progress {
    reader_base& reader;
    std::size_t size;
    std::size_t* done;
    std::size_t moved = 0;
    bool ended = false;
    progress(reader_base& r, std::size_t s, std::size_t* d) noexcept
        : reader(r), size(s), done(d) {}
    progress(const progress&) = delete;
    progress& operator=(const progress&) = delete;
    ~progress() {
      if (done != nullptr) {
        *done = moved;
      } else if (moved != 0 && moved != size && !ended) {
        reader.broken_ = true;
      }
    }
  };
  progress state(*this, into.size(), done);
  state.moved = end_ - begin_;
  if (state.moved != 0) std::memcpy(into.data(), data_.get() + begin_, state.moved);
  begin_ = end_ = 0;
  while (state.moved != into.size()) {
    const std::size_t before = state.moved;
    co_await read_(stream_, into.from(before), &state.moved);
    if (state.moved == before) {
      state.ended = true;
      throw_short(errc::end_of_file, "read", before);
    }
  }
}

// With an error_code. Failures are rare: what an exception costs does not matter.
// -------------------------------------------------------------------------------

task<std::optional<std::string>> reader_base::read_line(std::error_code& error) {
  return read_line(no_limit, error);
}

task<std::optional<std::string>> reader_base::read_line(
    std::size_t longest, std::error_code& error
) {
  error.clear();
  try {
    co_return co_await read_line(longest);
  } catch (const std::system_error& failure) {
    error = failure.code();
  }
  co_return std::nullopt;
}

task<std::optional<std::string>> reader_base::read_until(
    std::string delimiter, std::error_code& error
) {
  return read_until(std::move(delimiter), no_limit, error);
}

task<std::optional<std::string>> reader_base::read_until(
    std::string delimiter, std::size_t longest, std::error_code& error
) {
  error.clear();
  try {
    co_return co_await read_until(std::move(delimiter), longest);
  } catch (const std::system_error& failure) {
    error = failure.code();
  }
  co_return std::nullopt;
}

task<> reader_base::read_exactly(mutable_bytes into, std::error_code& error, std::size_t* done) {
  error.clear();
  try {
    co_await read_exactly(into, done);
  } catch (const std::system_error& failure) {
    error = failure.code();
  }
}

task<std::size_t> reader_base::read_some(mutable_bytes into, std::error_code& error) {
  error.clear();
  try {
    co_return co_await read_some(into);
  } catch (const std::system_error& failure) {
    error = failure.code();
  }
  co_return 0;
}

task<std::string_view> reader_base::peek(std::size_t count, std::error_code& error) {
  error.clear();
  try {
    co_return co_await peek(count);
  } catch (const std::system_error& failure) {
    error = failure.code();
  }
  co_return buffered();
}

}  // namespace stackless::inline STACKLESS_ABI::io
