// A key-value server that speaks RESP2 and RESP3, the protocols of Redis: a tasklet for each
// client, one for the log, one that writes it anew when it has grown, one for keys that expire, on
// one thread.

#include <stackless/io/io.hpp>
#include <stackless/stackless.hpp>

#include "append_log.hpp"
#include "commands.hpp"
#include "resp.hpp"

#include <array>
#include <charconv>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <exception>
#include <functional>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <sys/resource.h>

namespace sl = stackless;

namespace {

using namespace std::chrono_literals;

constexpr std::size_t first_buffer = 1024;
constexpr std::size_t largest_idle_buffer = 16 * 1024;
constexpr std::size_t most_replies = 64 * 1024;  // that wait to be written
constexpr auto longest_request = 60s;            // from its first byte to its last

struct options {
  std::uint16_t port = 6379;
  std::string log;
  kv::sync_policy sync = kv::sync_policy::every_second;
  kv::rewrite_policy rewriting;
  std::uint16_t stall = 30;  // seconds
};

void say(const std::string& line) {
  std::fprintf(stderr, "%s\n", line.c_str());
}

/// One client, from its first request to its last.
class session {
 public:
  session(kv::database& data, sl::io::tcp_stream stream)
      : stream_(std::move(stream)), client_(data, &stream_), buffer_(first_buffer) {}

  sl::task<> run() {
    while (!client_.wants_to_leave) {
      const bool has_more = co_await read();
      if (!has_more) co_return;
      co_await answer_all();
      co_await flush();
    }
  }
  sl::task<> close() {
    if (client_.listening) co_await client_.listening->close();
  }

 private:
  /// False: the client has finished, or takes too long for a request.
  sl::task<bool> read() {
    if (filled_ == 0 && buffer_.size() > largest_idle_buffer) {
      buffer_.resize(first_buffer);
      buffer_.shrink_to_fit();
    }
    // A read that filled it left more behind: one of a pipeline should take all, for one reply.
    const bool is_short = read_filled_it_ && buffer_.size() < largest_idle_buffer;
    if (is_short || filled_ == buffer_.size()) buffer_.resize(2 * buffer_.size());
    const sl::io::mutable_bytes room(buffer_.data() + filled_, buffer_.size() - filled_);
    std::size_t n = 0;
    if (filled_ == 0) {  // between requests it may take its time
      n = co_await stream_.read_some(room);
    } else {
      if (!request_ends_) request_ends_.emplace(longest_request);
      const auto body = [&]() -> sl::task<> { n = co_await stream_.read_some(room); };
      if (!co_await sl::move_on_after(request_ends_->remaining(), body)) co_return false;
    }
    filled_ += n;
    read_filled_it_ = n == room.size();
    co_return n != 0;
  }

  sl::task<> answer_all() {
    std::size_t begin = 0;
    while (!client_.wants_to_leave) {
      const std::string_view bytes(buffer_.data() + begin, filled_ - begin);
      const auto progress = parser_.parse(bytes);
      if (progress == kv::request_parser::progress::incomplete) break;
      if (progress == kv::request_parser::progress::malformed) {
        client_.reply.error("ERR Protocol error: " + parser_.problem());
        client_.wants_to_leave = true;
        break;
      }
      kv::execute(client_, parser_.arguments(bytes));
      begin += parser_.size();
      parser_.reset();
      request_ends_.reset();
      if (client_.reply.bytes.size() > most_replies) co_await flush();
    }
    filled_ -= begin;
    std::memmove(buffer_.data(), buffer_.data() + begin, filled_);
  }

