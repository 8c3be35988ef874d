#pragma once

#include <stackless/detail/wait.hpp>

#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>

namespace stackless::inline STACKLESS_ABI {
struct scheduler_options;
}  // namespace stackless::inline STACKLESS_ABI

namespace stackless::inline STACKLESS_ABI::detail {

class buffer_pool_state;
class io_resource;
class scheduler_core;
struct readiness_record;

/// What an operation asks of the kernel; the fields of `io_operation` that each one uses stand
/// beside it.
enum class io_code : std::uint8_t {
  nop,
  open,           ///< path, flags, mode
  close,          ///< descriptor; never cancelled
  read,           ///< descriptor, data, length, offset (`current_position`: at the file position)
  write,          ///< as read
  read_vectored,  ///< descriptor, data = iovec array, length = its count, offset
  write_vectored,
  sync,             ///< descriptor, flags = 1: data only
  accept,           ///< descriptor (non-blocking); the result is a close-on-exec descriptor
  connect,          ///< descriptor, data = sockaddr, length
  receive,          ///< descriptor, data, length, flags (MSG_…)
  send,             ///< descriptor, data, length, flags (MSG_NOSIGNAL is added)
  shutdown,         ///< descriptor, flags = how
  poll,             ///< descriptor, flags = POLLIN…; the result is what is ready
  receive_message,  ///< descriptor, data = msghdr, flags (MSG_…)
  send_message,     ///< as receive_message; MSG_NOSIGNAL is added
  status,           ///< path, or none: the descriptor's; data = struct statx, length = mask, flags
  rename,           ///< path, data = the new path, flags (RENAME_…)
  unlink,           ///< path, flags (AT_REMOVEDIR)
  make_directory,   ///< path, mode
  symbolic_link,    ///< path = what it points to, data = the link's path
  hard_link,        ///< path, data = the link's path
  allocate,         ///< descriptor, offset, size, mode = how
  resize,           ///< descriptor, size
  set_permissions,  ///< descriptor, mode
  set_times,        ///< descriptor, data = two timespec: accessed, modified
  call,             ///< data = a blocking_call
  splice_in,        ///< descriptor, offset, length, other = the write end of a pipe with room
  splice_out,       ///< descriptor, offset, length, other = the read end of a pipe with bytes
  receive_many  ///< descriptor, other = a group of provided buffers; part after part to its owner
};

/// What the kernel has no asynchronous form of: performed on a thread of the engine.
class blocking_call {
 public:
  explicit blocking_call(const char* what) noexcept : name(what) {}
  blocking_call(const blocking_call&) = delete;
  blocking_call& operator=(const blocking_call&) = delete;

  /// >= 0, or a negated errno.
  [[nodiscard]] virtual int perform() noexcept = 0;

  const char* const name;

 protected:
  ~blocking_call() = default;
};

/// Who has an operation that goes on between awaits, and completes to it.
class operation_owner {
 public:
  operation_owner(const operation_owner&) = delete;
  operation_owner& operator=(const operation_owner&) = delete;

  /// One result of several: the engine has filled `buffer`, with `outcome` bytes.
  virtual void part(std::uint32_t buffer, int outcome) noexcept = 0;
  /// The last. With an outcome > 0 nothing has happened: the kernel has stopped by itself.
  virtual void completed(int outcome) noexcept = 0;

 protected:
  operation_owner() noexcept = default;
  ~operation_owner() = default;
};

/// The larger a single transfer, the longer it cannot be cancelled; and the kernel's limit is 2
/// GiB.
inline constexpr std::size_t longest_transfer = std::size_t{1} << 30;

/// One operation in flight. It lives in the awaiting frame, and its address is the completion's
/// user data: that frame is never destroyed before `complete`.
class io_operation final : public wait_object, public list_hook {
 public:
  static constexpr std::uint64_t current_position = ~std::uint64_t{0};

  io_code code;
  bool cancel_requested = false;
  bool silent = false;              ///< counted in `scheduler_core::silent_sources`
  bool abandoned = false;           ///< nobody waits for it any more, nor ever will
  bool background = false;          ///< it is no source: its owner counts who waits
  std::uint16_t backend_state = 0;  ///< the backend's own; zero when it takes the operation
  int descriptor = -1;
  int other = -1;  ///< what is not waited for
  std::uint32_t length = 0;
  std::uint32_t flags = 0;
  std::uint32_t mode = 0;
  int result = 0;  ///< >= 0, or a negated errno
  void* data = nullptr;
  const char* path = nullptr;
  std::uint64_t offset = current_position;
  std::uint64_t size = 0;
  std::size_t rest = 0;  ///< of a transfer that is to be whole: bytes still to move, these included
  io_resource* resource = nullptr;       ///< what it works on, if that is to know of it
  wait* waiter = nullptr;                ///< null once it is complete
  io_operation* backend_next = nullptr;  ///< the backend's own
  readiness_record* record = nullptr;    ///< whose it is, if it may be left before it is complete
  operation_owner* owner = nullptr;      ///< to be told in place of a waiter

  explicit io_operation(io_code what) noexcept : code(what) {}

  /// Backends ask before they end an operation. True: it moved a part of what is to be whole, and
  /// has become the operation for the rest, which is to be begun.
  [[nodiscard]] bool continues(int outcome) noexcept {
    return rest != 0 && outcome > 0 && advance(outcome);
  }

  /// Ends the wait: stores the result and makes the tasklet runnable. Called by backends only,
  /// once. One that was abandoned is gone then.
  void complete(int outcome) noexcept;

  /// Asks the backend to cancel; false. One with a record is abandoned; true.
  [[nodiscard]] bool withdraw(wait& w) noexcept override;
  void describe(object_info& info, std::vector<const void*>& handles) const override;

