#pragma once

#include <stackless/io/io.hpp>
#include <stackless/scheduler.hpp>
#include <stackless/time.hpp>

#include "catch.hpp"

#include <chrono>
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

namespace io_test {

inline const char* name_of(stackless::io_choice choice) {
  return choice == stackless::io_choice::uring ? "uring" : "epoll";
}

/// Both engines, or the one that this kernel has.
inline std::vector<stackless::io_choice> backends() {
  std::vector<stackless::io_choice> choices{stackless::io_choice::epoll};
  try {
    stackless::scheduler_options options;
    options.io = stackless::io_choice::uring;
    (void)stackless::detail::make_io_backend(options);
    choices.push_back(stackless::io_choice::uring);
  } catch (const std::system_error& error) {
    WARN("only epoll is tested: " << error.what());
  }
  return choices;
}

inline std::size_t open_descriptors() {
  const std::filesystem::directory_iterator entries("/proc/self/fd");
  return static_cast<std::size_t>(std::distance(begin(entries), end(entries)));
}

/// Runs the coroutine function once on each engine; every descriptor must be closed in the end.
template <class F>
void on_each_backend(F f) {
  for (const stackless::io_choice choice : backends()) {
    CAPTURE(name_of(choice));
    const std::size_t before = open_descriptors();
    stackless::scheduler_options options;
    options.io = choice;
    stackless::run(options, f);
    CHECK(open_descriptors() == before);
  }
}

/// A directory for one test.
class temporary_directory {
 public:
  temporary_directory() {
    std::string pattern = (std::filesystem::temp_directory_path() / "stackless_io_XXXXXX").string();
    if (::mkdtemp(pattern.data()) == nullptr)
      throw std::system_error(errno, std::system_category(), "mkdtemp");
    path_ = pattern;
  }
  temporary_directory(const temporary_directory&) = delete;
  temporary_directory& operator=(const temporary_directory&) = delete;
  ~temporary_directory() { std::filesystem::remove_all(path_); }

  [[nodiscard]] std::string file(std::string_view name) const { return (path_ / name).string(); }

 private:
  std::filesystem::path path_;
};

inline void put(const std::string& path, std::string_view text) {
  std::ofstream(path, std::ios::binary) << text;
}

inline std::string contents(const std::string& path) {
  std::ifstream stream(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), {}};
}

inline std::size_t in_flight() {
  const auto* backend = stackless::detail::running_scheduler().io_if_made();
  return backend != nullptr ? backend->in_flight() : 0;
}

/// Lets the others run until they wait, and their operations reach the kernel.
inline stackless::task<> settle() {
  for (int i = 0; i < 3; ++i) co_await stackless::drain_ready();
}

/// Kills the tasklet, and waits until its operation has let go of it.
template <class T>
stackless::task<> stop(stackless::tasklet<T> t) {
  co_await t.kill();
  while (t.alive()) co_await stackless::drain_ready();
}

/// Two ends of one connection through the loopback interface.
struct connection {
  stackless::io::tcp_stream client;
  stackless::io::tcp_stream server;
  connection() {}
};

inline stackless::io::socket_address any_port() {
  return {stackless::io::ip_address::loopback(), 0};
}

inline stackless::task<> connect_pair(connection& made) {
  auto listener = stackless::io::listen_tcp(any_port());
  const auto address = listener.local_address();
  made.client = co_await stackless::io::connect_tcp(address);
  made.server = co_await listener.accept();
}

/// A connection to the loopback interface that no scheduler knows of.
class blocking_client {
 public:
  explicit blocking_client(std::uint16_t port) : socket_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    REQUIRE(::connect(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
  }
  blocking_client(const blocking_client&) = delete;
  blocking_client& operator=(const blocking_client&) = delete;
  ~blocking_client() { ::close(socket_); }

 private:
  int socket_;
};

}  // namespace io_test
