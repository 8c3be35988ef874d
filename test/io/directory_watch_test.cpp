#include <stackless/stackless.hpp>

#include "io_test.hpp"

#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>

#include <fcntl.h>
#include <sched.h>
#include <sys/inotify.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

using namespace io_test;
using namespace std::chrono_literals;
using stackless::spawn;
using stackless::task;
using change = stackless::io::directory_change;
namespace io = stackless::io;
namespace fs = std::filesystem;

namespace {

/// Those of files whose names all differ.
constexpr io::directory_changes names_only{change::created, change::removed};

std::string text_of(const io::directory_event& event) {
  constexpr std::array<const char*, 10> kinds{
      "created",
      "removed",
      "moved_from",
      "moved_to",
      "modified",
      "closed_after_write",
      "attributes_changed",
      "directory_moved",
      "ended",
      "overflow"
  };
  std::string text = kinds[static_cast<std::size_t>(event.kind)];
  if (event.is_directory) text += " directory";
  return event.name.empty() ? text : text + " " + event.name;
}

/// What is there, without waiting.
task<std::string> all_of(io::directory_watch& watch) {
  std::string text;
  for (;;) {
    auto ready = co_await stackless::select_first(watch.readable(), stackless::otherwise());
    if (ready.index() == 1) co_return text;
    const io::directory_event event = co_await watch.next();
    if (!text.empty()) text += ", ";
    text += text_of(event);
  }
}

using texts = std::vector<std::string>;

/// What the child says in the end: 0, or the number of the line that failed.
int status_of_child(const std::function<int()>& body) {
  std::fflush(nullptr);
  const pid_t child = ::fork();
  REQUIRE(child != -1);
  if (child == 0) ::_exit(body());
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  REQUIRE(WIFEXITED(status));
  return WEXITSTATUS(status);
}

bool set_limit(const char* path, int limit) {
  std::ofstream file(path);
  file << limit << std::flush;
  return file.good();
}

bool contains(const char* text, const char* part) {
  return std::strstr(text, part) != nullptr;
}

}  // namespace

TEST_CASE("directory watch: every kind of change, in order") {
  on_each_backend([]() -> task<> {
    const temporary_directory directory;
    io::directory_watch watch = io::open_directory_watch();
    CHECK(watch.is_open());
    const int id = watch.add(directory.file(""));
    CHECK(id >= 0);

    put(directory.file("one"), "text");
    CHECK((co_await all_of(watch)) == "created one, modified one, closed_after_write one");
    REQUIRE(::chmod(directory.file("one").c_str(), 0600) == 0);
    CHECK((co_await all_of(watch)) == "attributes_changed one");
    fs::create_directory(directory.file("sub"));
    put(directory.file("sub/inside"), "");  // not told
    CHECK((co_await all_of(watch)) == "created directory sub");
    fs::remove_all(directory.file("sub"));
    CHECK((co_await all_of(watch)) == "removed directory sub");

    fs::rename(directory.file("one"), directory.file("two"));
    const io::directory_event from = co_await watch.next();
    const io::directory_event to = co_await watch.next();
    CHECK(text_of(from) == "moved_from one");
    CHECK(text_of(to) == "moved_to two");
    CHECK(from.move_id != 0);
    CHECK(from.move_id == to.move_id);
    CHECK(from.id == id);
    CHECK(from.directory == directory.file(""));
    CHECK(from.path() == directory.file("one"));

    fs::remove(directory.file("two"));
    const io::directory_event removed = co_await watch.next();
    CHECK(text_of(removed) == "removed two");
    CHECK(removed.move_id == 0);
    CHECK_FALSE(removed.is_directory);
  });
}

