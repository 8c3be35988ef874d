#pragma once

#include <stackless/detail/config.hpp>

#include <utility>

/// Of every operation: what compilers can see of one that nobody awaits.
#define STACKLESS_OPERATION \
  nodiscard("an operation happens only when it is awaited"), gnu::warn_unused

namespace stackless::inline STACKLESS_ABI::detail {

#if STACKLESS_AWAITS_ARE_CHECKED
/// Says on standard error that an operation was made and never awaited, and in which function.
void report_operation_never_awaited() noexcept;
#endif

/// Base of every operation. In a debug build one that goes without having been awaited says so; in
/// others the flag would cost a message 8 % of its time.
class awaited_once {
 public:
#if STACKLESS_AWAITS_ARE_CHECKED
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
