#include <stackless/cancel.hpp>
#include <stackless/snapshot.hpp>

#include "io/send_file.hpp"
#include "io_test.hpp"

#include <algorithm>
#include <array>
#include <cerrno>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/uio.h>

// Files that are in memory go to sockets without a thread; those that are not, or only in part, by
// splice. copy_test.cpp has what is common to both.

using namespace io_test;
using namespace std::chrono_literals;
using stackless::task;
using stackless::detail::not_in_memory;
using stackless::detail::send_file;
namespace io = stackless::io;

namespace {

std::string numbers(std::size_t size) {
  std::string data;
  for (int i = 0; data.size() < size; ++i) data += std::to_string(i) + " ";
  data.resize(size);
  return data;
}

/// A read that does not wait: 1, 0 at the end, -1.
int probe(int file, off_t at) {
  char byte = 0;
  const iovec into{&byte, 1};
  return static_cast<int>(::preadv2(file, &into, 1, at, RWF_NOWAIT));
}

/// False, with a warning: the file system cannot tell what is in memory, as tmpfs cannot.
bool is_told(const std::string& path) {
  const io::owned_descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (probe(file.get(), 0) == 1) return true;
  WARN("not tested: the file system does not tell what is in memory (" << path << ")");
  return false;
}

/// Unlike a read, this brings nothing into memory.
bool is_in_memory(int file, off_t at) {
  const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  void* const mapped = ::mmap(nullptr, page, PROT_READ, MAP_SHARED, file, at);
  REQUIRE(mapped != MAP_FAILED);
  unsigned char there = 0;
  const int result = ::mincore(mapped, page, &there);
  ::munmap(mapped, page);
  REQUIRE(result == 0);
  return (there & 1) != 0;
}

/// Takes the file out of memory; false, with a warning, where that does not work.
bool forget(const std::string& path) {
  const io::owned_descriptor file(::open(path.c_str(), O_RDWR | O_CLOEXEC));
  REQUIRE(::fsync(file.get()) == 0);
  REQUIRE(::posix_fadvise(file.get(), 0, 0, POSIX_FADV_DONTNEED) == 0);
  if (!is_in_memory(file.get(), 0)) return true;
  WARN("not tested: the file stays in memory");
  return false;
}

template <class Stream>
bool is_blocking(const Stream& stream) {
  return (::fcntl(stream.descriptor(), F_GETFL) & O_NONBLOCK) == 0;
}

/// Writes until there is no room left, and gives the number of bytes. A TCP connection may have
/// more later, for the kernels hand on what was written; between Unix sockets there is none.
template <class Stream>
std::size_t fill(Stream& stream) {
  const std::string bytes(10'000, 'x');
  std::size_t all = 0;
  for (;;) {
    const auto n = ::send(stream.descriptor(), bytes.data(), bytes.size(), MSG_DONTWAIT);
    if (n <= 0) return all;
    all += static_cast<std::size_t>(n);
  }
}

template <class Stream>
task<std::string> read_all(Stream& stream) {
  std::string all;
  std::string piece(10'000, '\0');
  std::size_t count = 0;
  do {
    count = co_await stream.read_some(piece);
    all.append(piece, 0, count);
  } while (count != 0);
  co_return all;
}

}  // namespace

TEST_CASE("send_file sends what is in memory, and says what is not") {
  const temporary_directory directory;
  const std::string path = directory.file("source");
  const std::string data = numbers(1'000'000);
  put(path, data);
  if (!is_told(path)) return;
  const io::owned_descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  std::array<int, 2> ends{};
  REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends.data()) == 0);
  const io::owned_descriptor to(ends[0]);
  const io::owned_descriptor from(ends[1]);
  std::string got(100'000, '\0');
  const auto receive = [&] {
    return std::string_view(got).substr(
        0, static_cast<std::size_t>(
               std::max<ssize_t>(0, ::recv(from.get(), got.data(), got.size(), MSG_DONTWAIT))
           )
    );
  };
  constexpr auto position = stackless::detail::io_operation::current_position;

  CHECK(send_file(to.get(), file.get(), 500'000, 1'000) == 1'000);
  CHECK(receive() == data.substr(500'000, 1'000));
  CHECK(::lseek(file.get(), 0, SEEK_CUR) == 0);
  CHECK(send_file(to.get(), file.get(), position, 2'000) == 2'000);
  CHECK(send_file(to.get(), file.get(), position, 1'000) == 1'000);
  CHECK(receive() == data.substr(0, 3'000));
  CHECK(::lseek(file.get(), 0, SEEK_CUR) == 3'000);
  // Its end, before or within the piece.
  CHECK(send_file(to.get(), file.get(), data.size() - 10, 1'000) == 10);
  CHECK(receive() == data.substr(data.size() - 10));
  CHECK(send_file(to.get(), file.get(), data.size(), 1'000) == 0);
  CHECK(send_file(to.get(), file.get(), data.size() + 5'000, 1'000) == 0);
  // No more than there is room for, and then none.
  const int part = send_file(to.get(), file.get(), 0, data.size());
  CHECK(part > 0);
  CHECK(part < static_cast<int>(data.size()));
  int more = 0;
  do more = send_file(to.get(), file.get(), 0, data.size());
  while (more > 0);
  CHECK(more == -EAGAIN);

  CHECK(send_file(to.get(), from.get(), 0, 1'000) == not_in_memory);
  CHECK(send_file(to.get(), -1, 0, 1'000) == not_in_memory);
  CHECK(send_file(-1, file.get(), 0, 1'000) == -EBADF);

  const std::string other = directory.file("other");  // the socket holds on to the first
  put(other, data);
  if (!forget(other)) return;
  const io::owned_descriptor cold(::open(other.c_str(), O_RDONLY | O_CLOEXEC));
  CHECK(send_file(-1, cold.get(), 0, 1'000) == not_in_memory);
  // To look at it has made the kernel read it, which it may not have done yet when it is to forget.
  int answer = 0;
  for (int i = 0; i < 50 && answer != not_in_memory; ++i) {
    if (!forget(other)) return;
    answer = send_file(-1, cold.get(), position, 1'000);
  }
  CHECK(answer == not_in_memory);
}

TEST_CASE("send_file looks at both ends of a piece") {
  const temporary_directory directory;
  const std::string path = directory.file("source");
  constexpr off_t far = 12 << 20;
  put(path, std::string(std::size_t{16} << 20, 'x'));
  if (!is_told(path)) return;
  for (const off_t there : {off_t{0}, far}) {
    CAPTURE(there);
    const io::owned_descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    REQUIRE(::posix_fadvise(file.get(), 0, 0, POSIX_FADV_RANDOM) == 0);  // reads nothing ahead
    if (!forget(path)) return;
    char byte = 0;
    REQUIRE(::pread(file.get(), &byte, 1, there) == 1);
    if (is_in_memory(file.get(), there == 0 ? far : 0)) {
      WARN("not tested: more was read than was asked for");
      return;
    }
    CHECK(send_file(-1, file.get(), 0, far + 1) == not_in_memory);
  }
}

TEST_CASE("a copy of a file takes nothing that there is no room for") {
  const temporary_directory directory;
  const std::string path = directory.file("source");
  put(path, numbers(4'000'000));
  if (!is_told(path)) return;
  on_each_backend([&]() -> task<> {
    std::pair<io::unix_stream, io::unix_stream> pair = io::unix_pair();
    io::unix_stream& to = pair.first;
    (void)fill(to);
    io::file source = co_await io::open(path);
    io::copy_progress progress;
    io::copy_options options;
    options.progress = &progress;
    auto copier =
        stackless::spawn([&]() -> task<> { (void)co_await io::copy(source, to, options); });
    // A thread would have had the time to fill a pipe.
    for (int i = 0; i < 20; ++i) co_await stackless::sleep_for(1ms);
#ifndef STACKLESS_NO_TRACKING
    CHECK_THAT(stackless::to_text(stackless::snapshot()), contains_text("writable"));
#endif
    co_await stop(copier);
    CHECK(progress.read == 0);
    CHECK(::lseek(source.descriptor(), 0, SEEK_CUR) == 0);
    // Nothing has begun, and nothing is broken.
    std::array<char, 1> byte{};
    co_await source.read_exactly(byte);
  });
}

TEST_CASE("a copy of a file that has ended needs no room") {
  const temporary_directory directory;
  put(directory.file("source"), numbers(100'000));
  on_each_backend([&]() -> task<> {
    std::pair<io::unix_stream, io::unix_stream> pair = io::unix_pair();
    io::unix_stream& to = pair.first;
    (void)fill(to);
    io::file source = co_await io::open(directory.file("source"));
    io::copy_options options;
    options.offset = 100'000;
    std::uint64_t count = co_await io::copy(source, to, options);
    CHECK(count == 0);
    REQUIRE(::lseek(source.descriptor(), 0, SEEK_END) == 100'000);
    count = co_await io::copy(source, to);
    CHECK(count == 0);
  });
}

TEST_CASE("a copy of a file that is cut short at any moment knows how much was sent") {
  const temporary_directory directory;
  const std::string path = directory.file("source");
  const std::string data = numbers(6'000'000);
  put(path, data);
  on_each_backend([&]() -> task<> {
    for (int steps = 0; steps < 30; ++steps) {
      CAPTURE(steps);
      // From its position or not, by a kill or a deadline, with a reader or without.
      const bool at_position = steps % 2 == 0;
      const bool with_deadline = steps % 3 == 0;
      connection to;
      co_await connect_pair(to);
      io::file source = co_await io::open(path);
      io::copy_progress progress;
      io::copy_options options;
      options.progress = &progress;
      if (!at_position) options.offset = 1'000;
      std::string got;
      auto reader = stackless::spawn([&]() -> task<> { got = co_await read_all(to.client); });
      auto copier = stackless::spawn([&]() -> task<> {
        const auto body = [&]() -> task<> { (void)co_await io::copy(source, to.server, options); };
        if (!with_deadline) {
          co_await body();
        } else {
          (void)co_await stackless::move_on_after(std::chrono::microseconds(100 * steps), body);
        }
      });
      if (with_deadline) {
        co_await copier.join();
      } else {
        for (int i = 0; i < steps; ++i) co_await stackless::sleep_for(20us);
        co_await stop(copier);
      }
      to.server.shutdown_send();
      co_await reader.join();
      const std::size_t begin = at_position ? 0 : 1'000;
      CHECK(got.size() == progress.written);
      CHECK((got + progress.unwritten == data.substr(begin, got.size() + progress.unwritten.size()))
      );
      CHECK(progress.read == progress.written + progress.unwritten.size());
      const auto at = ::lseek(source.descriptor(), 0, SEEK_CUR);
      CHECK(at == static_cast<off_t>(at_position ? progress.read : 0));
    }
  });
}

TEST_CASE("a copy of a file that is not in memory, and one that becomes shorter") {
  const temporary_directory directory;
  const std::string path = directory.file("source");
  const std::string data = numbers(8'000'000);
  on_each_backend([&]() -> task<> {
    for (const bool becomes_shorter : {false, true}) {
      CAPTURE(becomes_shorter);
      put(path, data);
      if (!forget(path)) co_return;
      connection to;
      co_await connect_pair(to);
      io::file source = co_await io::open(path);
      std::uint64_t count = 0;
      auto copier = stackless::spawn([&]() -> task<> {
        io::copy_options options;
        options.offset = 0;
        options.count = data.size();
        count = co_await io::copy(source, to.server, options);
        to.server.shutdown_send();
      });
      std::string got(1'000, '\0');
      co_await to.client.read_exactly(got);
      if (becomes_shorter) {
        for (int i = 0; i < 5; ++i) co_await stackless::sleep_for(1ms);
        REQUIRE(::truncate(path.c_str(), 100'000) == 0);
      }
      got += co_await read_all(to.client);
      co_await copier.join();
      CHECK(count == got.size());
      if (!becomes_shorter) CHECK((got == data));
      CHECK((got.substr(0, 100'000) == data.substr(0, 100'000)));
    }
  });
}

TEST_CASE("a copy of a file sends a bounded piece in each turn of the loop") {
  const temporary_directory directory;
  const std::string path = directory.file("source");
  constexpr std::size_t size = std::size_t{8} << 20;
  put(path, std::string(size, 'x'));
  on_each_backend([&]() -> task<> {
    std::pair<io::unix_stream, io::unix_stream> pair = io::unix_pair();
    io::unix_stream& to = pair.first;
    const int room = 8 * static_cast<int>(size);
    if (::setsockopt(to.descriptor(), SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof room) != 0) {
      WARN("not tested: a socket cannot be given more room here");
      co_return;
    }
    io::file source = co_await io::open(path);
    const auto* const backend = stackless::detail::running_scheduler().io_if_made();
    const std::uint64_t before = backend->taken_in_all();
    const std::uint64_t count = co_await io::copy(source, to);
    CHECK(count == size);
    CHECK(backend->taken_in_all() - before >= 4);
  });
}

TEST_CASE("a socket that one copy is done with stays as another copy needs it") {
  const temporary_directory directory;
  const std::string path = directory.file("source");
  const std::string data = numbers(2'000'000);
  put(path, data);
  on_each_backend([&]() -> task<> {
    connection both;
    connection other;
    co_await connect_pair(both);
    co_await connect_pair(other);
    const bool was_blocking = is_blocking(both.server);
    const std::size_t filled = fill(both.server);
    io::file source = co_await io::open(path);
    auto first =
        stackless::spawn([&]() -> task<> { (void)co_await io::copy(both.server, other.client); });
    co_await settle();
    auto second =
        stackless::spawn([&]() -> task<> { (void)co_await io::copy(source, both.server); });
    co_await settle();
    both.client.shutdown_send();
    co_await first.join();
    CHECK_FALSE(is_blocking(both.server));  // or a send would stop the loop
    std::string got(filled + data.size(), '\0');
    co_await both.client.read_exactly(got);
    co_await second.join();
    CHECK(is_blocking(both.server) == was_blocking);
    CHECK((got.substr(filled) == data));
  });
}

TEST_CASE("a copy of a file that is cut short, and nobody asked how far it came") {
  const temporary_directory directory;
  const std::string path = directory.file("source");
  put(path, std::string(std::size_t{16} << 20, 'x'));
  on_each_backend([&]() -> task<> {
    connection to;
    connection other;
    co_await connect_pair(to);
    co_await connect_pair(other);
    io::file source = co_await io::open(path);
    auto copier = stackless::spawn([&]() -> task<> { (void)co_await io::copy(source, to.server); });
    std::string some(1'000, '\0');
    co_await to.client.read_exactly(some);
    co_await stop(copier);
    std::error_code error;
    std::uint64_t count = co_await io::copy(source, other.server, error);
    CHECK(error == io::errc::broken_stream);
    CHECK(count == 0);
    io::copy_options options;
    options.offset = 0;  // it is the position that nobody knows
    options.count = 20'000;
    count = co_await io::copy(source, other.server, options, error);
    CHECK_FALSE(error);
    CHECK(count == 20'000);
    count = co_await io::copy(source, to.server, options, error);
    CHECK(error == io::errc::broken_stream);
    CHECK(count == 0);
  });
}
