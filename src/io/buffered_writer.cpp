#include <stackless/error.hpp>
#include <stackless/io/buffered_writer.hpp>

#include "resource.hpp"

#include <cstring>
#include <stdexcept>

namespace stackless::inline STACKLESS_ABI::io {

namespace {

// No stream does this; if one does, it must not be asked for ever.
void check_progress(std::size_t before, std::size_t now) {
  if (now == before)
    throw io_error(std::make_error_code(std::errc::io_error), "write", -1, {}, "of no byte");
}

}  // namespace

/// One function at a time, while it runs.
class writer_base::use {
 public:
  explicit use(writer_base& writer) : writer_(writer) {
    detail::check_current_tasklet();
    if (writer.used_)
      throw std::logic_error(
          "a buffered_writer is used by two tasklets at once: their bytes would be mixed"
      );
    if (writer.broken_) throw io_error(errc::broken_stream, "write", -1, {});
    writer.used_ = true;
  }
  use(const use&) = delete;
  use& operator=(const use&) = delete;
  ~use() { writer_.used_ = false; }

 private:
  writer_base& writer_;
};

writer_base::writer_base(void* stream, detail::write_step* write_to, std::size_t capacity)
    : stream_(stream), write_(write_to), capacity_(capacity) {
  if (capacity == 0)
    throw std::logic_error("a buffered_writer needs a capacity of at least one byte");
}

void writer_base::append(const_bytes from) {
  if (from.size() == 0) return;
  // Not value-initialized: what is never used is never touched.
  if (data_ == nullptr) data_.reset(new std::byte[capacity_]);
  if (capacity_ - end_ < from.size()) {
    std::memmove(data_.get(), data_.get() + begin_, pending());
    end_ = pending();
    begin_ = 0;
  }
  std::memcpy(data_.get() + end_, from.data(), from.size());
  end_ += from.size();
}

bool writer_base::try_write(const_bytes from) {
  // Not while another tasklet writes: the kernel reads the buffer, which may have to be moved.
  if (used_ || broken_ || capacity_ - pending() < from.size()) return false;
  append(from);
  return true;
}

task<> writer_base::write_pending() {
  while (pending() != 0) {
    const std::size_t before = begin_;
    // `begin_` moves with what was written, also when the tasklet is killed at the same time.
    co_await write_(stream_, const_bytes(data_.get() + begin_, pending()), &begin_);
    check_progress(before, begin_);
  }
  begin_ = end_ = 0;
}

task<> writer_base::flush() {
  const use one(*this);
  co_await write_pending();
}

task<> writer_base::write(const_bytes from, std::size_t* done) {
  if (done != nullptr) *done = 0;
  const use one(*this);
  if (from.size() <= capacity_) {
    if (capacity_ - pending() < from.size()) co_await write_pending();
    append(from);
    if (done != nullptr) *done = from.size();
    co_return;
  }
  co_await write_pending();
  struct progress {
    writer_base& writer;
    std::size_t size;
    std::size_t* done;
    std::size_t moved = 0;
    progress(writer_base& w, std::size_t s, std::size_t* d) noexcept
        : writer(w), size(s), done(d) {}
    progress(const progress&) = delete;
    progress& operator=(const progress&) = delete;
    ~progress() {
      if (done != nullptr) {
        *done = moved;
      } else if (moved != 0 && moved != size) {
        writer.broken_ = true;
      }
    }
  };
  progress state(*this, from.size(), done);
  while (state.moved != from.size()) {
    const std::size_t before = state.moved;
    co_await write_(stream_, from.from(before), &state.moved);
    check_progress(before, state.moved);
  }
}

// With an error_code. Failures are rare: what an exception costs does not matter.
// -------------------------------------------------------------------------------

task<> writer_base::write(const_bytes from, std::error_code& error, std::size_t* done) {
  error.clear();
  try {
    co_await write(from, done);
  } catch (const std::system_error& failure) {
    error = failure.code();
  }
}

task<> writer_base::flush(std::error_code& error) {
  error.clear();
  try {
    co_await flush();
  } catch (const std::system_error& failure) {
    error = failure.code();
  }
}

}  // namespace stackless::inline STACKLESS_ABI::io
