#include "epoll_backend.hpp"

#include "core/system_error.hpp"
#include "system_call.hpp"

#include <cerrno>
#include <chrono>
#include <system_error>
#include <utility>

#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

namespace stackless::inline STACKLESS_ABI::detail {

namespace {

using std::chrono::nanoseconds;

// io_operation::backend_state: where the operation is.
enum place : std::uint16_t {
  is_fresh,
  waits_for_readiness,
  waits_connected,
  in_pool,
  is_being_cancelled
};

std::uint32_t events_for(const io_operation& operation) noexcept {
  switch (operation.code) {
  case io_code::write:
  case io_code::write_vectored:
  case io_code::send:
  case io_code::send_message:
  case io_code::connect:
  case io_code::splice_out:
    return EPOLLOUT;
  case io_code::poll:
    return operation.flags;  // the two name the same bits
  default:
    return EPOLLIN;
  }
}

static_assert(EPOLLIN == POLLIN && EPOLLOUT == POLLOUT && EPOLLPRI == POLLPRI);
static_assert(EPOLLHUP == POLLHUP && EPOLLERR == POLLERR && EPOLLRDHUP == POLLRDHUP);

}  // namespace

epoll_backend::epoll_backend() : pool_(perform_blocking, *this) {
  epoll_ = ::epoll_create1(EPOLL_CLOEXEC);
  if (epoll_ == -1) throw_system("epoll_create1");
  wake_descriptor_ = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.fd = wake_descriptor_;
  if (wake_descriptor_ == -1 ||
      ::epoll_ctl(epoll_, EPOLL_CTL_ADD, wake_descriptor_, &event) == -1) {
    const int error = errno;
    if (wake_descriptor_ != -1) ::close(wake_descriptor_);
    ::close(epoll_);
    errno = error;
    throw_system("eventfd");
  }
}

epoll_backend::~epoll_backend() {
  pool_.stop();
  release_pools();
  ::close(wake_descriptor_);
  ::close(epoll_);
  finish_abandoned();
}

void epoll_backend::start(io_operation& operation) {
  taken(operation);
  operation.backend_state = is_fresh;
  fresh_.push(operation);
}

void epoll_backend::cancel(io_operation& operation) noexcept {
  if (operation.code == io_code::close) return;
  operation.cancel_requested = true;
  switch (operation.backend_state) {
  case waits_for_readiness:
  case waits_connected: {
    interest& i = interests_[static_cast<std::size_t>(operation.descriptor)];
    i.queues[queue_of(operation)].remove(operation);
    --waiting_;
    bool unused = true;
    for (const operation_queue& queue : i.queues) unused &= queue.empty();
    if (unused) forget(operation.descriptor);
    break;
  }
  case in_pool:
    if (!pool_.withdraw(operation)) return;
    break;
  default:
    return;  // the next poll sees it first
  }
  operation.backend_state = is_being_cancelled;
  cancelled_.push(operation);
}

// Polling
// ------------------------------------------------------------------------------------------

void epoll_backend::poll(std::optional<nanoseconds> timeout) {
  finished_in_poll_ = 0;
  while (!cancelled_.empty()) finish(cancelled_.pop(), -ECANCELED);
  while (!fresh_.empty()) begin(fresh_.pop());
  finish_pool_work();
  if (finished_in_poll_ != 0) timeout = nanoseconds(0);
  if (timeout == nanoseconds(0) && waiting_ == 0 && pool_.outstanding() == 0 && !is_watched_)
    return;
  wait(timeout);
}

void epoll_backend::wait(std::optional<nanoseconds> timeout) {
  // epoll_wait counts in milliseconds; epoll_pwait2 is not in every libc.
  if (timeout && timeout->count() > 0) {
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(*timeout);
    timespec limit{};
    limit.tv_sec = seconds.count();
    limit.tv_nsec = (*timeout - seconds).count();
    pollfd entry{epoll_, POLLIN, 0};
    if (::ppoll(&entry, 1, &limit, nullptr) <= 0) return;
  }
  std::array<epoll_event, 128> events;
  const int count =
      ::epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), timeout ? 0 : -1);
  if (count == -1 && errno != EINTR) throw_system("epoll_wait");
  for (int i = 0; i < count; ++i) {
    const epoll_event& event = events[static_cast<std::size_t>(i)];
    if (event.data.fd == wake_descriptor_) {
      std::uint64_t wakes = 0;
      [[maybe_unused]] const auto size = ::read(wake_descriptor_, &wakes, sizeof wakes);
      finish_pool_work();
    } else {
      serve(event.data.fd, event.events);
    }
  }
}

