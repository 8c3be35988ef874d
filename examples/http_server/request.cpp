#include "request.hpp"

#include <algorithm>
#include <limits>
#include <utility>

namespace http {

namespace {

constexpr std::uint64_t no_number = std::numeric_limits<std::uint64_t>::max();

char lower(char c) noexcept {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

bool is_digit(char c) noexcept {
  return c >= '0' && c <= '9';
}

bool is_token_character(char c) noexcept {
  return is_digit(c) || (lower(c) >= 'a' && lower(c) <= 'z') ||
         std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
}

bool is_token(std::string_view text) noexcept {
  return !text.empty() && std::all_of(text.begin(), text.end(), is_token_character);
}

/// Visible characters of ASCII; others have to be encoded.
bool is_target(std::string_view text) noexcept {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) noexcept {
    return c > ' ' && c < '\x7f' && c != '#';
  });
}

bool is_field_text(std::string_view text) noexcept {
  return std::all_of(text.begin(), text.end(), [](char c) noexcept {
    return c == '\t' || (static_cast<unsigned char>(c) >= ' ' && c != '\x7f');
  });
}

/// "name", "[address]", each with ":port" or without; "" too, of who has no host to name.
bool is_host(std::string_view text) noexcept {
  const auto is_in_name = [](char c) noexcept {
    return is_digit(c) || (lower(c) >= 'a' && lower(c) <= 'z') ||
           std::string_view("-._~!$&'()*+,;=").find(c) != std::string_view::npos;
  };
  const auto is_hex = [](char c) noexcept {
    return is_digit(c) || (lower(c) >= 'a' && lower(c) <= 'f');
  };
  if (text.starts_with('[')) {
    const std::size_t end = std::min(text.find(']'), text.size());
    const std::string_view address = text.substr(1, end - 1);
    if (end == text.size() || address.empty()) return false;
    for (const char c : address)
      if (!is_in_name(c) && c != ':') return false;
    text.remove_prefix(end + 1);
    if (!text.empty() && text.front() != ':') return false;
  }
  const std::size_t colon = std::min(text.find(':'), text.size());
  for (std::size_t i = 0; i < colon; ++i) {
    if (text[i] == '%') {
      if (colon - i < 3 || !is_hex(text[i + 1]) || !is_hex(text[i + 2])) return false;
      i += 2;
    } else if (!is_in_name(text[i])) {
      return false;
    }
  }
  return colon == text.size() || std::all_of(text.begin() + colon + 1, text.end(), is_digit);
}

/// Digits alone; what does not fit is `no_number`.
bool parse_size(std::string_view text, std::uint64_t& value) noexcept {
  value = 0;
  if (text.empty() || !std::all_of(text.begin(), text.end(), is_digit)) return false;
  for (const char c : text) {
    const auto digit = static_cast<std::uint64_t>(c - '0');
    if (value > (no_number - digit) / 10) {
      value = no_number;
      return true;
    }
    value = 10 * value + digit;
  }
  return true;
}

std::string_view trimmed(std::string_view text) noexcept {
  constexpr std::string_view blank = " \t";
  const std::size_t begin = text.find_first_not_of(blank);
  if (begin == std::string_view::npos) return text.substr(0, 0);
  return text.substr(begin, text.find_last_not_of(blank) - begin + 1);
}

template <class F>
void for_each_item(std::string_view list, F f) {
  while (!list.empty()) {
    const std::size_t end = std::min(list.find(','), list.size());
    f(trimmed(list.substr(0, end)));
    list.remove_prefix(std::min(end + 1, list.size()));
  }
}

}  // namespace

bool same_token(std::string_view a, std::string_view b) noexcept {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](char x, char y) noexcept {
    return lower(x) == lower(y);
  });
}

// The head
// -----------------------------------------------------------------------------------------

request_parser::progress request_parser::fail(int status, const char* problem) {
  status_ = status;
  problem_ = problem;
  return progress::malformed;
}

