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

/// What goes on with an interrupted copy. `renames_directory`: its one source is a directory, and
/// the target was not there. It is now, and is to be filled and not to be copied into.
[[nodiscard]] std::string resuming_command(const options& chosen, bool renames_directory);

[[nodiscard]] const char* usage() noexcept;

}  // namespace copying
