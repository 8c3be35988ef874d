#include "diagnostics/source_text.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <system_error>

namespace stackless::inline STACKLESS_ABI::detail {

namespace {

constexpr std::uintmax_t largest_file = std::uintmax_t{4} * 1024 * 1024;
constexpr std::size_t most_files = 16;
constexpr std::size_t deepest_indentation = 4;

bool is_readable(const std::filesystem::path& path) {
  std::error_code error;
  if (!std::filesystem::is_regular_file(path, error)) return false;
  const std::uintmax_t size = std::filesystem::file_size(path, error);
  return !error && size <= largest_file;
}

std::filesystem::path find_file(std::string_view compiled) {
  std::filesystem::path path(compiled);
  if (is_readable(path)) return path;
  for (std::string_view rest = compiled; rest.find('/') != std::string_view::npos;) {
    rest.remove_prefix(rest.find('/') + 1);
    // A base name alone may be that of another file.
    if (rest.find('/') == std::string_view::npos || rest.starts_with("../")) continue;
    if (is_readable(std::filesystem::path(rest))) return rest;
  }
  return {};
}

}  // namespace

const std::vector<std::string>& source_text::lines_of(std::string_view file) {
  static const std::vector<std::string> none;
  if (const auto known = files_.find(file); known != files_.end()) return known->second;
  if (files_.size() >= most_files) return none;
  std::vector<std::string>& lines = files_[std::string(file)];
  const std::filesystem::path path = find_file(file);
  if (path.empty()) return lines;
  std::ifstream stream(path);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

source_text::excerpt source_text::at(
    std::string_view file, std::uint32_t line, std::uint32_t column
) {
  const std::vector<std::string>& lines = lines_of(file);
  if (line == 0 || line > lines.size()) return {};
  const std::string& text = lines[line - 1];
  // Out of the line: the file has changed since it was compiled.
  if (column == 0 || column > text.size()) return {};

  excerpt result;
  const std::size_t indentation = text.find_first_not_of(" \t");
  if (indentation == std::string::npos || column <= indentation) return {};
  result.text.assign(std::min(indentation, deepest_indentation), ' ');
  for (std::size_t i = indentation; i < text.size(); ++i) {
    if (i + 1 == column) {
      result.caret = 0;
      for (char c : result.text)
        if ((static_cast<unsigned char>(c) & 0xC0) != 0x80) ++result.caret;
    }
    const auto c = static_cast<unsigned char>(text[i]);
    if (c >= 0x20 && c != 0x7F) {
      result.text += text[i];
    } else if (c != '\r') {
      result.text += ' ';
    }
  }
  return result;
}

}  // namespace stackless::inline STACKLESS_ABI::detail
