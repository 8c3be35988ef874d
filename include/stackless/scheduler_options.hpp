#pragma once

#include <stackless/detail/config.hpp>

#include <chrono>
#include <cstdint>

namespace stackless::inline STACKLESS_ABI {

/// Which I/O engine drives files and sockets.
enum class io_choice : std::uint8_t {
  automatic,  ///< io_uring where the kernel permits it, else epoll
  uring,
  epoll,
  none  ///< no I/O at all: an I/O operation raises std::logic_error
};

/// What `sleep_for` measures.
enum class clock_choice : std::uint8_t {
  steady,
  virtual_time  ///< jumps to the next timer when nothing runs and no I/O is in flight
};

/// What a scheduler does when it can no longer make progress.
enum class deadlock_policy : std::uint8_t {
  raise,  ///< `deadlock_error` in the tasklet that blocked last (docs/deadlock.md)
  wait,   ///< return to the host, who may still send
  abort   ///< print the report and terminate
};

/// Trivially destructible on purpose: GCC 12 destroys other aggregates in a co_await expression
/// twice.
struct scheduler_options {
  io_choice io = io_choice::automatic;
  clock_choice clock = clock_choice::steady;
  deadlock_policy on_deadlock = deadlock_policy::raise;
  bool keep_history = false;    ///< reports show the last 8 operations on each object; every switch
                                ///< then costs a turn of the loop
  bool dump_on_signal = false;  ///< `dump_signal` prints all tasklets to standard error, and the
                                ///< program goes on (docs/debugging.md)
  int dump_signal = 3;          ///< SIGQUIT; taken from its handler before while a scheduler lives
  unsigned ring_entries = 256;  ///< size of the io_uring submission queue
  unsigned resumes_between_polls =
      64;  ///< loop turns (of up to 64 switches) between two looks at I/O
  std::chrono::nanoseconds shutdown_grace =
      std::chrono::seconds(5);  ///< for teardown, then terminate
};

}  // namespace stackless::inline STACKLESS_ABI
