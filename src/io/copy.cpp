#include <stackless/error.hpp>
#include <stackless/io/copy.hpp>

#include "failure.hpp"
#include "file_access.hpp"
#include "resource.hpp"
#include "send_file.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <memory>
#include <new>
#include <stdexcept>
#include <utility>

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

namespace stackless::inline STACKLESS_ABI::detail {

namespace {

constexpr std::uint64_t at_position = io_operation::current_position;
static_assert(io::copy_options::at_position == at_position);

constexpr std::size_t buffer_size = std::size_t{64} * 1024;
constexpr int pipe_size = 256 * 1024;
constexpr std::uint64_t too_few_to_splice =
    std::uint64_t{16} * 1024;  // a pipe costs more than that
/// Of a file, in one turn of the loop: it sends that itself, and the others wait meanwhile.
constexpr std::uint64_t most_sent_at_once = std::uint64_t{2048} * 1024;

/// One splice between a descriptor and the copy's own pipe.
class splice_operation final : public io_call {
 public:
  splice_operation(
      io_code code,
      io_resource* resource,
      int pipe_end,
      std::uint64_t offset,
      std::uint64_t length,
      std::error_code* error,
      std::size_t* moved
  ) noexcept
      : io_call(code, resource, error) {
    operation_.other = pipe_end;
    operation_.offset = offset;
    operation_.length =
        static_cast<std::uint32_t>(std::min<std::uint64_t>(length, longest_transfer));
    moved_ = moved;
    const bool is_in = code == io_code::splice_in;
    if (resource == nullptr || !resource->is_file()) {
      directions_ = is_in ? reading : writing;
    } else if (offset == at_position) {
      directions_ = reading | writing;  // a file has one position for both
    }
  }
  [[nodiscard]] io_awaiter<splice_operation> make_awaiter() noexcept {
    return io_awaiter<splice_operation>(*this);
  }

 private:
  friend class io_awaiter<splice_operation>;
  void take() {
    settle();
    (void)checked();
  }
};

/// splice(2) and sendfile(2) wait for a blocking socket whatever their own flags say. Several
/// copies may have the same one, and need it until the last of them ends.
class non_blocking {
 public:
  explicit non_blocking(io_resource& resource) noexcept
      : resource_(resource.is_stream() ? &resource : nullptr) {
    if (resource_.get() == nullptr || resource.non_blocking_uses++ != 0) return;
    const int status = ::fcntl(resource.descriptor, F_GETFL);
    resource.was_blocking = status != -1 && (status & O_NONBLOCK) == 0 &&
                            ::fcntl(resource.descriptor, F_SETFL, status | O_NONBLOCK) == 0;
    status_ = status;
  }
  non_blocking(const non_blocking&) = delete;
  non_blocking& operator=(const non_blocking&) = delete;
  ~non_blocking() {
    if (resource_.get() == nullptr || --resource_->non_blocking_uses != 0) return;
    if (!std::exchange(resource_->was_blocking, false) || resource_->descriptor == -1) return;
    const int status = status_ != -1 ? status_ : ::fcntl(resource_->descriptor, F_GETFL);
    if (status != -1) (void)::fcntl(resource_->descriptor, F_SETFL, status & ~O_NONBLOCK);
  }

 private:
  io_reference resource_;
  int status_ = -1;  // known to who was first
};

/// What may be spliced has its type as of stat(2), all else 0. Not a socket that came as a file,
/// such as standard input: its flags are shared with other processes, and without them splice would
/// wait.
mode_t spliced_type(const io_resource* resource) noexcept {
  if (resource == nullptr || resource->descriptor < 0 || resource->closing) return 0;
  if (resource->is_stream()) return S_IFSOCK;
  struct stat status{};
  if (!resource->is_file() || ::fstat(resource->descriptor, &status) == -1) return 0;
  const mode_t type = status.st_mode & S_IFMT;
  return type == S_IFREG || type == S_IFIFO || type == S_IFBLK ? type : 0;
}

/// Says nothing about the transfer itself: with a buffer it may work, or fail with its true cause.
bool is_refusal(const std::error_code& error) noexcept {
  return error == std::errc::invalid_argument || error == std::errc::function_not_supported ||
         error == std::errc::operation_not_supported || error == std::errc::bad_file_descriptor ||
         error == std::errc::operation_not_permitted;
}

/// Adds what an operation has moved to the counts, also when the tasklet is killed at the same
/// time.
class counted {
 public:
  counted(std::uint64_t& total, std::size_t& place) noexcept : total_(total), place_(place) {}
  counted(const counted&) = delete;
  counted& operator=(const counted&) = delete;
  ~counted() { commit(); }

