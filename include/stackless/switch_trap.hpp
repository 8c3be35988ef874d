#pragma once

#include <stackless/detail/scheduler_core.hpp>

namespace stackless::inline STACKLESS_ABI {

/// While one lives, nobody but the running tasklet runs: an operation that would switch to another
/// one raises `switch_trap_error` and changes nothing at all; what needs no switch works. For
/// passages that must not be interleaved. They nest, and hold for every tasklet of the scheduler.
///
/// **Errors**: `std::logic_error` outside a running scheduler.
/// **Lifetime**: within the tasklet that made it.
/// **Threads**: of one scheduler; others do not notice.
class switch_trap {
 public:
  [[nodiscard("the trap is set for as long as the object lives")]] switch_trap();
  switch_trap(const switch_trap&) = delete;
  switch_trap& operator=(const switch_trap&) = delete;
  ~switch_trap();

 private:
  detail::scheduler_core& core_;
};

}  // namespace stackless::inline STACKLESS_ABI
