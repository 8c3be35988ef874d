#include "core/signal_dump.hpp"

#include <stackless/detail/io_port.hpp>
#include <stackless/scheduler_options.hpp>

#include "core/system_error.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <ctime>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

namespace stackless::inline STACKLESS_ABI::detail {

static_assert(scheduler_options{}.dump_signal == SIGQUIT);

namespace {

// A handler walks the list without a lock, and counts itself while it does: who leaves the list
// waits for those who may still look at it.
constinit std::atomic<signal_dump*> first = nullptr;
constinit std::atomic<int> handlers_inside = 0;

struct taken_signal {
  int signal;
  int users;
  struct sigaction before;
};

struct registry {
  std::mutex mutex;
  std::vector<taken_signal> taken;
};
registry& signals() {
  static registry all;
  return all;
}

}  // namespace

signal_dump::signal_dump(int signal) : signal_(signal) {
  registry& all = signals();
  const std::lock_guard lock(all.mutex);
  all.taken.reserve(all.taken.size() + 1);  // before anything that is to be undone
  const auto known = std::find_if(all.taken.begin(), all.taken.end(), [&](const taken_signal& t) {
    return t.signal == signal;
  });
  wake_descriptor_ = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (wake_descriptor_ == -1) throw_system("eventfd");
  next_ = first.load();
  first = this;
  if (known != all.taken.end()) {
    ++known->users;
    return;
  }
  struct sigaction mine{};
  mine.sa_handler = handle;
  mine.sa_flags = SA_RESTART;  // the program's own system calls go on
  ::sigemptyset(&mine.sa_mask);
  struct sigaction before{};
  if (::sigaction(signal, &mine, &before) == -1) {
    first = next_.load();
    const int error = errno;
    ::close(wake_descriptor_);
    errno = error;
    throw_system("scheduler_options::dump_signal");
  }
  all.taken.push_back({signal, 1, before});
}

signal_dump::~signal_dump() {
  registry& all = signals();
  const std::lock_guard lock(all.mutex);
  const auto mine = std::find_if(all.taken.begin(), all.taken.end(), [&](const taken_signal& t) {
    return t.signal == signal_;
  });
  if (--mine->users == 0) {
    ::sigaction(signal_, &mine->before, nullptr);
    all.taken.erase(mine);
  }
  std::atomic<signal_dump*>* link = &first;
  while (link->load() != this) link = &link->load()->next_;
  *link = next_.load();
  while (handlers_inside != 0) std::this_thread::yield();
  ::close(wake_descriptor_);
}

void signal_dump::handle(int signal) noexcept {
  ++handlers_inside;
  for (signal_dump* d = first; d != nullptr; d = d->next_)
    if (d->signal_ == signal) d->request();
  --handlers_inside;
}

void signal_dump::request() noexcept {
  std::int64_t never = 0;
  requested_at_.compare_exchange_strong(never, now());  // of several the first
  const int saved = errno;
  const std::uint64_t one = 1;
  [[maybe_unused]] const auto written = ::write(wake_descriptor_, &one, sizeof one);
  errno = saved;
  if (io_backend* backend = backend_) backend->wake();
}

std::int64_t signal_dump::now() noexcept {
  timespec time{};
  ::clock_gettime(CLOCK_MONOTONIC, &time);  // what a handler may call
  return std::int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

void signal_dump::drain_descriptor() const noexcept {
  std::uint64_t count = 0;
  [[maybe_unused]] const auto size = ::read(wake_descriptor_, &count, sizeof count);
}

}  // namespace stackless::inline STACKLESS_ABI::detail
