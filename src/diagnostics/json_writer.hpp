#pragma once

#include "diagnostics/utf8.hpp"

#include <array>
#include <charconv>
#include <concepts>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

namespace stackless::inline STACKLESS_ABI::detail {

/// Writes JSON text: commas and escapes are its own, brackets must match.
class json_writer {
 public:
  void key(std::string_view name) {
    separate();
    quote(name);
    text_ += ':';
    first_ = true;  // its value follows without a comma
  }
  void open(char bracket) {
    separate();
    text_ += bracket;
    first_ = true;
  }
  void close(char bracket) {
    text_ += bracket;
    first_ = false;
  }
  void value(std::string_view text) {
    separate();
    quote(text);
  }
  void value(bool b) {
    separate();
    text_ += b ? "true" : "false";
  }
  template <std::integral Number>
    requires(!std::same_as<Number, bool>)
  void value(Number number) {
    separate();
    std::array<char, 24> digits;
    const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), number).ptr;
    text_.append(digits.data(), end);
  }
  /// In the form that JSON wants.
  void number(std::string_view digits) {
    separate();
    text_ += digits;
  }
  template <class Value>
  void member(std::string_view name, const Value& v) {
    key(name);
    value(v);
  }
  [[nodiscard]] std::string take() && { return std::move(text_); }

 private:
  void separate() {
    if (!first_) text_ += ',';
    first_ = false;
  }
  void quote(std::string_view text) {
    constexpr std::string_view hex = "0123456789abcdef";
    text_ += '"';
    while (!text.empty()) {
      const std::size_t length = utf8_sequence_length(text);
      const auto c = static_cast<unsigned char>(text.front());
      if (length == 0) {
        text_ += "\\ufffd";
      } else if (c == '"' || c == '\\') {
        text_ += '\\';
        text_ += text.front();
      } else if (c < 0x20 || c == 0x7F || c == '<') {  // `<`: it may stand in a page's script
        text_ += "\\u00";
        text_ += hex[c >> 4U];
        text_ += hex[c & 15U];
      } else {
        text_ += text.substr(0, length);
      }
      text.remove_prefix(length == 0 ? 1 : length);
    }
    text_ += '"';
  }

  std::string text_;
  bool first_ = true;
};

}  // namespace stackless::inline STACKLESS_ABI::detail
