#pragma once

#include <stackless/detail/config.hpp>

#include <concepts>
#include <cstddef>
#include <cstring>
#include <ranges>
#include <type_traits>

namespace stackless::inline STACKLESS_ABI::io {

namespace detail_bytes {
template <class T>
concept byte_like =
    std::same_as<T, std::byte> || std::same_as<T, char> || std::same_as<T, unsigned char> ||
    std::same_as<T, signed char> || std::same_as<T, char8_t>;
template <class R>
concept byte_range = std::ranges::contiguous_range<R> && std::ranges::sized_range<R> &&
                     byte_like<std::ranges::range_value_t<R>>;
}  // namespace detail_bytes

/// Bytes to be written: made from any contiguous range of bytes or characters, such as a string, a
/// vector or a span. A character array counts as text, up to its terminator; `std::span` takes it
/// whole.
///
/// **Lifetime**: a view. What it shows must live until the operation is complete.
class const_bytes {
 public:
  const_bytes() noexcept = default;
  const_bytes(const void* data, std::size_t size) noexcept
      : data_(static_cast<const std::byte*>(data)), size_(size) {}

  template <std::size_t N>
  const_bytes(const char (&text)[N]) noexcept : const_bytes(text, ::strnlen(text, N)) {}

  template <detail_bytes::byte_range R>
    requires(!std::is_array_v<R>)
  const_bytes(const R& range) noexcept
      : const_bytes(std::ranges::data(range), std::ranges::size(range)) {}

  [[nodiscard]] const std::byte* data() const noexcept { return data_; }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] const_bytes from(std::size_t offset) const noexcept {
    return {data_ + offset, size_ - offset};
  }

 private:
  const std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

/// Room for bytes to be read: made from any contiguous range of writable bytes or characters.
///
/// **Lifetime**: a view. The room must live until the operation is complete.
class mutable_bytes {
 public:
  mutable_bytes() noexcept = default;
  mutable_bytes(void* data, std::size_t size) noexcept
      : data_(static_cast<std::byte*>(data)), size_(size) {}

  template <class R>
    requires detail_bytes::byte_range<R> && std::ranges::borrowed_range<R> &&
             (!std::is_const_v<std::remove_reference_t<std::ranges::range_reference_t<R>>>)
  mutable_bytes(R&& range) noexcept
      : mutable_bytes(std::ranges::data(range), std::ranges::size(range)) {}

  [[nodiscard]] std::byte* data() const noexcept { return data_; }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] mutable_bytes from(std::size_t offset) const noexcept {
    return {data_ + offset, size_ - offset};
  }

 private:
  std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace stackless::inline STACKLESS_ABI::io
