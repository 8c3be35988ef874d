// Copies files and trees, as `cp -r` does, and goes on where it was interrupted.

#include <stackless/io/io.hpp>
#include <stackless/stackless.hpp>

#include "options.hpp"
#include "progress.hpp"
#include "report.hpp"
#include "tree_copy.hpp"

#include <chrono>
#include <csignal>
#include <cstdio>
#include <exception>
#include <optional>

#include <sys/stat.h>

namespace sl = stackless;

namespace {

sl::task<> run_copy(const copying::options& chosen, copying::report& results, int& signal) {
  sl::io::signal_set stop{SIGINT, SIGTERM};
  copying::expectation expected;
  copying::progress_line line(results.done, expected);
  co_await sl::with_nursery([&](sl::nursery& n) -> sl::task<> {
    n.spawn_daemon("signals", [&]() -> sl::task<> {
      signal = co_await stop.wait();
      n.cancel("a signal");
    });
    if (copying::progress_line::is_wanted()) {
      n.spawn_daemon("progress", [&]() -> sl::task<> { return line.run(); });
      n.spawn_daemon("count", copying::count_sources, sl::borrow(chosen), sl::borrow(expected));
    }
    co_await copying::copy_sources(chosen, results);
  });
}

}  // namespace

int main(int argc, char** argv) {
  const std::optional<copying::options> chosen = copying::parse(argc, argv);
  if (!chosen) {
    std::fputs(copying::usage(), stderr);
    return 2;
  }
  if (chosen->help) return std::fputs(copying::usage(), stdout) < 0;
  ::umask(0);  // a file has the permissions of its source
  copying::report results;
  int signal = 0;
  const auto began = std::chrono::steady_clock::now();
  try {
    sl::run("copy", run_copy, sl::borrow(*chosen), sl::borrow(results), sl::borrow(signal));
  } catch (const std::exception& error) {
    results.failed(error.what());
  }
  if (signal != 0) {
    results.interrupted(signal, copying::resuming_command(*chosen, results.renames_directory));
    return 128 + signal;
  }
  const bool is_single = chosen->sources.size() == 1 && !chosen->recursive && !chosen->resume;
  results.summarize(std::chrono::steady_clock::now() - began, is_single);
  return results.done.failed == 0 ? 0 : 1;
}
