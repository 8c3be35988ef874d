#include "diagnostics/function_name.hpp"
#include "diagnostics/tasklet_text.hpp"
#include "diagnostics/wording.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace stackless::inline STACKLESS_ABI::detail {

namespace {

constexpr std::size_t widest_function = 60;
constexpr std::size_t first_column = 6;

std::string function_of(const stack_frame& frame) {
  return frame.function.empty() ? "(function not known)"
                                : printable(clean_function(frame.function), page::columns);
}

}  // namespace

void frame_table::make_room_for(const async_stack& stack) {
  constexpr std::size_t most_measured = 64;
  const async_stack shown = without_library(stack);
  for (std::size_t i = 0; i < std::min(shown.size(), most_measured); ++i) {
    const std::size_t width = width_of(function_of(shown[i]));
    function_width_ = std::max(function_width_, std::min(width, widest_function));
  }
}

std::string frame_table::row(std::size_t number, const stack_frame& frame) const {
  return row(fmt::format("{:>4}  {}", number, function_of(frame)), frame);
}

std::string frame_table::row(std::string text, const stack_frame& frame) const {
  const std::string where = place(frame.file, frame.line, frame.column);
  if (where.empty()) return text;
  const std::size_t column = first_column + function_width_ + 2;
  // A long file name takes from the function's room: where it is tells more than its last
  // parameters.
  const std::size_t needed = width_of(where) + 2;
  const std::size_t room =
      std::min(column - 2, needed < page::columns ? page::columns - needed : 1);
  text = shortened(text, room);
  text.append(std::min(column - 2, room) - width_of(text) + 2, ' ');
  return text + where;
}

}  // namespace stackless::inline STACKLESS_ABI::detail
