#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string_view>

namespace fuzz {

/// Ends the program, which the fuzzer takes for a crash.
inline void check(bool holds, const char* property, int line) {
  if (holds) return;
  std::fprintf(stderr, "line %d: this does not hold: %s\n", line, property);
  std::abort();
}

/// Cuts its input into pieces, the same ones each time: how is made of the input itself.
class cutter {
 public:
  explicit cutter(std::string_view bytes) noexcept {
    for (const char c : bytes)
      state_ = (state_ ^ static_cast<unsigned char>(c)) * 1'099'511'628'211U;
    // Some inputs come byte by byte, others in large pieces.
    largest_ = std::size_t{1} << (state_ % 13);
  }

  /// How much of the `left` bytes comes next; at least one.
  std::size_t next(std::size_t left) noexcept {
    state_ = state_ * 6'364'136'223'846'793'005U + 1'442'695'040'888'963'407U;
    return std::min(left, 1 + static_cast<std::size_t>(state_ >> 33) % largest_);
  }

 private:
  std::uint64_t state_ = 14'695'981'039'346'656'037U;
  std::size_t largest_ = 1;
};

}  // namespace fuzz

#define PROPERTY(...) ::fuzz::check(static_cast<bool>(__VA_ARGS__), #__VA_ARGS__, __LINE__)
