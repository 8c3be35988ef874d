// Requests of HTTP/1.1 with their bodies, one after the other, as http_server reads them.

#include "http_server/request.hpp"
#include "property.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace {

using http::body_kind;
using http::chunk_parser;
using http::request_parser;
using progress = request_parser::progress;

constexpr std::uint64_t largest_body = 1000;

struct request {
  std::string method;
  std::string target;
  std::vector<std::pair<std::string, std::string>> fields;
  std::size_t head_size = 0;
  std::uint64_t body_size = 0;
  bool keeps_alive = false;
  bool operator==(const request&) const = default;
};

struct outcome {
  std::vector<request> requests;
  int status = 0;  ///< of what is malformed
  bool operator==(const outcome&) const = default;
};

void look_at(const request& r, const request_parser& parser) {
  PROPERTY(r.head_size <= request_parser::largest_head);
  PROPERTY(r.fields.size() <= request_parser::most_fields);
  PROPERTY(!r.method.empty());
  PROPERTY(!r.target.empty() && r.target.size() < request_parser::longest_line);
  for (const char c : r.target) PROPERTY(c > ' ' && c < '\x7f');
  std::size_t hosts = 0;
  std::size_t lengths = 0;
  for (const auto& [name, value] : r.fields) {
    PROPERTY(!name.empty() && name.find_first_of(": \t\r\n") == std::string::npos);
    PROPERTY(value.find_first_of(std::string_view("\0\r\n", 3)) == std::string::npos);
    hosts += http::same_token(name, "host");
    lengths += http::same_token(name, "content-length");
    lengths += http::same_token(name, "transfer-encoding");
  }
  // What is read two ways is how requests are smuggled.
  PROPERTY(hosts <= 1 && (hosts == 1 || parser.is_version_1_0()));
  PROPERTY(lengths <= 1);
}

/// As a session does: what has come is parsed as far as it goes.
outcome parse(std::string_view bytes, bool in_pieces) {
  outcome result;
  fuzz::cutter pieces(bytes);
  request_parser parser;
  chunk_parser chunks(largest_body);
  std::uint64_t body_left = 0;
  bool in_body = false;
  std::size_t begin = 0;
  std::size_t come = in_pieces ? 0 : bytes.size();
  for (;;) {
    const std::string_view so_far = bytes.substr(begin, come - begin);
    bool is_complete = false;
    if (!in_body) {
      const progress now = parser.parse(so_far);
      if (now == progress::malformed) {
        const int status = parser.status();
        PROPERTY(status == 400 || status == 414 || status == 431 || status == 501 || status == 505);
        result.status = status;
        return result;
      }
      if (now == progress::complete) {
        request r;
        r.method = parser.method(so_far);
        r.target = parser.target(so_far);
        for (const auto& [name, value] : parser.fields(so_far)) {
          r.fields.emplace_back(name, value);
          PROPERTY(parser.value(so_far, name).data() != nullptr);
        }
        r.head_size = parser.size();
        r.keeps_alive = parser.keeps_alive();
        look_at(r, parser);
        begin += r.head_size;
        result.requests.push_back(std::move(r));
        in_body = is_complete = true;
        body_left = parser.body() == body_kind::sized ? parser.body_size() : 0;
        chunks = chunk_parser(largest_body);
        if (body_left > largest_body) {
          result.status = 413;
          return result;
        }
      }
    } else if (parser.body() == body_kind::chunked) {
      std::size_t used = 0;
      const auto now = chunks.parse(so_far, used);
      PROPERTY(used <= so_far.size());
      PROPERTY(chunks.size() <= largest_body);
      begin += used;
      if (now == chunk_parser::progress::malformed || now == chunk_parser::progress::too_large) {
        result.status = now == chunk_parser::progress::malformed ? 400 : 413;
        return result;
      }
      if (now == chunk_parser::progress::complete) {
        result.requests.back().body_size = chunks.size();
        in_body = false;
        is_complete = true;
        parser.reset();
      } else {
        PROPERTY(used == so_far.size());
      }
    } else {
      const auto used = static_cast<std::size_t>(std::min<std::uint64_t>(body_left, so_far.size()));
      begin += used;
      body_left -= used;
      result.requests.back().body_size += used;
      if (body_left == 0) {
        in_body = false;
        is_complete = true;
        parser.reset();
      }
    }
    if (is_complete) continue;
    if (come == bytes.size()) return result;
    come += pieces.next(bytes.size() - come);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  PROPERTY(parse(bytes, false) == parse(bytes, true));
  return 0;
}
