#pragma once

#include <stackless/channel_side.hpp>
#include <stackless/tasklet.hpp>

#include <chrono>
#include <cstdint>
#include <map>
#include <set>
#include <unordered_map>
#include <utility>
#include <vector>

namespace stackless::inline STACKLESS_ABI {
class observer;
struct deadlock_report;
}  // namespace stackless::inline STACKLESS_ABI

namespace stackless::inline STACKLESS_ABI::detail {

class channel_core;

/// An end of a channel that was made in this turn: a spawn may have put it where its tasklet keeps
/// it.
struct new_end {
  channel_core* channel;
  const void* place;
  channel_side side;
};

/// How often `second` was locked by one who held `first`; by their numbers.
struct lock_order {
  std::uint64_t count = 0;
  site first_at{};  ///< of the latest
  site second_at{};
};

/// What few programs set, and the fast paths know nothing of. While a trap or an observer is set,
/// or histories are kept, the tasklet that runs carries `attention::hooked`, which leads its awaits
/// to the slow paths, and `loop_at` leads every switch through the loop.
struct hooks {
  unsigned switch_traps = 0;
  observer* watcher = nullptr;
  any_tasklet previous;              ///< who ran last, as the observer was told
  std::uint64_t stalls_at_step = 0;  ///< those that were looked for last
  std::chrono::steady_clock::time_point next_look{};
  /// It was too early to look for those that there may be now: the sleep ends then.
  std::optional<std::chrono::steady_clock::time_point> look_again_at;
  std::set<std::pair<std::uint64_t, std::uint64_t>> stalls_told;  ///< first tasklet, its step
  bool running = false;                                           ///< inside the observer
  bool asleep = false;            ///< nothing has run since the observer was told so
  bool keeps_history = false;     ///< of what is done with channels and the objects of sync/
  std::vector<new_end> new_ends;  ///< with `keeps_history`
  std::map<std::pair<std::uint64_t, std::uint64_t>, lock_order> lock_orders;
  error_handler on_error;
  std::unordered_map<std::uint64_t, error_handler> on_error_of;  ///< by tasklet
};

/// Nothing can run: tells the observer, once until something has run.
void tell_sleep(scheduler_core& core) noexcept;

/// The scheduler is about to sleep: tells its observer who is likely stuck.
void tell_stalls(scheduler_core& core) noexcept;

}  // namespace stackless::inline STACKLESS_ABI::detail
