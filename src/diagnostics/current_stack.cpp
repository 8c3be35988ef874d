#include <stackless/async_stack.hpp>
#include <stackless/detail/scheduler_core.hpp>

#include "diagnostics/snapshot.hpp"

namespace stackless::inline STACKLESS_ABI {

async_stack current_stack() {
  const detail::scheduler_core* core = detail::active_scheduler;
  if (core == nullptr || core->current() == nullptr) return {};
  return detail::stack_from(core->current()->current_frame);
}

}  // namespace stackless::inline STACKLESS_ABI
