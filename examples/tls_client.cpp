// Connects standard input and output to a TLS server, both ways at once, as `openssl s_client
// -quiet` does.

#include <stackless/io/io.hpp>
#include <stackless/stackless.hpp>
#include <stackless/tls/tls.hpp>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <exception>
#include <string>
#include <utility>
#include <vector>

namespace sl = stackless;
using namespace std::chrono_literals;

namespace {

constexpr const char* usage =
    "usage: tls_client [OPTION…] HOST PORT\n"
    "  Sends standard input to the server, and prints what it answers.\n"
    "  --ca FILE        trust the certificates of this PEM file instead of the system's\n"
    "  --name NAME      whom the certificate has to be for, if not HOST\n"
    "  --protocol NAME  offer this application protocol (ALPN); may be repeated\n"
    "  --timeout N      give up when there is no connection after N seconds (10)\n";

struct settings {
  std::string host;
  std::string port;
  std::string ca;
  std::string name;
  std::vector<std::string> protocols;
  int timeout = 10;
};

using connection = sl::tls::stream<sl::io::tcp_stream>;

sl::task<connection> connect(const settings& wanted) {
  sl::tls::context context =
      wanted.ca.empty() ? sl::tls::context::client() : sl::tls::context::client(wanted.ca);
  if (!wanted.protocols.empty()) context.set_protocols(wanted.protocols);
  const sl::io::socket_address address = co_await sl::io::resolve(wanted.host, wanted.port);
  sl::io::tcp_stream tcp = co_await sl::io::connect_tcp(address);
  tcp.set_no_delay(true);
  connection made(std::move(tcp), context, wanted.name.empty() ? wanted.host : wanted.name);
  co_await made.handshake();
  co_return made;
}

sl::task<> send_input(connection& to) {
  sl::io::file input = sl::io::standard_input();
  std::array<char, 16384> buffer;
  while (const std::size_t n = co_await input.read_some(buffer))
    co_await to.write_all({buffer.data(), n});
  co_await to.shutdown_send();
}

sl::task<> print_answer(connection& from) {
  sl::io::file output = sl::io::standard_output();
  std::array<char, 16384> buffer;
  while (const std::size_t n = co_await from.read_some(buffer))
    co_await output.write_all({buffer.data(), n});
}

sl::task<> talk(settings wanted) {
  const auto attempt = [&]() -> sl::task<connection> { return connect(wanted); };
  connection server = co_await sl::fail_after(std::chrono::seconds(wanted.timeout), attempt);
  const auto shown = server.peer_certificate();
  std::fprintf(
      stderr, "%s, %s, %s\n", server.version().c_str(), server.cipher().c_str(),
      shown ? shown->subject.c_str() : "no certificate"
  );
  if (!server.protocol().empty()) std::fprintf(stderr, "protocol %s\n", server.protocol().c_str());
  const auto both = [&](sl::nursery& n) -> sl::task<> {
    // A server that has ended does not wait for the rest of our input.
    n.spawn_daemon("send", send_input, sl::borrow(server));
    n.spawn("print", print_answer, sl::borrow(server));
    co_return;
  };
  co_await sl::with_nursery(both);
  co_await server.close();
}

bool parse(int argc, char** argv, settings& wanted) {
  std::vector<std::string> plain;
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    if (!word.starts_with("--")) {
      plain.push_back(word);
      continue;
    }
    if (i + 1 == argc) return false;
    const std::string value = argv[++i];
    if (word == "--ca") {
      wanted.ca = value;
    } else if (word == "--name") {
      wanted.name = value;
    } else if (word == "--protocol") {
      wanted.protocols.push_back(value);
    } else if (word == "--timeout") {
      try {
        wanted.timeout = std::stoi(value);
      } catch (const std::exception&) {
        return false;
      }
    } else {
      return false;
    }
  }
  if (plain.size() != 2 || wanted.timeout < 1) return false;
  wanted.host = plain[0];
  wanted.port = plain[1];
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  settings wanted;
  if (argc == 2 && std::string(argv[1]) == "--help") {
    std::fputs(usage, stdout);
    return 0;
  }
  if (!parse(argc, argv, wanted)) {
    std::fputs(usage, stderr);
    return 2;
  }
  try {
    sl::run(talk, std::move(wanted));
  } catch (const std::exception& problem) {
    std::fprintf(stderr, "tls_client: %s\n", problem.what());
    return 1;
  }
}
