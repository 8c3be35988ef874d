#pragma once

#include <stackless/cancel.hpp>
#include <stackless/deadline.hpp>
#include <stackless/io/io.hpp>
#include <stackless/task.hpp>

#include "document_root.hpp"
#include "request.hpp"
#include "semantics.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <ctime>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

namespace http {

struct time_limits {
  std::chrono::nanoseconds request = std::chrono::seconds(10);  ///< from its first byte to its last
  std::chrono::nanoseconds idle = std::chrono::seconds(60);     ///< between requests
  std::chrono::nanoseconds send = std::chrono::seconds(30);     ///< for 256 KiB, or what is left
};

/// What the sessions of a server share.
class service {
 public:
  service(const document_root& of, time_limits most) noexcept : root(of), limits(most) {}

  /// From now on every response is the last one of its connection, and who waits for a request
  /// goes.
  void drain();
  [[nodiscard]] bool is_draining() const noexcept { return is_draining_; }
  /// The time as a response has it.
  [[nodiscard]] const std::string& date();

  const document_root& root;
  const time_limits limits;
  std::uint64_t connections = 0;
  std::uint64_t requests = 0;

 private:
  friend class session;
  std::unordered_set<stackless::cancel_scope*> idle_;
  std::string date_;
  std::time_t date_is_of_ = -1;
  bool is_draining_ = false;
};

/// One connection, from its first request to its last.
class session {
 public:
  session(service& of, stackless::io::tcp_stream stream);

  stackless::task<> run();

 private:
  stackless::task<> serve();
  stackless::task<> answer(std::string_view head);
  stackless::task<> answer_get(std::string_view head, bool wants_body);
  stackless::task<bool> read_more();
  stackless::task<bool> drop_body();
  stackless::task<bool> append_file(stackless::io::file& file, byte_range part);
  stackless::task<> send_file(stackless::io::file& file, byte_range part);
  stackless::task<> flush();
  stackless::task<> close();
  void begin_response(int status);
  void header(std::string_view name, std::string_view value);
  void header(std::string_view name, std::uint64_t value);
  /// With the status as its text. `fields`: lines to be added to the head.
  void respond(int status, bool wants_body, std::string_view fields = {});
  void refuse(int status);  ///< and the connection ends
  [[nodiscard]] std::string_view unread() const noexcept {
    return {buffer_.data() + begin_, end_ - begin_};
  }

  service& service_;
  stackless::io::tcp_stream stream_;
  request_parser parser_;
  std::vector<char> buffer_;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
  std::string out_;  // responses that wait to be sent, but for large files
  std::optional<stackless::deadline> request_ends_;  // once a part of it has come
  bool is_last_ = false;                             // the connection ends with this response
};

}  // namespace http