  void commit() noexcept {
    total_ += moved;
    place_ += std::exchange(moved, 0);
  }

  std::size_t moved = 0;

 private:
  std::uint64_t& total_;
  std::size_t& place_;
};

class copying {
 public:
  copying(
      copy_end<read_step> from, copy_end<write_step> to, const io::copy_options& options
  ) noexcept
      : from_(from),
        to_(to),
        keep_source_(from.resource),
        keep_destination_(to.resource),
        options_(options) {}
  copying(const copying&) = delete;
  copying& operator=(const copying&) = delete;
  ~copying() {
    report();
    close_pipe();
  }

  task<> run() {
    check_current_tasklet();
    if (from_.stream != nullptr && options_.offset != at_position)
      throw std::logic_error("copy: an offset into a stream that is no file of the library");
    if (options_.count == 0) {
      ended_ = true;
      co_return;
    }
    if (kernel_can_move()) co_await move_all();
    if (!ended_) co_await pass_all();
  }

  [[nodiscard]] std::uint64_t written() const noexcept { return written_; }
  /// The caller learns the count, and has caught the error.
  void caller_knows_count() noexcept { caller_knows_count_ = true; }

 private:
  [[nodiscard]] bool kernel_can_move() {
    if (options_.count < too_few_to_splice) return false;
    const mode_t from = spliced_type(from_.resource);
    const mode_t to = spliced_type(to_.resource);
    if (from == 0 || to == 0) return false;
    sends_file_ = from == S_IFREG && !from_.resource->is_direct && to == S_IFSOCK;
    if (options_.offset != at_position && !from_.resource->is_seekable()) return false;
    splices_ = active_scheduler->io().supports(io_code::splice_in);
    return splices_ || sends_file_;
  }

  /// False, for want of descriptors or memory: it goes without.
  bool make_pipe() noexcept {
    if (pipe_[0] != -1) return true;
    if (::pipe2(pipe_.data(), O_CLOEXEC) == -1) return false;
    // Fewer steps, if the user has room for that in the system's limit of pipes.
    if (options_.count > buffer_size) (void)::fcntl(pipe_[1], F_SETPIPE_SZ, pipe_size);
    ignore_broken_pipes();  // the splice to a socket whose peer has gone knows no MSG_NOSIGNAL
    return true;
  }
  void close_pipe() noexcept {
    for (int& end : pipe_)
      if (end != -1) ::close(std::exchange(end, -1));
  }

  [[nodiscard]] std::uint64_t missing() const noexcept { return options_.count - read_; }
  [[nodiscard]] std::uint64_t source_offset() const noexcept {
    return options_.offset == at_position ? at_position : options_.offset + read_;
  }

  /// Returns when all is done, or when the kernel will not go on: what the pipe held is in the
  /// buffer then.
  task<> move_all() {
    const non_blocking source(*from_.resource);
    const non_blocking destination(*to_.resource);
    if (sends_file_) ignore_broken_pipes();
    std::error_code error;
    while (!ended_) {
      if (sends_file_) co_await send_what_is_in_memory();
      if (ended_ || !splices_ || !make_pipe()) co_return;
      {
        counted step(read_, in_pipe_);
        co_await splice_operation(
            io_code::splice_in, from_.resource, pipe_[1], source_offset(), missing(), &error,
            &step.moved
        );
      }
      if (is_refusal(error)) co_return;
      if (error) fail(io_code::splice_in, error, *from_.resource);
      if (in_pipe_ == 0) break;
      while (in_pipe_ != 0) {
        const std::size_t before = in_pipe_;
        {
          std::size_t gone = 0;
          const taken_out step(*this, gone);
          co_await splice_operation(
              io_code::splice_out, to_.resource, pipe_[0], at_position, in_pipe_, &error, &gone
          );
        }
        if (is_refusal(error)) {
          empty_pipe();
          co_return;
        }
        if (error) fail(io_code::splice_out, error, *to_.resource);
        check_progress(before - in_pipe_);
      }
      if (missing() == 0) break;
    }
    ended_ = true;
  }

