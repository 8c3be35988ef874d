#include "session.hpp"

#include <stackless/error.hpp>
#include <stackless/time.hpp>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <stdexcept>
#include <system_error>
#include <utility>

namespace sl = stackless;

namespace http {

namespace {

using namespace std::chrono_literals;

constexpr std::size_t first_buffer = 1024;
constexpr std::size_t most_waiting = 64 * 1024;         // of responses to be sent
constexpr std::uint64_t largest_in_buffer = 16 * 1024;  // a file that is sent with its head
constexpr std::uint64_t smallest_piece = 256 * 1024;    // of a file, within the time for sending
constexpr std::uint64_t largest_body = 64 * 1024;       // of a request; it is dropped

bool is_known_method(std::string_view method) noexcept {
  for (const std::string_view known :
       {"POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT"})
    if (method == known) return true;
  return false;
}

}  // namespace

// The service
// --------------------------------------------------------------------------------------

void service::drain() {
  is_draining_ = true;
  for (sl::cancel_scope* const scope : idle_) scope->cancel("the server ends");
}

const std::string& service::date() {
  const std::time_t now = std::time(nullptr);
  if (now != std::exchange(date_is_of_, now)) date_ = date_text(now);
  return date_;
}

// The connection
// -----------------------------------------------------------------------------------

session::session(service& of, sl::io::tcp_stream stream)
    : service_(of), stream_(std::move(stream)), buffer_(first_buffer) {}

sl::task<> session::run() {
  co_await serve();
  co_await flush();
  if (is_last_) co_await close();
}

sl::task<> session::serve() {
  while (!is_last_) {
    const auto progress = parser_.parse(unread());
    if (progress == request_parser::progress::incomplete) {
      co_await flush();
      const bool has_more = co_await read_more();
      if (!has_more) co_return;
      continue;
    }
    if (progress == request_parser::progress::malformed) {
      refuse(parser_.status());
      co_return;
    }
    ++service_.requests;
    std::string_view head = unread().substr(0, parser_.size());
    begin_ += head.size();
    std::string kept;  // for the body goes over it
    if (parser_.body() != body_kind::none) {
      if (parser_.expects_continue()) {
        is_last_ = true;  // it is told the outcome without having sent it
      } else {
        kept = head;
        head = kept;
        const bool has_ended = co_await drop_body();
        if (!has_ended) co_return;
      }
    }
    co_await answer(head);
    parser_.reset();
    request_ends_.reset();
    if (out_.size() > most_waiting) co_await flush();
  }
}

/// False: there is nothing more to come, or it takes too long.
sl::task<bool> session::read_more() {
  const bool is_idle = begin_ == end_ && !request_ends_;
  if (is_idle && service_.is_draining()) co_return false;
  if (begin_ != 0) {
    std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
    end_ -= std::exchange(begin_, 0);
  }
  if (is_idle && buffer_.size() != first_buffer) {
    buffer_.resize(first_buffer);
    buffer_.shrink_to_fit();
  }
  // The parser asks for no more than a head's largest size.
  if (end_ == buffer_.size()) buffer_.resize(2 * buffer_.size());
  if (!is_idle && !request_ends_) request_ends_.emplace(service_.limits.request);

  std::size_t count = 0;
  const auto body = [&](sl::cancel_scope& scope) -> sl::task<> {
    scope.set_deadline(is_idle ? sl::now() + service_.limits.idle : request_ends_->at());
    struct registered {
      std::unordered_set<sl::cancel_scope*>* set;
      sl::cancel_scope* scope;
      registered(std::unordered_set<sl::cancel_scope*>* of, sl::cancel_scope* s)
          : set(of), scope(s) {
        if (set != nullptr) set->insert(scope);
      }
      registered(const registered&) = delete;
      registered& operator=(const registered&) = delete;
      ~registered() {
        if (set != nullptr) set->erase(scope);
      }
    } const here(is_idle ? &service_.idle_ : nullptr, &scope);
    count = co_await stream_.read_some(
        sl::io::mutable_bytes(buffer_.data() + end_, buffer_.size() - end_)
    );
  };
  const bool in_time = co_await sl::with_cancel_scope(body);
  if (!in_time && !is_idle) refuse(408);
  end_ += count;
  co_return count != 0;
}

/// The body of a request that needs none. False: it has no end, or too late a one.
sl::task<bool> session::drop_body() {
  if (!request_ends_) request_ends_.emplace(service_.limits.request);
  const bool is_chunked = parser_.body() == body_kind::chunked;
  chunk_parser chunks(largest_body);
  std::uint64_t left = parser_.body_size();
  if (!is_chunked && left > largest_body) {
    refuse(413);
    co_return false;
  }
  for (;;) {
    std::size_t used = 0;
    bool has_ended = false;
    if (is_chunked) {
      const auto progress = chunks.parse(unread(), used);
      if (progress == chunk_parser::progress::malformed ||
          progress == chunk_parser::progress::too_large) {
        refuse(progress == chunk_parser::progress::malformed ? 400 : 413);
        co_return false;
      }
      has_ended = progress == chunk_parser::progress::complete;
    } else {
      used = static_cast<std::size_t>(std::min<std::uint64_t>(left, end_ - begin_));
      left -= used;
      has_ended = left == 0;
    }
    begin_ += used;
    if (has_ended) co_return true;
    co_await flush();
    const bool has_more = co_await read_more();
    if (!has_more) co_return false;
  }
}

sl::task<> session::flush() {
  if (out_.empty()) co_return;
  const auto body = [&]() -> sl::task<> { co_await stream_.write_all(out_); };
  co_await sl::fail_after(service_.limits.send, body);
  out_.clear();
  if (out_.capacity() > most_waiting) out_.shrink_to_fit();
}

/// What the peer has sent meanwhile would make the system reset the connection when it is closed,
/// and the response with it: it is read, for a while.
sl::task<> session::close() {
  std::error_code error;
  stream_.shutdown_send(error);
  const auto body = [&]() -> sl::task<> {
    std::array<char, 16384> dropped{};
    std::size_t count = 1;
    while (count != 0) count = co_await stream_.read_some(dropped, error);
  };
  (void)co_await sl::move_on_after(2s, body);
}

// Responses
// ----------------------------------------------------------------------------------------

void session::header(std::string_view name, std::string_view value) {
  out_.append(name).append(": ").append(value).append("\r\n");
}

void session::header(std::string_view name, std::uint64_t value) {
  header(name, std::to_string(value));
}

void session::begin_response(int status) {
  out_.append("HTTP/1.1 ").append(std::to_string(status)).append(" ").append(reason_of(status));
  out_.append("\r\n");
  header("Date", service_.date());
  if (is_last_) {
    header("Connection", "close");
  } else if (parser_.is_version_1_0()) {
    header("Connection", "keep-alive");
  }
}

void session::respond(int status, bool wants_body, std::string_view fields) {
  const std::string text = std::to_string(status) + " " + reason_of(status) + "\n";
  begin_response(status);
  out_.append(fields);
  header("Content-Type", "text/plain; charset=utf-8");
  header("Content-Length", text.size());
  out_.append("\r\n");
  if (wants_body) out_.append(text);
}

void session::refuse(int status) {
  is_last_ = true;
  respond(status, true);
}

sl::task<> session::answer(std::string_view head) {
  if (!parser_.keeps_alive() || service_.is_draining()) is_last_ = true;
  const std::string_view method = parser_.method(head);
  const bool is_head = method == "HEAD";
  if (is_head || method == "GET") {
    co_await answer_get(head, !is_head);
  } else if (is_known_method(method)) {
    respond(405, true, "Allow: GET, HEAD\r\n");
  } else {
    respond(501, true);
  }
}

sl::task<> session::answer_get(std::string_view head, bool wants_body) {
  const std::string_view target = parser_.target(head);
  const std::optional<std::string> path = path_of(target);
  if (!path) {
    respond(400, wants_body);
    co_return;
  }
  document found = co_await service_.root.open(*path);
  if (found.status == 301) {
    std::string place = "Location: " + encoded(*path) + "/";
    place.append(query_of(target)).append("\r\n");
    respond(301, wants_body, place);
    co_return;
  }
  if (found.status != 200) {
    respond(found.status, wants_body);
    co_return;
  }

  validators now;
  now.tag = found.tag;
  now.modified = found.modified;
  const bool is_expected = is_as_expected(
      parser_.list(head, "If-Match"), parser_.value(head, "If-Unmodified-Since"), now
  );
  if (!is_expected) {
    respond(412, wants_body);
    co_return;
  }
  const bool has_it = is_not_modified(
      parser_.list(head, "If-None-Match"), parser_.value(head, "If-Modified-Since"), now
  );
  byte_range part{0, found.size};
  range_kind range = range_kind::whole;
  if (wants_body && !has_it && range_holds(parser_.value(head, "If-Range"), now))
    range = parse_range(parser_.value(head, "Range"), found.size, part);
  if (range == range_kind::unsatisfiable) {
    const std::string size = "Content-Range: bytes */" + std::to_string(found.size) + "\r\n";
    respond(416, true, size);
    co_return;
  }

  const std::size_t before = out_.size();
  begin_response(has_it ? 304 : range == range_kind::part ? 206 : 200);
  header("ETag", found.tag);
  header("Last-Modified", date_text(found.modified));
  if (!has_it) {
    header("Accept-Ranges", "bytes");
    header("Content-Type", content_type(found.name));
    header("X-Content-Type-Options", "nosniff");
    header("Content-Length", part.size);
    if (range == range_kind::part)
      header(
          "Content-Range", "bytes " + std::to_string(part.first) + "-" +
                               std::to_string(part.first + part.size - 1) + "/" +
                               std::to_string(found.size)
      );
  }
  out_.append("\r\n");
  if (has_it || !wants_body) co_return;
  if (part.size <= largest_in_buffer) {
    const bool whole = co_await append_file(found.file, part);
    if (!whole) {
      out_.resize(before);
      refuse(500);
    }
  } else {
    co_await flush();
    co_await send_file(found.file, part);
  }
}

/// False: it cannot be read, or has become shorter.
sl::task<bool> session::append_file(sl::io::file& file, byte_range part) {
  std::size_t at = out_.size();
  out_.resize(at + static_cast<std::size_t>(part.size));
  while (at != out_.size()) {
    std::error_code error;
    const sl::io::mutable_bytes room(out_.data() + at, out_.size() - at);
    const std::uint64_t offset = part.first + part.size - room.size();
    const std::size_t count = co_await file.read_some_at(offset, room, error);
    if (count == 0) co_return false;
    at += count;
  }
  co_return true;
}

/// A reader may be slow, but not for ever: in each span of time it takes a piece, or is let go.
sl::task<> session::send_file(sl::io::file& file, byte_range part) {
  sl::io::copy_progress progress;
  sl::io::copy_options options;
  options.progress = &progress;
  while (part.size != 0) {
    options.offset = part.first;
    options.count = part.size;
    const auto body = [&]() -> sl::task<> { (void)co_await sl::io::copy(file, stream_, options); };
    const bool has_ended = co_await sl::move_on_after(service_.limits.send, body);
    // Its length has been told already: only the end of the connection says that it is not all.
    if (has_ended && progress.written != part.size)
      throw std::runtime_error(file.path() + " has become shorter");
    if (progress.written < std::min(part.size, smallest_piece))
      throw std::runtime_error(file.path() + ": timed out, because the client takes too little");
    part.first += progress.written;
    part.size -= progress.written;
  }
}

}  // namespace http
