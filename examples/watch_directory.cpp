// Prints what happens in directories, and in those that are made below them, until SIGINT.

#include <stackless/io/io.hpp>
#include <stackless/stackless.hpp>

#include <csignal>
#include <cstdio>
#include <string>
#include <string_view>
#include <system_error>
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

// First the watch, then a look at what is there already: nothing is missed between the two, and a
// directory that is found both ways keeps its number.
sl::task<> watch_tree(io::directory_watch& watch, std::string root, bool is_new) {
  auto entries = io::walk(std::move(root));
  while (io::walk_entry* entry = co_await entries.next()) {
    if (entry->error()) continue;  // it has gone meanwhile, or is not ours to read
    if (is_new && entry->depth() > 0) print("found", entry->path());
    if (entry->type() != io::file_type::directory) continue;
    std::error_code error;
    // A walk gives a directory before it reads it.
    (void)watch.add(entry->path(), io::directory_changes::all(), error);
    if (!error) continue;
    if (error != std::errc::no_such_file_or_directory && error != std::errc::not_a_directory)
      throw std::system_error(error, entry->path());
  }
}

sl::task<> print_changes(io::directory_watch& watch) {
  for (;;) {
    const io::directory_event event = co_await watch.next();
    print(name_of(event.kind), event.path());
    const bool came = event.kind == change::created || event.kind == change::moved_to;
    if (came && event.is_directory) co_await watch_tree(watch, event.path(), true);
  }
}

sl::task<> run(const std::vector<std::string>& roots) {
  io::signal_set stop{SIGINT, SIGTERM};
  io::directory_watch watch = io::open_directory_watch();
  for (const std::string& root : roots) {
    (void)watch.add(root);  // an error of these is one of the program's
    co_await watch_tree(watch, root, false);
  }
  print("watching", std::to_string(roots.size()));

  co_await sl::with_nursery([&](sl::nursery& nursery) -> sl::task<> {
    nursery.spawn("changes", print_changes, sl::borrow(watch));
    (void)co_await stop.wait();
    nursery.cancel();
  });
  co_await watch.close();
  print("stopped", "");
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> roots(argv + 1, argv + argc);
  if (roots.empty()) {
    std::fputs("usage: watch_directory DIRECTORY…\n", stderr);
    return 2;
  }
  try {
    sl::run(run, roots);
    return 0;
  } catch (const std::system_error& error) {
    std::fprintf(stderr, "watch_directory: %s\n", error.what());
    return 1;
  }
}