  /// What is acknowledged is in the log first.
  sl::task<> flush() {
    kv::append_log* const log = client_.data.log;
    if (std::exchange(client_.has_changed_data, false) && log != nullptr) {
      std::string problem;
      try {
        co_await log->commit();
      } catch (const std::system_error& error) {
        problem = error.what();
      }
      if (!problem.empty()) {  // which of the replies still hold nobody can say
        client_.reply.bytes.clear();
        client_.reply.error("MISCONF the append-only file cannot be written: " + problem);
        client_.wants_to_leave = true;
      }
    }
    std::string& replies = client_.reply.bytes;
    if (replies.empty()) co_return;
    std::optional<sl::mutex_guard> lock;
    if (client_.listening) lock.emplace(co_await client_.listening->writing.lock());
    const auto body = [&]() -> sl::task<> { co_await stream_.write_all(replies); };
    co_await sl::fail_after(client_.data.longest_stall, body);
    if (replies.capacity() > largest_idle_buffer) replies.shrink_to_fit();
    replies.clear();
  }

  sl::io::tcp_stream stream_;
  kv::client client_;
  kv::request_parser parser_;
  std::vector<char> buffer_;
  std::size_t filled_ = 0;
  bool read_filled_it_ = false;
  std::optional<sl::deadline> request_ends_;  // once a part of it has come
};

/// Its errors end here: one bad client must not stop the server.
sl::task<> serve(sl::io::tcp_stream stream, kv::database& data) {
  struct counted {
    kv::database& data;
    explicit counted(kv::database& of) : data(of) { ++data.clients; }
    ~counted() { --data.clients; }
  } const here(data);
  std::string who = "a client";
  try {
    who = to_string(stream.peer_address());
    sl::this_tasklet::set_name(who);
    stream.set_no_delay(true);
    session mine(data, std::move(stream));
    const auto body = [&]() -> sl::task<> { co_await mine.run(); };
    const auto last = [&](bool) -> sl::task<> { co_await mine.close(); };
    co_await sl::finally(body, last);
  } catch (const std::exception& error) {
    say(who + ": " + error.what());
  }
}

sl::task<> accept_clients(sl::io::tcp_listener listener, kv::database& data) {
  std::error_code last;
  co_await sl::with_nursery([&](sl::nursery& clients) -> sl::task<> {
    for (;;) {
      std::error_code error;
      sl::io::tcp_stream stream = co_await listener.accept(error);
      if (!error) {
        ++data.connections;
        clients.spawn("client", serve, std::move(stream), sl::borrow(data));
      } else if (error != std::errc::connection_aborted) {
        // Out of descriptors, as a rule: clients wait in the backlog until others have gone.
        if (error != last) say("accept: " + error.message());
        co_await sl::sleep_for(100ms);
      }
      last = error;
    }
  });
}

sl::task<> remove_expired(kv::database& data) {
  for (;;) {
    co_await sl::sleep_for(100ms);
    while (data.keys.remove_expired(1000) == 1000) co_await sl::yield();
  }
}

sl::task<> replay(kv::append_log& log, kv::database& data) {
  kv::client replayer(data, nullptr);
  const auto apply = [&](std::span<const std::string_view> request) {
    kv::execute(replayer, request);
    if (replayer.reply.bytes.starts_with('-'))
      throw std::runtime_error("the log holds what cannot be replayed: " + replayer.reply.bytes);
    replayer.reply.bytes.clear();
  };
  data.keys.hold_expiry(true);
  const std::uint64_t count = co_await log.load(std::ref(apply));
  data.keys.hold_expiry(false);
  std::printf("%llu changes replayed\n", static_cast<unsigned long long>(count));
}

sl::task<> run_server(const options& chosen) {
  sl::io::signal_set signals{SIGINT, SIGTERM};
  kv::append_log log(chosen.log, chosen.sync, chosen.rewriting);
  kv::database data([&](std::string_view key) {
    const std::array<std::string_view, 2> request{"DEL", key};
    if (data.log != nullptr) data.log->append(request);
  });
  // First, so that one whose port is taken leaves the log alone. Clients wait until it is replayed.
  sl::io::tcp_listener listener = sl::io::listen_tcp({sl::io::ip_address::loopback(), chosen.port});
  data.longest_stall = std::chrono::seconds(chosen.stall);
  if (!chosen.log.empty()) {
    co_await replay(log, data);
    data.log = &log;
  }
  std::printf("listening on %s\n", to_string(listener.local_address()).c_str());
  std::fflush(stdout);

  co_await sl::with_nursery([&](sl::nursery& last_to_end) -> sl::task<> {
    if (data.log != nullptr) {
      last_to_end.spawn_daemon("log", [&log]() -> sl::task<> { return log.run(); });
      last_to_end.spawn_daemon("log rewriter", [&]() -> sl::task<> {
        return log.rewrite_when_wanted(data.keys);
      });
    }
    co_await sl::with_nursery([&](sl::nursery& n) -> sl::task<> {
      n.spawn("accept", accept_clients, std::move(listener), sl::borrow(data));
      n.spawn("expiry", remove_expired, sl::borrow(data));
      (void)co_await signals.wait();
      n.cancel("a signal ends the server");
    });
    std::printf("stopping\n");
    if (data.log != nullptr) co_await log.close();
  });
}

template <class Number>
bool parse_number(std::string_view text, Number& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size();
}

bool parse(int argc, char** argv, options& chosen) {
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string_view name = argv[i];
    const std::string_view value = argv[i + 1];
    if (name == "--port") {
      if (!parse_number(value, chosen.port)) return false;
    } else if (name == "--rewrite-growth") {
      if (!parse_number(value, chosen.rewriting.growth)) return false;
    } else if (name == "--rewrite-smallest") {
      if (!parse_number(value, chosen.rewriting.smallest)) return false;
    } else if (name == "--stall") {
      if (!parse_number(value, chosen.stall) || chosen.stall == 0) return false;
    } else if (name == "--log") {
      chosen.log = value;
    } else if (name == "--sync" && value == "always") {
      chosen.sync = kv::sync_policy::always;
    } else if (name == "--sync" && value == "second") {
      chosen.sync = kv::sync_policy::every_second;
    } else if (name == "--sync" && value == "never") {
      chosen.sync = kv::sync_policy::never;
    } else {
      return false;
    }
  }
  return argc % 2 == 1;
}

