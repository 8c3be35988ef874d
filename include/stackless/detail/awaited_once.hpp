#pragma once

#include <stackless/detail/config.hpp>

#include <utility>

/// Of every operation: what compilers can see of one that nobody awaits.
#define STACKLESS_OPERATION \
  nodiscard("an operation happens only when it is awaited"), gnu::warn_unused

namespace stackless::inline STACKLESS_ABI::detail {

#if STACKLESS_ADDRESS_SANITIZER
/// Says on standard error that an operation was made and never awaited, and in which function.
void report_operation_never_awaited() noexcept;
#endif

/// Base of every operation. Under AddressSanitizer one that goes without having been awaited says
/// so; elsewhere the flag would cost a message 8 % of its time.
class awaited_once {
 public:
#if STACKLESS_ADDRESS_SANITIZER
  awaited_once() noexcept = default;
  awaited_once(const awaited_once& other) noexcept
      : awaited_(std::exchange(other.awaited_, true)) {}  // the copy is to be awaited in its place
  awaited_once& operator=(const awaited_once&) = delete;
  ~awaited_once() {
    if (!awaited_) report_operation_never_awaited();
  }

  void is_awaited() const noexcept { awaited_ = true; }

 private:
  mutable bool awaited_ = false;
#else
  static void is_awaited() noexcept {}
#endif
};

}  // namespace stackless::inline STACKLESS_ABI::detail
