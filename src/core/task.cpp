#include <stackless/task.hpp>

#include <cstdio>
#include <exception>

namespace stackless::inline STACKLESS_ABI::detail {

void report_never_awaited([[maybe_unused]] const frame& f) noexcept {
  // An exception between the call and its co_await is no mistake of the user's.
  if (std::uncaught_exceptions() > 0) return;
#if STACKLESS_TRACKING
  std::fprintf(
      stderr, "stackless: the task of '%s' was destroyed without having been awaited\n", f.function
  );
#else
  std::fputs("stackless: a task was destroyed without having been awaited\n", stderr);
#endif
}

}  // namespace stackless::inline STACKLESS_ABI::detail