 private:
  [[nodiscard]] bool advance(int outcome) noexcept;
};

[[nodiscard]] const char* name_of(io_code code) noexcept;
[[nodiscard]] const char* name_of(const io_operation& operation) noexcept;

void withdraw_readiness(readiness_record& record) noexcept;
void drop_readiness(readiness_record& record) noexcept;

/// What the scheduler needs of an I/O engine. All calls come from the scheduler's thread but
/// `wake`.
class io_backend {
 public:
  io_backend() = default;
  io_backend(const io_backend&) = delete;
  io_backend& operator=(const io_backend&) = delete;
  virtual ~io_backend() = default;

  [[nodiscard]] virtual const char* name() const noexcept = 0;
  /// Why it was taken and no other, for people.
  [[nodiscard]] const std::string& reason() const noexcept { return reason_; }
  void chosen_because(std::string reason) noexcept { reason_ = std::move(reason); }

  /// Takes the operation; it reaches the kernel at the next `poll` at the latest, with all others
  /// of that loop turn. Never completes it inside this call, and never drops it when a queue is
  /// full.
  virtual void start(io_operation& operation) = 0;

  /// Asks for an early end, once or more. The operation still completes by itself, at a later
  /// `poll`: with -ECANCELED, or with its result when that was faster. A `close` is never
  /// cancelled.
  virtual void cancel(io_operation& operation) noexcept = 0;

  /// Submits what is queued and completes what has finished. Waits for a first completion, a `wake`
  /// or the time-out: zero does not wait, nothing waits without limit. May come back early, with
  /// nothing completed (a signal).
  virtual void poll(std::optional<std::chrono::nanoseconds> timeout) = 0;

  /// Ends a `poll` that waits, or makes the next one return at once. Safe from threads and signals.
  virtual void wake() noexcept = 0;

  /// Whether the engine knows operations of this kind. Those that it does not are never started.
  [[nodiscard]] virtual bool supports(io_code) const noexcept { return true; }

  /// A descriptor that is readable when `poll` has something to do that it had not yet at its last
  /// return; operations that were started since then need another `poll` first. Always the same.
  /// \throws std::system_error
  [[nodiscard]] virtual int poll_descriptor() = 0;

  /// Nobody waits for the operation any more: it is cancelled, counts no longer, and is gone when
  /// it completes. For those that give the kernel no memory.
  void abandon(io_operation& operation) noexcept {
    operation.abandoned = true;
    intrusive_list<io_operation>::remove(operation);
    abandoned_.push_back(operation);
    --in_flight_;
    cancel(operation);
  }
  /// There is no operation, nor anything left of one: a `poll` would have nothing to do.
  [[nodiscard]] bool idle() const noexcept {
    return in_flight_ == 0 && abandoned_.empty() && background_.empty();
  }

  /// Somebody waits, or does no more, for what a background operation brings.
  void wait_begins() noexcept { ++in_flight_; }
  void wait_ends() noexcept { --in_flight_; }
  /// Somebody waits for the end of a background operation: it counts as others do.
  void wait_for(io_operation& operation) noexcept {
    operation.background = false;
    intrusive_list<io_operation>::remove(operation);
    operations_.push_back(operation);
    ++in_flight_;
  }

  /// Receives go into the buffers of this pool too, until either is gone.
  void adopt(buffer_pool_state& pool) noexcept;
  static void forget(buffer_pool_state& pool) noexcept;

  /// Operations taken and not yet completed, oldest first.
  [[nodiscard]] std::size_t in_flight() const noexcept { return in_flight_; }
  /// Operations taken since it was made.
  [[nodiscard]] std::uint64_t taken_in_all() const noexcept { return taken_in_all_; }
  [[nodiscard]] const intrusive_list<io_operation>& operations() const noexcept {
    return operations_;
  }

 protected:
  void taken(io_operation& operation) noexcept {
    ++taken_in_all_;
    if (operation.background) {
      background_.push_back(operation);
      return;
    }
    operations_.push_back(operation);
    ++in_flight_;
  }
  /// Ends the operation. It stays counted until its tasklet is in the ring (design: quiescence).
  void finished(io_operation& operation, int result) noexcept {
    intrusive_list<io_operation>::remove(operation);
    const bool counted = !operation.abandoned && !operation.background;
    operation.complete(result);
    if (counted) --in_flight_;
  }
  /// For destructors: the kernel has forgotten them, or will not tell any more.
  void finish_abandoned() noexcept {
    while (!abandoned_.empty()) finished(abandoned_.front(), 0);
    while (!background_.empty()) finished(background_.front(), -ECANCELED);
  }
  [[nodiscard]] const intrusive_list<io_operation>& background() const noexcept {
    return background_;
  }
  /// Lends the pool's buffers to the kernel, if it can do something with them.
  virtual void lend(buffer_pool_state&) noexcept {}
  /// For destructors, while the kernel still listens.
  void release_pools() noexcept;

 private:
  intrusive_list<io_operation> operations_;
  intrusive_list<io_operation> abandoned_;
  intrusive_list<io_operation> background_;
  intrusive_list<buffer_pool_state> pools_;
  std::size_t in_flight_ = 0;
  std::uint64_t taken_in_all_ = 0;
  std::string reason_;
};

/// Made by the first drive that needs it, on the driving thread. Null for `io_choice::none`.
/// \throws std::system_error when the backend that was asked for by name is not available
[[nodiscard]] std::unique_ptr<io_backend> make_io_backend(const scheduler_options& options);

}  // namespace stackless::inline STACKLESS_ABI::detail
