#include "progress.hpp"

#include <stackless/io/io.hpp>
#include <stackless/stackless.hpp>

#include <algorithm>
#include <cstdio>
#include <iterator>
#include <system_error>
#include <utility>

#include <unistd.h>

namespace sl = stackless;
namespace io = stackless::io;

namespace copying {

using namespace std::chrono_literals;

namespace {

constexpr auto period = 100ms;
constexpr std::size_t bar_width = 20;

std::string two_digits(long long value) {
  return (value < 10 ? "0" : "") + std::to_string(value);
}

}  // namespace

sl::task<> count_sources(const options& chosen, expectation& expected) {
  for (const std::string& source : chosen.sources) {
    auto entries = io::walk(source, {.most_open = 2});
    while (io::walk_entry* const entry = co_await entries.next()) {
      const io::file_type type = entry->type();
      if (entry->error() || type == io::file_type::directory) continue;
      const bool is_followed = type == io::file_type::symlink && !chosen.recursive;
      if (type != io::file_type::regular && !is_followed) continue;
      std::error_code error;  // who copies it will tell
      const io::file_status status = co_await io::status(entry->path(), error);
      ++expected.files;
      if (!error) expected.bytes += status.size;
    }
  }
  expected.is_whole = true;
}

progress_line::progress_line(const counts& done, const expectation& expected)
    : done_(done), expected_(expected) {}

progress_line::~progress_line() {
  if (shown_) std::fputs("\r\x1b[K", stderr);
}

bool progress_line::is_wanted() {
  return ::isatty(STDERR_FILENO) == 1;
}

sl::task<> progress_line::run() {
  for (;;) {
    co_await sl::sleep_for(period);
    measure();
    shown_ = true;
    std::fprintf(stderr, "\r%s\x1b[K", text().c_str());
  }
}

void progress_line::measure() {
  const clock::time_point now = clock::now();
  const double seconds = std::chrono::duration<double>(now - measured_at_).count();
  const double rate =
      static_cast<double>(done_.bytes - std::exchange(measured_bytes_, done_.bytes)) / seconds;
  // The mean of the last seconds: a single period jumps.
  constexpr double weight = 0.05;
  bytes_a_second_ = bytes_a_second_ == 0 ? rate : (1 - weight) * bytes_a_second_ + weight * rate;
  measured_at_ = now;
}

std::string progress_line::text() const {
  const auto bytes = static_cast<double>(done_.bytes + done_.bytes_before);
  const bool is_known = expected_.is_whole && expected_.bytes != 0;  // not so of pipes
  std::string result;
  if (is_known) {
    const double part = std::min(bytes / static_cast<double>(expected_.bytes), 1.0);
    const auto filled = static_cast<std::size_t>(part * bar_width);
    const std::string percent = std::to_string(static_cast<int>(100 * part));
    result = "[" + std::string(filled, '#') + std::string(bar_width - filled, ' ') + "] " +
             std::string(3 - percent.size(), ' ') + percent + "%  ";
  }
  result += size_text(bytes);
  if (is_known) result += " of " + size_text(static_cast<double>(expected_.bytes));
  result += "  " + size_text(bytes_a_second_) + "/s";
  const std::uint64_t files = done_.files + done_.complete_before;
  if (expected_.files > 1) {
    result += "  " + std::to_string(files);
    if (expected_.is_whole) result += " of " + std::to_string(expected_.files);
    result += " files";
  }
  if (is_known && bytes_a_second_ > 0) {
    const double left = std::max(static_cast<double>(expected_.bytes) - bytes, 0.0);
    result += "  " + time_text(left / bytes_a_second_) + " left";
  }
  return result;
}

std::string size_text(double bytes) {
  constexpr const char* units[] = {"B", "kB", "MB", "GB", "TB", "PB"};
  std::size_t unit = 0;
  for (; bytes >= 999.5 && unit + 1 < std::size(units); ++unit) bytes /= 1000;
  char number[32];
  std::snprintf(number, sizeof number, "%.*f ", unit == 0 || bytes >= 99.5 ? 0 : 1, bytes);
  return std::string(number) + units[unit];
}

std::string time_text(double seconds) {
  const auto whole = static_cast<long long>(std::min(seconds, 359999.0) + 0.5);
  const long long hours = whole / 3600;
  const long long minutes = whole / 60 % 60;
  const std::string rest = two_digits(whole % 60);
  if (hours == 0) return std::to_string(minutes) + ":" + rest;
  return std::to_string(hours) + ":" + two_digits(minutes) + ":" + rest;
}

}  // namespace copying
