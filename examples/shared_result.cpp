// Several want the same page. It is fetched once; all get that page, or the same error.
#include <stackless/stackless.hpp>

#include <chrono>
#include <cstdio>
#include <map>
#include <stdexcept>
#include <string>

namespace sl = stackless;

namespace {

sl::task<std::string> fetch(std::string address) {
  std::printf("fetching %s\n", address.c_str());
  co_await sl::sleep_for(std::chrono::milliseconds(1));
  if (address == "nowhere") throw std::runtime_error("there is no " + address);
  co_return "all about " + address;
}

class pages {
 public:
  sl::shared_result<std::string> find(const std::string& address) {
    auto& page = cache_[address];
    if (!page) page = sl::spawn_shared("fetch " + address, fetch, address);
    return page;
  }

 private:
  std::map<std::string, sl::shared_result<std::string>> cache_;
};

sl::task<> reads(int who, pages& from, std::string address) {
  const auto page = from.find(address);
  try {
    std::printf("%d: %s\n", who, (co_await page.get()).c_str());
  } catch (const std::runtime_error& error) {
    std::printf("%d: %s\n", who, error.what());
  }
}

}  // namespace

int main() {
  pages cache;
  sl::run([&]() -> sl::task<> {
    co_await sl::with_nursery([&](sl::nursery& n) -> sl::task<> {
      n.spawn(reads, 1, sl::borrow(cache), "cats");
      n.spawn(reads, 2, sl::borrow(cache), "nowhere");
      n.spawn(reads, 3, sl::borrow(cache), "cats");
      n.spawn(reads, 4, sl::borrow(cache), "nowhere");
      co_return;
    });
    co_await reads(5, cache, "cats");
  });
}
