#include "resp.hpp"

#include <algorithm>
#include <charconv>
#include <system_error>
#include <utility>

namespace kv {

namespace {

bool parse_number(std::string_view text, std::int64_t& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size();
}

void append_number(std::string& to, std::int64_t value) {
  char digits[24];
  const auto [end, error] = std::to_chars(digits, digits + sizeof digits, value);
  (void)error;
  to.append(digits, end);
}

}  // namespace

// Requests
// -----------------------------------------------------------------------------------------

request_parser::progress request_parser::fail(std::string problem) {
  problem_ = std::move(problem);
  return progress::malformed;
}

bool request_parser::take_line(std::string_view bytes, std::string_view& line) {
  const std::size_t end = bytes.find('\n', searched_);
  if (end == std::string_view::npos) {
    searched_ = bytes.size();
    too_long_ = bytes.size() - at_ > longest_line;
    return false;
  }
  line = bytes.substr(at_, end - at_);
  too_long_ = line.size() > longest_line;
  if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
  at_ = searched_ = end + 1;
  return true;
}

request_parser::progress request_parser::parse(std::string_view bytes) {
  if (expects_ == expects::nothing) return progress::complete;
  if (expects_ != expects::first_byte) return parse_array(bytes);
  if (bytes.empty()) return progress::incomplete;
  if (bytes.front() != '*') return parse_words(bytes);

  std::string_view line;
  if (!take_line(bytes, line))
    return too_long_ ? fail("too big mbulk count string") : progress::incomplete;
  if (too_long_) return fail("too big mbulk count string");  // as when it comes in pieces
  std::int64_t count = 0;
  if (!parse_number(line.substr(1), count) || count > static_cast<std::int64_t>(most_arguments))
    return fail("invalid multibulk length");
  if (count <= 0) {
    expects_ = expects::nothing;
    return progress::complete;
  }
  missing_ = static_cast<std::size_t>(count);
  expects_ = expects::length;
  return parse_array(bytes);
}

request_parser::progress request_parser::parse_words(std::string_view bytes) {
  std::string_view line;
  if (!take_line(bytes, line))
    return too_long_ ? fail("too big inline request") : progress::incomplete;
  if (too_long_) return fail("too big inline request");
  // Words are taken as they are: with their quotes they would be another value than was meant.
  if (line.find_first_of("\"'") != std::string_view::npos)
    return fail("quotes in an inline request are not supported, send it as an array");
  constexpr std::string_view blank = " \t";
  for (std::size_t begin = line.find_first_not_of(blank); begin != std::string_view::npos;) {
    const std::size_t end = std::min(line.find_first_of(blank, begin), line.size());
    pieces_.push_back({begin, end - begin});  // the line begins where the bytes do
    begin = line.find_first_not_of(blank, end);
  }
  expects_ = expects::nothing;
  return progress::complete;
}

request_parser::progress request_parser::parse_array(std::string_view bytes) {
  while (missing_ != 0) {
    if (expects_ == expects::length) {
      std::string_view line;
      if (!take_line(bytes, line))
        return too_long_ ? fail("too big bulk count string") : progress::incomplete;
      if (too_long_) return fail("too big bulk count string");
      if (line.empty() || line.front() != '$')
        return fail(
            line.empty() ? "expected '$'" : "expected '$', got '" + std::string(1, line[0]) + "'"
        );
      std::int64_t size = 0;
      if (!parse_number(line.substr(1), size) || size < 0 ||
          size > static_cast<std::int64_t>(longest_argument))
        return fail("invalid bulk length");
      argument_ = static_cast<std::size_t>(size);
      if (at_ + argument_ > largest_) return fail("too big request");
      expects_ = expects::argument;
    }
    if (bytes.size() < at_ + argument_ + 2) return progress::incomplete;
    if (bytes.substr(at_ + argument_, 2) != "\r\n") return fail("a bulk string without its end");
    pieces_.push_back({at_, argument_});
    at_ += argument_ + 2;
    searched_ = at_;
    expects_ = expects::length;
    --missing_;
  }
  expects_ = expects::nothing;
  return progress::complete;
}

std::span<const std::string_view> request_parser::arguments(std::string_view bytes) {
  arguments_.clear();
  for (const auto& [begin, size] : pieces_) arguments_.push_back(bytes.substr(begin, size));
  return arguments_;
}

void request_parser::reset() noexcept {
  pieces_.clear();
  arguments_.clear();
  at_ = searched_ = missing_ = argument_ = 0;
  expects_ = expects::first_byte;
  too_long_ = false;
}

// Replies
// ------------------------------------------------------------------------------------------

void reply_writer::header(char type, std::int64_t value) {
  bytes += type;
  append_number(bytes, value);
  bytes += "\r\n";
}

void reply_writer::simple(std::string_view text) {
  bytes += '+';
  bytes += text;
  bytes += "\r\n";
}

void reply_writer::error(std::string_view text) {
  bytes += '-';
  for (const char c : text)
    bytes += c == '\r' || c == '\n' ? ' ' : c;  // what a client sent may be in it
  bytes += "\r\n";
}

void reply_writer::integer(std::int64_t value) {
  header(':', value);
}

void reply_writer::bulk(std::string_view text) {
  header('$', static_cast<std::int64_t>(text.size()));
  bytes += text;
  bytes += "\r\n";
}

void reply_writer::null() {
  bytes += is_version_3 ? "_\r\n" : "$-1\r\n";
}

void reply_writer::array(std::size_t size) {
  header('*', static_cast<std::int64_t>(size));
}

void reply_writer::map(std::size_t pairs) {
  header(is_version_3 ? '%' : '*', static_cast<std::int64_t>(is_version_3 ? pairs : 2 * pairs));
}

void reply_writer::push(std::size_t size) {
  header(is_version_3 ? '>' : '*', static_cast<std::int64_t>(size));
}

void write_request(std::string& to, std::span<const std::string_view> arguments) {
  to += '*';
  append_number(to, static_cast<std::int64_t>(arguments.size()));
  to += "\r\n";
  for (const std::string_view argument : arguments) {
    to += '$';
    append_number(to, static_cast<std::int64_t>(argument.size()));
    to += "\r\n";
    to += argument;
    to += "\r\n";
  }
}

}  // namespace kv
