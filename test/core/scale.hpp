#pragma once

#include <algorithm>
#include <cstdint>

// Sanitizers make everything slower and larger.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define TEST_IS_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || \
    __has_feature(memory_sanitizer) || __has_feature(undefined_behavior_sanitizer)
#define TEST_IS_SANITIZED 1
#endif
#endif
#ifndef TEST_IS_SANITIZED
#define TEST_IS_SANITIZED 0
#endif

namespace scale {

inline constexpr int ten_million = TEST_IS_SANITIZED ? 300'000 : 10'000'000;
inline constexpr int one_million = TEST_IS_SANITIZED ? 50'000 : 1'000'000;
inline constexpr int random_programs = TEST_IS_SANITIZED ? 2'000 : 10'000;

/// How far apart on the native stack its `mark()` was called.
class native_stack {
 public:
  [[gnu::noinline]] void mark() {
    const auto here = reinterpret_cast<std::uintptr_t>(__builtin_frame_address(0));
    lowest_ = std::min(lowest_, here);
    highest_ = std::max(highest_, here);
  }
  [[nodiscard]] std::uintptr_t spread() const { return highest_ - lowest_; }

 private:
  std::uintptr_t lowest_ = UINTPTR_MAX;
  std::uintptr_t highest_ = 0;
};

/// What a bounded number of symmetric transfers may take, even where each is a native call.
inline constexpr std::uintptr_t flat = 256 * 1024;

}  // namespace scale
