// An HTTP/1.1 server for the files of a folder: a tasklet for each connection, on one thread.

#include <stackless/io/io.hpp>
#include <stackless/stackless.hpp>

#include "document_root.hpp"
#include "session.hpp"

#include <charconv>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include <sys/resource.h>

namespace sl = stackless;

namespace {

using namespace std::chrono_literals;

struct options {
  std::string folder;
  sl::io::socket_address address{sl::io::ip_address::loopback(), 8080};
  std::size_t connections = 10'000;
  std::chrono::nanoseconds drain = 10s;
  http::time_limits limits;
};

void say(const std::string& line) {
  std::fprintf(stderr, "%s\n", line.c_str());
}

/// That a client has gone is no news.
bool is_usual(const std::error_code& error) noexcept {
  return error == std::errc::connection_reset || error == std::errc::broken_pipe;
}

/// Its errors end here: one bad client must not stop the server.
sl::task<> serve(sl::io::tcp_stream stream, http::service& service, sl::semaphore_unit) {
  std::string who = "a client";
  try {
    who = to_string(stream.peer_address());
    sl::this_tasklet::set_name(who);
    stream.set_no_delay(true);
    http::session mine(service, std::move(stream));
    co_await mine.run();
  } catch (const std::system_error& error) {
    if (!is_usual(error.code())) say(who + ": " + error.what());
  } catch (const std::exception& error) {
    say(who + ": " + error.what());
  }
}

sl::task<> accept_clients(
    sl::io::tcp_listener& listener,
    http::service& service,
    sl::semaphore& room,
    sl::nursery& clients
) {
  std::error_code last;
  for (;;) {
    // Those for whom there is no room wait in the backlog.
    sl::semaphore_unit unit = co_await room.acquire();
    std::error_code error;
    sl::io::tcp_stream stream = co_await listener.accept(error);
    if (!error) {
      ++service.connections;
      clients.spawn("client", serve, std::move(stream), sl::borrow(service), std::move(unit));
    } else if (error != std::errc::connection_aborted) {
      // Out of descriptors, as a rule: until others have gone.
      if (error != last) say("accept: " + error.message());
      co_await sl::sleep_for(100ms);
    }
    last = error;
  }
}

sl::task<> run_server(const options& chosen) {
  sl::io::signal_set signals{SIGINT, SIGTERM};
  const http::document_root root(chosen.folder);
  http::service service(root, chosen.limits);
  sl::semaphore room(chosen.connections);
  sl::io::tcp_listener listener = sl::io::listen_tcp(chosen.address);
  std::printf("listening on %s\n", to_string(listener.local_address()).c_str());
  std::fflush(stdout);

  co_await sl::with_nursery([&](sl::nursery& clients) -> sl::task<> {
    co_await sl::with_nursery([&](sl::nursery& n) -> sl::task<> {
      n.spawn(
          "accept", accept_clients, sl::borrow(listener), sl::borrow(service), sl::borrow(room),
          sl::borrow(clients)
      );
      (void)co_await signals.wait();
      n.cancel("a signal ends the server");
    });
    co_await listener.close();
    service.drain();
    clients.spawn_daemon("patience", [&]() -> sl::task<> {
      const auto second = [&]() -> sl::task<> { (void)co_await signals.wait(); };
      (void)co_await sl::move_on_after(chosen.drain, second);
      say("who is still there is cut off");
      clients.cancel("the server ends");
    });
  });
  std::printf(
      "%llu requests on %llu connections\n", static_cast<unsigned long long>(service.requests),
      static_cast<unsigned long long>(service.connections)
  );
}

// The command line
// ---------------------------------------------------------------------------------

template <class T>
bool parse_number(std::string_view text, T& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size();
}

bool parse_seconds(std::string_view text, std::chrono::nanoseconds& value) {
  double seconds = 0;
  if (!parse_number(text, seconds) || !(seconds > 0) || seconds > 1e6) return false;
  value =
      std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::duration<double>(seconds));
  return true;
}

bool parse_option(std::string_view name, std::string_view value, options& chosen) {
  if (name == "--port") {
    std::uint16_t port = 0;
    if (!parse_number(value, port)) return false;
    chosen.address = {chosen.address.ip(), port};
    return true;
  }
  if (name == "--address") {
    const auto ip = sl::io::ip_address::parse(value);
    if (!ip) return false;
    chosen.address = {*ip, chosen.address.port()};
    return true;
  }
  if (name == "--connections")
    return parse_number(value, chosen.connections) && chosen.connections != 0;
  if (name == "--request-time") return parse_seconds(value, chosen.limits.request);
  if (name == "--idle-time") return parse_seconds(value, chosen.limits.idle);
  if (name == "--send-time") return parse_seconds(value, chosen.limits.send);
  if (name == "--drain-time") return parse_seconds(value, chosen.drain);
  return false;
}

bool parse(int argc, char** argv, options& chosen) {
  if (argc < 2 || argc % 2 != 0) return false;
  chosen.folder = argv[argc - 1];
  if (chosen.folder.starts_with("--")) return false;
  for (int i = 1; i + 1 < argc; i += 2)
    if (!parse_option(argv[i], argv[i + 1], chosen)) return false;
  return true;
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
        "usage: http_server [OPTION VALUE]... FOLDER\n"
        "  --address      127.0.0.1; 0.0.0.0 serves the network\n"
        "  --port         8080; 0 takes a free one\n"
        "  --connections  at most, 10000: others wait\n"
        "  --request-time seconds for a request to come, 10\n"
        "  --idle-time    seconds between two requests of a connection, 60\n"
        "  --send-time    seconds for a client to take 256 KiB, 30\n"
        "  --drain-time   seconds for what is under way when a signal ends the server, 10\n",
        stderr
    );
    return 2;
  }
  allow_many_files();
  try {
    sl::run("http_server", run_server, sl::borrow(chosen));
  } catch (const std::exception& problem) {
    say(std::string("http_server: ") + problem.what());
    return 1;
  }
}