TEST_CASE("directory watch: what is waited for comes, and only that") {
  on_each_backend([]() -> task<> {
    const temporary_directory directory;
    io::directory_watch watch = io::open_directory_watch();
    const int id = watch.add(directory.file(""), {change::closed_after_write});
    std::string got;
    auto waiter = spawn([&]() -> task<> {
      const io::directory_event event = co_await watch.next();
      got = text_of(event);
    });
    co_await settle();
    CHECK(in_flight() == 1);  // a source: nothing is a deadlock while it waits
    CHECK(waiter.blocked());
    const std::string snapshot = to_text(stackless::snapshot());
    CHECK(snapshot.find("readable \"directory watch\"") != std::string::npos);
    put(directory.file("one"), "text");
    co_await waiter.join();
    CHECK(got == "closed_after_write one");
    CHECK((co_await all_of(watch)).empty());

    // Added again, under another name, it is the same directory with other changes.
    fs::create_directory(directory.file("sub"));
    CHECK(watch.add(directory.file("sub/.."), names_only) == id);
    put(directory.file("two"), "text");
    const io::directory_event event = co_await watch.next();
    CHECK(text_of(event) == "created two");
    CHECK(event.path() == directory.file("sub/../two"));
    CHECK((co_await all_of(watch)).empty());
  });
}

TEST_CASE("directory watch: names of every length come one at a time") {
  on_each_backend([]() -> task<> {
    const temporary_directory directory;
    io::directory_watch watch = io::open_directory_watch();
    (void)watch.add(directory.file(""), {change::created, change::attributes_changed});
    for (std::size_t size = 1; size <= 255; ++size) {
      // Behind the longer one a shorter one waits: it must not come with it.
      const std::string name(size, 'n');
      put(directory.file(name), "");
      REQUIRE(::chmod(directory.file("").c_str(), 0700) == 0);  // an event without a name
    }
    for (std::size_t size = 1; size <= 255; ++size) {
      const io::directory_event named = co_await watch.next();
      REQUIRE(named.name == std::string(size, 'n'));
      const io::directory_event own = co_await watch.next();
      REQUIRE(text_of(own) == "attributes_changed directory");
      REQUIRE(own.path() == directory.file(""));
    }
    CHECK((co_await all_of(watch)).empty());
  });
}

TEST_CASE("directory watch: several directories, and moves between them") {
  on_each_backend([]() -> task<> {
    const temporary_directory directory;
    fs::create_directory(directory.file("a"));
    fs::create_directory(directory.file("b"));
    io::directory_watch watch = io::open_directory_watch();
    const int a = watch.add(directory.file("a"));
    const int b = watch.add(directory.file("b"));
    CHECK(a != b);
    fs::create_directory(directory.file("a/thing"));
    fs::rename(directory.file("a/thing"), directory.file("b/thing"));
    const io::directory_event made = co_await watch.next();
    CHECK(made.path() == directory.file("a/thing"));
    CHECK(made.id == a);
    const io::directory_event from = co_await watch.next();
    const io::directory_event to = co_await watch.next();
    CHECK(text_of(from) == "moved_from directory thing");
    CHECK(from.id == a);
    CHECK(text_of(to) == "moved_to directory thing");
    CHECK(to.id == b);
    CHECK(to.path() == directory.file("b/thing"));
    CHECK(from.move_id == to.move_id);
    fs::rename(directory.file("b/thing"), directory.file("elsewhere"));
    CHECK((co_await all_of(watch)) == "moved_from directory thing");
  });
}

TEST_CASE("directory watch: a directory that goes, and one that is removed from the watch") {
  on_each_backend([]() -> task<> {
    const temporary_directory directory;
    fs::create_directory(directory.file("a"));
    fs::create_directory(directory.file("b"));
    io::directory_watch watch = io::open_directory_watch();
    const int a = watch.add(directory.file("a"), {});
    const int b = watch.add(directory.file("b"), names_only);

    fs::rename(directory.file("a"), directory.file("c"));
    CHECK((co_await all_of(watch)) == "directory_moved directory");
    fs::remove(directory.file("c"));
    const io::directory_event ended = co_await watch.next();
    CHECK(text_of(ended) == "ended directory");
    CHECK(ended.id == a);
    CHECK(ended.path() == directory.file("a"));
    std::error_code error;
    watch.remove(a, error);
    CHECK(error == std::errc::invalid_argument);
    CHECK_THROWS_AS(watch.remove(a), io::io_error);

    put(directory.file("b/never told"), "");
    watch.remove(b);
    CHECK_THROWS_AS(watch.remove(b), io::io_error);
    const int again = watch.add(directory.file("b"), names_only);
    put(directory.file("b/told"), "");
    const io::directory_event event = co_await watch.next();
    CHECK(text_of(event) == "created told");
    CHECK(event.id == again);

    // Gone, and removed before anybody was told.
    fs::remove_all(directory.file("b"));
    watch.remove(again, error);
    CHECK_FALSE(error);
    auto waiter = spawn([&]() -> task<> { (void)co_await watch.next(); });
    co_await settle();
    CHECK(waiter.blocked());
    co_await stop(waiter);
    CHECK(in_flight() == 0);
  });
}

