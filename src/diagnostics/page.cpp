#include "diagnostics/page.hpp"

#include "diagnostics/wording.hpp"

#include <algorithm>
#include <utility>

namespace stackless::inline STACKLESS_ABI::detail {

namespace {

constexpr std::string_view cut_off = "… the rest is cut off at 64 KiB; report() has it all\n";

}  // namespace

void page::line(std::string_view text) {
  if (full_) return;
  while (text.ends_with(' ')) text.remove_suffix(1);
  std::string fitting = shortened(text, columns);
  std::replace(fitting.begin(), fitting.end(), joining_space, ' ');
  if (text_.size() + fitting.size() + 1 + cut_off.size() > most_bytes) {
    full_ = true;
    text_ += cut_off;
    return;
  }
  text_ += fitting;
  text_ += '\n';
}

void page::paragraph(std::string_view lead, std::string_view text) {
  std::string current(lead);
  const std::size_t indent = width_of(lead);
  bool at_start = true;
  while (!text.empty()) {
    const std::size_t end = text.find(' ');
    const std::string_view word = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (!at_start && width_of(current) + 1 + width_of(word) > columns) {
      line(current);
      current.assign(indent, ' ');
      at_start = true;
      if (word.empty()) continue;
    }
    if (!at_start) current += ' ';
    current += word;
    at_start = false;
  }
  line(current);
}

void page::row(const std::vector<std::string>& parts, std::size_t gap, std::size_t indent) {
  std::string current;
  for (const std::string& part : parts) {
    if (part.empty()) continue;
    if (current.empty()) {
      current = part;
    } else if (width_of(current) + gap + width_of(part) <= columns) {
      current.append(gap, ' ').append(part);
    } else {
      line(current);
      current.assign(indent, ' ').append(part);
    }
  }
  line(current);
}

std::string page::take() && {
  return std::move(text_);
}

}  // namespace stackless::inline STACKLESS_ABI::detail
