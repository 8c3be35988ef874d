#pragma once

// HTTP/1.1 requests are parsed, as RFC 9112 has them. No I/O here.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace http {

struct field {
  std::string_view name;
  std::string_view value;
};

/// How a request's body is delimited.
enum class body_kind : std::uint8_t { none, sized, chunked };

/// Parses one request's head after the other, each as far as its bytes have come: what was looked
/// at once is not looked at again. Strict, where being lenient has been the way to smuggle requests
/// past a proxy: lines end with CRLF, no folded fields, one way to delimit a body.
class request_parser {
 public:
  enum class progress : std::uint8_t { incomplete, complete, malformed };

  static constexpr std::size_t longest_line = 8 * 1024;   ///< of the request line: 414
  static constexpr std::size_t largest_head = 16 * 1024;  ///< 431
  static constexpr std::size_t most_fields = 100;         ///< 431

  /// `bytes`: the request from its beginning, and whatever follows. The same bytes, and more, until
  /// it is complete.
  progress parse(std::string_view bytes);

  /// Of a malformed request: 400, 414, 431, 501 or 505; and why, for the log.
  [[nodiscard]] int status() const noexcept { return status_; }
  [[nodiscard]] const char* problem() const noexcept { return problem_; }

  // Of a complete one; views are into the `bytes` that are given.

  [[nodiscard]] std::string_view method(std::string_view bytes) const { return in(bytes, method_); }
  /// As it was sent: "/path?query", or with a scheme and a host before it.
  [[nodiscard]] std::string_view target(std::string_view bytes) const { return in(bytes, target_); }
  /// The first field of that name, in whatever case; null data when there is none.
  [[nodiscard]] std::string_view value(std::string_view bytes, std::string_view name) const;
  /// Of a field that is a list: the items of all fields of that name. Nothing when there is none.
  [[nodiscard]] std::optional<std::string> list(std::string_view bytes, std::string_view name)
      const;
  [[nodiscard]] std::vector<field> fields(std::string_view bytes) const;
  [[nodiscard]] bool is_version_1_0() const noexcept { return minor_version_ == 0; }
  /// Whether the connection may be used for another request after this one.
  [[nodiscard]] bool keeps_alive() const noexcept { return keeps_alive_; }
  [[nodiscard]] bool expects_continue() const noexcept { return expects_continue_; }
  [[nodiscard]] body_kind body() const noexcept { return body_; }
  /// Of a sized body; the largest number there is when it does not fit.
  [[nodiscard]] std::uint64_t body_size() const noexcept { return body_size_; }
  /// How many bytes the head took: the body begins there.
  [[nodiscard]] std::size_t size() const noexcept { return at_; }

  /// Goes on to the next request.
  void reset() noexcept;

 private:
  struct piece {
    std::size_t begin = 0;
    std::size_t size = 0;
  };
  struct field_piece {
    piece name;
    piece value;
  };

  static std::string_view in(std::string_view bytes, piece of) {
    return bytes.substr(of.begin, of.size);
  }
  progress fail(int status, const char* problem);
  progress parse_request_line(std::string_view bytes, piece line);
  progress parse_field(std::string_view bytes, piece line);
  progress take_field(std::string_view name, std::string_view value);
  progress end_of_head();

  std::vector<field_piece> fields_;
  piece method_;
  piece target_;
  const char* problem_ = "";
  std::uint64_t body_size_ = 0;
  std::size_t at_ = 0;        // all before it has been parsed
  std::size_t searched_ = 0;  // no end of a line before it
  int status_ = 0;
  int hosts_ = 0;
  std::uint8_t minor_version_ = 0;
  body_kind body_ = body_kind::none;
  bool has_request_line_ = false;
  bool has_length_ = false;
  bool closes_ = false;
  bool wants_alive_ = false;
  bool keeps_alive_ = false;
  bool expects_continue_ = false;
  bool complete_ = false;
};

/// Finds the end of a chunked body, of which nothing is kept.
class chunk_parser {
 public:
  enum class progress : std::uint8_t { incomplete, complete, malformed, too_large };

  static constexpr std::size_t longest_line = 1024;  ///< a chunk's size with its extensions
  static constexpr std::size_t largest_trailer = 8 * 1024;

  explicit chunk_parser(std::uint64_t limit) noexcept : limit_(limit) {}

  /// Takes bytes of the body, each once. `used`: how many, also when it is complete.
  progress parse(std::string_view bytes, std::size_t& used);
  /// Bytes of data so far.
  [[nodiscard]] std::uint64_t size() const noexcept { return size_; }

 private:
  enum class state : std::uint8_t {
    first_digit,
    digits,
    extension,
    size_end,
    data,
    data_cr,
    data_lf,
    trailer_line,
    trailer_text,
    trailer_lf,
    last_lf,
    done
  };
  [[nodiscard]] progress step(char c);

  std::uint64_t limit_;
  std::uint64_t size_ = 0;
  std::uint64_t left_ = 0;  // of the chunk
  std::size_t line_ = 0;
  std::size_t trailer_ = 0;
  state state_ = state::first_digit;
};

/// Whether two names of fields, or tokens, are the same but for the case.
[[nodiscard]] bool same_token(std::string_view a, std::string_view b) noexcept;

}  // namespace http
