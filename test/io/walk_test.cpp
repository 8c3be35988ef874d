#include <stackless/cancel.hpp>

#include "io_test.hpp"

#include <algorithm>
#include <array>
#include <map>

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>

using namespace io_test;
using namespace std::chrono_literals;
using stackless::task;
namespace io = stackless::io;
namespace fs = std::filesystem;

namespace {

struct seen {
  io::file_type type = io::file_type::unknown;
  std::size_t depth = 0;
  int times = 0;
  int leavings = 0;
  std::error_code error;
};

using seen_map = std::map<std::string, seen>;

task<seen_map> walk_all(std::string root, io::walk_options options = {}) {
  seen_map result;
  std::vector<std::string> order;
  auto entries = io::walk(std::move(root), options);
  while (io::walk_entry* entry = co_await entries.next()) {
    seen& one = result[entry->path()];
    if (entry->error()) {
      one.error = entry->error();
      continue;
    }
    one.type = entry->type();
    one.depth = entry->depth();
    if (entry->leaving()) {
      ++one.leavings;
      continue;
    }
    ++one.times;
    // A directory comes before what is in it.
    if (entry->depth() != 0) {
      const std::string parent = fs::path(entry->path()).parent_path().string();
      CHECK(result.count(parent) == 1);
      CHECK(result[parent].leavings == 0);
      CHECK(fs::path(entry->path()).filename() == entry->name());
    }
  }
  co_return result;
}

}  // namespace

TEST_CASE("a walk comes to everything, once, and follows no link") {
  on_each_backend([]() -> task<> {
    const temporary_directory directory;
    const std::string root = directory.file("root");
    fs::create_directories(root + "/a/b/c");
    fs::create_directories(root + "/empty");
    put(root + "/a/file", "x");
    put(root + "/a/b/c/deep", "x");
    fs::create_symlink("..", root + "/a/up");
    fs::create_symlink("nowhere", root + "/dangling");
    REQUIRE(::mkfifo((root + "/fifo").c_str(), 0600) == 0);
    seen_map all = co_await walk_all(root);
    CHECK(all.size() == 10);
    for (const auto& [path, one] : all) {
      CAPTURE(path);
      CHECK(one.times == 1);
      CHECK_FALSE(one.error);
    }
    CHECK(all[root].depth == 0);
    CHECK(all[root + "/a/b/c/deep"].depth == 4);
    CHECK(all[root + "/a/b/c/deep"].type == io::file_type::regular);
    CHECK(all[root + "/a/b"].type == io::file_type::directory);
    CHECK(all[root + "/a/up"].type == io::file_type::symlink);
    CHECK(all[root + "/dangling"].type == io::file_type::symlink);
    CHECK(all[root + "/fifo"].type == io::file_type::fifo);

    // Roots of other kinds.
    all = co_await walk_all(root + "/a/file");
    CHECK(all.size() == 1);
    all = co_await walk_all(root + "/a/up");
    CHECK(all.size() == 1);
    CHECK(all[root + "/a/up"].type == io::file_type::symlink);
    all = co_await walk_all(root + "/nothing");
    CHECK(all.size() == 1);
    CHECK(all[root + "/nothing"].error == std::errc::no_such_file_or_directory);
    all = co_await walk_all(std::string("a\0b", 3));
    CHECK(all.begin()->second.error == std::errc::invalid_argument);
    all = co_await walk_all(root + "/empty/");
    CHECK(all.size() == 1);
  });
}

TEST_CASE("a walk tells when it leaves a directory, and leaves out what it is told to") {
  on_each_backend([]() -> task<> {
    const temporary_directory directory;
    const std::string root = directory.file("root");
    fs::create_directories(root + "/a/b");
    fs::create_directories(root + "/skipped/b");
    put(root + "/a/b/file", "x");
    put(root + "/skipped/b/file", "x");
    io::walk_options options;
    options.report_leaving = true;
    const seen_map all = co_await walk_all(root, options);
    for (const auto& [path, one] : all)
      CHECK(one.leavings == (one.type == io::file_type::directory ? 1 : 0));
    std::vector<std::string> visited;
    auto entries = io::walk(root);
    while (io::walk_entry* entry = co_await entries.next()) {
      if (entry->name() == "skipped") entry->skip();
      visited.push_back(entry->path());
    }
    CHECK(visited.size() == 5);
    // Removing a tree is such a walk.
    auto removal = io::walk(root, options);
    while (io::walk_entry* entry = co_await removal.next()) {
      if (entry->leaving()) {
        co_await io::remove_directory(entry->path());
      } else if (entry->type() != io::file_type::directory) {
        co_await io::remove_file(entry->path());
      }
    }
    CHECK_FALSE(fs::exists(root));
  });
}

TEST_CASE("directories of many entries, and trees deeper than directories may be open") {
  on_each_backend([]() -> task<> {
    const temporary_directory directory;
    const std::string root = directory.file("root");
    std::string path = root;
    constexpr int depth = 60;
    fs::create_directory(path);
    for (int i = 0; i < depth; ++i) {
      for (int k = 0; k < 3; ++k) put(path + "/file" + std::to_string(k), "");
      path += "/d";
      fs::create_directory(path);
    }
    const std::string wide = path + "/wide";
    fs::create_directory(wide);
    constexpr int many = 3000;  // several blocks of entries
    for (int i = 0; i < many; ++i)
      put(wide + "/a-rather-long-name-of-a-file-" + std::to_string(i), "");
    fs::create_directory(wide + "/sub");
    (void)co_await io::status(root);  // the engine has its descriptors
    const std::size_t before = open_descriptors();
    std::size_t most = 0;
    io::walk_options options;
    options.most_open = 4;
    options.report_leaving = true;
    std::map<std::string, int> times;
    int leavings = 0;
    {
      auto entries = io::walk(root, options);
      while (io::walk_entry* entry = co_await entries.next()) {
        CHECK_FALSE(entry->error());
        if (entry->leaving()) {
          ++leavings;
        } else {
          ++times[entry->path()];
        }
        if (times.size() % 16 == 0) most = std::max(most, open_descriptors());
      }
    }
    CHECK(times.size() == 1 + depth * 4 + 1 + many + 1);
    CHECK(leavings == depth + 3);
    CHECK(std::all_of(times.begin(), times.end(), [](auto& one) { return one.second == 1; }));
    CHECK(most <= before + 8);
    CHECK(open_descriptors() == before);
  });
}

