// A leak while the program runs on: the one who should receive has left, and those who send wait on
// a channel that nobody else can reach. Nothing is raised; an observer is told.

#include <stackless/stackless.hpp>

#include <chrono>
#include <cstdio>

namespace sl = stackless;
using namespace std::chrono_literals;

namespace {

sl::task<> scan_one(int path, sl::channel<int> out) {
  co_await out.send(path * path);
}

sl::task<> scan_all() {
  const sl::channel<int> results("results");
  for (int path = 0; path < 4; ++path) sl::spawn("scan_one", scan_one, path, results);
  const int first = co_await results.receive();
  if (first == 0) co_return;  // an error: the others are forgotten
  for (int i = 1; i < 4; ++i) (void)co_await results.receive();
}

class print_stalls : public sl::observer {
 public:
  void on_stall(const sl::deadlock_report& report) override { std::puts(to_text(report).c_str()); }
};

sl::task<> serve(print_stalls& watcher) {
  sl::set_observer(&watcher);
  sl::spawn("scan_all", scan_all);
  for (int request = 0; request < 10; ++request) co_await sl::sleep_for(1ms);
}

}  // namespace

int main() {
  print_stalls watcher;
  sl::scheduler_options options;
  options.keep_history = true;
  try {
    sl::run(options, serve, sl::borrow(watcher));
  } catch (const sl::deadlock_error&) {
    return 1;  // now that the server has ended it is certain
  }
}
