// Prints what happens in directories, and in those that are made below them, until SIGINT or until
// they have gone.

#include <stackless/io/io.hpp>
#include <stackless/stackless.hpp>

#include <csignal>
#include <cstdio>
#include <map>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace sl = stackless;
namespace io = stackless::io;
using change = io::directory_change;

namespace {

const char* name_of(change kind) {
  switch (kind) {
  case change::created:
    return "created";
  case change::removed:
    return "removed";
  case change::moved_from:
    return "moved from";
  case change::moved_to:
    return "moved to";
  case change::modified:
    return "modified";
  case change::closed_after_write:
    return "written";
  case change::attributes_changed:
    return "attributes";
  case change::directory_moved:
    return "moved away";
  case change::ended:
    return "ended";
  case change::overflow:
    return "overflow";
  }
  return "?";
}

void print(std::string_view what, const std::string& path) {
  std::printf("%s %s\n", std::string(what).c_str(), path.c_str());
  std::fflush(stdout);
}

class tree_watcher {
 public:
  explicit tree_watcher(std::vector<std::string> roots) : roots_(std::move(roots)) {}

  sl::task<> begin() {
    for (const std::string& root : roots_) {
      watched_[watch_.add(root)] = root;  // an error of these is one of the program's
      co_await look_at(root, false);
    }
  }

  /// Until there is nothing left to watch.
  sl::task<> print_changes() {
    while (!watched_.empty()) {
      const io::directory_event event = co_await watch_.next();
      print(name_of(event.kind), event.path());
      const bool came = event.kind == change::created || event.kind == change::moved_to;
      if (came && event.is_directory) co_await look_at(event.path(), true);
      if (event.kind == change::overflow) co_await look_at_everything();
      if (event.kind == change::directory_moved) co_await moved(event.id, event.directory);
      if (event.kind == change::ended) watched_.erase(event.id);
    }
  }

  sl::task<> close() { return watch_.close(); }

 private:
  // First the watch, then a look at what is there already: nothing is missed between the two, and a
  // directory that is found both ways keeps its number.
  sl::task<> look_at(std::string root, bool is_new) {
    auto entries = io::walk(std::move(root));
    while (io::walk_entry* entry = co_await entries.next()) {
      if (entry->error()) continue;  // it has gone meanwhile, or is not ours to read
      if (is_new && entry->depth() > 0) print("found", entry->path());
      if (entry->type() != io::file_type::directory) continue;
      std::error_code error;
      // A walk gives a directory before it reads it.
      const int id = watch_.add(entry->path(), io::directory_changes::all(), error);
      if (!error) {
        watched_[id] = entry->path();
      } else if (error != std::errc::no_such_file_or_directory &&
                 error != std::errc::not_a_directory) {
        throw std::system_error(error, entry->path());
      }
    }
  }

  /// Changes were lost: what is found may be new, and what is watched may have left.
  sl::task<> look_at_everything() {
    const std::map<int, std::string> before = std::exchange(watched_, {});
    for (const std::string& root : roots_) co_await look_at(root, true);
    std::error_code has_gone;
    for (const auto& [id, path] : before)
      if (!watched_.contains(id)) watch_.remove(id, has_gone);
  }

  /// A move within the roots has given it its new path before: `look_at`. One that has left takes
  /// what is below it along, and nothing more is told of that under its old path.
  sl::task<> moved(int id, std::string path) {
    std::vector<int> left;
    for (const auto& [below, its_path] : watched_)
      if (its_path == path || its_path.starts_with(path + "/")) left.push_back(below);
    std::error_code error;
    const int there = watch_.add(path, io::directory_changes::all(), error);
    if (!error && there == id) co_return;
    for (const int one : left) {
      if (!error && one == there) continue;
      std::error_code has_gone;
      watch_.remove(one, has_gone);
      watched_.erase(one);
    }
    if (!error) co_await look_at(std::move(path), true);
  }

  std::vector<std::string> roots_;
  io::directory_watch watch_ = io::open_directory_watch();
  std::map<int, std::string> watched_;  // paths
};

sl::task<bool> run(const std::vector<std::string>& roots) {
  io::signal_set stop{SIGINT, SIGTERM};
  tree_watcher watcher(roots);
  co_await watcher.begin();
  print("watching", std::to_string(roots.size()));

  bool is_stopped = false;
  co_await sl::with_nursery([&](sl::nursery& nursery) -> sl::task<> {
    nursery.spawn_daemon("signals", [&]() -> sl::task<> {
      (void)co_await stop.wait();
      is_stopped = true;
      nursery.cancel();
    });
    co_await watcher.print_changes();
  });
  co_await watcher.close();
  if (is_stopped) print("stopped", "");
  co_return is_stopped;
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> roots(argv + 1, argv + argc);
  if (roots.empty()) {
    std::fputs("usage: watch_directory DIRECTORY…\n", stderr);
    return 2;
  }
  try {
    const bool is_stopped = sl::run(run, roots);
    if (is_stopped) return 0;
    std::fputs("watch_directory: there is nothing left to watch\n", stderr);
    return 1;
  } catch (const std::system_error& error) {
    std::fprintf(stderr, "watch_directory: %s\n", error.what());
    return 1;
  }
}
