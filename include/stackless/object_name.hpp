#pragma once

#include <stackless/detail/site.hpp>

#include <concepts>
#include <string>
#include <string_view>
#include <type_traits>

namespace stackless::inline STACKLESS_ABI {

/// The name of a channel, a mutex and so on, and where it was given: reports show both.
class object_name {
 public:
  template <std::size_t N>
  object_name(const char (&text)[N], detail::site here = detail::site::current())
      : text_(text), at_(here) {}
  template <std::convertible_to<std::string_view> Text>
    requires(!std::is_array_v<Text>)
  object_name(const Text& text, detail::site here = detail::site::current())
      : text_(std::string_view(text)), at_(here) {}

  [[nodiscard]] const std::string& text() const noexcept { return text_; }
  [[nodiscard]] detail::site at() const noexcept { return at_; }

 private:
  std::string text_;
  detail::site at_;
};

}  // namespace stackless::inline STACKLESS_ABI
