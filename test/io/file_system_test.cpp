#include <stackless/cancel.hpp>
#include <stackless/snapshot.hpp>

#include "io/file_status.hpp"
#include "io_test.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <optional>

#include <fcntl.h>
#include <sys/stat.h>

using namespace io_test;
using namespace std::chrono_literals;
using stackless::task;
namespace io = stackless::io;
using io::open_mode;

namespace {

std::uint64_t inode_of(const std::string& path) {
  struct stat status{};
  REQUIRE(::lstat(path.c_str(), &status) == 0);
  return status.st_ino;
}

template <class F>
task<std::string> failure_text(F& f) {
  try {
    co_await f();
  } catch (const io::io_error& error) {
    co_return error.what();
  }
  co_return "no failure";
}

/// Without those that the kernel adds for io_uring.
std::size_t threads_of_process() {
  std::size_t count = 0;
  for (const auto& thread : std::filesystem::directory_iterator("/proc/self/task"))
    count += contents(thread.path().string() + "/comm").starts_with("iou-") ? 0 : 1;
  return count;
}

}  // namespace

TEST_CASE("the status of files, by path and of open ones") {
  on_each_backend([]() -> task<> {
    const temporary_directory directory;
    const std::string path = directory.file("data");
    put(path, "12345");
    REQUIRE(::chmod(path.c_str(), 04751) == 0);
    const auto before = std::chrono::system_clock::now();
    io::file_status status = co_await io::status(path);
    struct stat native{};
    REQUIRE(::stat(path.c_str(), &native) == 0);
    CHECK(status.type == io::file_type::regular);
    CHECK(status.permissions == 04751);
    CHECK(status.size == 5);
    CHECK(status.allocated == static_cast<std::uint64_t>(native.st_blocks) * 512);
    CHECK(status.links == 1);
    CHECK(status.device == native.st_dev);
    CHECK(status.inode == native.st_ino);
    CHECK(status.user == native.st_uid);
    CHECK(status.group == native.st_gid);
    const auto modified = status.modified.time_since_epoch();
    CHECK(modified == std::chrono::seconds(native.st_mtim.tv_sec) + native.st_mtim.tv_nsec * 1ns);
    CHECK(status.modified < before + 1s);
    CHECK(status.modified > before - 60s);

    io::file f = co_await io::open(path, open_mode::read_write);
    co_await f.write_all("123456");
    status = co_await f.status();
    CHECK(status.size == 6);
    CHECK(status.inode == native.st_ino);
    std::error_code error = std::make_error_code(std::errc::io_error);
    status = co_await f.status(error);
    CHECK_FALSE(error);
    CHECK(status.type == io::file_type::regular);
    co_await f.close();
    status = co_await f.status(error);
    CHECK(error == std::errc::bad_file_descriptor);
    CHECK(status.type == io::file_type::unknown);

    const std::string link = directory.file("link");
    co_await io::create_symlink("data", link);
    status = co_await io::status(link);
    CHECK(status.inode == native.st_ino);
    status = co_await io::status(link, io::symlinks::keep);
    CHECK(status.type == io::file_type::symlink);
    status = co_await io::status(directory.file("."), error);
    CHECK(status.type == io::file_type::directory);
    status = co_await io::status("/dev/null");
    CHECK(status.type == io::file_type::character_device);
    status = co_await io::status(directory.file("nothing"), io::symlinks::keep, error);
    CHECK(error == std::errc::no_such_file_or_directory);
    auto missing = [&]() -> task<> { (void)co_await io::status(directory.file("nothing")); };
    const std::string what = co_await failure_text(missing);
    CHECK(what == "status \"" + directory.file("nothing") + "\": No such file or directory");
    status = co_await io::status(std::string("a\0b", 3), error);
    CHECK(error == std::errc::invalid_argument);
  });
}

