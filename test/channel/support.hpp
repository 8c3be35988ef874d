#pragma once

#include <cstdint>
#include <stdexcept>
#include <utility>

namespace channel_test {

/// Counts its instances; knows whether it was moved from.
class token {
 public:
  static inline int alive = 0;

  explicit token(int value) : value_(value) { ++alive; }
  token(token&& other) noexcept : value_(std::exchange(other.value_, moved_from)) { ++alive; }
  token& operator=(token&& other) noexcept {
    value_ = std::exchange(other.value_, moved_from);
    return *this;
  }
  ~token() { --alive; }

  [[nodiscard]] int value() const { return value_; }
  [[nodiscard]] bool intact() const { return value_ != moved_from; }

 private:
  static constexpr int moved_from = -1000;
  int value_;
};

struct move_failed : std::runtime_error {
  move_failed() : std::runtime_error("move failed") {}
};

/// One of its next moves throws when told to, and leaves the source as it was.
class fragile {
 public:
  static inline int alive = 0;
  static inline int moves_until_throw = 0;  ///< 0: none throws

  explicit fragile(int value) : value_(value) { ++alive; }
  fragile(fragile&& other) : value_(other.value_) {
    if (moves_until_throw > 0 && --moves_until_throw == 0) throw move_failed();
    other.value_ = -1;
    ++alive;
  }
  ~fragile() { --alive; }

  [[nodiscard]] int value() const { return value_; }

 private:
  int value_;
};

}  // namespace channel_test
