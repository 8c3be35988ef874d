#include <stackless/detail/scheduler_core.hpp>
#include <stackless/scheduler.hpp>

#include "diagnostics/snapshot.hpp"

#include <algorithm>

namespace stackless::inline STACKLESS_ABI {

async_stack any_tasklet::stack() const {
  return detail::stack_from(block().current_frame);
}

wait_info any_tasklet::waiting_for() const {
  const detail::tasklet_block& t = block();
  if (t.ended || t.waiting() == nullptr) return {};
  const snapshot_data all = detail::take_snapshot(*t.home);
  const auto mine = std::find_if(all.tasklets.begin(), all.tasklets.end(), [&](const auto& info) {
    return info.id == t.id;
  });
  return mine != all.tasklets.end() ? mine->waits : wait_info{};
}

snapshot_data scheduler::snapshot() const {
  return detail::take_snapshot(*core_);
}

}  // namespace stackless::inline STACKLESS_ABI
