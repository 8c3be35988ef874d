// The test driver of echo_server: opens many connections at once, sends random bytes on each, and
// expects all of them back.

#include <stackless/io/io.hpp>
#include <stackless/stackless.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

#include <sys/resource.h>

namespace sl = stackless;

namespace {

constexpr int rounds = 5;
constexpr std::size_t longest = 16384;

struct count {
  std::size_t connections = 0;
  std::size_t bytes = 0;
};

sl::task<> talk(
    std::uint16_t port,
    std::uint32_t seed,
    sl::channel<bool> connected,
    sl::channel<bool> go,
    count& done
) {
  const sl::io::socket_address server(sl::io::ip_address::loopback(), port);
  sl::io::tcp_stream stream = co_await sl::io::connect_tcp(server);
  stream.set_no_delay(true);
  co_await connected.send(true);
  co_await go.next();  // nobody speaks before all are connected

  std::minstd_rand random(seed);
  std::string sent;
  std::string received;
  for (int round = 0; round < rounds; ++round) {
    sent.resize(1 + random() % longest);
    for (char& c : sent) c = static_cast<char>(random() >> 8);
    received.assign(sent.size(), '\0');
    co_await stream.write_all(sent);
    co_await stream.read_exactly(received);
    if (received != sent) throw std::runtime_error("what came back is not what was sent");
    done.bytes += sent.size();
  }
  stream.shutdown_send();
  char more = 0;
  if (co_await stream.read_some({&more, 1}) != 0)
    throw std::runtime_error("more came back than was sent");
  ++done.connections;
}

sl::task<> talk_to_all(std::uint16_t port, std::size_t connections, count& done) {
  sl::channel<bool> connected("connected", connections);
  sl::channel<bool> go("go");
  std::vector<sl::tasklet<>> clients;
  clients.reserve(connections);
  for (std::size_t i = 0; i < connections; ++i)
    clients.push_back(sl::spawn(
        "client", talk, port, static_cast<std::uint32_t>(i + 1), connected, go, sl::borrow(done)
    ));
  for (std::size_t i = 0; i < connections; ++i) co_await connected.receive();
  go.close();
  for (const auto& client : clients) co_await client.join();
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
  if (argc != 3) {
    std::fputs("usage: echo_load PORT CONNECTIONS\n", stderr);
    return 2;
  }
  const auto port = static_cast<std::uint16_t>(std::atoi(argv[1]));
  const auto connections = static_cast<std::size_t>(std::atoi(argv[2]));
  allow_many_files();
  count done;
  try {
    const auto began = std::chrono::steady_clock::now();
    sl::run(talk_to_all, port, connections, sl::borrow(done));
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - began;
    std::printf(
        "%zu connections at once: %zu bytes sent and received in %.3f s\n", done.connections,
        done.bytes, took.count()
    );
  } catch (const std::exception& error) {
    std::fprintf(stderr, "echo_load: %s\n", error.what());
    return 1;
  }
}