TEST_CASE("directory watch: a file that is in use but has no name any more") {
  on_each_backend([]() -> task<> {
    const temporary_directory directory;
    io::directory_watch watch = io::open_directory_watch();
    (void)watch.add(directory.file(""));
    std::ofstream file(directory.file("one"));
    fs::remove(directory.file("one"));
    file << "text" << std::flush;
    file.close();
    put(directory.file("two"), "");
    const std::string got = co_await all_of(watch);
    CHECK(got == "created one, removed one, created two, closed_after_write two");
  });
}

TEST_CASE("directory watch: several wait, and each change goes to one of them") {
  on_each_backend([]() -> task<> {
    const temporary_directory directory;
    io::directory_watch watch = io::open_directory_watch();
    (void)watch.add(directory.file(""), names_only);
    std::vector<std::string> got;
    const auto wait = [&]() -> task<> {
      const io::directory_event event = co_await watch.next();
      got.push_back(event.name);
    };
    auto one = spawn(wait);
    auto two = spawn(wait);
    auto three = spawn(wait);
    co_await settle();
    CHECK(in_flight() == 3);
    put(directory.file("a"), "");
    while (got.empty()) co_await stackless::drain_ready();
    co_await settle();
    CHECK(got == texts{"a"});
    put(directory.file("b"), "");
    put(directory.file("c"), "");
    co_await one.join();
    co_await two.join();
    co_await three.join();
    CHECK(got == texts{"a", "b", "c"});
  });
}

TEST_CASE("directory watch: cancelled or killed, it loses no change") {
  on_each_backend([]() -> task<> {
    const temporary_directory directory;
    io::directory_watch watch = io::open_directory_watch();
    (void)watch.add(directory.file(""), names_only);

    const bool in_time =
        co_await stackless::move_on_after(1ms, [&]() -> task<> { (void)co_await watch.next(); });
    CHECK_FALSE(in_time);
    CHECK(in_flight() == 0);

    auto waiter = spawn([&]() -> task<> { (void)co_await watch.next(); });
    co_await settle();
    put(directory.file("one"), "");
    co_await waiter.kill();  // though it has come
    CHECK_FALSE(waiter.alive());
    CHECK(in_flight() == 0);

    // Woken by it, and killed before it runs.
    auto woken = spawn([&]() -> task<> { (void)co_await watch.next(); });
    while (!woken.blocked()) co_await stackless::yield();
    while (woken.blocked()) co_await stackless::yield();
    REQUIRE(woken.alive());
    co_await woken.kill();
    CHECK_FALSE(woken.alive());

    std::error_code error = io::errc::end_of_file;
    const io::directory_event event = co_await watch.next(error);
    CHECK(event.name == "one");
    CHECK_FALSE(error);
  });
}

TEST_CASE("directory watch: deadlines at random, and every change comes once") {
  on_each_backend([]() -> task<> {
    const temporary_directory directory;
    io::directory_watch watch = io::open_directory_watch();
    (void)watch.add(directory.file(""), {change::created});
    constexpr int count = 300;
    std::vector<std::string> got;
    const auto reads = [&]() -> task<> {
      while (got.size() < count) {
        (void)co_await stackless::move_on_after(50us, [&]() -> task<> {
          for (;;) {
            const io::directory_event event = co_await watch.next();
            got.push_back(event.name);
          }
        });
        co_await stackless::yield();
      }
    };
    auto reader = spawn(reads);
    texts made;
    for (int i = 0; i < count; ++i) {
      made.push_back(std::to_string(i));
      put(directory.file(made.back()), "");
      if (i % 3 == 0) co_await stackless::sleep_for(20us);
    }
    co_await reader.join();
    CHECK(got == made);
    CHECK(in_flight() == 0);
  });
}

