#pragma once

// The line on a terminal that shows how far it is.

#include <stackless/task.hpp>

#include "options.hpp"
#include "report.hpp"

#include <chrono>
#include <cstdint>
#include <string>

namespace copying {

/// What there is to be copied, as far as that is known.
struct expectation {
  std::uint64_t files = 0;
  std::uint64_t bytes = 0;
  bool is_whole = false;
};

/// Looks through the sources, while they are being copied.
stackless::task<> count_sources(const options& chosen, expectation& expected);

/// A bar, bytes, their rate, files, and the time that is left.
class progress_line {
 public:
  progress_line(const counts& done, const expectation& expected);
  progress_line(const progress_line&) = delete;
  progress_line& operator=(const progress_line&) = delete;
  ~progress_line();  ///< clears it

  /// Whether there is a terminal to see it.
  [[nodiscard]] static bool is_wanted();
  /// Until it is cancelled.
  stackless::task<> run();

 private:
  using clock = std::chrono::steady_clock;

  void measure();
  [[nodiscard]] std::string text() const;

  const counts& done_;
  const expectation& expected_;
  clock::time_point measured_at_ = clock::now();
  std::uint64_t measured_bytes_ = 0;
  double bytes_a_second_ = 0;
  bool shown_ = false;
};

/// As in "1.5 GB".
[[nodiscard]] std::string size_text(double bytes);
/// As in "1:02:03" and "0:07".
[[nodiscard]] std::string time_text(double seconds);

}  // namespace copying
