#include <stackless/snapshot.hpp>
#include <stackless/testing.hpp>

#include <algorithm>

namespace stackless::inline STACKLESS_ABI::testing {

scheduler_options test_options() noexcept {
  scheduler_options options;
  options.clock = clock_choice::virtual_time;
  return options;
}

namespace test_detail {

void check_no_leaks() {
  snapshot_data left = snapshot();
  std::erase_if(left.tasklets, [](const tasklet_info& t) { return t.is_main || t.is_daemon; });
  if (left.tasklets.empty()) return;
  throw leak_error(
      "the test ended, and " + std::to_string(left.tasklets.size()) +
      " of its tasklets had not:\n" + to_text(left)
  );
}

}  // namespace test_detail

}  // namespace stackless::inline STACKLESS_ABI::testing