void allow_many_files() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) == 0) {
    limit.rlim_cur = limit.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &limit);
  }
}

}  // namespace

int main(int argc, char** argv) {
  options chosen;
  if (!parse(argc, argv, chosen)) {
    std::fputs(
        "usage: kv_server [--port PORT] [--log FILE] [--sync always|second|never]\n"
        "                 [--rewrite-growth PERCENT] [--rewrite-smallest BYTES]\n"
        "                 [--stall SECONDS]\n"
        "  --port  6379; 0 takes a free one\n"
        "  --log   the append-only file; without it nothing is kept. It is locked against other "
        "servers.\n"
        "  --sync  when a change is on the disk: before it is acknowledged, after a second at "
        "most,\n"
        "          or when the system likes (second). With each of them it is written before that: "
        "a\n"
        "          crash of the server alone loses nothing\n"
        "  --rewrite-growth    the log is written anew, as short as it can be, when it has grown "
        "by so\n"
        "                      much since the last time (100; 0 only when BGREWRITEAOF asks for "
        "it)\n"
        "  --rewrite-smallest  ...and has so many bytes (67108864)\n"
        "  --stall  a client that does not read its replies, or a message, for so long is cut off "
        "(30)\n"
        "Limits: a request 128 MiB, each of its arguments 64 MiB, 60 seconds from its first byte "
        "to "
        "its\n"
        "last; a subscriber may be 32 MiB or 4096 messages behind before it is cut off.\n",
        stderr
    );
    return 2;
  }
  allow_many_files();
  try {
    sl::run("kv_server", run_server, sl::borrow(chosen));
  } catch (const std::exception& problem) {
    say(std::string("kv_server: ") + problem.what());
    return 1;
  }
}
