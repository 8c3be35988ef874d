#pragma once

// What has been done, and what failed.

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace copying {

/// What has been done so far. Bytes that were there already are counted apart: they took no time.
struct counts {
  std::uint64_t files = 0;
  std::uint64_t directories = 0;
  std::uint64_t links = 0;
  std::uint64_t bytes = 0;
  std::uint64_t complete_before = 0;  ///< files and links that were skipped
  std::uint64_t bytes_before = 0;     ///< of these, and the parts of files that were kept
  std::uint64_t left_out = 0;
  std::uint64_t failed = 0;
};

/// Without control characters and broken UTF-8, which file names may hold: as "\n" and "\xff".
[[nodiscard]] std::string printable(std::string_view text);

/// Tells of failures at once, on standard error, and of all once more at the end, if there are
/// several; very long ones are shortened then.
class report {
 public:
  counts done;
  bool renames_directory = false;  ///< a directory is copied to a target that was not there

  void failed(std::string_view message);
  void left_out(std::string_view message);
  /// Something that happened, and is no failure.
  void note(std::string_view message);

  /// The line at the end. `single`: of one file, of which nothing but the bytes is to be told.
  void summarize(std::chrono::duration<double> took, bool single) const;
  void interrupted(int signal, std::string_view resuming) const;

 private:
  static constexpr std::size_t most_repeated = 20;

  [[nodiscard]] std::string totals() const;

  std::vector<std::string> failures_;  // the first of them
};

}  // namespace copying