request_parser::progress request_parser::parse(std::string_view bytes) {
  if (status_ != 0) return progress::malformed;
  while (!complete_) {
    const std::size_t limit = has_request_line_ ? largest_head : at_ + longest_line;
    const std::size_t end = bytes.substr(0, limit).find('\n', searched_);
    if (end == std::string_view::npos) {
      searched_ = std::min(bytes.size(), limit);
      if (bytes.size() < limit) return progress::incomplete;
      return has_request_line_ ? fail(431, "the head is too large")
                               : fail(414, "the request line is too long");
    }
    if (end == at_ || bytes[end - 1] != '\r')
      return fail(400, "a line that does not end with CRLF");
    const piece line{at_, end - 1 - at_};
    at_ = searched_ = end + 1;
    progress result = progress::incomplete;
    if (!has_request_line_) {
      // Empty lines before a request are to be skipped.
      if (line.size != 0) {
        result = parse_request_line(bytes, line);
      } else if (at_ > 8) {
        return fail(400, "empty lines where a request was expected");
      }
    } else if (line.size == 0) {
      result = end_of_head();
    } else {
      result = parse_field(bytes, line);
    }
    if (result == progress::malformed) return result;
  }
  return progress::complete;
}

request_parser::progress request_parser::parse_request_line(std::string_view bytes, piece line) {
  const std::string_view text = in(bytes, line);
  const std::size_t first = text.find(' ');
  const std::size_t last = text.rfind(' ');
  if (first == std::string_view::npos || first == last)
    return fail(400, "a request line without three parts");
  method_ = {line.begin, first};
  target_ = {line.begin + first + 1, last - first - 1};
  const std::string_view version = text.substr(last + 1);
  if (!is_token(in(bytes, method_))) return fail(400, "a method that is none");
  if (!is_target(in(bytes, target_))) return fail(400, "a target that is none");
  if (version.size() != 8 || !version.starts_with("HTTP/") || !is_digit(version[5]) ||
      version[6] != '.' || !is_digit(version[7]))
    return fail(400, "a version that is none");
  if (version[5] != '1') return fail(505, "a version that is not 1.0 or 1.1");
  minor_version_ = static_cast<std::uint8_t>(version[7] - '0');
  has_request_line_ = true;
  return progress::incomplete;
}

request_parser::progress request_parser::parse_field(std::string_view bytes, piece line) {
  const std::string_view text = in(bytes, line);
  const std::size_t colon = text.find(':');
  if (colon == std::string_view::npos) return fail(400, "a field without a colon");
  if (!is_token(text.substr(0, colon))) return fail(400, "a field name that is none");
  const std::string_view value = trimmed(text.substr(colon + 1));
  if (!is_field_text(value)) return fail(400, "a control character in a field");
  if (fields_.size() == most_fields) return fail(431, "too many fields");
  const auto begin = static_cast<std::size_t>(value.data() - bytes.data());
  fields_.push_back({{line.begin, colon}, {begin, value.size()}});
  return take_field(text.substr(0, colon), value);
}

request_parser::progress request_parser::take_field(std::string_view name, std::string_view value) {
  if (same_token(name, "host")) {
    if (++hosts_ > 1) return fail(400, "two hosts");
    if (!is_host(value)) return fail(400, "a host that is none");
  } else if (same_token(name, "content-length")) {
    if (has_length_) return fail(400, "two lengths");
    if (!parse_size(value, body_size_)) return fail(400, "a length that is no number");
    has_length_ = true;
  } else if (same_token(name, "transfer-encoding")) {
    if (body_ == body_kind::chunked) return fail(400, "two transfer encodings");
    if (!same_token(value, "chunked")) return fail(501, "a transfer encoding that is not chunked");
    body_ = body_kind::chunked;
  } else if (same_token(name, "connection")) {
    for_each_item(value, [this](std::string_view option) {
      if (same_token(option, "close")) closes_ = true;
      if (same_token(option, "keep-alive")) wants_alive_ = true;
    });
  } else if (same_token(name, "expect")) {
    if (same_token(value, "100-continue")) expects_continue_ = true;
  }
  return progress::incomplete;
}

