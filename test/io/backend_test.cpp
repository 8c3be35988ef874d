#include <stackless/channel.hpp>
#include <stackless/deadlock.hpp>
#include <stackless/snapshot.hpp>

#include "io/uring_features.hpp"
#include "io_test.hpp"

#include <array>
#include <deque>
#include <optional>
#include <stdexcept>
#include <thread>

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/uio.h>

using namespace io_test;
using namespace std::chrono_literals;
using stackless::task;
using stackless::detail::io_backend;
using stackless::detail::io_code;
using stackless::detail::io_operation;
namespace io = stackless::io;

namespace {

constexpr int not_yet = -1'000'000;

std::unique_ptr<io_backend> make_backend(stackless::io_choice choice, unsigned entries = 64) {
  stackless::scheduler_options options;
  options.io = choice;
  options.ring_entries = entries;
  return stackless::detail::make_io_backend(options);
}

/// Runs the function on a backend of each kind, without a scheduler.
template <class F>
void with_each_backend(F f, unsigned entries = 64) {
  for (const stackless::io_choice choice : backends()) {
    CAPTURE(name_of(choice));
    const std::size_t before = open_descriptors();
    {
      const auto backend = make_backend(choice, entries);
      f(*backend);
      CHECK(backend->in_flight() == 0);
      CHECK(backend->operations().empty());
    }
    CHECK(open_descriptors() == before);
  }
}

struct pipe_pair {
  int reader = -1;
  int writer = -1;
  explicit pipe_pair(int flags = 0) {
    std::array<int, 2> ends{};
    REQUIRE(::pipe2(ends.data(), O_CLOEXEC | flags) == 0);
    reader = ends[0];
    writer = ends[1];
  }
  pipe_pair(const pipe_pair&) = delete;
  pipe_pair& operator=(const pipe_pair&) = delete;
  ~pipe_pair() {
    ::close(reader);
    ::close(writer);
  }
};

struct socket_pair {
  std::array<int, 2> ends{};
  socket_pair() { REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) == 0); }
  socket_pair(const socket_pair&) = delete;
  socket_pair& operator=(const socket_pair&) = delete;
  ~socket_pair() {
    ::close(ends[0]);
    ::close(ends[1]);
  }
};

std::deque<io_operation>& make(
    std::deque<io_operation>& list,
    io_code code,
    int descriptor,
    void* data = nullptr,
    std::size_t length = 0
) {
  io_operation& made = list.emplace_back(code);
  made.descriptor = descriptor;
  made.data = data;
  made.length = static_cast<std::uint32_t>(length);
  made.result = not_yet;
  return list;
}

void run_until_idle(io_backend& backend) {
  const auto limit = std::chrono::steady_clock::now() + 20s;
  while (backend.in_flight() != 0) {
    backend.poll(1s);
    REQUIRE(std::chrono::steady_clock::now() < limit);
  }
}

void poll_a_little(io_backend& backend) {
  for (int i = 0; i < 5; ++i) backend.poll(1ms);
}

/// One operation, from start to end.
int perform(io_backend& backend, io_operation& operation) {
  operation.result = not_yet;
  backend.start(operation);
  CHECK(operation.result == not_yet);  // never inside start
  run_until_idle(backend);
  return operation.result;
}

}  // namespace

// The interface -----------------------------------------------------------------------------------

TEST_CASE("more operations than the submission queue holds") {
  with_each_backend(
      [](io_backend& backend) {
        std::deque<io_operation> list;
        for (int i = 0; i < 1000; ++i) backend.start(make(list, io_code::nop, -1).back());
        CHECK(backend.in_flight() == 1000);
        run_until_idle(backend);
        for (const io_operation& o : list) CHECK(o.result == 0);
      },
      4
  );
}

TEST_CASE("more operations that wait, and cancels, than the queues hold") {
  with_each_backend(
      [](io_backend& backend) {
        const pipe_pair pipe;
        std::deque<io_operation> list;
        for (int i = 0; i < 600; ++i) {
          make(list, io_code::poll, pipe.reader).back().flags = POLLIN;
          backend.start(list.back());
        }
        poll_a_little(backend);
        CHECK(backend.in_flight() == 600);
        for (io_operation& o : list) {
          backend.cancel(o);
          backend.cancel(o);
        }
        for (const io_operation& o : list) CHECK(o.result == not_yet);  // never inside cancel
        run_until_idle(backend);
        for (const io_operation& o : list) CHECK(o.result == -ECANCELED);
      },
      4
  );
}