TEST_CASE("directories that cannot be read are entries with an error, and the walk goes on") {
  on_each_backend([]() -> task<> {
    const temporary_directory directory;
    const std::string root = directory.file("root");
    fs::create_directories(root + "/gone/inner");
    fs::create_directories(root + "/stays");
    put(root + "/stays/file", "");
    int errors = 0;
    bool saw_file = false;
    auto entries = io::walk(root);
    while (io::walk_entry* entry = co_await entries.next()) {
      if (entry->error()) {
        ++errors;
        CHECK(entry->error() == std::errc::no_such_file_or_directory);
        CHECK(entry->path() == root + "/gone");
        CHECK(entry->depth() == 1);
      } else if (entry->name() == "gone") {
        fs::remove_all(root + "/gone");
      }
      saw_file |= entry->name() == "file";
    }
    CHECK(errors == 1);
    CHECK(saw_file);

    // A directory that is replaced by a link is not followed.
    fs::create_directories(root + "/swapped");
    put(directory.file("outside"), "");
    errors = 0;
    auto again = io::walk(root);
    while (io::walk_entry* entry = co_await again.next()) {
      if (entry->error()) {
        ++errors;
      } else if (entry->name() == "swapped") {
        fs::remove(root + "/swapped");
        fs::create_symlink("..", root + "/swapped");
      }
      CHECK(entry->name() != "outside");
    }
    CHECK(errors == 1);
  });
}

TEST_CASE("a directory that is moved away while the walk is deep in it is told of") {
  on_each_backend([]() -> task<> {
    const temporary_directory directory;
    const std::string root = directory.file("root");
    fs::create_directories(root + "/a/b/c/d/e");
    put(root + "/a/file", "");
    put(root + "/file", "");
    io::walk_options options;
    options.most_open = 2;
    std::vector<std::string> failed;
    auto entries = io::walk(root, options);
    while (io::walk_entry* entry = co_await entries.next()) {
      if (entry->error()) {
        CHECK(entry->error().value() == ESTALE);
        failed.push_back(entry->path());
      } else if (entry->name() == "e") {
        // ".." of d is another directory than before.
        fs::rename(root + "/a/b/c/d", directory.file("elsewhere"));
        fs::rename(root + "/a/b", directory.file("b"));
      }
    }
    CHECK((!failed.empty() && failed.front().starts_with(root + "/a")));
  });
}

TEST_CASE("a walk that is left, and one that is cancelled") {
  on_each_backend([]() -> task<> {
    const temporary_directory directory;
    const std::string root = directory.file("root");
    fs::create_directories(root + "/a/b/c");
    (void)co_await io::status(root);  // the engine has its descriptors
    const std::size_t before = open_descriptors();
    {
      auto entries = io::walk(root);
      for (int i = 0; i < 3; ++i) {
        const io::walk_entry* entry = co_await entries.next();
        REQUIRE(entry != nullptr);
      }
      CHECK(open_descriptors() > before);
    }
    CHECK(open_descriptors() == before);
    int count = 0;
    auto body = [&](stackless::cancel_scope& scope) -> task<> {
      auto entries = io::walk(root);
      while (const io::walk_entry* entry = co_await entries.next()) {
        CHECK_FALSE(entry->error());
        if (++count == 2) scope.cancel();
      }
    };
    const bool finished = co_await stackless::with_cancel_scope(body);
    CHECK_FALSE(finished);
    CHECK(count == 2);
    CHECK(open_descriptors() == before);
  });
}

TEST_CASE("a directory that contains itself by a bind mount is told of") {
  const temporary_directory directory;
  const std::string root = directory.file("root");
  fs::create_directories(root + "/a/b");
  put(root + "/a/file", "");
  const pid_t child = ::fork();
  REQUIRE(child != -1);
  if (child == 0) {
    const std::string inner = root + "/a/b";
    const bool is_root = ::geteuid() == 0;
    if (::unshare(CLONE_NEWNS | (is_root ? 0 : CLONE_NEWUSER)) != 0 ||
        ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
        ::mount(root.c_str(), inner.c_str(), nullptr, MS_BIND, nullptr) != 0)
      ::_exit(77);
    int loops = 0;
    int entries_seen = 0;
    stackless::scheduler_options options;
    options.io = stackless::io_choice::epoll;
    stackless::run(options, [&]() -> task<> {
      auto entries = io::walk(root);
      while (const io::walk_entry* entry = co_await entries.next()) {
        ++entries_seen;
        if (entry->error() == std::errc::too_many_symbolic_link_levels && entry->path() == inner)
          ++loops;
      }
    });
    ::_exit(loops == 1 && entries_seen == 5 ? 0 : 1);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  if (WIFEXITED(status) && WEXITSTATUS(status) == 77) {
    WARN("no bind mounts here");
  } else {
    CHECK(status == 0);
  }
}
