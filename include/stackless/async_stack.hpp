#pragma once

#include <stackless/detail/config.hpp>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace stackless::inline STACKLESS_ABI {

/// One coroutine on an async stack, and where it is. The texts live as long as the program.
struct stack_frame {
  std::string_view function;  ///< empty when tracking is compiled out
  std::string_view file;
  std::uint32_t line = 0;  ///< of its `co_await`; 0: not suspended yet
  std::uint32_t column = 0;
  bool in_library = false;  ///< one of this library's own coroutines; texts leave it out

  friend bool operator==(const stack_frame&, const stack_frame&) = default;
};

/// Innermost first.
using async_stack = std::vector<stack_frame>;

/// The async stack of the running tasklet; also from a plain function that a coroutine called. The
/// innermost frame has the place of its latest suspension. Empty outside a tasklet.
[[nodiscard]] async_stack current_stack();

/// One line a frame, as a report prints it.
[[nodiscard]] std::string to_string(const async_stack& stack);

}  // namespace stackless::inline STACKLESS_ABI
