// The peer of echo_server: the same service straight on liburing, written for speed alone.
//
//   echo_uring PORT [plain|multishot]
//
// plain: one receive and one send in flight for a connection. multishot: receives that stay armed,
// into buffers that all connections share. The kernel decides which one is faster.

#include <liburing.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string_view>
#include <vector>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

namespace {

constexpr unsigned buffer_size = 16384;
constexpr unsigned buffer_count = 1024;  // a power of two
constexpr std::uint16_t buffer_group = 1;

enum class step : std::uint8_t { accept, receive, send };

struct connection {
  int descriptor = -1;
  unsigned length = 0;  // of what is being sent back
  unsigned sent = 0;
  char* data = nullptr;
  std::uint16_t buffer = 0;
  std::unique_ptr<char[]> own;
};

[[noreturn]] void fail(const char* what, int error) {
  std::fprintf(stderr, "%s: %s\n", what, std::strerror(error));
  std::exit(1);
}

class server {
 public:
  server(std::uint16_t port, bool multishot) : multishot_(multishot) {
    io_uring_params parameters{};
    parameters.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
                       IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP;
    parameters.cq_entries = 16384;
    if (const int result = io_uring_queue_init_params(1024, &ring_, &parameters); result < 0)
      fail("io_uring", -result);
    listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const int one = 1;
    ::setsockopt(listener_, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof address) == -1 ||
        ::listen(listener_, 4096) == -1)
      fail("listen", errno);
    socklen_t length = sizeof address;
    ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &length);
    std::printf("listening on 127.0.0.1:%u\n", ntohs(address.sin_port));
    std::fflush(stdout);
    if (multishot_) provide_buffers();
  }

  [[noreturn]] void run() {
    accept();
    for (;;) {
      if (const int result = io_uring_submit_and_wait(&ring_, 1); result < 0 && result != -EINTR)
        fail("io_uring_enter", -result);
      io_uring_cqe* completion = nullptr;
      unsigned head = 0;
      unsigned count = 0;
      io_uring_for_each_cqe(&ring_, head, completion) {
        ++count;
        handle(*completion);
      }
      io_uring_cq_advance(&ring_, count);
    }
  }

 private:
  io_uring_sqe* entry() {
    io_uring_sqe* e = io_uring_get_sqe(&ring_);
    if (e == nullptr) {
      io_uring_submit(&ring_);
      e = io_uring_get_sqe(&ring_);
    }
    return e;
  }

  static std::uint64_t tag(step what, int descriptor) {
    return static_cast<std::uint64_t>(what) << 32 | static_cast<unsigned>(descriptor);
  }

  void provide_buffers() {
    void* memory = nullptr;
    if (::posix_memalign(&memory, 4096, buffer_count * sizeof(io_uring_buf)) != 0)
      fail("memory", ENOMEM);
    buffers_ = static_cast<io_uring_buf_ring*>(memory);
    io_uring_buf_reg registration{};
    registration.ring_addr = reinterpret_cast<std::uintptr_t>(memory);
    registration.ring_entries = buffer_count;
    registration.bgid = buffer_group;
    if (const int r = io_uring_register_buf_ring(&ring_, &registration, 0); r < 0)
      fail("provided buffers", -r);
    io_uring_buf_ring_init(buffers_);
    memory_.reset(new char[std::size_t{buffer_count} * buffer_size]);
    for (std::uint16_t i = 0; i < buffer_count; ++i) give_back(i);
  }

  char* buffer(std::uint16_t index) { return memory_.get() + std::size_t{index} * buffer_size; }

  void give_back(std::uint16_t index) {
    io_uring_buf_ring_add(
        buffers_, buffer(index), buffer_size, index, io_uring_buf_ring_mask(buffer_count), 0
    );
    io_uring_buf_ring_advance(buffers_, 1);
  }

  void accept() {
    io_uring_sqe* e = entry();
    io_uring_prep_multishot_accept(e, listener_, nullptr, nullptr, SOCK_CLOEXEC);
    io_uring_sqe_set_data64(e, tag(step::accept, listener_));
  }

  void receive(connection& c) {
    io_uring_sqe* e = entry();
    if (multishot_) {
      io_uring_prep_recv_multishot(e, c.descriptor, nullptr, 0, 0);
      e->flags |= IOSQE_BUFFER_SELECT;
      e->buf_group = buffer_group;
    } else {
      io_uring_prep_recv(e, c.descriptor, c.data, buffer_size, 0);
    }
    io_uring_sqe_set_data64(e, tag(step::receive, c.descriptor));
  }

  void send(connection& c) {
    io_uring_sqe* e = entry();
    io_uring_prep_send(e, c.descriptor, c.data + c.sent, c.length - c.sent, MSG_NOSIGNAL);
    io_uring_sqe_set_data64(e, tag(step::send, c.descriptor));
  }

  void end(connection& c) {
    ::close(c.descriptor);
    c.descriptor = -1;
  }

  void handle(const io_uring_cqe& completion) {
    const auto what = static_cast<step>(completion.user_data >> 32);
    const int descriptor = static_cast<int>(completion.user_data & 0xffffffffU);
    if (what == step::accept) {
      if (completion.res >= 0) {
        const auto index = static_cast<std::size_t>(completion.res);
        if (index >= connections_.size()) connections_.resize(2 * index + 64);
        connection& c = connections_[index];
        c.descriptor = completion.res;
        const int one = 1;
        ::setsockopt(c.descriptor, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        if (!multishot_) {
          if (!c.own) c.own.reset(new char[buffer_size]);
          c.data = c.own.get();
        }
        receive(c);
      }
      if ((completion.flags & IORING_CQE_F_MORE) == 0) accept();
      return;
    }
    connection& c = connections_[static_cast<std::size_t>(descriptor)];
    if (what == step::receive) {
      if (completion.res == -ENOBUFS) return receive(c);
      if (completion.res <= 0) return end(c);
      // The clients of this bench wait for their echo: there is never a second message in flight.
      c.length = static_cast<unsigned>(completion.res);
      c.sent = 0;
      if (multishot_) {
        c.buffer = static_cast<std::uint16_t>(completion.flags >> IORING_CQE_BUFFER_SHIFT);
        c.data = buffer(c.buffer);
        if ((completion.flags & IORING_CQE_F_MORE) == 0) receive(c);
      }
      return send(c);
    }
    if (completion.res <= 0) {
      if (multishot_) give_back(c.buffer);
      return;
    }
    c.sent += static_cast<unsigned>(completion.res);
    if (c.sent < c.length) return send(c);
    if (multishot_) return give_back(c.buffer);
    receive(c);
  }

  io_uring ring_{};
  int listener_ = -1;
  bool multishot_;
  io_uring_buf_ring* buffers_ = nullptr;
  std::unique_ptr<char[]> memory_;
  std::vector<connection> connections_;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2 || argc > 3) {
    std::fputs("usage: echo_uring PORT [plain|multishot]\n", stderr);
    return 2;
  }
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) == 0) {
    limit.rlim_cur = limit.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &limit);
  }
  server(
      static_cast<std::uint16_t>(std::atoi(argv[1])),
      argc == 3 && std::string_view(argv[2]) == "multishot"
  )
      .run();
}
