#pragma once

#include <stackless/tasklet.hpp>

#include <cstdint>
#include <unordered_map>

namespace stackless::inline STACKLESS_ABI {
class observer;
}  // namespace stackless::inline STACKLESS_ABI

namespace stackless::inline STACKLESS_ABI::detail {

/// What few programs set, and the fast paths know nothing of. While a trap or an observer is set,
/// or histories are kept, the tasklet that runs carries `attention::hooked`, which leads its awaits
/// to the slow paths, and `loop_at` leads every switch through the loop.
struct hooks {
  unsigned switch_traps = 0;
  observer* watcher = nullptr;
  any_tasklet previous;        ///< who ran last, as the observer was told
  bool running = false;        ///< inside the observer
  bool keeps_history = false;  ///< of what is done with channels and the objects of sync/
  error_handler on_error;
  std::unordered_map<std::uint64_t, error_handler> on_error_of;  ///< by tasklet
};

}  // namespace stackless::inline STACKLESS_ABI::detail
