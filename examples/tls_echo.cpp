// A TLS echo server: as echo_server, with a certificate. Try it with
//   openssl s_client -connect localhost:7443 -CAfile CERTIFICATE

#include <stackless/io/io.hpp>
#include <stackless/stackless.hpp>
#include <stackless/tls/tls.hpp>

#include <array>
#include <charconv>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <string>
#include <system_error>
#include <utility>

namespace sl = stackless;
using namespace std::chrono_literals;

namespace {

void log(const std::string& line) {
  std::fprintf(stderr, "%s\n", line.c_str());
}

/// Its errors end here: one bad client must not stop the server.
sl::task<> serve(sl::io::tcp_stream connection, sl::tls::context context) {
  std::string who = "a client";
  try {
    who = to_string(connection.peer_address());
    sl::this_tasklet::set_name(who);
    connection.set_no_delay(true);
    sl::tls::stream client(std::move(connection), context);
    // Who connects and then says nothing is not kept for ever.
    const auto handshake = [&]() -> sl::task<> { co_await client.handshake(); };
    co_await sl::fail_after(10s, handshake);
    std::string protocol = client.protocol();
    if (!protocol.empty()) protocol = ", " + protocol;
    log(who + ": " + client.version() + ", " + client.cipher() + protocol);
    std::array<char, 16384> buffer;
    while (const std::size_t n = co_await client.read_some(buffer))
      co_await client.write_all({buffer.data(), n});
    co_await client.close();  // says so first
  } catch (const std::exception& error) {
    log(who + ": " + error.what());
  }
}

sl::task<> accept_clients(sl::io::tcp_listener listener, sl::tls::context context) {
  std::error_code last;
  for (;;) {
    std::error_code error;
    sl::io::tcp_stream client = co_await listener.accept(error);
    if (!error) {
      sl::spawn_daemon("client", serve, std::move(client), context);
    } else if (error != std::errc::connection_aborted) {
      if (error != last) log("accept: " + error.message());
      co_await sl::sleep_for(100ms);
    }
    last = error;
  }
}

/// Main. The others are daemons: they end, and their connections close, when it returns.
sl::task<> listen(std::string certificate, std::string key, std::uint16_t port) {
  sl::io::signal_set signals{SIGINT, SIGTERM};
  sl::tls::context context = sl::tls::context::server(certificate, key);
  context.set_protocols({"echo"});
  sl::io::tcp_listener listener = sl::io::listen_tcp({sl::io::ip_address::loopback(), port});
  std::printf("listening on %s\n", to_string(listener.local_address()).c_str());
  std::fflush(stdout);
  sl::spawn_daemon("accept", accept_clients, std::move(listener), context);
  const int signal = co_await signals.wait();
  std::printf("stopping on signal %d\n", signal);
}

}  // namespace

int main(int argc, char** argv) {
  const std::string argument = argc > 3 ? argv[3] : "7443";
  const char* const end = argument.data() + argument.size();
  std::uint16_t port = 0;
  const auto [parsed, error] = std::from_chars(argument.data(), end, port);
  if (argc < 3 || argc > 4 || error != std::errc() || parsed != end) {
    std::fputs("usage: tls_echo CERTIFICATE KEY [PORT]     (7443; 0 takes a free one)\n", stderr);
    return 2;
  }
  try {
    sl::run(listen, std::string(argv[1]), std::string(argv[2]), port);
  } catch (const std::exception& problem) {
    log(std::string("tls_echo: ") + problem.what());
    return 1;
  }
}
