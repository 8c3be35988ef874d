#pragma once

#include <thread>
#include <utility>

#include <pthread.h>
#include <signal.h>

namespace stackless::inline STACKLESS_ABI::detail {

/// Starts a thread that takes none of the program's signals, which are for the program's threads;
/// faults stay where they happen.
/// \throws std::system_error when there is no thread to be had
template <class F>
[[nodiscard]] std::thread quiet_thread(F body) {
  struct mask {
    sigset_t before{};
    mask() noexcept {
      sigset_t blocked;
      ::sigfillset(&blocked);
      for (const int fault : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT, SIGSYS})
        ::sigdelset(&blocked, fault);
      ::pthread_sigmask(SIG_BLOCK, &blocked, &before);
    }
    mask(const mask&) = delete;
    mask& operator=(const mask&) = delete;
    ~mask() { ::pthread_sigmask(SIG_SETMASK, &before, nullptr); }
  };
  const mask inherited;
  return std::thread(std::move(body));
}

}  // namespace stackless::inline STACKLESS_ABI::detail
