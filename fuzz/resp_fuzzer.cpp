// Requests of RESP, one after the other, as kv_server reads them.

#include "kv_server/resp.hpp"
#include "property.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace {

using kv::request_parser;
using progress = request_parser::progress;

struct request {
  std::vector<std::string> arguments;
  std::size_t size = 0;
  bool operator==(const request&) const = default;
};

struct outcome {
  std::vector<request> requests;
  bool is_malformed = false;
  bool operator==(const outcome&) const = default;
};

void look_at(const request& r) {
  PROPERTY(r.size > 0);
  PROPERTY(r.size <= request_parser::largest_request + request_parser::longest_line + 2);
  PROPERTY(r.arguments.size() <= request_parser::most_arguments);
  std::size_t all = 0;
  for (const std::string& each : r.arguments) all += each.size();
  PROPERTY(all <= r.size);
  if (r.arguments.empty()) return;

  // What is written in full says the same.
  const std::vector<std::string_view> views(r.arguments.begin(), r.arguments.end());
  std::string again;
  kv::write_request(again, views);
  request_parser parser;
  PROPERTY(parser.parse(again) == progress::complete);
  PROPERTY(parser.size() == again.size());
  const std::span<const std::string_view> got = parser.arguments(again);
  PROPERTY(std::equal(got.begin(), got.end(), views.begin(), views.end()));

  // A reply is one line, whatever is in it.
  kv::reply_writer reply;
  reply.error(r.arguments.front());
  PROPERTY(reply.bytes.find('\n') == reply.bytes.size() - 1);
  PROPERTY(reply.bytes.find('\r') == reply.bytes.size() - 2);
}

/// As a session does: what has come is parsed as far as it goes.
outcome parse(std::string_view bytes, bool in_pieces) {
  outcome result;
  fuzz::cutter pieces(bytes);
  request_parser parser;
  std::size_t begin = 0;
  std::size_t come = in_pieces ? 0 : bytes.size();
  for (;;) {
    const std::string_view so_far = bytes.substr(begin, come - begin);
    const progress now = parser.parse(so_far);
    if (now == progress::complete) {
      request r;
      for (const std::string_view each : parser.arguments(so_far)) r.arguments.emplace_back(each);
      r.size = parser.size();
      PROPERTY(r.size <= so_far.size());
      look_at(r);
      begin += r.size;
      result.requests.push_back(std::move(r));
      parser.reset();
    } else if (now == progress::malformed) {
      PROPERTY(!parser.problem().empty());
      result.is_malformed = true;
      return result;
    } else if (come == bytes.size()) {
      return result;
    } else {
      come += pieces.next(bytes.size() - come);
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  PROPERTY(parse(bytes, false) == parse(bytes, true));
  return 0;
}
