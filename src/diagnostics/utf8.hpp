#pragma once

#include <stackless/detail/config.hpp>

#include <cstddef>
#include <string_view>

namespace stackless::inline STACKLESS_ABI::detail {

/// The length of the valid UTF-8 sequence that `text`, which is not empty, begins with, or 0.
/// Overlong forms, surrogates and what is above U+10FFFF are refused, as by readers of JSON.
[[nodiscard]] std::size_t utf8_sequence_length(std::string_view text) noexcept;

/// Whether the byte is not the first of its sequence.
[[nodiscard]] constexpr bool continues_utf8(char c) noexcept {
  return (static_cast<unsigned char>(c) & 0xC0) == 0x80;
}

}  // namespace stackless::inline STACKLESS_ABI::detail
