#pragma once

#include <stackless/detail/config.hpp>

#include <string>

namespace stackless::inline STACKLESS_ABI::detail {

class scheduler_core;

/// A scheduler's place in the list of all of this process, by which a debugger finds it: also in a
/// core file, and without debug information. Read by tools/stackless-gdb.py.
struct debug_listing {
  explicit debug_listing(scheduler_core& owner);
  debug_listing(const debug_listing&) = delete;
  debug_listing& operator=(const debug_listing&) = delete;
  ~debug_listing();

  /// How reports tell it from the others: `thread 4711 'worker'`; empty if there is no other.
  [[nodiscard]] std::string distinction() const;

  scheduler_core* scheduler;
  debug_listing* next = nullptr;
  debug_listing* previous = nullptr;
  const void* chunks = nullptr;  ///< of its thread's frame slab
  int thread = 0;                ///< as the kernel numbers it
};

}  // namespace stackless::inline STACKLESS_ABI::detail