  /// io_uring has a thread do a splice, and that costs more than all else. What is in memory is
  /// therefore sent from here, a piece in each turn of the loop. Returns when all is done, or when
  /// what comes next has to be spliced.
  task<> send_what_is_in_memory() {
    while (!ended_) {
      if (!are_usable()) co_return;  // the splice says why
      // Before it waits: where nothing is left, no room is needed.
      const int there = look_at(from_.resource->descriptor, source_offset());
      ended_ = there == 0;
      if (there != 1) co_return;
      std::error_code error;
      co_await io::plain_operation(io_code::poll, to_.resource, POLLOUT, &error);
      if (error && !is_refusal(error)) fail(io_code::splice_out, error, *to_.resource);
      if (error || !are_usable()) co_return;
      const int sent = send_file(
          to_.resource->descriptor, from_.resource->descriptor, source_offset(),
          static_cast<std::size_t>(std::min(missing(), most_sent_at_once))
      );
      if (sent == not_in_memory || (sent < 0 && !may_try_again(-sent))) co_return;
      const auto moved = static_cast<std::uint64_t>(std::max(sent, 0));
      read_ += moved;
      written_ += moved;
      ended_ = sent == 0 || missing() == 0;
    }
  }

  [[nodiscard]] bool are_usable() const noexcept {
    const auto is_usable = [](const io_resource& resource, int directions) noexcept {
      return resource.descriptor >= 0 && !resource.closing && (resource.broken & directions) == 0;
    };
    return is_usable(*to_.resource, writing) &&
           is_usable(*from_.resource, options_.offset == at_position ? reading | writing : 0);
  }

  /// After a failure. False: it is to be spliced; and which end's error it is, that finds out.
  bool may_try_again(int number) {
    if (number == EAGAIN || number == EINTR) return true;
    const std::error_code error(number, std::system_category());
    if (is_refusal(error)) sends_file_ = false;
    if (is_refusal(error) || number == EIO) return false;
    fail(io_code::splice_out, error, *to_.resource);
  }

  task<> pass_all() {
    const auto wanted =
        static_cast<std::size_t>(std::min<std::uint64_t>(options_.count, buffer_size));
    // Not value-initialized: what is never read into is never touched.
    if (buffer_ == nullptr) buffer_.reset(new std::byte[capacity_ = wanted]);
    for (;;) {
      while (begin_ != end_) {
        counted step(written_, begin_);
        co_await write(io::const_bytes(buffer_.get() + begin_, end_ - begin_), &step.moved);
        check_progress(step.moved);
      }
      if (missing() == 0) break;
      begin_ = end_ = 0;
      const auto room = static_cast<std::size_t>(std::min<std::uint64_t>(capacity_, missing()));
      counted step(read_, end_);
      co_await read(io::mutable_bytes(buffer_.get(), room), &step.moved);
      if (step.moved == 0) break;
    }
    ended_ = true;
  }

  task<> read(io::mutable_bytes into, std::size_t* moved) {
    if (from_.stream != nullptr) {
      co_await from_.step(from_.stream, into, moved);
      co_return;
    }
    const bool is_stream = from_.resource != nullptr && from_.resource->is_stream();
    const io_code code = is_stream ? io_code::receive : io_code::read;
    (void
    )co_await io::transfer_operation(code, from_.resource, into, source_offset(), nullptr, moved);
  }

  task<> write(io::const_bytes from, std::size_t* moved) {
    if (to_.stream != nullptr) {
      co_await to_.step(to_.stream, from, moved);
      co_return;
    }
    const bool is_stream = to_.resource != nullptr && to_.resource->is_stream();
    const io_code code = is_stream ? io_code::send : io_code::write;
    (void)co_await io::transfer_operation(code, to_.resource, from, at_position, nullptr, moved);
  }

