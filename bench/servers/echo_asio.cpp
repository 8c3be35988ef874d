// A peer of echo_server: the same service in coroutines on Asio, on one thread.

#define ASIO_STANDALONE
#define ASIO_HAS_CO_AWAIT 1  // Asio 1.22 knows it of GCC only
#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <utility>

#include <asio.hpp>

namespace {

using asio::ip::tcp;

asio::awaitable<void> serve(tcp::socket client) {
  try {
    client.set_option(tcp::no_delay(true));
    std::array<char, 16384> bytes;
    for (;;) {
      const std::size_t n =
          co_await client.async_read_some(asio::buffer(bytes), asio::use_awaitable);
      co_await asio::async_write(client, asio::buffer(bytes.data(), n), asio::use_awaitable);
    }
  } catch (const std::exception&) {  // the client has gone
  }
}

asio::awaitable<void> accept_clients(tcp::acceptor acceptor) {
  for (;;) {
    tcp::socket client = co_await acceptor.async_accept(asio::use_awaitable);
    asio::co_spawn(acceptor.get_executor(), serve(std::move(client)), asio::detached);
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fputs("usage: echo_asio PORT\n", stderr);
    return 2;
  }
  asio::io_context context(1);
  const auto port = static_cast<std::uint16_t>(std::atoi(argv[1]));
  tcp::acceptor acceptor(context, {asio::ip::address_v4::loopback(), port});
  std::printf("listening on 127.0.0.1:%u\n", acceptor.local_endpoint().port());
  std::fflush(stdout);
  asio::co_spawn(context, accept_clients(std::move(acceptor)), asio::detached);
  context.run();
}
