#pragma once

// The command line.

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

namespace copying {

struct options {
  std::vector<std::string> sources;
  std::string target;
  bool recursive = false;
  bool resume = false;
  bool verify = false;
  bool help = false;
  std::size_t jobs = 8;  ///< files that are copied at the same time
};

/// Nothing: it is not to be understood.
[[nodiscard]] std::optional<options> parse(int argc, char** argv);

[[nodiscard]] const char* usage() noexcept;

}  // namespace copying
