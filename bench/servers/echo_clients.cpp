// The clients of the echo benchmarks: connections that each send a message, wait for it to come
// back, and send the next.
//
//   echo_clients PORT CONNECTIONS BYTES SECONDS SERVER_PID
//
// Prints the requests in all, those per second of processor time of the server, and those per
// second. Straight on epoll: it must cost less than what it measures.

#include <array>
#include <charconv>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

namespace {

using clock_type = std::chrono::steady_clock;

[[noreturn]] void fail(const char* what) {
  std::perror(what);
  std::exit(1);
}

/// Of all threads, in seconds. schedstat counts nanoseconds, stat only ticks.
double processor_time(const std::string& process) {
  double total = 0;
  for (const auto& thread : std::filesystem::directory_iterator("/proc/" + process + "/task")) {
    unsigned long long nanoseconds = 0;
    std::ifstream(thread.path() / "schedstat") >> nanoseconds;
    total += static_cast<double>(nanoseconds) * 1e-9;
  }
  return total;
}

struct client {
  int descriptor = -1;
  std::size_t received = 0;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 6) {
    std::fputs("usage: echo_clients PORT CONNECTIONS BYTES SECONDS SERVER_PID\n", stderr);
    return 2;
  }
  const auto port = static_cast<std::uint16_t>(std::atoi(argv[1]));
  const auto connections = static_cast<std::size_t>(std::atoi(argv[2]));
  const auto bytes = static_cast<std::size_t>(std::atoi(argv[3]));
  const double seconds = std::atof(argv[4]);
  const std::string server = argv[5];
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) == 0) {
    limit.rlim_cur = limit.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &limit);
  }

  const std::string message(bytes, 'm');
  std::vector<char> into(bytes);
  std::vector<client> clients(connections);
  const int epoll = ::epoll_create1(EPOLL_CLOEXEC);
  for (std::size_t i = 0; i < connections; ++i) {
    client& c = clients[i];
    c.descriptor = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::connect(c.descriptor, reinterpret_cast<sockaddr*>(&address), sizeof address) == -1)
      fail("connect");
    const int one = 1;
    ::setsockopt(c.descriptor, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u64 = i;
    ::epoll_ctl(epoll, EPOLL_CTL_ADD, c.descriptor, &event);
  }
  const auto say = [&](client& c) {
    c.received = 0;
    if (::send(c.descriptor, message.data(), bytes, MSG_NOSIGNAL) != static_cast<ssize_t>(bytes))
      fail("send");
  };
  for (client& c : clients) say(c);

  std::uint64_t requests = 0;
  std::uint64_t counted_from = 0;
  double processor_from = 0;
  auto start = clock_type::now();
  bool warm = false;
  std::array<epoll_event, 512> events{};
  for (;;) {
    const int count = ::epoll_wait(epoll, events.data(), events.size(), 1000);
    for (int i = 0; i < count; ++i) {
      client& c = clients[events[static_cast<std::size_t>(i)].data.u64];
      const ssize_t n = ::recv(c.descriptor, into.data(), into.size(), MSG_DONTWAIT);
      if (n <= 0) fail("receive");
      c.received += static_cast<std::size_t>(n);
      if (c.received < bytes) continue;
      ++requests;
      say(c);
    }
    const std::chrono::duration<double> passed = clock_type::now() - start;
    if (!warm && passed.count() > 0.3) {
      warm = true;
      counted_from = requests;
      processor_from = processor_time(server);
      start = clock_type::now();
    } else if (warm && passed.count() > seconds) {
      const double processor = processor_time(server) - processor_from;
      const auto done = static_cast<double>(requests - counted_from);
      std::printf("%.0f %.0f %.0f\n", done, done / processor, done / passed.count());
      return 0;
    }
  }
}