TEST_CASE("directory watch: closed, and closed or destroyed while somebody waits") {
  on_each_backend([]() -> task<> {
    const temporary_directory directory;
    io::directory_watch closed;
    std::error_code error;
    (void)co_await closed.next(error);
    CHECK(error == std::errc::bad_file_descriptor);
    CHECK(closed.add(directory.file(""), {}, error) == -1);
    CHECK(error == std::errc::bad_file_descriptor);
    closed.remove(1, error);
    CHECK(error == std::errc::bad_file_descriptor);
    co_await closed.close();

    io::directory_watch watch = io::open_directory_watch();
    (void)watch.add(directory.file(""));
    std::string text;
    auto waiter = spawn([&]() -> task<> {
      try {
        (void)co_await watch.next();
      } catch (const io::io_error& failure) {
        text = failure.what();
      }
    });
    co_await settle();
    co_await watch.close();
    CHECK_FALSE(watch.is_open());
    co_await waiter.join();
    CHECK(text == "next \"directory watch\": Operation canceled");

    io::directory_watch other = io::open_directory_watch();
    (void)other.add(directory.file(""), names_only);
    std::error_code second;
    auto outlives = spawn([&]() -> task<> { (void)co_await other.next(error); });
    auto also = spawn([&]() -> task<> { (void)co_await other.next(second); });
    co_await settle();
    const int descriptor = other.descriptor();
    {
      const io::directory_watch gone = std::move(other);
    }
    co_await outlives.join();  // without a change
    co_await also.join();
    CHECK(error == std::errc::operation_canceled);
    CHECK(second == std::errc::operation_canceled);
    CHECK(::fcntl(descriptor, F_GETFD) == -1);

    // Another one takes its place; a change has come already, and nobody had his turn.
    io::directory_watch replaced = io::open_directory_watch();
    (void)replaced.add(directory.file(""), names_only);
    auto late = spawn([&]() -> task<> { (void)co_await replaced.next(error); });
    co_await settle();
    put(directory.file("one"), "");
    replaced = io::open_directory_watch();
    co_await late.join();
    CHECK(error == std::errc::operation_canceled);
    (void)replaced.add(directory.file(""), names_only);
    put(directory.file("two"), "");
    CHECK((co_await all_of(replaced)) == "created two");
  });
}

TEST_CASE("directory watch: a case of select") {
  on_each_backend([]() -> task<> {
    const temporary_directory directory;
    io::directory_watch watch = io::open_directory_watch();
    (void)watch.add(directory.file(""), names_only);
    auto nothing = co_await stackless::select(watch.readable(), stackless::after(1ms));
    CHECK(nothing.index() == 1);
    put(directory.file("one"), "");
    std::error_code error;
    auto something = co_await stackless::select(watch.readable(error), stackless::after(1h));
    REQUIRE(something.index() == 0);
    const io::directory_event event = co_await watch.next();
    CHECK(event.name == "one");
  });
}

TEST_CASE("directory watch: more changes than the system keeps are an event") {
  std::size_t limit = 0;
  std::ifstream("/proc/sys/fs/inotify/max_queued_events") >> limit;
  REQUIRE(limit > 0);
  if (limit > 200'000) {
    WARN("not tested: this system keeps " << limit << " changes");
    return;
  }
  on_each_backend([limit]() -> task<> {
    const temporary_directory directory;
    put(directory.file("a"), "");
    put(directory.file("b"), "");
    io::directory_watch watch = io::open_directory_watch();
    const int id = watch.add(directory.file(""), {change::attributes_changed});
    const std::string a = directory.file("a");
    const std::string b = directory.file("b");
    // In turns: one that repeats the one before it counts once.
    for (std::size_t i = 0; i < limit + 10; ++i)
      REQUIRE(::chmod((i % 2 == 0 ? a : b).c_str(), 0600) == 0);

    std::size_t told = 0;
    io::directory_event event = co_await watch.next();
    for (; event.kind == change::attributes_changed; event = co_await watch.next()) ++told;
    CHECK(told == limit);
    CHECK(text_of(event) == "overflow");
    CHECK(event.id == -1);
    CHECK(event.path().empty());

    // It goes on.
    REQUIRE(::chmod(a.c_str(), 0644) == 0);
    event = co_await watch.next();
    CHECK(event.name == "a");
    CHECK(event.id == id);
    CHECK((co_await all_of(watch)).empty());
  });
}