TEST_CASE("operations and cancels that the kernel does not take at once") {
  with_each_backend(
      [](io_backend& backend) {
        const pipe_pair pipe;
        std::deque<io_operation> nops;
        std::deque<io_operation> polls;
        for (int i = 0; i < 100; ++i) {
          make(nops, io_code::nop, -1);
          make(polls, io_code::poll, pipe.reader).back().flags = POLLIN;
        }
        backend.poll(0ns);
        // A ring of a single issuer takes nothing from another thread, so that its queue fills up.
        const bool is_plain_ring = std::getenv("STACKLESS_IO_WITHOUT") != nullptr;
        std::thread([&] {
          for (io_operation& o : polls) backend.start(o);
          for (io_operation& o : nops) backend.start(o);
        }).join();
        for (int i = 0; i < 100 && backend.in_flight() > 100; ++i) backend.poll(10ms);
        for (const io_operation& o : nops) CHECK(o.result == 0);
        CHECK(backend.in_flight() == 100);
        REQUIRE(::write(pipe.writer, "x", 1) == 1);
        std::thread([&] {
          for (io_operation& o : polls) backend.cancel(o);
          for (io_operation& o : nops) backend.start(o);
          for (io_operation& o : nops) backend.cancel(o);
        }).join();
        run_until_idle(backend);
        for (const io_operation& o : polls) CHECK((o.result == -ECANCELED || o.result == POLLIN));
        for (const io_operation& o : nops) CHECK((o.result == -ECANCELED || o.result == 0));
        CHECK((nops.back().result == -ECANCELED || is_plain_ring));

        char byte = 0;
        REQUIRE(::read(pipe.reader, &byte, 1) == 1);
        for (io_operation& o : polls) {
          o.cancel_requested = false;
          backend.start(o);
        }
        poll_a_little(backend);
        CHECK(backend.in_flight() == 100);
        std::thread([&] {
          for (io_operation& o : polls) backend.cancel(o);
        }).join();
        run_until_idle(backend);
        for (const io_operation& o : polls) CHECK(o.result == -ECANCELED);
      },
      4
  );
}

TEST_CASE("operations cancelled before they were submitted") {
  with_each_backend(
      [](io_backend& backend) {
        const pipe_pair pipe;
        std::deque<io_operation> list;
        std::array<char, 64> bytes{};
        for (int i = 0; i < 64; ++i)
          backend.start(make(list, io_code::read, pipe.reader, bytes.data(), 1).back());
        for (io_operation& o : list) backend.cancel(o);
        run_until_idle(backend);
        for (const io_operation& o : list) CHECK(o.result == -ECANCELED);
      },
      4
  );
}

TEST_CASE("a cancel that comes too late changes nothing") {
  with_each_backend([](io_backend& backend) {
    const temporary_directory directory;
    const std::string path = directory.file("data");
    put(path, "abc");
    const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    for (int i = 0; i < 50; ++i) {
      std::deque<io_operation> list;
      std::array<char, 8> bytes{};
      make(list, io_code::read, descriptor, bytes.data(), bytes.size()).back().offset = 0;
      backend.start(list.back());
      if (i % 2 == 0) backend.poll(0ns);
      if (list.back().result == not_yet) backend.cancel(list.back());
      run_until_idle(backend);
      const int result = list.back().result;
      CHECK((result == 3 || result == -ECANCELED));
    }
    ::close(descriptor);
  });
}

TEST_CASE("wake ends a poll that waits") {
  with_each_backend([](io_backend& backend) {
    for (int i = 0; i < 20; ++i) {
      std::thread other([&] {
        std::this_thread::sleep_for(2ms);
        backend.wake();
      });
      const auto start = std::chrono::steady_clock::now();
      backend.poll(30s);
      other.join();
      CHECK(std::chrono::steady_clock::now() - start < 10s);
    }
    // A wake that came before, and several at once.
    backend.poll(0ns);
    backend.wake();
    backend.wake();
    const auto start = std::chrono::steady_clock::now();
    backend.poll(std::nullopt);
    CHECK(std::chrono::steady_clock::now() - start < 10s);
  });
}

TEST_CASE("wake from a signal handler") {
  static io_backend* woken = nullptr;
  with_each_backend([](io_backend& backend) {
    woken = &backend;
    struct sigaction action{};
    struct sigaction before{};
    action.sa_handler = [](int) { woken->wake(); };
    REQUIRE(::sigaction(SIGUSR1, &action, &before) == 0);
    // On another thread: here the signal itself would end the poll.
    std::thread other([] {
      std::this_thread::sleep_for(2ms);
      ::raise(SIGUSR1);
    });
    const auto start = std::chrono::steady_clock::now();
    backend.poll(30s);
    other.join();
    CHECK(std::chrono::steady_clock::now() - start < 10s);
    ::sigaction(SIGUSR1, &before, nullptr);
  });
}

TEST_CASE("a signal ends a poll that waits, and loses nothing") {
  with_each_backend([](io_backend& backend) {
    const pipe_pair pipe;
    std::deque<io_operation> list;
    char byte = 0;
    backend.start(make(list, io_code::read, pipe.reader, &byte, 1).back());
    static volatile sig_atomic_t signals = 0;
    signals = 0;
    struct sigaction action{};
    struct sigaction before{};
    action.sa_handler = [](int) { signals = signals + 1; };
    REQUIRE(::sigaction(SIGALRM, &action, &before) == 0);
    // Again and again: the first may come before the poll waits.
    itimerval timer{};
    timer.it_interval.tv_usec = timer.it_value.tv_usec = 2000;
    REQUIRE(::setitimer(ITIMER_REAL, &timer, nullptr) == 0);
    const auto start = std::chrono::steady_clock::now();
    // The kernel may end it without a signal too, for its own work on a ring that was closed.
    do backend.poll(std::nullopt);
    while (signals == 0);
    CHECK(std::chrono::steady_clock::now() - start < 10s);
    timer = {};
    ::setitimer(ITIMER_REAL, &timer, nullptr);
    ::signal(SIGALRM, SIG_IGN);  // drops one that is on its way
    CHECK(list.back().result == not_yet);
    ::sigaction(SIGALRM, &before, nullptr);
    REQUIRE(::write(pipe.writer, "x", 1) == 1);
    run_until_idle(backend);
    CHECK(list.back().result == 1);
  });
}

