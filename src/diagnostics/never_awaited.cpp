#include <stackless/detail/awaited_once.hpp>
#include <stackless/detail/scheduler_core.hpp>
#include <stackless/task.hpp>
#include <stackless/tasklet.hpp>

#include "diagnostics/function_name.hpp"

#include <cstdio>
#include <exception>
#include <string>
#include <string_view>

namespace stackless::inline STACKLESS_ABI::detail {

namespace {

// What runs while the forgotten thing goes: it is as good as always who has forgotten it.
std::string where_we_are() {
  const tasklet_block* t = active_scheduler != nullptr ? active_scheduler->current() : nullptr;
  if (t == nullptr) return {};
  std::string text;
#if STACKLESS_TRACKING
  if (t->current_frame != nullptr)
    text = ", in '" + clean_function(t->current_frame->function) + "'";
#endif
  return text + " of the tasklet '" + any_tasklet(const_cast<tasklet_block&>(*t)).name() + "'";
}

void print(std::string_view what) noexcept {
  // An exception between the call and its co_await is no mistake of the user's.
  if (std::uncaught_exceptions() > 0) return;
  std::string text;
  try {
    text = where_we_are();
  } catch (...) {  // no memory: the message without the place
  }
  std::fprintf(
      stderr, "stackless: %.*s was destroyed without having been awaited%s\n",
      static_cast<int>(what.size()), what.data(), text.c_str()
  );
}

}  // namespace

void report_never_awaited([[maybe_unused]] const frame& f) noexcept {
#if STACKLESS_TRACKING
  try {
    print("the task of '" + clean_function(f.function) + "'");
    return;
  } catch (...) {  // no memory: the message without the name
  }
#endif
  print("a task");
}

#if STACKLESS_AWAITS_ARE_CHECKED
void report_operation_never_awaited() noexcept {
  print("an operation");
}
#endif

}  // namespace stackless::inline STACKLESS_ABI::detail