TEST_CASE("renames: over a file, never over one, and exchanged") {
  on_each_backend([]() -> task<> {
    const temporary_directory directory;
    const std::string a = directory.file("a");
    const std::string b = directory.file("b");
    put(a, "of a");
    put(b, "of b");
    std::error_code error;
    co_await io::rename(a, b, io::rename_mode::no_replace, error);
    CHECK(error == std::errc::file_exists);
    CHECK(contents(a) == "of a");
    co_await io::rename(a, b, io::rename_mode::exchange, error);
    if (error != std::errc::invalid_argument) {
      CHECK_FALSE(error);
      CHECK(contents(a) == "of b");
      CHECK(contents(b) == "of a");
      co_await io::rename(a, b, io::rename_mode::exchange);
    }
    co_await io::rename(a, b);
    CHECK(contents(b) == "of a");
    CHECK_FALSE(std::filesystem::exists(a));
    co_await io::rename(b, a, io::rename_mode::no_replace);
    CHECK(contents(a) == "of a");
    auto missing = [&]() -> task<> { co_await io::rename(b, a); };
    const std::string what = co_await failure_text(missing);
    CHECK(what == "rename \"" + b + "\" to \"" + a + "\": No such file or directory");
    co_await io::rename(b, a, error);
    CHECK(error == std::errc::no_such_file_or_directory);
    co_await io::rename(a, std::string("x\0y", 3), error);
    CHECK(error == std::errc::invalid_argument);
    CHECK(contents(a) == "of a");
  });
}

TEST_CASE("files, directories and links are made and removed") {
  on_each_backend([]() -> task<> {
    const temporary_directory directory;
    const std::string folder = directory.file("folder");
    const std::string file = folder + "/file";
    std::error_code error;
    co_await io::create_directory(folder, 0750);
    struct stat native{};
    REQUIRE(::stat(folder.c_str(), &native) == 0);
    CHECK(S_ISDIR(native.st_mode));
    CHECK((native.st_mode & 07777) == 0750);
    co_await io::create_directory(folder, error);
    CHECK(error == std::errc::file_exists);
    co_await io::create_directory(folder + "/a/b", 0777, error);
    CHECK(error == std::errc::no_such_file_or_directory);
    put(file, "x");
    co_await io::create_hard_link(file, folder + "/again");
    CHECK(inode_of(file) == inode_of(folder + "/again"));
    co_await io::create_hard_link(file, folder + "/again", error);
    CHECK(error == std::errc::file_exists);
    co_await io::create_symlink("no/such/file", folder + "/dangling");
    std::string target = co_await io::read_symlink(folder + "/dangling");
    CHECK(target == "no/such/file");
    target = co_await io::read_symlink(file, error);
    CHECK(error == std::errc::invalid_argument);
    CHECK(target.empty());
    auto no_link = [&]() -> task<> { (void)co_await io::read_symlink(file); };
    std::string what = co_await failure_text(no_link);
    CHECK(what == "read_symlink \"" + file + "\": Invalid argument");
    co_await io::create_symlink("x", folder + "/dangling", error);
    CHECK(error == std::errc::file_exists);
    auto linked = [&]() -> task<> { co_await io::create_symlink("x", folder + "/dangling"); };
    what = co_await failure_text(linked);
    CHECK(what == "create_symlink \"x\" to \"" + folder + "/dangling\": File exists");

    co_await io::sync_directory(folder);
    co_await io::sync_directory(file, error);
    CHECK(error == std::errc::not_a_directory);
    co_await io::remove_directory(folder, error);
    CHECK(error == std::errc::directory_not_empty);
    co_await io::remove_directory(file, error);
    CHECK(error == std::errc::not_a_directory);
    co_await io::remove_file(folder, error);
    CHECK(error == std::errc::is_a_directory);
    co_await io::remove_file(file);
    co_await io::remove_file(folder + "/again", error);
    CHECK_FALSE(error);
    co_await io::remove_file(folder + "/dangling");
    auto removed = [&]() -> task<> { co_await io::remove_file(file); };
    what = co_await failure_text(removed);
    CHECK(what == "remove \"" + file + "\": No such file or directory");
    co_await io::remove_directory(folder);
    CHECK_FALSE(std::filesystem::exists(folder));
  });
}

