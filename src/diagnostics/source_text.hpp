#pragma once

#include <stackless/detail/config.hpp>

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace stackless::inline STACKLESS_ABI::detail {

/// Lines of source files, where these can still be read: at the path that was compiled, or at the
/// end of that path below the current directory.
class source_text {
 public:
  struct excerpt {
    std::string text;       ///< without line end and tabs; empty: not readable
    std::size_t caret = 0;  ///< column of the place in `text`, from 0
  };

  [[nodiscard]] excerpt at(std::string_view file, std::uint32_t line, std::uint32_t column);

 private:
  const std::vector<std::string>& lines_of(std::string_view file);

  std::map<std::string, std::vector<std::string>, std::less<>> files_;
};

}  // namespace stackless::inline STACKLESS_ABI::detail