request_parser::progress request_parser::end_of_head() {
  if (minor_version_ != 0 && hosts_ == 0) return fail(400, "no host");
  if (body_ == body_kind::chunked) {
    if (has_length_) return fail(400, "a length, and a transfer encoding");
    if (minor_version_ == 0) return fail(400, "a transfer encoding in HTTP/1.0");
  } else if (has_length_ && body_size_ != 0) {
    body_ = body_kind::sized;
  }
  keeps_alive_ = !closes_ && (minor_version_ != 0 || wants_alive_);
  complete_ = true;
  return progress::complete;
}

std::string_view request_parser::value(std::string_view bytes, std::string_view name) const {
  for (const field_piece& each : fields_)
    if (same_token(in(bytes, each.name), name)) return in(bytes, each.value);
  return {};
}

std::optional<std::string> request_parser::list(std::string_view bytes, std::string_view name)
    const {
  std::optional<std::string> all;
  for (const field_piece& each : fields_) {
    if (!same_token(in(bytes, each.name), name)) continue;
    if (all) all->append(", ");
    if (!all) all.emplace();
    all->append(in(bytes, each.value));
  }
  return all;
}

std::vector<field> request_parser::fields(std::string_view bytes) const {
  std::vector<field> all;
  all.reserve(fields_.size());
  for (const field_piece& each : fields_)
    all.push_back({in(bytes, each.name), in(bytes, each.value)});
  return all;
}

void request_parser::reset() noexcept {
  std::vector<field_piece> fields = std::move(fields_);
  fields.clear();
  *this = request_parser();
  fields_ = std::move(fields);
}

// A chunked body
// -----------------------------------------------------------------------------------

chunk_parser::progress chunk_parser::parse(std::string_view bytes, std::size_t& used) {
  used = 0;
  while (state_ != state::done) {
    if (used == bytes.size()) return progress::incomplete;
    if (state_ == state::data) {
      const auto count = std::min<std::uint64_t>(left_, bytes.size() - used);
      used += static_cast<std::size_t>(count);
      left_ -= count;
      if (left_ == 0) state_ = state::data_cr;
      continue;
    }
    const progress result = step(bytes[used]);
    if (result != progress::incomplete) return result;
    ++used;
  }
  return progress::complete;
}

chunk_parser::progress chunk_parser::step(char c) {
  const auto next = [this, c](char expected, state then) {
    if (c != expected) return progress::malformed;
    state_ = then;
    return progress::incomplete;
  };
  switch (state_) {
  case state::first_digit:
  case state::digits: {
    const char small = lower(c);
    const bool is_letter = small >= 'a' && small <= 'f';
    if (is_digit(c) || is_letter) {
      if (++line_ > longest_line) return progress::malformed;  // zeros without an end
      left_ = 16 * left_ + static_cast<std::uint64_t>(is_letter ? small - 'a' + 10 : c - '0');
      if (left_ > limit_ - size_) return progress::too_large;  // long before it overflows
      state_ = state::digits;
      return progress::incomplete;
    }
    if (state_ == state::first_digit) return progress::malformed;
    if (c == ';' || c == ' ' || c == '\t') {
      state_ = state::extension;
      return progress::incomplete;
    }
    return next('\r', state::size_end);
  }
  case state::extension:
    if (++line_ > longest_line || c == '\n') return progress::malformed;
    if (c == '\r') state_ = state::size_end;
    return progress::incomplete;
  case state::size_end:
    line_ = 0;
    size_ += left_;
    return next('\n', left_ != 0 ? state::data : state::trailer_line);
  case state::data_cr:
    return next('\r', state::data_lf);
  case state::data_lf:
    return next('\n', state::first_digit);
  case state::trailer_line:
    if (c == '\r') return next('\r', state::last_lf);
    [[fallthrough]];
  case state::trailer_text:
    if (++trailer_ > largest_trailer || c == '\n') return progress::malformed;
    state_ = c == '\r' ? state::trailer_lf : state::trailer_text;
    return progress::incomplete;
  case state::trailer_lf:
    return next('\n', state::trailer_line);
  case state::last_lf:
    return next('\n', state::done);
  case state::data:
  case state::done:
    break;
  }
  return progress::malformed;
}

}  // namespace http
