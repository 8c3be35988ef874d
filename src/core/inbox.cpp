#include <stackless/detail/inbox.hpp>
#include <stackless/detail/io_port.hpp>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <ctime>

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

namespace stackless::inline STACKLESS_ABI::detail {

static_assert(std::atomic<void*>::is_always_lock_free, "request_stop is for signal handlers");

inbox::~inbox() {
  if (descriptor_ != -1) ::close(descriptor_);
}

bool inbox::deliver(scheduler_core& core) noexcept {
  thread_mailbox::letter* next = mail_.take();
  const bool any = next != nullptr;
  while (next != nullptr) {
    auto& current = static_cast<notice&>(*next);
    next = thread_mailbox::open(current);
    current.arrive(core);
  }
  return any;
}

void inbox::sleep(std::optional<std::chrono::nanoseconds> timeout, int other) noexcept {
  using std::chrono::nanoseconds;
  std::array<pollfd, 2> entries{{{descriptor(), POLLIN, 0}, {other, POLLIN, 0}}};
  // Without a descriptor nobody can wake it: it looks by itself.
  if (entries[0].fd == -1)
    timeout = std::min(timeout.value_or(nanoseconds::max()), nanoseconds(10'000'000));
  timespec limit{};
  if (timeout) {
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(*timeout);
    limit.tv_sec = seconds.count();
    limit.tv_nsec = (*timeout - seconds).count();
  }
  // Interrupted by a signal it returns early, and the caller looks at its clocks and comes back.
  (void)::ppoll(entries.data(), entries.size(), timeout ? &limit : nullptr, nullptr);
  drain_descriptor();
}

int inbox::descriptor() noexcept {
  if (descriptor_ == -1)
    descriptor_.store(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), std::memory_order_release);
  return descriptor_;
}

void inbox::drain_descriptor() const noexcept {
  if (descriptor_ == -1) return;
  std::uint64_t wakes = 0;
  [[maybe_unused]] const auto size = ::read(descriptor_, &wakes, sizeof wakes);
}

void inbox::wake() const noexcept {
  if (io_backend* backend = backend_.load(std::memory_order_acquire)) {
    backend->wake();
    return;
  }
  const int descriptor = descriptor_.load(std::memory_order_acquire);
  if (descriptor == -1) return;  // it looks by itself
  const int saved = errno;
  const std::uint64_t one = 1;
  // It can only fail when the counter is full, and then a wake is pending already.
  [[maybe_unused]] const auto written = ::write(descriptor, &one, sizeof one);
  errno = saved;
}

void inbox::close() noexcept {
  thread_mailbox::letter* next = mail_.close();
  backend_.store(nullptr, std::memory_order_relaxed);
  while (next != nullptr) {
    auto& current = static_cast<notice&>(*next);
    next = thread_mailbox::open(current);
    current.discard();
  }
}

}  // namespace stackless::inline STACKLESS_ABI::detail
