// Follows the links of a small, slow web: three fetches at once at most, each with a time limit,
// and a limit for the whole. The web is simulated and the time is virtual, so it is over at once.
//
//   crawl [milliseconds for the whole]
#include <stackless/stackless.hpp>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <set>
#include <string>
#include <vector>

namespace sl = stackless;
using namespace std::chrono_literals;
using std::chrono::milliseconds;

namespace {

struct page {
  milliseconds delay{};
  std::vector<std::string> links;
};

const std::map<std::string, page>& web() {
  static const std::map<std::string, page> pages{
      {"/", {10ms, {"/news", "/shop", "/about", "/slow"}}},
      {"/news", {20ms, {"/", "/news/1", "/news/2"}}},
      {"/news/1", {30ms, {"/news"}}},
      {"/news/2", {25ms, {"/news", "/shop"}}},
      {"/shop", {40ms, {"/shop/cart"}}},
      {"/shop/cart", {15ms, {}}},
      {"/about", {5ms, {"/"}}},
      {"/slow", {10s, {"/never"}}},
  };
  return pages;
}

sl::task<std::vector<std::string>> fetch(const std::string& path) {
  const page& found = web().at(path);
  co_await sl::sleep_for(found.delay);
  co_return found.links;
}

class crawler {
 public:
  crawler() : start_(sl::now()) {}

  sl::task<> crawl(std::string first) {
    co_await sl::with_nursery([&](sl::nursery& n) -> sl::task<> {
      follow(n, first);
      co_return;
    });
  }

  void print_summary() const {
    std::printf("%d fetched, %d too slow, never more than %d at once\n", fetched_, late_, most_);
  }
  void print(const char* what) const {
    const auto time = std::chrono::duration_cast<milliseconds>(sl::now() - start_);
    std::printf("%4lld ms  %s\n", static_cast<long long>(time.count()), what);
  }

 private:
  void follow(sl::nursery& n, const std::string& path) {
    if (seen_.insert(path).second) n.spawn("visit", visit, sl::borrow(*this), sl::borrow(n), path);
  }

  static sl::task<> visit(crawler& self, sl::nursery& n, std::string path) {
    sl::semaphore_unit slot = co_await self.slots_.acquire();
    self.most_ = std::max(self.most_, ++self.active_);
    const auto links = co_await sl::move_on_after(100ms, [&] { return fetch(path); });
    --self.active_;
    slot.release();
    self.print((path + (links ? "" : ": too slow")).c_str());
    if (!links) {
      ++self.late_;
      co_return;
    }
    ++self.fetched_;
    for (const std::string& link : *links) self.follow(n, link);
  }

  sl::semaphore slots_{sl::object_name("fetches"), 3};
  std::set<std::string> seen_;
  sl::time_point start_;
  int active_ = 0;
  int most_ = 0;
  int fetched_ = 0;
  int late_ = 0;
};

sl::task<> crawl(milliseconds limit) {
  crawler c;
  const bool done = co_await sl::move_on_after(limit, [&] { return c.crawl("/"); });
  c.print(done ? "done" : "out of time");
  c.print_summary();
}

}  // namespace

int main(int argc, char** argv) {
  sl::scheduler_options options;
  options.clock = sl::clock_choice::virtual_time;
  sl::run(options, crawl, milliseconds(argc > 1 ? std::atoi(argv[1]) : 1000));
  return 0;
}