TEST_CASE("directory watch: what cannot be watched") {
  const temporary_directory directory;
  put(directory.file("file"), "");
  io::directory_watch watch = io::open_directory_watch();
  std::error_code error;
  CHECK(watch.add(directory.file("file"), names_only, error) == -1);
  CHECK(error == std::errc::not_a_directory);
  CHECK(watch.add(directory.file("none"), names_only, error) == -1);
  CHECK(error == std::errc::no_such_file_or_directory);
  CHECK(watch.add(std::string("\0", 1), names_only, error) == -1);
  CHECK(error == std::errc::invalid_argument);
  try {
    (void)watch.add(directory.file("none"));
    FAIL("it was watched");
  } catch (const io::io_error& failure) {
    CHECK(failure.what() == "watch \"" + directory.file("none") + "\": No such file or directory");
  }
  CHECK(watch.add(directory.file(""), names_only, error) >= 0);
  CHECK_FALSE(error);
}

TEST_CASE("directory watch: the process has no more descriptors") {
  const int line = status_of_child([]() -> int {
    const rlimit none{3, 3};
    if (::setrlimit(RLIMIT_NOFILE, &none) != 0) return 1;
    std::error_code error;
    if (io::open_directory_watch(error).is_open()) return 2;
    if (error != std::errc::too_many_files_open) return 3;
    try {
      (void)io::open_directory_watch();
      return 4;
    } catch (const io::io_error& failure) {
      const char* const wanted =
          "open directory watch (the process's limit of 3 descriptors is reached; raise it with "
          "ulimit -n): Too many open files";
      return std::strcmp(failure.what(), wanted) == 0 ? 0 : 5;
    }
  });
  CHECK(line == 0);
}

// In a user namespace of its own: the limits of this user are others' as well.
TEST_CASE("directory watch: the user may have no more watches") {
  const temporary_directory directory;
  fs::create_directory(directory.file("a"));
  fs::create_directory(directory.file("b"));
  constexpr int cannot = 77;
  const int line = status_of_child([&]() -> int {
    if (::unshare(CLONE_NEWUSER) != 0) return cannot;
    if (!set_limit("/proc/sys/user/max_inotify_instances", 1)) return cannot;
    if (!set_limit("/proc/sys/user/max_inotify_watches", 1)) return cannot;
    io::directory_watch watch = io::open_directory_watch();
    std::error_code error;
    if (io::open_directory_watch(error).is_open()) return 1;
    if (error != std::errc::too_many_files_open) return 2;
    try {
      (void)io::open_directory_watch();
      return 3;
    } catch (const io::io_error& failure) {
      if (!contains(
              failure.what(),
              "open directory watch (the user's limit user.max_inotify_instances = 1 is reached; "
              "raise it with sysctl -w): Too many open files"
          ))
        return 4;
    }
    const int id = watch.add(directory.file("a"));
    if (watch.add(directory.file("b"), names_only, error) != -1) return 5;
    if (error != std::errc::no_space_on_device) return 6;
    try {
      (void)watch.add(directory.file("b"));
      return 7;
    } catch (const io::io_error& failure) {
      if (!contains(
              failure.what(),
              "(the user's limit user.max_inotify_watches = 1 is reached; raise it with "
              "sysctl -w): No space left on device"
          ))
        return 8;
    }
    watch.remove(id);
    return watch.add(directory.file("b")) >= 0 ? 0 : 9;
  });
  if (line == cannot) {
    WARN("not tested: no user namespace here");
    return;
  }
  CHECK(line == 0);
}