TEST_CASE("permissions and times are set") {
  on_each_backend([]() -> task<> {
    const temporary_directory directory;
    const std::string path = directory.file("data");
    const std::string link = directory.file("link");
    put(path, "x");
    std::filesystem::create_symlink("data", link);
    co_await io::set_permissions(path, 0604);
    const io::file_time long_ago(1'000'000'000s + 123'456'789ns);
    const io::file_time before_the_epoch(-5s + 1ns);
    co_await io::set_times(path, long_ago, before_the_epoch);
    io::file_status status = co_await io::status(path);
    CHECK(status.permissions == 0604);
    CHECK(status.accessed == long_ago);
    CHECK(status.modified == before_the_epoch);
    co_await io::set_times(link, long_ago, long_ago, io::symlinks::keep);
    status = co_await io::status(link, io::symlinks::keep);
    CHECK(status.modified == long_ago);
    status = co_await io::status(link);
    CHECK(status.modified == before_the_epoch);
    std::error_code error;
    co_await io::set_permissions(directory.file("nothing"), 0600, error);
    CHECK(error == std::errc::no_such_file_or_directory);
    co_await io::set_times(
        directory.file("nothing"), long_ago, long_ago, io::symlinks::follow, error
    );
    CHECK(error == std::errc::no_such_file_or_directory);
    auto missing = [&]() -> task<> { co_await io::set_permissions(directory.file("n"), 0600); };
    const std::string what = co_await failure_text(missing);
    CHECK(what == "set_permissions \"" + directory.file("n") + "\": No such file or directory");
  });
}

TEST_CASE("permissions and times of an open file, whatever its path names by now") {
  on_each_backend([]() -> task<> {
    const temporary_directory directory;
    const std::string path = directory.file("data");
    io::file f = co_await io::open(path, open_mode::create_new);
    co_await io::rename(path, directory.file("moved"));
    put(path, "another");
    co_await io::set_permissions(path, 0640);
    const io::file_status other = co_await io::status(path);

    const io::file_time long_ago(1'000'000'000s + 123'456'789ns);
    const io::file_time before_the_epoch(-5s + 1ns);
    co_await f.set_permissions(02751);
    co_await f.set_times(long_ago, before_the_epoch);
    io::file_status status = co_await io::status(directory.file("moved"));
    CHECK(status.permissions == 02751);
    CHECK(status.accessed == long_ago);
    CHECK(status.modified == before_the_epoch);
    status = co_await io::status(path);
    CHECK(status.permissions == 0640);
    CHECK(status.modified == other.modified);

    std::error_code error = std::make_error_code(std::errc::io_error);
    co_await f.set_permissions(0600, error);
    CHECK_FALSE(error);
    error = std::make_error_code(std::errc::io_error);
    co_await f.set_times(before_the_epoch, long_ago, error);
    CHECK_FALSE(error);
    status = co_await f.status();
    CHECK(status.permissions == 0600);
    CHECK(status.accessed == before_the_epoch);
    CHECK(status.modified == long_ago);

    io::file fixed = co_await io::open("/proc/self/stat");
    co_await fixed.set_permissions(0600, error);
    CHECK(error == std::errc::operation_not_permitted);
    auto refused = [&]() -> task<> { co_await fixed.set_permissions(0600); };
    std::string what = co_await failure_text(refused);
    CHECK(what == "set_permissions \"/proc/self/stat\": Operation not permitted");

    co_await f.close();
    co_await f.set_permissions(0644, error);
    CHECK(error == std::errc::bad_file_descriptor);
    co_await f.set_times(long_ago, long_ago, error);
    CHECK(error == std::errc::bad_file_descriptor);
    auto closed = [&]() -> task<> { co_await f.set_times(long_ago, long_ago); };
    what = co_await failure_text(closed);
    CHECK(
        what == "set_times \"" + directory.file("data") +
                    "\" (closed, or never opened): Bad file descriptor"
    );
    status = co_await io::status(directory.file("moved"));
    CHECK(status.permissions == 0600);
  });
}

TEST_CASE("permissions and times of an open file: killed before, and closed meanwhile") {
  on_each_backend([]() -> task<> {
    const temporary_directory directory;
    const std::string path = directory.file("data");
    io::file f = co_await io::open(path, open_mode::create_new, 0600);
    io::file_status before = co_await f.status();
    const io::file_time long_ago(1'000'000'000s);
    // In the same turn: it has not reached a thread yet, and never does.
    auto times = stackless::spawn([&]() -> task<> { co_await f.set_times(long_ago, long_ago); });
    auto mode = stackless::spawn([&]() -> task<> { co_await f.set_permissions(0644); });
    co_await stackless::yield();
    CHECK(times.blocked());
    CHECK(mode.blocked());
    co_await times.kill();
    co_await mode.kill();
    while (times.alive() || mode.alive()) co_await stackless::drain_ready();
    io::file_status status = co_await f.status();
    CHECK(status.permissions == 0600);
    CHECK(status.modified == before.modified);

    // A close waits for what is in flight: the descriptor is not another file's meanwhile.
    std::vector<stackless::tasklet<void>> all;
    for (int i = 0; i < 32; ++i)
      all.push_back(stackless::spawn([&]() -> task<> {
        std::error_code error;
        co_await f.set_times(long_ago, long_ago, error);
        CHECK((!error || error == std::errc::operation_canceled));
        co_await f.set_permissions(0644, error);
        CHECK(
            (!error || error == std::errc::operation_canceled ||
             error == std::errc::bad_file_descriptor)
        );
      }));
    co_await stackless::drain_ready();
    co_await f.close();
    for (auto& one : all) co_await one.join();
    CHECK(in_flight() == 0);
  });
}

TEST_CASE("room is reserved and given back, and files are cut off") {
  on_each_backend([]() -> task<> {
    const temporary_directory directory;
    io::file f = co_await io::open(directory.file("data"), open_mode::create_new);
    std::error_code error;
    co_await f.allocate(0, 1 << 20, io::allocation::keep_size, error);
    if (error == std::errc::operation_not_supported) co_return;
    CHECK_FALSE(error);
    io::file_status status = co_await f.status();
    CHECK(status.size == 0);
    CHECK(status.allocated >= (1 << 20));
    co_await f.allocate(0, 1 << 20);
    CHECK(f.size() == 1 << 20);
    co_await f.allocate(0, 1 << 20, io::allocation::punch_hole, error);
    if (!error) {
      status = co_await f.status();
      CHECK(status.allocated < (1 << 20));
      CHECK(status.size == 1 << 20);
    }
    co_await f.allocate(0, 0, io::allocation::extend, error);
    CHECK(error == std::errc::invalid_argument);
    co_await f.resize(10);
    CHECK(f.size() == 10);
    co_await f.resize(~std::uint64_t{0}, error);
    CHECK(error);
    co_await f.close();
    co_await f.resize(10, error);
    CHECK(error == std::errc::bad_file_descriptor);
    co_await f.allocate(0, 10, io::allocation::extend, error);
    CHECK(error == std::errc::bad_file_descriptor);

    const io::pipe_ends ends = io::pipe();
    io::file pipe_end = io::standard_error();
    io::file read_only = co_await io::open(directory.file("data"));
    auto read_only_resize = [&]() -> task<> { co_await read_only.resize(1); };
    const std::string what = co_await failure_text(read_only_resize);
    CHECK(what == "resize \"" + directory.file("data") + "\": Invalid argument");
  });
}

TEST_CASE("several buffers in one read or write") {
  on_each_backend([]() -> task<> {
    const temporary_directory directory;
    io::file f = co_await io::open(directory.file("data"), open_mode::create_new);
    const std::array<io::const_bytes, 3> parts{"abc", "", "defgh"};
    std::size_t count = co_await f.write_vectored(parts);
    CHECK(count == 8);
    count = co_await f.write_vectored_at(2, parts);
    CHECK(count == 8);
    CHECK(contents(directory.file("data")) == "ababcdefgh");
    std::array<char, 4> first{};
    std::array<char, 20> second{};
    const std::array<io::mutable_bytes, 2> room{first, second};
    count = co_await f.read_vectored_at(1, room);
    CHECK(count == 9);
    CHECK(std::string_view(first.data(), 4) == "babc");
    CHECK(std::string_view(second.data(), 5) == "defgh");
    std::error_code error;
    count = co_await f.read_vectored(room, error);  // at the position, which is 8
    CHECK_FALSE(error);
    CHECK(count == 2);
    CHECK(std::string_view(first.data(), 2) == "gh");
    count = co_await f.read_vectored({}, error);
    CHECK(count == 0);

    // More than fit into the operation, and more than the system takes.
    std::string many(3000, 'x');
    std::vector<io::const_bytes> bytes;
    for (char& one : many) bytes.emplace_back(&one, 1);
    count = co_await f.write_vectored_at(0, bytes, error);
    CHECK(count == 1024);
    CHECK(f.size() == 1024);

    const io::file read_only = co_await io::open(directory.file("data"));
    io::file closed;
    count = co_await closed.write_vectored(parts, error);
    CHECK(error == std::errc::bad_file_descriptor);
    io::pipe_ends ends = io::pipe();
    count = co_await ends.write_end.write_vectored(parts);
    CHECK(count > 0);
    co_await ends.write_end.close();
    count = co_await ends.read_end.read_vectored(room, error);
    CHECK_FALSE(error);
    CHECK(count >= 3);
    count = co_await ends.read_end.read_vectored_at(0, room, error);
    CHECK(error == std::errc::invalid_seek);
  });
}

namespace {

/// STATX_DIOALIGN, of Linux 6.1 and of file systems that know: newer than some headers.
bool kernel_tells_alignment(const std::string& path) {
  constexpr unsigned alignment = 0x2000;
  struct statx status{};
  REQUIRE(::statx(AT_FDCWD, path.c_str(), 0, alignment, &status) == 0);
  return (status.stx_mask & alignment) != 0;
}

}  // namespace

// Many devices have the same number for both.
TEST_CASE("the alignment of direct I/O is taken from where the kernel puts it") {
  struct statx native{};
  const std::array<std::uint32_t, 2> memory_then_offset{4, 512};
  std::memcpy(
      reinterpret_cast<std::byte*>(&native) + 0x98, memory_then_offset.data(),
      sizeof memory_then_offset
  );
  CHECK(stackless::detail::status_of(native).direct.offset == 0);  // not said to be there
  native.stx_mask = 0x2000;
  const io::direct_alignment direct = stackless::detail::status_of(native).direct;
  CHECK(direct.memory == 4);
  CHECK(direct.offset == 512);
}

TEST_CASE("direct I/O says how to align, and what was not") {
  on_each_backend([]() -> task<> {
    const temporary_directory directory;
    const std::string path = directory.file("data");
    put(path, std::string(10'000, 'x'));
    io::open_options options;
    options.direct = true;
    std::error_code error;
    io::file f = co_await io::open(path, open_mode::read_write, options, error);
    if (error == std::errc::operation_not_supported) {
      WARN("the file system has no direct I/O");
      co_return;
    }
    REQUIRE_FALSE(error);
    const io::direct_alignment alignment = f.direct_io_alignment();
    constexpr std::size_t page = 4096;
    const auto memory = std::make_unique_for_overwrite<std::byte[]>(3 * page);
    auto address = reinterpret_cast<std::uintptr_t>(memory.get());
    std::byte* const aligned = memory.get() + (page - address % page) % page;
    std::size_t count = co_await f.read_some_at(0, io::mutable_bytes(aligned, page));
    CHECK(count == page);
    count = co_await f.read_some_at(2 * page, io::mutable_bytes(aligned, page));
    CHECK(count == 10'000 - 2 * page);
    const auto kernel_reads = [&](std::byte* into, std::size_t size, std::uint64_t offset) {
      return ::pread(f.descriptor(), into, size, static_cast<off_t>(offset));
    };
    CHECK((alignment.offset != 0) == kernel_tells_alignment(path));
    if (alignment.offset != 0) {
      CHECK(page % alignment.offset == 0);
      // What the kernel itself takes, and what it does not.
      const auto block = static_cast<ssize_t>(alignment.offset);
      CHECK(kernel_reads(aligned + alignment.memory, alignment.offset, alignment.offset) == block);
      CHECK(kernel_reads(aligned, alignment.offset, alignment.offset / 2) == -1);

      // It is not even asked for what is not aligned.
      const auto* const backend = stackless::detail::running_scheduler().io_if_made();
      const std::uint64_t asked = backend->taken_in_all();
      count = co_await f.read_some_at(1, io::mutable_bytes(aligned, page), error);
      CHECK(error == io::errc::misaligned);
      count = co_await f.read_some_at(0, io::mutable_bytes(aligned, page - 1), error);
      CHECK(error == io::errc::misaligned);
      count = co_await f.write_some_at(0, io::const_bytes(aligned + 1, page), error);
      CHECK(error == io::errc::misaligned);
      const std::array<io::mutable_bytes, 2> room{
          io::mutable_bytes(aligned, page), io::mutable_bytes(aligned + page, 100)
      };
      count = co_await f.read_vectored_at(0, room, error);
      CHECK(error == io::errc::misaligned);
      auto misaligned = [&]() -> task<> {
        (void)co_await f.read_some_at(1, io::mutable_bytes(aligned, page));
      };
      const std::string what = co_await failure_text(misaligned);
      CHECK(backend->taken_in_all() == asked);
      const std::string expected = "read \"" + path + "\" (offset and size must be multiples of " +
                                   std::to_string(alignment.offset) + ", addresses of " +
                                   std::to_string(alignment.memory) + "): misaligned direct I/O";
      CHECK(what == expected);
      CHECK(contents(path) == std::string(10'000, 'x'));
    }
    const io::file plain = co_await io::open(path);
    CHECK(plain.direct_io_alignment().offset == 0);
    f = co_await io::open("/dev/null", open_mode::read_only, options, error);
    const io::file_status status = co_await io::status(path);
    CHECK(status.direct.offset == alignment.offset);
    options.direct = false;
    options.follow_symlink = false;
    std::filesystem::create_symlink("data", directory.file("link"));
    f = co_await io::open(directory.file("link"), open_mode::read_only, options, error);
    CHECK(error == std::errc::too_many_symbolic_link_levels);
    options.follow_symlink = true;
    f = co_await io::open(directory.file("link"), open_mode::read_only, options);
    CHECK(f.size() == 10'000);
  });
}

TEST_CASE("what blocks in the file system does not stop the others, and is described") {
  stackless::scheduler_options options;
  options.io = stackless::io_choice::epoll;  // io_uring does not wait in the open of a FIFO
  stackless::run(options, []() -> task<> {
    const temporary_directory directory;
    const std::string fifo = directory.file("fifo");
    REQUIRE(::mkfifo(fifo.c_str(), 0600) == 0);
    auto opener = stackless::spawn("opener", [&]() -> task<> { (void)co_await io::open(fifo); });
    co_await settle();
    CHECK(opener.blocked());
    CHECK_THAT(stackless::to_text(stackless::snapshot()), contains_text(fifo));
    const io::file_status status = co_await io::status(fifo);
    CHECK(status.type == io::file_type::fifo);
    const int writer = ::open(fifo.c_str(), O_WRONLY | O_CLOEXEC);
    co_await opener.join();
    ::close(writer);
  });
}

TEST_CASE("many calls on threads at once, and some that are killed before they have begun") {
  on_each_backend([]() -> task<> {
    const temporary_directory directory;
    int done = 0;
    std::vector<stackless::tasklet<void>> all;
    for (int i = 0; i < 64; ++i)
      all.push_back(stackless::spawn([&, i]() -> task<> {
        std::error_code error;
        co_await io::set_permissions(directory.file("n" + std::to_string(i)), 0600, error);
        CHECK(error == std::errc::no_such_file_or_directory);
        ++done;
      }));
    co_await stackless::yield();
    for (std::size_t i = 0; i < all.size(); i += 2) co_await all[i].kill();
    for (auto& one : all)
      while (one.alive()) co_await stackless::drain_ready();
    CHECK(done >= 32);
    CHECK(in_flight() == 0);
  });
}

TEST_CASE("what io_uring has no operation for is done by threads") {
  if (std::getenv("STACKLESS_IO_WITHOUT") != nullptr) return;
  for (const stackless::io_choice choice : backends()) {
    if (choice != stackless::io_choice::uring) continue;
    const temporary_directory directory;
    stackless::scheduler_options options;
    options.io = choice;
    for (const bool hidden : {false, true}) {
      if (hidden) ::setenv("STACKLESS_IO_WITHOUT", "mkdirat,statx", 1);
      stackless::run(options, [&]() -> task<> {
        const std::size_t before = threads_of_process();
        const std::string path = directory.file(hidden ? "b" : "a");
        co_await io::create_directory(path);
        const io::file_status status = co_await io::status(path);
        CHECK(status.type == io::file_type::directory);
        CHECK((threads_of_process() > before) == hidden);
      });
      ::unsetenv("STACKLESS_IO_WITHOUT");
    }
  }
}
