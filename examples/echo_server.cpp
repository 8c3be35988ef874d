// A TCP echo server: a tasklet for each connection, on one thread.

#include <stackless/io/io.hpp>
#include <stackless/stackless.hpp>

#include <charconv>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <string>
#include <system_error>
#include <utility>

#include <sys/resource.h>

namespace sl = stackless;

namespace {

void log(const std::string& line) {
  std::fprintf(stderr, "%s\n", line.c_str());
}

/// Its errors end here: one bad client must not stop the server.
sl::task<> serve(sl::io::tcp_stream client, sl::io::buffer_pool buffers) {
  std::string who = "a client";
  try {
    who = to_string(client.peer_address());
    sl::this_tasklet::set_name(who);
    client.set_no_delay(true);
    while (const sl::io::pooled_bytes bytes = co_await client.receive(buffers))
      co_await client.write_all(bytes);
  } catch (const std::exception& error) {
    log(who + ": " + error.what());
  }
}

sl::task<> accept_clients(sl::io::tcp_listener listener) {
  sl::io::buffer_pool buffers(1024);  // a client that says nothing holds none of them
  std::error_code last;
  for (;;) {
    std::error_code error;
    sl::io::tcp_stream client = co_await listener.accept(error);
    if (!error) {
      sl::spawn_daemon("client", serve, std::move(client), buffers);
    } else if (error != std::errc::connection_aborted) {
      // Out of descriptors, as a rule: clients wait in the backlog until others have gone.
      if (error != last) log("accept: " + error.message());
      co_await sl::sleep_for(std::chrono::milliseconds(100));
    }
    last = error;
  }
}

/// Main. The others are daemons: they end, and their connections close, when it returns.
sl::task<> listen(std::uint16_t port) {
  sl::io::signal_set signals{SIGINT, SIGTERM, SIGUSR1};
  sl::io::tcp_listener listener = sl::io::listen_tcp({sl::io::ip_address::loopback(), port});
  std::printf("listening on %s\n", to_string(listener.local_address()).c_str());
  std::printf("SIGUSR1 lists the tasklets, SIGINT and SIGTERM end the server\n");
  std::fflush(stdout);
  sl::spawn_daemon("accept", accept_clients, std::move(listener));
  while (co_await signals.wait() == SIGUSR1) {
    std::printf("%s", to_text(sl::snapshot()).c_str());
    std::fflush(stdout);
  }
  std::printf("stopping\n");
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
  const std::string argument = argc > 1 ? argv[1] : "7777";
  const char* const end = argument.data() + argument.size();
  std::uint16_t port = 0;
  const auto [parsed, error] = std::from_chars(argument.data(), end, port);
  if (argc > 2 || error != std::errc() || parsed != end) {
    std::fputs("usage: echo_server [PORT]     (7777; 0 takes a free one)\n", stderr);
    return 2;
  }
  allow_many_files();
  sl::scheduler_options options;
  options.ring_entries = 1024;  // answers that go to the kernel together
  try {
    sl::run(options, listen, port);
  } catch (const std::exception& problem) {
    log(std::string("echo_server: ") + problem.what());
    return 1;
  }
}
