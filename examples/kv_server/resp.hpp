#pragma once

// RESP, the protocol of Redis: requests are parsed, replies are written. No I/O here.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace kv {

/// Parses one request after the other, each as far as its bytes have come: what was looked at once
/// is not looked at again. A request is an array of bulk strings, or a line of words
/// without quotes.
class request_parser {
 public:
  enum class progress { incomplete, complete, malformed };

  static constexpr std::size_t longest_line = 64 * 1024;
  static constexpr std::size_t most_arguments = 1024 * 1024;
  static constexpr std::size_t longest_argument = 64 * 1024 * 1024;
  static constexpr std::size_t largest_request = 128 * 1024 * 1024;
  /// A change may be longer in the log than as it came: the moment in place of the time left,
  /// "\r\n" where the client was content with "\n".
  static constexpr std::size_t largest_logged = 2 * largest_request;

  request_parser() = default;
  /// Takes requests of so many bytes.
  explicit request_parser(std::size_t largest) : largest_(largest) {}

  /// `bytes`: the request from its beginning, and whatever follows. The same bytes, and more, until
  /// it is complete.
  progress parse(std::string_view bytes);

  /// Of a complete request, as views into `bytes`; none for an empty line.
  [[nodiscard]] std::span<const std::string_view> arguments(std::string_view bytes);
  /// How many bytes the complete request took.
  [[nodiscard]] std::size_t size() const noexcept { return at_; }
  /// What is wrong with a malformed one.
  [[nodiscard]] const std::string& problem() const noexcept { return problem_; }

  /// Goes on to the next request.
  void reset() noexcept;

 private:
  struct piece {
    std::size_t begin;
    std::size_t size;
  };
  enum class expects : std::uint8_t { first_byte, length, argument, nothing };

  progress parse_words(std::string_view bytes);
  progress parse_array(std::string_view bytes);
  /// A line from `at_` on, without its end; null when it is not all there.
  bool take_line(std::string_view bytes, std::string_view& line);
  progress fail(std::string problem);

  std::vector<piece> pieces_;
  std::vector<std::string_view> arguments_;
  std::string problem_;
  std::size_t at_ = 0;        // all before it has been parsed
  std::size_t searched_ = 0;  // no end of a line before it
  std::size_t missing_ = 0;   // arguments
  std::size_t argument_ = 0;  // length of the one that comes
  std::size_t largest_ = largest_request;
  expects expects_ = expects::first_byte;
  bool too_long_ = false;
};

/// Appends replies to a buffer, in the version of the protocol that the client speaks.
class reply_writer {
 public:
  std::string bytes;
  bool is_version_3 = false;

  void simple(std::string_view text);  ///< +OK
  void error(std::string_view text);   ///< with its code: "ERR syntax error"
  void integer(std::int64_t value);
  void bulk(std::string_view text);
  void null();
  void array(std::size_t size);  ///< so many replies follow
  void map(std::size_t pairs);   ///< so many pairs of replies follow
  void push(std::size_t size);   ///< as an array, that nobody asked for

 private:
  void header(char type, std::int64_t value);
};

/// Appends a request, as an array of bulk strings.
void write_request(std::string& to, std::span<const std::string_view> arguments);

}  // namespace kv