void epoll_backend::finish_pool_work() noexcept {
  operation_queue done = pool_.take_finished();
  while (!done.empty()) {
    io_operation& operation = done.pop();
    if (operation.continues(operation.result)) {
      offload(operation);
    } else {
      finish(operation, operation.result);
    }
  }
}

void epoll_backend::finish(io_operation& operation, int result) noexcept {
  ++finished_in_poll_;
  finished(operation, result);
}

// Beginning operations
// -----------------------------------------------------------------------------

void epoll_backend::begin(io_operation& operation) noexcept {
  if (operation.cancel_requested) {
    finish(operation, -ECANCELED);
    return;
  }
  switch (operation.code) {
  case io_code::open:
  case io_code::sync:
  case io_code::status:
  case io_code::rename:
  case io_code::unlink:
  case io_code::make_directory:
  case io_code::symbolic_link:
  case io_code::hard_link:
  case io_code::allocate:
  case io_code::resize:
  case io_code::set_permissions:
  case io_code::set_times:
  case io_code::call:
    offload(operation);
    return;
  case io_code::close:
    // A descriptor that was duplicated stays registered otherwise.
    if (static_cast<std::size_t>(operation.descriptor) < interests_.size())
      forget(operation.descriptor);
    [[fallthrough]];
  case io_code::read:
  case io_code::write:
  case io_code::read_vectored:
  case io_code::write_vectored:
  case io_code::splice_in:
  case io_code::splice_out: {
    const int on_disk = is_on_disk(operation.descriptor);
    if (on_disk < 0) {
      finish(operation, on_disk);
    } else if (on_disk != 0) {
      offload(operation);
    } else {
      begin_on_descriptor(operation);
    }
    return;
  }
  default:
    begin_on_descriptor(operation);
    return;
  }
}

void epoll_backend::offload(io_operation& operation) noexcept {
  operation.backend_state = in_pool;
  if (const int result = pool_.submit(operation); result != 0) finish(operation, result);
}

void epoll_backend::begin_on_descriptor(io_operation& operation) noexcept {
  const auto index = static_cast<std::size_t>(operation.descriptor);
  const bool takes_turns = operation.code != io_code::poll && operation.code != io_code::connect;
  const bool others_wait = takes_turns && operation.descriptor >= 0 && index < interests_.size() &&
                           !interests_[index].queues[queue_of(operation)].empty();
  if (!others_wait) {
    const int result = attempt(operation, false);
    // A part: the rest waits, for there is no more room, or no more data, as a rule.
    if (result != would_block && !operation.continues(result)) {
      finish(operation, result);
      return;
    }
  }
  operation.backend_state =
      operation.code == io_code::connect ? waits_connected : waits_for_readiness;
  await_readiness(operation);
}

void epoll_backend::await_readiness(io_operation& operation) noexcept {
  const auto index = static_cast<std::size_t>(operation.descriptor);
  try {
    if (index >= interests_.size()) interests_.resize(index + index / 2 + 16);
  } catch (const std::bad_alloc&) {
    finish(operation, -ENOMEM);
    return;
  }
  interests_[index].queues[queue_of(operation)].push(operation);
  ++waiting_;
  arm(operation.descriptor);
}

// Readiness
// ----------------------------------------------------------------------------------------

epoll_backend::queue_index epoll_backend::queue_of(const io_operation& operation) noexcept {
  if (operation.code == io_code::poll) return watchers;
  return events_for(operation) == EPOLLOUT ? writers : readers;
}