TEST_CASE("a poll with a time-out") {
  with_each_backend([](io_backend& backend) {
    const pipe_pair pipe;
    std::deque<io_operation> list;
    char byte = 0;
    backend.start(make(list, io_code::read, pipe.reader, &byte, 1).back());
    for (const auto timeout : {std::chrono::nanoseconds(300us), std::chrono::nanoseconds(20ms)}) {
      const auto start = std::chrono::steady_clock::now();
      const auto took = [&] { return std::chrono::steady_clock::now() - start; };
      int polls = 0;
      for (; took() < timeout; ++polls) backend.poll(timeout - took());
      CHECK(polls < 10);  // one, as a rule: the kernel may end it for work of its own
      CHECK(took() < timeout + 2s);
    }
    CHECK(list.back().result == not_yet);
    REQUIRE(::write(pipe.writer, "x", 1) == 1);
    run_until_idle(backend);
    CHECK(list.back().result == 1);
    CHECK(byte == 'x');
  });
}

TEST_CASE("the poll descriptor tells when there is something to do") {
  with_each_backend([](io_backend& backend) {
    const pipe_pair pipe;
    const auto has_work = [&](int milliseconds) {
      pollfd entry{backend.poll_descriptor(), POLLIN, 0};
      return ::poll(&entry, 1, milliseconds) == 1;
    };
    std::deque<io_operation> list;
    char byte = 0;
    backend.start(make(list, io_code::read, pipe.reader, &byte, 1).back());
    backend.poll(0ns);
    CHECK_FALSE(has_work(1));
    REQUIRE(::write(pipe.writer, "x", 1) == 1);
    CHECK(has_work(5000));
    backend.poll(0ns);
    CHECK(list.back().result == 1);
    CHECK_FALSE(has_work(1));
    backend.wake();
    CHECK(has_work(5000));
    // It may be readable once more than there is work, but not for ever.
    bool quiet = false;
    for (int i = 0; i < 100 && !quiet; ++i) {
      backend.poll(1ms);
      quiet = !has_work(1);
    }
    CHECK(quiet);
    backend.wake();
    CHECK(has_work(5000));
    backend.poll(1ms);
  });
}

// Operations --------------------------------------------------------------------------------------

