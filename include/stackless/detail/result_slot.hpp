#pragma once

#include <stackless/detail/config.hpp>

#include <memory>
#include <type_traits>
#include <utility>

namespace stackless::inline STACKLESS_ABI::detail {

/// Room for what a coroutine returns. It lies in the one who awaits (or in the control block), so
/// that a promise stays small and is never over-aligned.
template <class T>
class result_slot {
 public:
  result_slot() noexcept {}
  result_slot(const result_slot&) = delete;
  result_slot& operator=(const result_slot&) = delete;
  ~result_slot() {
    if (full_) std::destroy_at(std::addressof(value_));
  }

  template <class... A>
  void emplace(A&&... arguments) {
    if constexpr (!std::is_trivially_destructible_v<T>) {
      if (full_) [[unlikely]] {  // a first result was given up because of a destructor's error
        full_ = false;
        std::destroy_at(std::addressof(value_));
      }
    }
    std::construct_at(std::addressof(value_), std::forward<A>(arguments)...);
    full_ = true;
  }
  [[nodiscard]] bool full() const noexcept { return full_; }
  [[nodiscard]] T& value() noexcept { return value_; }
  [[nodiscard]] T take() { return std::move(value_); }

 private:
  union {
    T value_;
  };
  bool full_ = false;
};

template <class T>
class result_slot<T&> {
 public:
  void emplace(T& target) noexcept { target_ = std::addressof(target); }
  [[nodiscard]] bool full() const noexcept { return target_ != nullptr; }
  [[nodiscard]] T& value() const noexcept { return *target_; }
  [[nodiscard]] T& take() const noexcept { return *target_; }

 private:
  T* target_ = nullptr;
};

template <>
class result_slot<void> {
 public:
  static void take() noexcept {}
};

}  // namespace stackless::inline STACKLESS_ABI::detail