  [[noreturn]] static void fail(
      io_code code, const std::error_code& error, const io_resource& resource
  ) {
    throw io::io_error(error, name_of(code), resource.descriptor, resource.name());
  }

  // No device does this; if one does, it must not be asked for ever.
  void check_progress(std::size_t moved) const {
    if (moved == 0) throw_failure("write", -EIO, to_.resource);
  }

  class taken_out {
   public:
    taken_out(copying& of, const std::size_t& moved) noexcept : of_(of), moved_(moved) {}
    taken_out(const taken_out&) = delete;
    taken_out& operator=(const taken_out&) = delete;
    ~taken_out() {
      of_.written_ += moved_;
      of_.in_pipe_ -= moved_;
    }

   private:
    copying& of_;
    const std::size_t& moved_;
  };

  /// Never waits: the bytes are there.
  std::size_t read_pipe(void* into) noexcept {
    std::size_t got = 0;
    while (got != in_pipe_) {
      const auto n = ::read(pipe_[0], static_cast<std::byte*>(into) + got, in_pipe_ - got);
      if (n > 0) got += static_cast<std::size_t>(n);
      if (n == 0 || (n == -1 && errno != EINTR)) break;
    }
    in_pipe_ -= got;
    return got;
  }

  void empty_pipe() {
    capacity_ = std::max(buffer_size, in_pipe_);
    buffer_.reset(new std::byte[capacity_]);
    end_ = read_pipe(buffer_.get());
  }

  void report() noexcept {
    std::size_t held = end_ - begin_ + in_pipe_;
    if (io::copy_progress* const progress = options_.progress) {
      progress->read = read_;
      progress->written = written_;
      try {
        progress->unwritten.resize(held);
        const auto rest = std::copy(
            reinterpret_cast<const char*>(buffer_.get()) + begin_,
            reinterpret_cast<const char*>(buffer_.get()) + end_, progress->unwritten.begin()
        );
        if (in_pipe_ != 0) (void)read_pipe(&*rest);
        held = 0;
      } catch (const std::bad_alloc&) {
        progress->unwritten.clear();  // `read - written` tells that something is missing
      }
      if (held == 0) return;
    }
    if (ended_ || read_ == 0 || (caller_knows_count_ && held == 0)) return;
    if (options_.offset == at_position) mark_broken(from_.resource, reading);
    if (!caller_knows_count_) mark_broken(to_.resource, writing);
  }

  static void mark_broken(io_resource* resource, io_direction direction) noexcept {
    if (resource == nullptr) return;
    resource->broken |=
        static_cast<std::uint8_t>(resource->is_file() ? reading | writing : direction);
  }

  copy_end<read_step> from_;
  copy_end<write_step> to_;
  io_reference keep_source_;
  io_reference keep_destination_;
  io::copy_options options_;
  std::uint64_t read_ = 0;
  std::uint64_t written_ = 0;
  std::array<int, 2> pipe_{-1, -1};
  std::size_t in_pipe_ = 0;
  std::unique_ptr<std::byte[]> buffer_;
  std::size_t capacity_ = 0;
  std::size_t begin_ = 0;  // of what the buffer holds
  std::size_t end_ = 0;
  bool splices_ = false;
  bool sends_file_ = false;
  bool ended_ = false;
  bool caller_knows_count_ = false;
};

}  // namespace

task<std::uint64_t> copy(
    copy_end<read_step> from, copy_end<write_step> to, io::copy_options options
) {
  copying work(from, to, options);
  co_await work.run();
  co_return work.written();
}

task<std::uint64_t> copy(
    copy_end<read_step> from,
    copy_end<write_step> to,
    io::copy_options options,
    std::error_code& error
) {
  error.clear();
  copying work(from, to, options);
  try {
    co_await work.run();
  } catch (const std::system_error& failure) {
    error = failure.code();
    work.caller_knows_count();
  }
  co_return work.written();
}

}  // namespace stackless::inline STACKLESS_ABI::detail