TEST_CASE("vectored reads and writes") {
  with_each_backend([](io_backend& backend) {
    const temporary_directory directory;
    const int descriptor =
        ::open(directory.file("data").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    std::string one = "abc";
    std::string two = "defg";
    std::array<iovec, 2> parts{iovec{one.data(), 3}, iovec{two.data(), 4}};
    std::deque<io_operation> list;
    make(list, io_code::write_vectored, descriptor, parts.data(), 2).back().offset = 0;
    CHECK(perform(backend, list.back()) == 7);
    make(list, io_code::write_vectored, descriptor, parts.data(), 2);
    CHECK(perform(backend, list.back()) == 7);  // at the position, which is still 0
    one = two = "....";
    parts = {iovec{one.data(), 2}, iovec{two.data(), 4}};
    make(list, io_code::read_vectored, descriptor, parts.data(), 2).back().offset = 1;
    CHECK(perform(backend, list.back()) == 6);
    CHECK(one == "bc..");
    CHECK(two == "defg");
    make(list, io_code::read_vectored, descriptor, parts.data(), 2);
    CHECK(perform(backend, list.back()) == 0);
    ::close(descriptor);

    const pipe_pair pipe;
    make(list, io_code::write_vectored, pipe.writer, parts.data(), 2);
    const int written = perform(backend, list.back());
    CHECK(written > 0);
    make(list, io_code::read_vectored, pipe.reader, parts.data(), 2);
    CHECK(perform(backend, list.back()) == written);
  });
}

TEST_CASE("poll, shutdown, close and what they say about bad descriptors") {
  with_each_backend([](io_backend& backend) {
    const socket_pair sockets;
    std::deque<io_operation> list;
    make(list, io_code::poll, sockets.ends[0]).back().flags = POLLIN | POLLOUT;
    CHECK(perform(backend, list.back()) == POLLOUT);
    make(list, io_code::shutdown, sockets.ends[1]).back().flags = SHUT_WR;
    CHECK(perform(backend, list.back()) == 0);
    make(list, io_code::poll, sockets.ends[0]).back().flags = POLLIN;
    CHECK((perform(backend, list.back()) & POLLIN) != 0);

    const int descriptor = ::dup(sockets.ends[0]);
    make(list, io_code::close, descriptor);
    CHECK(perform(backend, list.back()) == 0);
    for (const io_code code :
         {io_code::close, io_code::poll, io_code::shutdown, io_code::read, io_code::write,
          io_code::receive, io_code::send, io_code::accept, io_code::sync, io_code::connect}) {
      CAPTURE(stackless::detail::name_of(code));
      std::array<char, 16> bytes{};
      make(list, code, descriptor, bytes.data(), bytes.size()).back().flags = code == io_code::poll;
      CHECK(perform(backend, list.back()) == -EBADF);
    }
    make(list, io_code::shutdown, 0).back().descriptor = backend.poll_descriptor();
    CHECK(perform(backend, list.back()) == -ENOTSOCK);
  });
}

TEST_CASE("a caller that does not want to wait") {
  with_each_backend([](io_backend& backend) {
    const socket_pair sockets;
    std::array<char, 4> bytes{};
    std::deque<io_operation> list;
    make(list, io_code::receive, sockets.ends[0], bytes.data(), 4).back().flags = MSG_DONTWAIT;
    CHECK(perform(backend, list.back()) == -EAGAIN);
  });
}

TEST_CASE("descriptors that do not block are waited for all the same") {
  with_each_backend([](io_backend& backend) {
    const pipe_pair pipe(O_NONBLOCK);
    std::deque<io_operation> list;
    std::array<char, 4> bytes{};
    backend.start(make(list, io_code::read, pipe.reader, bytes.data(), 4).back());
    poll_a_little(backend);
    REQUIRE(list.back().result == not_yet);
    REQUIRE(::write(pipe.writer, "ab", 2) == 2);
    run_until_idle(backend);
    CHECK(list.back().result == 2);

    const std::string block(65536, 'x');
    while (::write(pipe.writer, block.data(), block.size()) > 0) {
    }
    std::string more(100, 'y');
    backend.start(make(list, io_code::write, pipe.writer, more.data(), more.size()).back());
    poll_a_little(backend);
    REQUIRE(list.back().result == not_yet);
    backend.cancel(list.back());
    run_until_idle(backend);
    CHECK(list.back().result == -ECANCELED);
    backend.start(make(list, io_code::write, pipe.writer, more.data(), more.size()).back());
    poll_a_little(backend);
    std::string room(1 << 20, '\0');
    REQUIRE(::read(pipe.reader, room.data(), room.size()) > 0);
    run_until_idle(backend);
    CHECK(list.back().result == 100);
  });
}

TEST_CASE("descriptors on which the kernel gives up are waited for all the same") {
  with_each_backend([](io_backend& backend) {
    const temporary_directory directory;
    const int watch = ::inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    REQUIRE(::inotify_add_watch(watch, directory.file(".").c_str(), IN_CREATE) != -1);
    alignas(8) std::array<char, 512> bytes{};
    std::deque<io_operation> list;
    for (const char* name : {"one", "two"}) {
      backend.start(make(list, io_code::read, watch, bytes.data(), bytes.size()).back());
      poll_a_little(backend);
      REQUIRE(list.back().result == not_yet);
      put(directory.file(name), "");
      run_until_idle(backend);
      CHECK(list.back().result > 0);
    }
    backend.start(make(list, io_code::read, watch, bytes.data(), bytes.size()).back());
    poll_a_little(backend);
    backend.cancel(list.back());
    run_until_idle(backend);
    CHECK(list.back().result == -ECANCELED);
    ::close(watch);
  });
}

TEST_CASE("a write to a blocking pipe blocks nobody else") {
  with_each_backend([](io_backend& backend) {
    const pipe_pair pipe;
    std::string data(1 << 20, 'x');
    std::deque<io_operation> list;
    backend.start(make(list, io_code::write, pipe.writer, data.data(), data.size()).back());
    poll_a_little(backend);
    std::string room(1 << 20, '\0');
    CHECK(::read(pipe.reader, room.data(), room.size()) > 0);
    for (int i = 0; i < 1000 && backend.in_flight() != 0; ++i) {
      backend.poll(1ms);
      std::array<pollfd, 1> entry{pollfd{pipe.reader, POLLIN, 0}};
      if (::poll(entry.data(), 1, 0) == 1)
        REQUIRE(::read(pipe.reader, room.data(), room.size()) > 0);
    }
    CHECK(list.back().result > 0);
  });
}

TEST_CASE("several operations on one descriptor") {
  with_each_backend([](io_backend& backend) {
    const socket_pair sockets;
    const int fd = sockets.ends[0];
    const int copy = ::dup(fd);
    const std::string block(65536, 'x');
    while (::send(fd, block.data(), block.size(), MSG_DONTWAIT) > 0) {
    }
    // Readers and writers of both numbers wait at once.
    std::array<char, 4> bytes{};
    char more = 'y';
    std::deque<io_operation> reads;
    std::deque<io_operation> writes;
    for (std::size_t i = 0; i < 4; ++i) {
      const int number = i % 2 == 0 ? fd : copy;
      backend.start(make(reads, io_code::receive, number, &bytes[i], 1).back());
      backend.start(make(writes, io_code::send, number, &more, 1).back());
    }
    poll_a_little(backend);
    REQUIRE(backend.in_flight() == 8);
    REQUIRE(::send(sockets.ends[1], "ab", 2, 0) == 2);
    poll_a_little(backend);
    CHECK(backend.in_flight() == 6);
    for (const io_operation& o : writes) CHECK(o.result == not_yet);
    backend.cancel(writes[1]);
    REQUIRE(::send(sockets.ends[1], "cd", 2, 0) == 2);
    poll_a_little(backend);
    for (const io_operation& o : reads) CHECK(o.result == 1);
    CHECK(bytes[0] + bytes[1] + bytes[2] + bytes[3] == 'a' + 'b' + 'c' + 'd');
    CHECK(backend.in_flight() == 3);
    std::string room(1 << 20, '\0');
    while (::recv(sockets.ends[1], room.data(), room.size(), MSG_DONTWAIT) > 0) {
    }
    run_until_idle(backend);
    CHECK(writes[0].result == 1);
    CHECK(writes[1].result == -ECANCELED);
    CHECK(writes[3].result == 1);
    ::close(copy);
  });
}

TEST_CASE("epoll serves the operations of one descriptor in turn") {
  const auto backend = make_backend(stackless::io_choice::epoll);
  const pipe_pair pipe;
  std::array<char, 10> bytes{};
  std::deque<io_operation> list;
  for (char& byte : bytes) backend->start(make(list, io_code::read, pipe.reader, &byte, 1).back());
  backend->poll(0ns);
  backend->cancel(list[4]);
  REQUIRE(::write(pipe.writer, "012345678", 9) == 9);
  run_until_idle(*backend);
  CHECK(std::string_view(bytes.data(), 4) == "0123");
  CHECK(list[4].result == -ECANCELED);
  CHECK(std::string_view(&bytes[5], 5) == "45678");

  // One that comes later does not overtake, though there is something to read already.
  char first = 0;
  char second = 0;
  backend->start(make(list, io_code::read, pipe.reader, &first, 1).back());
  backend->poll(0ns);
  REQUIRE(::write(pipe.writer, "ab", 2) == 2);
  backend->start(make(list, io_code::read, pipe.reader, &second, 1).back());
  run_until_idle(*backend);
  CHECK(first == 'a');
  CHECK(second == 'b');
}

TEST_CASE("a descriptor's number that comes again") {
  with_each_backend([](io_backend& backend) {
    int number = -1;
    int kept = -1;
    for (int i = 0; i < 6; ++i) {
      const pipe_pair pipe;
      if (number == -1) number = pipe.reader;
      REQUIRE(pipe.reader == number);
      std::deque<io_operation> list;
      char byte = 0;
      backend.start(make(list, io_code::read, pipe.reader, &byte, 1).back());
      poll_a_little(backend);
      if (i == 1) kept = ::fcntl(pipe.reader, F_DUPFD_CLOEXEC, 100);  // it stays registered
      if (i % 2 == 0) {
        backend.cancel(list.back());
      } else {
        REQUIRE(::write(pipe.writer, "x", 1) == 1);
      }
      run_until_idle(backend);
      CHECK(list.back().result == (i % 2 == 0 ? -ECANCELED : 1));
    }
    ::close(kept);
  });
}

TEST_CASE("the pool takes more work than it has threads") {
  with_each_backend([](io_backend& backend) {
    const temporary_directory directory;
    const std::string path = directory.file("data");
    put(path, std::string(100'000, 'x'));
    const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    std::deque<io_operation> list;
    std::vector<std::string> rooms(500, std::string(1000, '\0'));
    for (std::size_t i = 0; i < rooms.size(); ++i) {
      make(list, io_code::read, descriptor, rooms[i].data(), 1000).back().offset = i;
      backend.start(list.back());
      if (i % 3 == 0) backend.cancel(list.back());
    }
    run_until_idle(backend);
    for (const io_operation& o : list) CHECK((o.result == 1000 || o.result == -ECANCELED));
    CHECK(list[1].result == 1000);
    ::close(descriptor);
  });
}

// Which backend -----------------------------------------------------------------------------------

TEST_CASE("the environment chooses where the program does not") {
  stackless::scheduler_options options;
  const char* before = std::getenv("STACKLESS_IO");
  const std::string saved = before != nullptr ? before : "";
  ::setenv("STACKLESS_IO", "epoll", 1);
  CHECK(std::string_view(stackless::detail::make_io_backend(options)->name()) == "epoll");
  if (backends().size() == 2) {
    options.io = stackless::io_choice::uring;
    CHECK(std::string_view(stackless::detail::make_io_backend(options)->name()) == "io_uring");
    ::unsetenv("STACKLESS_IO");
    options.io = stackless::io_choice::automatic;
    CHECK(std::string_view(stackless::detail::make_io_backend(options)->name()) == "io_uring");
  }
  ::setenv("STACKLESS_IO", "kqueue", 1);
  options.io = stackless::io_choice::automatic;
  CHECK_THROWS_AS(stackless::detail::make_io_backend(options), std::system_error);
  options.io = stackless::io_choice::none;
  CHECK(stackless::detail::make_io_backend(options) == nullptr);
  if (before != nullptr) {
    ::setenv("STACKLESS_IO", saved.c_str(), 1);
  } else {
    ::unsetenv("STACKLESS_IO");
  }
}

namespace {

/// The environment variable has this value while the object lives; null: it has none.
class environment {
 public:
  environment(const char* name, const char* value) : name_(name) {
    if (const char* before = std::getenv(name)) before_ = before;
    set(value);
  }
  environment(const environment&) = delete;
  environment& operator=(const environment&) = delete;
  ~environment() { set(before_ ? before_->c_str() : nullptr); }

 private:
  void set(const char* value) {
    if (value != nullptr) {
      ::setenv(name_, value, 1);
    } else {
      ::unsetenv(name_);
    }
  }

  const char* name_;
  std::optional<std::string> before_;
};

std::string reason(stackless::io_choice choice = stackless::io_choice::automatic) {
  return make_backend(choice)->reason();
}

}  // namespace

TEST_CASE("each feature that io_uring needs may be lacking: epoll it is, and the reason is told") {
  const environment no_choice("STACKLESS_IO", nullptr);
  const bool has_uring = backends().size() == 2;
  for (const std::string name :
       {"nodrop",   "rw_cur_pos", "ext_arg",     "submit_stable", "nop",     "openat",
        "close",    "read",       "write",       "readv",         "writev",  "fsync",
        "accept",   "connect",    "recv",        "send",          "recvmsg", "sendmsg",
        "shutdown", "poll_add",   "async_cancel"}) {
    CAPTURE(name);
    const environment without("STACKLESS_IO_WITHOUT", ("defer_taskrun," + name).c_str());
    const auto backend = make_backend(stackless::io_choice::automatic);
    CHECK(std::string_view(backend->name()) == "epoll");
    CHECK_THROWS_AS(make_backend(stackless::io_choice::uring), std::system_error);
    if (has_uring)
      CHECK_THAT(backend->reason(), contains_text("\"" + name + "\" here (it needs Linux 5.11)"));
  }
}

TEST_CASE("flags of a ring that are hidden are not asked for") {
  using stackless::detail::uring_features;
  const auto flags = [](const char* without) {
    const environment variable("STACKLESS_IO_WITHOUT", without);
    return uring_features().setup_flags();
  };
  const auto asks = [](unsigned set, unsigned flag) { return (set & flag) != 0; };
  for (const unsigned each : flags("defer_taskrun,coop_taskrun")) CHECK(each == 0);
  for (const unsigned each : flags("defer_taskrun"))
    CHECK_FALSE(asks(each, IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_SINGLE_ISSUER));
  for (const unsigned each : flags("coop_taskrun"))
    CHECK_FALSE(asks(each, IORING_SETUP_COOP_TASKRUN));
  CHECK(asks(flags(nullptr)[0], IORING_SETUP_DEFER_TASKRUN));
  CHECK(asks(flags(nullptr)[1], IORING_SETUP_COOP_TASKRUN));
  CHECK(flags(nullptr)[2] == 0);
}

TEST_CASE("a feature that nobody knows is an error, not a fallback") {
  const environment no_choice("STACKLESS_IO", nullptr);
  for (const char* list : {"defer_task", "defer_taskrun,,coop_taskrun", "nop "}) {
    CAPTURE(list);
    const environment without("STACKLESS_IO_WITHOUT", list);
    CHECK_THROWS_WITH(
        make_backend(stackless::io_choice::automatic),
        contains_text("STACKLESS_IO_WITHOUT names \"")
    );
  }
}

TEST_CASE("why an engine was taken") {
  const environment everything("STACKLESS_IO_WITHOUT", nullptr);
  const environment no_choice("STACKLESS_IO", nullptr);
  CHECK(reason(stackless::io_choice::epoll) == "the options ask for it");
  if (backends().size() == 2) {
    CHECK(reason() == "the kernel permits it");
  } else {
    CHECK_THAT(reason(), contains_text("io_uring cannot be set up: "));
  }
  const environment asked("STACKLESS_IO", "epoll");
  CHECK(reason() == "STACKLESS_IO asks for it");
}

TEST_CASE("statistics and snapshots tell of the engine") {
  on_each_backend([]() -> task<> {
    CHECK(stackless::statistics().io_backend.empty());
    CHECK(stackless::statistics().io_operations == 0);
    auto listener = io::listen_tcp(any_port());
    auto acceptor = stackless::spawn([&]() -> task<> { (void)co_await listener.accept(); });
    co_await settle();
    const stackless::scheduler_statistics numbers = stackless::statistics();
    CHECK(numbers.io_in_flight == 1);
    CHECK(numbers.io_operations == 1);
    CHECK(numbers.io_backend == stackless::detail::running_scheduler().io().name());
    CHECK(numbers.io_backend_reason == "the options ask for it");
    const stackless::snapshot_data state = stackless::snapshot();
    CHECK(state.sources.io_backend == numbers.io_backend);
    CHECK(state.sources.io_backend_reason == numbers.io_backend_reason);
    co_await stop(acceptor);
    CHECK(stackless::statistics().io_in_flight == 0);
    CHECK(stackless::statistics().io_operations == 1);
  });
}

TEST_CASE("a report says which engine it believed in, and why") {
  for (const stackless::io_choice choice : backends()) {
    stackless::scheduler_options options;
    options.io = choice;
    std::string text;
    const auto body = [&]() -> task<> {
      (void)co_await io::open("/dev/null");
      stackless::channel<int> nobody_sends;
      try {
        (void)co_await nobody_sends.receive();
      } catch (const stackless::deadlock_error& error) {
        text = to_text(error.report());
      }
    };
    stackless::run(options, body);
    const std::string name = choice == stackless::io_choice::uring ? "io_uring" : "epoll";
    CHECK_THAT(
        text, contains_text(
                  "sources believed in: " + name + " (the options ask for it) with 0 operations"
              )
    );
  }
}

TEST_CASE("no I/O at all") {
  stackless::scheduler_options options;
  options.io = stackless::io_choice::none;
  const auto body = []() -> task<> { (void)co_await io::open("/dev/null"); };
  CHECK_THROWS_AS(stackless::run(options, body), std::logic_error);
}

// In a scheduler ----------------------------------------------------------------------------------

TEST_CASE("a tasklet that is killed in an operation ends when the kernel has let go") {
  on_each_backend([]() -> task<> {
    connection pair;
    co_await connect_pair(pair);
    bool ended = false;
    auto reader = stackless::spawn([&]() -> task<> {
      const std::shared_ptr<bool> at_end(&ended, [](bool* flag) { *flag = true; });
      std::array<char, 4096> bytes{};  // the kernel writes here, if it writes
      (void)co_await pair.client.read_some(bytes);
    });
    co_await settle();
    CHECK(in_flight() == 1);
    reader.kill_pending();
    CHECK_FALSE(ended);
    co_await stop(reader);
    CHECK(ended);
    CHECK_FALSE(reader.alive());
    CHECK(in_flight() == 0);
    // What comes now goes to the next reader, and not into a frame that is gone.
    co_await pair.server.write_all("late");
    std::array<char, 4> bytes{};
    co_await pair.client.read_exactly(bytes);
    CHECK(std::string_view(bytes.data(), 4) == "late");
  });
}

TEST_CASE("a pending accept is cancelled") {
  on_each_backend([]() -> task<> {
    auto listener = io::listen_tcp(any_port());
    auto acceptor = stackless::spawn([&]() -> task<> { (void)co_await listener.accept(); });
    co_await settle();
    CHECK(in_flight() == 1);
    co_await stop(acceptor);
    CHECK(in_flight() == 0);
    const auto address = listener.local_address();
    const io::tcp_stream client = co_await io::connect_tcp(address);
    const io::tcp_stream server = co_await listener.accept();
    CHECK(server.is_open());
  });
}

TEST_CASE("resources that came together with a kill do not leak") {
  on_each_backend([]() -> task<> {  // which counts the descriptors
    auto listener = io::listen_tcp(any_port());
    const auto address = listener.local_address();
    for (int i = 0; i < 20; ++i) {
      auto acceptor = stackless::spawn([&]() -> task<> { (void)co_await listener.accept(); });
      auto opener = stackless::spawn([]() -> task<> { (void)co_await io::open("/dev/null"); });
      auto connector =
          stackless::spawn([&]() -> task<> { (void)co_await io::connect_tcp(address); });
      for (int n = 0; n < i % 4; ++n) co_await stackless::yield();
      if (i % 5 == 0) co_await settle();
      const io::tcp_stream client = co_await io::connect_tcp(address);
      opener.kill_pending();
      connector.kill_pending();
      co_await stop(acceptor);
      co_await settle();
    }
    co_await stackless::drain();
    CHECK(in_flight() == 0);
  });
}

TEST_CASE("a resource whose tasklet is killed before it runs again does not leak") {
  on_each_backend([]() -> task<> {  // which counts the descriptors
    auto listener = io::listen_tcp(any_port());
    const auto address = listener.local_address();
    auto acceptor = stackless::spawn([&]() -> task<> { (void)co_await listener.accept(); });
    auto opener = stackless::spawn([]() -> task<> { (void)co_await io::open("/dev/null"); });
    co_await stackless::yield();
    REQUIRE(in_flight() == 2);
    const io_test::blocking_client client(address.port());
    auto& backend = stackless::detail::running_scheduler().io();
    for (int i = 0; i < 1000 && in_flight() != 0; ++i) backend.poll(10ms);
    REQUIRE(in_flight() == 0);
    acceptor.kill_pending();
    opener.kill_pending();
    co_await settle();
    CHECK_FALSE(acceptor.alive());
    CHECK_FALSE(opener.alive());
  });
}

TEST_CASE("close ends the operations of others first") {
  on_each_backend([]() -> task<> {
    connection pair;
    co_await connect_pair(pair);
    std::error_code first;
    std::error_code second;
    bool read_after = false;
    auto read = [&](std::error_code& error) -> task<> {
      std::array<char, 4> bytes{};
      (void)co_await pair.client.read_some(bytes, error);
      read_after = pair.client.is_open();
    };
    auto one = stackless::spawn(read, stackless::borrow(first));
    auto two = stackless::spawn(read, stackless::borrow(second));
    co_await settle();
    CHECK(in_flight() == 2);
    co_await pair.client.close();
    CHECK_FALSE(pair.client.is_open());
    co_await one.join();
    co_await two.join();
    CHECK(first == std::errc::operation_canceled);
    CHECK(second == std::errc::operation_canceled);
    CHECK_FALSE(read_after);
    std::array<char, 4> bytes{};
    const std::size_t count = co_await pair.server.read_some(bytes);
    CHECK(count == 0);
  });
}

TEST_CASE("close is shielded") {
  on_each_backend([]() -> task<> {
    connection pair;
    co_await connect_pair(pair);
    std::error_code error;
    auto reader = stackless::spawn([&]() -> task<> {
      std::array<char, 4> bytes{};
      (void)co_await pair.client.read_some(bytes, error);
    });
    co_await settle();
    bool survived = false;
    auto closer = stackless::spawn([&]() -> task<> {
      co_await pair.client.close();
      survived = true;
    });
    co_await stackless::yield();
    co_await stop(closer);
    CHECK_FALSE(survived);
    CHECK_FALSE(pair.client.is_open());
    std::array<char, 4> bytes{};
    const std::size_t count = co_await pair.server.read_some(bytes);
    CHECK(count == 0);
    co_await reader.join();
    CHECK(error == std::errc::operation_canceled);
  });
}

TEST_CASE("a stream that is destroyed under an operation is closed by its end") {
  on_each_backend([]() -> task<> {
    connection pair;
    co_await connect_pair(pair);
    std::string got;
    auto reader = stackless::spawn([&]() -> task<> {
      std::array<char, 4> bytes{};
      const std::size_t count = co_await pair.client.read_some(bytes);
      got.assign(bytes.data(), count);
    });
    co_await settle();
    const int descriptor = pair.client.descriptor();
    pair.client = io::tcp_stream();
    CHECK(::fcntl(descriptor, F_GETFD) != -1);
    co_await pair.server.write_all("last");
    co_await reader.join();
    CHECK(got == "last");
    CHECK(::fcntl(descriptor, F_GETFD) == -1);
    std::array<char, 4> bytes{};
    const std::size_t count = co_await pair.server.read_some(bytes);
    CHECK(count == 0);
  });
}

TEST_CASE("an operation may be awaited again, by one tasklet at a time") {
  on_each_backend([]() -> task<> {
    connection pair;
    co_await connect_pair(pair);
    char byte = 0;
    auto read = pair.client.read_some(io::mutable_bytes(&byte, 1));
    co_await pair.server.write_all("ab");
    std::string got;
    for (int i = 0; i < 2; ++i) {
      (void)co_await read;
      got += byte;
    }
    CHECK(got == "ab");
    auto one = stackless::spawn([&]() -> task<> { (void)co_await read; });
    co_await settle();
    bool refused = false;
    try {
      (void)co_await read;
    } catch (const std::logic_error&) {
      refused = true;
    }
    CHECK(refused);
    co_await stop(one);
  });
}

TEST_CASE("operations of a tasklet that wakes nobody hide no deadlock") {
  for (const stackless::io_choice choice : backends()) {
    CAPTURE(name_of(choice));
    stackless::scheduler_options options;
    options.io = choice;
    const auto body = []() -> task<> {
      auto listener = std::make_shared<io::tcp_listener>(io::listen_tcp(any_port()));
      (void)stackless::spawn_daemon(
          stackless::wakes_nobody,
          [](std::shared_ptr<io::tcp_listener> l) -> task<> { (void)co_await l->accept(); },
          listener
      );
      co_await settle();
      stackless::channel<int> nobody_sends;
      (void)co_await nobody_sends.receive();
    };
    CHECK_THROWS_AS(stackless::run(options, body), stackless::deadlock_error);
  }
}

TEST_CASE("reports name the operation and what it works on") {
  on_each_backend([]() -> task<> {
    connection pair;
    co_await connect_pair(pair);
    char byte = 0;
    auto reader = stackless::spawn([&]() -> task<> {
      (void)co_await pair.client.read_some(io::mutable_bytes(&byte, 1));
    });
    co_await settle();
    const auto& operation = stackless::detail::running_scheduler().io().operations().front();
    stackless::object_info info;
    std::vector<const void*> handles;
    operation.describe(info, handles);
    const std::string peer = "\"" + to_string(pair.client.peer_address()) + "\"";
    CHECK(info.type == "receive");
    CHECK(info.name == peer);
    reader.kill_pending();
    operation.describe(info, handles);
    CHECK(info.name == peer + " (cancel requested)");
    co_await stop(reader);
  });
}

TEST_CASE("daemons in operations are ended with the program") {
  on_each_backend([]() -> task<> {
    auto listener = std::make_shared<io::tcp_listener>(io::listen_tcp(any_port()));
    (void)stackless::spawn_daemon(
        [](std::shared_ptr<io::tcp_listener> l) -> task<> {
          for (;;) (void)co_await l->accept();
        },
        listener
    );
    co_await settle();
  });
}
