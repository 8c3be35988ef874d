#include <stackless/async_generator.hpp>

#include <cstdio>
#include <exception>

namespace stackless::inline STACKLESS_ABI::detail {

void throw_generator_moved_from() {
  throw_misuse("async_generator::next: it was moved from");
}

void throw_generator_running() {
  throw_misuse("async_generator::next: another next() of it has not ended");
}

void terminate_for_running_generator([[maybe_unused]] const frame& body) noexcept {
#if STACKLESS_TRACKING
  std::fprintf(
      stderr, "stackless: the async_generator of '%s' was destroyed while a next() of it ran\n",
      body.function
  );
#else
  std::fputs("stackless: an async_generator was destroyed while a next() of it ran\n", stderr);
#endif
  std::terminate();
}

}  // namespace stackless::inline STACKLESS_ABI::detail
