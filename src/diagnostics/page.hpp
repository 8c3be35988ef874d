#pragma once

#include <stackless/detail/config.hpp>

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace stackless::inline STACKLESS_ABI::detail {

/// Text of bounded width and size, whatever is written to it.
class page {
 public:
  static constexpr std::size_t columns = 100;
  static constexpr std::size_t margin = 6;  ///< of what stands below a first line
  static constexpr std::size_t most_bytes = std::size_t{64} * 1024;

  /// Stands for a space at which `paragraph` does not break the line.
  static constexpr char joining_space = '\x01';

  /// One line; what does not fit shows as `…`.
  void line(std::string_view text);
  void blank() { line({}); }

  /// `lead` and `text`, broken at spaces; further lines start below the text.
  void paragraph(std::string_view lead, std::string_view text);

  /// The parts with `gap` spaces between them; those that do not fit go to further lines at
  /// `indent`.
  void row(const std::vector<std::string>& parts, std::size_t gap, std::size_t indent);

  [[nodiscard]] std::string take() &&;

 private:
  std::string text_;
  bool full_ = false;
};

}  // namespace stackless::inline STACKLESS_ABI::detail
