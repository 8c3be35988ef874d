#pragma once

#include <stackless/tasklet.hpp>

#include <chrono>
#include <cstdint>
#include <set>
#include <unordered_map>
#include <utility>

namespace stackless::inline STACKLESS_ABI {
class observer;
struct deadlock_report;
}  // namespace stackless::inline STACKLESS_ABI

namespace stackless::inline STACKLESS_ABI::detail {

/// What few programs set, and the fast paths know nothing of. While a trap or an observer is set,
/// or histories are kept, the tasklet that runs carries `attention::hooked`, which leads its awaits
/// to the slow paths, and `loop_at` leads every switch through the loop.
struct hooks {
  unsigned switch_traps = 0;
  observer* watcher = nullptr;
  any_tasklet previous;              ///< who ran last, as the observer was told
  std::uint64_t stalls_at_step = 0;  ///< those that were looked for last
  std::chrono::steady_clock::time_point next_look{};
  std::set<std::pair<std::uint64_t, std::uint64_t>> stalls_told;  ///< first tasklet, its step
  bool running = false;                                           ///< inside the observer
  bool asleep = false;         ///< nothing has run since the observer was told so
  bool keeps_history = false;  ///< of what is done with channels and the objects of sync/
  error_handler on_error;
  std::unordered_map<std::uint64_t, error_handler> on_error_of;  ///< by tasklet
};

/// Nothing can run: tells the observer, once until something has run.
void tell_sleep(scheduler_core& core) noexcept;

/// The scheduler is about to sleep: tells its observer who is likely stuck.
void tell_stalls(scheduler_core& core) noexcept;

}  // namespace stackless::inline STACKLESS_ABI::detail