void epoll_backend::serve(int descriptor, std::uint32_t events) noexcept {
  interest& i = interests_[static_cast<std::size_t>(descriptor)];
  i.armed = 0;
  // An error or a hang-up ends both directions: the attempt finds out how.
  const bool both = (events & (EPOLLERR | EPOLLHUP)) != 0;
  const std::array<bool, 2> ready{
      both || (events & EPOLLIN) != 0, both || (events & EPOLLOUT) != 0
  };
  for (const queue_index index : {readers, writers}) {
    operation_queue& queue = i.queues[index];
    while (ready[index] && !queue.empty()) {
      io_operation& operation = *queue.front();
      const int result = attempt(operation, operation.backend_state == waits_connected);
      if (result == would_block || operation.continues(result)) break;
      queue.pop();
      --waiting_;
      finish(operation, result);
    }
  }
  operation_queue& watching = i.queues[watchers];
  std::size_t count = 0;
  for (const io_operation* o = watching.front(); o != nullptr; o = o->backend_next) ++count;
  // One that finishes may be a case of a select, and take others out of the queue.
  for (; count != 0 && !watching.empty(); --count) {
    io_operation& operation = watching.pop();
    const int result = attempt(operation, false);
    if (result == would_block) {
      watching.push(operation);
    } else {
      --waiting_;
      finish(operation, result);
    }
  }
  arm(descriptor);
}

void epoll_backend::arm(int descriptor) noexcept {
  interest& i = interests_[static_cast<std::size_t>(descriptor)];
  std::uint32_t wanted = 0;
  for (const operation_queue& queue : i.queues)
    for (const io_operation* o = queue.front(); o != nullptr; o = o->backend_next)
      wanted |= events_for(*o);
  bool anybody = false;
  for (const operation_queue& queue : i.queues) anybody |= !queue.empty();
  // Armed for more than is wanted costs one idle event at most.
  if (!anybody || (i.armed != 0 && (wanted & ~i.armed) == 0)) return;
  wanted |= EPOLLONESHOT;
  if (const int error = control(descriptor, wanted); error != 0) {
    if (error == EPERM) {
      offload_waiting(descriptor);
    } else {
      fail_waiting(descriptor, -error);
    }
    return;
  }
  i.armed = wanted;
  i.registered = true;
}

int epoll_backend::control(int descriptor, std::uint32_t events) noexcept {
  const bool registered = interests_[static_cast<std::size_t>(descriptor)].registered;
  epoll_event event{};
  event.events = events;
  event.data.fd = descriptor;
  const int first = registered ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
  if (::epoll_ctl(epoll_, first, descriptor, &event) == 0) return 0;
  // The descriptor was closed since, or it is a new one with the number of one still registered.
  if (errno != ENOENT && errno != EEXIST) return errno;
  const int second = errno == ENOENT ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;
  return ::epoll_ctl(epoll_, second, descriptor, &event) == 0 ? 0 : errno;
}

void epoll_backend::forget(int descriptor) noexcept {
  interest& i = interests_[static_cast<std::size_t>(descriptor)];
  if (!i.registered) return;
  epoll_event unused{};  // old kernels want one
  (void)::epoll_ctl(epoll_, EPOLL_CTL_DEL, descriptor, &unused);
  i.armed = 0;
  i.registered = false;
}

void epoll_backend::fail_waiting(int descriptor, int result) noexcept {
  interest& i = interests_[static_cast<std::size_t>(descriptor)];
  for (operation_queue& queue : i.queues) {
    while (!queue.empty()) {
      --waiting_;
      finish(queue.pop(), result);
    }
  }
}

// A device that epoll does not know, such as /dev/null, is always ready; what is left of a transfer
// of many parts would keep the loop all the same.
void epoll_backend::offload_waiting(int descriptor) noexcept {
  interest& i = interests_[static_cast<std::size_t>(descriptor)];
  for (const queue_index index : {readers, writers}) {
    while (!i.queues[index].empty()) {
      --waiting_;
      offload(i.queues[index].pop());
    }
  }
  fail_waiting(descriptor, -EPERM);
}

void epoll_backend::wake() noexcept {
  const int saved = errno;
  const std::uint64_t one = 1;
  // It can only fail when the counter is full, and then the wake is pending already.
  [[maybe_unused]] const auto written = ::write(wake_descriptor_, &one, sizeof one);
  errno = saved;
}

}  // namespace stackless::inline STACKLESS_ABI::detail
