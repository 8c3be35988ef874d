#include "report.hpp"

#include <cinttypes>
#include <csignal>
#include <cstdio>

#include <unistd.h>

namespace copying {

namespace {

/// The bytes of the UTF-8 character at the beginning; 0 if there is none.
std::size_t character_size(std::string_view text) noexcept {
  const auto byte = [&](std::size_t i) noexcept { return static_cast<unsigned char>(text[i]); };
  const unsigned first = byte(0);
  if (first < 0x80) return 1;
  const std::size_t size = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4 || text.size() < size) return 0;
  for (std::size_t i = 1; i < size; ++i)
    if ((byte(i) & 0xc0U) != 0x80) return 0;
  const unsigned second = byte(1);
  const bool is_overlong = (first == 0xe0 && second < 0xa0) || (first == 0xf0 && second < 0x90);
  const bool is_none = (first == 0xed && second > 0x9f) || (first == 0xf4 && second > 0x8f);
  return is_overlong || is_none ? 0 : size;
}

void print(std::string_view message) {
  // A progress bar may be on this line.
  const char* const clear = ::isatty(STDERR_FILENO) == 1 ? "\r\x1b[K" : "";
  std::fprintf(stderr, "%scopy: %s\n", clear, printable(message).c_str());
}

/// Of what has been told in full before.
std::string shortened(const std::string& message) {
  constexpr std::size_t end = 100;
  if (message.size() <= 3 * end) return message;
  return message.substr(0, end) + " … " + message.substr(message.size() - end);
}

std::string count_text(std::uint64_t count, const char* one, const char* many) {
  return std::to_string(count) + " " + (count == 1 ? one : many);
}

}  // namespace

std::string printable(std::string_view text) {
  std::string result;
  while (!text.empty()) {
    const auto first = static_cast<unsigned char>(text.front());
    std::size_t size = character_size(text);
    if (first == '\n') {
      result += "\\n";
    } else if (size == 0 || first < 0x20 || first == 0x7f) {
      char code[5];
      std::snprintf(code, sizeof code, "\\x%02x", first);
      result += code;
      size = 1;
    } else {
      result += text.substr(0, size);
    }
    text.remove_prefix(size);
  }
  return result;
}

void report::failed(std::string_view message) {
  ++done.failed;
  if (failures_.size() < most_repeated) failures_.emplace_back(message);
  print(message);
}

void report::left_out(std::string_view message) {
  ++done.left_out;
  print(message);
}

void report::note(std::string_view message) {
  print(message);
}

std::string report::totals() const {
  std::string text = count_text(done.files, "file", "files");
  if (done.directories != 0)
    text += ", " + count_text(done.directories, "directory", "directories");
  if (done.links != 0) text += ", " + count_text(done.links, "link", "links");
  return text;
}

void report::summarize(std::chrono::duration<double> took, bool single) const {
  const double rate = static_cast<double>(done.bytes) / 1e6 / took.count();
  if (done.failed != 0) {
    if (single) return;  // its failure is on the line above
    const std::string text = totals() + " copied; " + std::to_string(done.failed) + " could not be";
    if (done.failed == 1 && done.left_out == 0) {  // the line above tells which
      print(text);
      return;
    }
    print(text + ":");
    for (const std::string& failure : failures_) print("  " + shortened(failure));
    if (failures_.size() < done.failed)
      print("  and " + std::to_string(done.failed - failures_.size()) + " more");
    return;
  }
  std::string text = "copied ";
  if (!single) text += totals() + ", ";
  std::printf(
      "%s%" PRIu64 " bytes in %.3f s (%.0f MB/s)", text.c_str(), done.bytes, took.count(), rate
  );
  if (done.complete_before != 0)
    std::printf("; %" PRIu64 " were complete already", done.complete_before);
  if (done.left_out != 0) std::printf("; %" PRIu64 " left out", done.left_out);
  std::printf("\n");
}

void report::interrupted(int signal, std::string_view resuming) const {
  print(
      std::string("stopped by ") + (signal == SIGINT ? "SIGINT" : "SIGTERM") + " after " +
      totals() + "; to go on from there: " + std::string(resuming)
  );
}

}  // namespace copying
