#include "uring_backend.hpp"

#include "buffer_pool_state.hpp"
#include "buffer_ring.hpp"
#include "system_call.hpp"
#include "uring_entry.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <system_error>
#include <utility>

#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

namespace stackless::inline STACKLESS_ABI::detail {

namespace {

using std::chrono::nanoseconds;

// User data is an operation's address, or one of these.
constexpr std::uint64_t cancel_request = 0;
constexpr std::uint64_t wake_read = 1;

// io_operation::backend_state
constexpr std::uint16_t in_backlog = 1;
constexpr std::uint16_t cancel_sent = 2;
constexpr std::uint16_t cancel_in_backlog = 4;
constexpr std::uint16_t awaits_readiness = 8;  // a poll that goes before the operation itself
constexpr std::uint16_t before_threads = 16;
constexpr std::uint16_t in_threads = 32;

[[noreturn]] void throw_unavailable(int error, const char* what) {
  throw std::system_error(error, std::system_category(), what);
}

int create_ring(const uring_features& features, unsigned entries, io_uring& ring) noexcept {
  int result = -EINVAL;
  for (const unsigned flags : features.setup_flags()) {
    io_uring_params parameters{};
    parameters.flags = flags | IORING_SETUP_CLAMP | IORING_SETUP_CQSIZE;
    parameters.cq_entries = std::max(4 * std::min(entries, 8192U), 256U);
    result = io_uring_queue_init_params(entries, &ring, &parameters);
    if (result != -EINVAL) return result;
  }
  return result;
}

std::uint64_t user_data_of(const io_operation& operation) noexcept {
  return reinterpret_cast<std::uintptr_t>(&operation);
}

/// With hundreds of connections none of the operations is in the cache any more, nor what stands
/// behind them: the wait, or the queue of a receiver.
void prefetch_operation(std::uint64_t user_data) noexcept {
  for (std::uint64_t line = user_data; line < user_data + sizeof(io_operation) + 64; line += 64)
    __builtin_prefetch(reinterpret_cast<const void*>(line), 1);
}

}  // namespace

uring_backend::uring_backend(const uring_features& features, unsigned entries)
    : pool_(perform_blocking, *this) {
  if (const int result = create_ring(features, std::max(entries, 1U), ring_); result < 0)
    throw_unavailable(-result, "io_uring cannot be set up");
  try {
    on_threads_ = features.require(ring_);
    can_splice_ = features.can_splice(ring_);
    can_lend_ = features.can_lend_buffers();
    receive_many_flag_ = features.receive_many_flag();
    // Blocking: kernels differ in whether they wait on a non-blocking descriptor.
    wake_descriptor_ = ::eventfd(0, EFD_CLOEXEC);
    if (wake_descriptor_ == -1) throw_unavailable(errno, "eventfd");
  } catch (...) {
    io_uring_queue_exit(&ring_);
    throw;
  }
  arm_wake();
  (void)io_uring_submit(&ring_);  // what it could not take now goes with the next submission
}

uring_backend::~uring_backend() {
  pool_.stop();
  // The kernel is not to write into `wake_count_` once it is gone. Ending the ring alone is
  // asynchronous.
  background().for_each([this](io_operation& operation) { cancel(operation); });
  for (int attempt = 0; (wake_armed_ || !background().empty()) && attempt < 100; ++attempt) {
    if (!cancel_backlog_.empty()) enqueue_backlog();
    if (io_uring_sqe* entry = next_entry()) {
      io_uring_prep_cancel64(entry, wake_read, 0);
      io_uring_sqe_set_data64(entry, cancel_request);
    }
    if (io_uring_submit_and_wait(&ring_, 1) == -EEXIST) break;  // on another thread than it ran on
    reap();
  }
  release_pools();
  io_uring_queue_exit(&ring_);
  ::close(wake_descriptor_);
  if (host_descriptor_ != -1) ::close(host_descriptor_);
  finish_abandoned();
}

// Submission
// ---------------------------------------------------------------------------------------

io_uring_sqe* uring_backend::next_entry() noexcept {
  io_uring_sqe* entry = io_uring_get_sqe(&ring_);
  if (entry != nullptr) return entry;
  (void)io_uring_submit(&ring_);  // a failure shows as a queue that is still full
  return io_uring_get_sqe(&ring_);
}

void uring_backend::start(io_operation& operation) {
  taken(operation);
  if (on_threads_.test(static_cast<std::size_t>(operation.code))) {
    operation.backend_state = before_threads;
    for_threads_.push(operation);
  } else {
    operation.backend_state = 0;
    enqueue(operation);
  }
}

void uring_backend::hand_to_threads() noexcept {
  while (!taken_back_.empty()) finish(taken_back_.pop(), -ECANCELED);
  while (!for_threads_.empty()) {
    io_operation& operation = for_threads_.pop();
    operation.backend_state = in_threads;
    const int result = operation.cancel_requested ? -ECANCELED : pool_.submit(operation);
    if (result != 0) finish(operation, result);
  }
}

void uring_backend::finish_pool_work() noexcept {
  operation_queue done = pool_.take_finished();
  while (!done.empty()) {
    io_operation& operation = done.pop();
    finish(operation, operation.result);
  }
}

void uring_backend::enqueue(io_operation& operation) noexcept {
  io_uring_sqe* entry = backlog_.empty() ? next_entry() : nullptr;
  if (entry == nullptr) {
    operation.backend_state |= in_backlog;
    backlog_.push(operation);
    return;
  }
  if ((operation.backend_state & awaits_readiness) != 0) {
    io_uring_prep_poll_add(
        entry, operation.descriptor, static_cast<unsigned>(readiness_for(operation.code))
    );
  } else {
    prepare_entry(*entry, operation);
    if (operation.code == io_code::receive_many) entry->ioprio |= receive_many_flag_;
  }
  io_uring_sqe_set_data64(entry, user_data_of(operation));
}

bool uring_backend::enqueue_cancel(const io_operation& operation) noexcept {
  io_uring_sqe* entry = next_entry();
  if (entry == nullptr) return false;
  io_uring_prep_cancel64(entry, user_data_of(operation), 0);
  io_uring_sqe_set_data64(entry, cancel_request);
  return true;
}

void uring_backend::cancel(io_operation& operation) noexcept {
  if (operation.code == io_code::close) return;
  operation.cancel_requested = true;
  if ((operation.backend_state & in_threads) != 0 && pool_.withdraw(operation)) {
    operation.backend_state = before_threads;
    taken_back_.push(operation);
    return;
  }
  constexpr unsigned seen_to =
      in_backlog | cancel_sent | cancel_in_backlog | before_threads | in_threads;
  if ((operation.backend_state & seen_to) != 0) return;
  if (enqueue_cancel(operation)) {
    operation.backend_state |= cancel_sent;
  } else {
    operation.backend_state |= cancel_in_backlog;
    cancel_backlog_.push(operation);
  }
}

void uring_backend::enqueue_backlog() noexcept {
  // Cancels first: they make room.
  while (!cancel_backlog_.empty()) {
    if (!enqueue_cancel(*cancel_backlog_.front())) return;
    io_operation& operation = cancel_backlog_.pop();
    operation.backend_state =
        static_cast<std::uint16_t>((operation.backend_state & ~cancel_in_backlog) | cancel_sent);
  }
  operation_queue waiting = backlog_;
  backlog_ = {};
  while (!waiting.empty()) {
    io_operation& operation = waiting.pop();
    operation.backend_state &= static_cast<std::uint16_t>(~in_backlog);
    if (operation.cancel_requested && operation.code != io_code::close) {
      finish(operation, -ECANCELED);
    } else {
      enqueue(operation);
    }
  }
}

void uring_backend::arm_wake() noexcept {
  io_uring_sqe* entry = next_entry();
  if (entry == nullptr) return;  // the next poll tries again
  io_uring_prep_read(entry, wake_descriptor_, &wake_count_, sizeof wake_count_, 0);
  io_uring_sqe_set_data64(entry, wake_read);
  wake_armed_ = true;
}

// Completion
// ---------------------------------------------------------------------------------------

bool uring_backend::kernel_has_work() const noexcept {
  const unsigned flags = __atomic_load_n(ring_.sq.kflags, __ATOMIC_RELAXED);
  return (flags & (IORING_SQ_CQ_OVERFLOW | IORING_SQ_TASKRUN)) != 0;
}

// Not the ring's own descriptor: with DEFER_TASKRUN an epoll instance that watches it is not woken
// (seen on Linux 6.18), though a plain poll(2) is.
int uring_backend::poll_descriptor() {
  if (host_descriptor_ != -1) return host_descriptor_;
  const unsigned done = io_uring_cq_ready(&ring_) != 0 || kernel_has_work() ? 1 : 0;
  const int made = ::eventfd(done, EFD_CLOEXEC | EFD_NONBLOCK);
  if (made == -1) throw_unavailable(errno, "eventfd");
  if (const int result = io_uring_register_eventfd(&ring_, made); result < 0) {
    ::close(made);
    throw_unavailable(-result, "io_uring_register_eventfd");
  }
  host_descriptor_ = made;
  return made;
}

void uring_backend::poll(std::optional<nanoseconds> timeout) {
  finished_in_poll_ = 0;
  hand_to_threads();
  finish_pool_work();
  if (!backlog_.empty() || !cancel_backlog_.empty()) enqueue_backlog();
  if (!wake_armed_) arm_wake();
  // What could not be handed to the kernel must be tried again soon.
  if (!backlog_.empty() || !cancel_backlog_.empty())
    timeout = std::min(timeout.value_or(nanoseconds::max()), nanoseconds(1'000'000));
  if (finished_in_poll_ != 0 || io_uring_cq_ready(&ring_) != 0) timeout = nanoseconds(0);

  if (!timeout || timeout->count() > 0) {
    wait(timeout);
  } else if (io_uring_sq_ready(&ring_) != 0) {
    (void)io_uring_submit_and_get_events(&ring_);
  } else if (kernel_has_work()) {
    (void)io_uring_get_events(&ring_);
  }
  if (host_descriptor_ != -1) {  // before reaping: what comes after this shows in it again
    std::uint64_t count = 0;
    [[maybe_unused]] const auto size = ::read(host_descriptor_, &count, sizeof count);
  }
  reap();
  finish_pool_work();
  // A host that sleeps on poll_descriptor() is to see the next wake, and the end of what was begun
  // again, without another poll.
  if (!wake_armed_) arm_wake();
  if (host_descriptor_ != -1 && io_uring_sq_ready(&ring_) != 0) (void)io_uring_submit(&ring_);
}

void uring_backend::wait(std::optional<nanoseconds> timeout) {
  io_uring_cqe* first = nullptr;
  int result = 0;
  if (timeout) {
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(*timeout);
    __kernel_timespec limit{};
    limit.tv_sec = seconds.count();
    limit.tv_nsec = (*timeout - seconds).count();
    result = io_uring_submit_and_wait_timeout(&ring_, &first, 1, &limit, nullptr);
  } else {
    result = io_uring_submit_and_wait(&ring_, 1);
  }
  switch (result < 0 ? -result : 0) {
  case 0:
  case ETIME:
  case EINTR:   // the caller looks at its clocks and comes back
  case EAGAIN:  // short of memory, or of room for completions: reaping helps
  case EBUSY:
    return;
  case EEXIST:
    throw std::system_error(
        EEXIST, std::system_category(),
        "io_uring: a scheduler must stay on the thread it first ran on"
    );
  default:
    throw std::system_error(-result, std::system_category(), "io_uring_enter");
  }
}

void uring_backend::reap() noexcept {
  std::array<io_uring_cqe*, 64> batch{};
  // For an empty queue liburing asks the kernel for what has come meanwhile: a few at a time, which
  // the next poll would bring together. A host is told of them no second time.
  const bool once = host_descriptor_ == -1;
  for (;;) {
    if (once && io_uring_cq_ready(&ring_) == 0) return;
    const unsigned count = io_uring_peek_batch_cqe(&ring_, batch.data(), batch.size());
    if (count == 0) return;
    for (unsigned i = 0; i < count; ++i) prefetch_operation(batch[i]->user_data);
    for (unsigned i = 0; i < count; ++i) on_completion(*batch[i]);
    io_uring_cq_advance(&ring_, count);
  }
}

void uring_backend::lend(buffer_pool_state& pool) noexcept {
  if (!can_lend_) return;
  if (auto ring = buffer_ring::make(ring_, pool.count(), next_group_)) {
    next_group_ = static_cast<std::uint16_t>(ring->group() + 1);
    pool.lend_through(std::move(ring));
  }
}

void uring_backend::on_part(io_operation& operation, const io_uring_cqe& completion) noexcept {
  const bool goes_on = (completion.flags & IORING_CQE_F_MORE) != 0;
  if ((completion.flags & IORING_CQE_F_BUFFER) != 0)
    operation.owner->part(completion.flags >> IORING_CQE_BUFFER_SHIFT, completion.res);
  if (!goes_on) finish(operation, completion.res);
}

void uring_backend::on_completion(const io_uring_cqe& completion) noexcept {
  const std::uint64_t user_data = completion.user_data;
  int result = completion.res;
  if (user_data == cancel_request || user_data == LIBURING_UDATA_TIMEOUT) return;
  if (user_data == wake_read) {
    wake_armed_ = false;
    return;
  }
  auto& operation = *reinterpret_cast<io_operation*>(user_data);
  if (operation.code == io_code::receive_many) {
    on_part(operation, completion);
    return;
  }
  std::uint16_t& state = operation.backend_state;
  const bool was_poll = (state & awaits_readiness) != 0;
  state &= static_cast<std::uint16_t>(~awaits_readiness);

  if (operation.cancel_requested) {
    if (was_poll || result == -EINTR || result == -EAGAIN) result = -ECANCELED;
    finish(operation, result);
    return;
  }
  // A non-blocking descriptor makes some kernels give up where they could wait.
  const short readiness = readiness_for(operation.code);
  const bool gave_up =
      result == -EAGAIN && !was_poll && readiness != 0 && (operation.flags & MSG_DONTWAIT) == 0;
  if (gave_up) state |= awaits_readiness;
  const bool interrupted =
      result == -EINTR && operation.code != io_code::close && operation.code != io_code::connect;
  const bool peer_gave_up = result == -ECONNABORTED && operation.code == io_code::accept;
  if (gave_up || interrupted || peer_gave_up || (was_poll && result >= 0)) {
    enqueue(operation);
  } else {
    finish(operation, result);
  }
}

void uring_backend::finish(io_operation& operation, int result) noexcept {
  if (operation.continues(result)) {
    enqueue(operation);
    return;
  }
  if ((operation.backend_state & cancel_in_backlog) != 0) cancel_backlog_.remove(operation);
  ++finished_in_poll_;
  finished(operation, result);
}

void uring_backend::wake() noexcept {
  const int saved = errno;
  const std::uint64_t one = 1;
  // Only a counter that is full can make it fail, and then the wake is pending already.
  [[maybe_unused]] auto written = ::write(wake_descriptor_, &one, sizeof one);
  // The ring signals its eventfd from inside another eventfd's wake-up once at most (Linux 6.18).
  if (const int host = host_descriptor_; host != -1) written = ::write(host, &one, sizeof one);
  errno = saved;
}

}  // namespace stackless::inline STACKLESS_ABI::detail
