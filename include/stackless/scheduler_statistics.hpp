#pragma once

#include <stackless/detail/config.hpp>

#include <cstddef>
#include <cstdint>
#include <string>

namespace stackless::inline STACKLESS_ABI {

/// Numbers of one scheduler at one moment.
struct scheduler_statistics {
  std::uint64_t spawned = 0;   ///< tasklets so far, main included
  std::size_t alive = 0;       ///< of these, not yet ended; daemons included
  std::size_t daemons = 0;     ///< of those
  std::size_t runnable = 0;    ///< the running one included
  std::uint64_t switches = 0;  ///< a tasklet gave way to another; its end is none
  std::size_t timers = 0;      ///< set, and not yet due
  std::size_t io_in_flight = 0;
  std::uint64_t io_operations = 0;  ///< started so far
  std::string io_backend;           ///< "io_uring" or "epoll"; empty before the first operation
  std::string io_backend_reason;    ///< why this one, for people
};

}  // namespace stackless::inline STACKLESS_ABI
