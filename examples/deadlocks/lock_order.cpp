// Two mutexes that are locked in opposite orders. Transfers lock the accounts and then the journal,
// again and again; an audit locks the journal first. Who closes the circle is told at once, while
// other tasklets run on. With histories the report also tells which order is the usual one.

#include <stackless/stackless.hpp>

#include <chrono>
#include <cstdio>

namespace sl = stackless;
using namespace std::chrono_literals;

namespace {

struct bank {
  sl::mutex accounts{sl::object_name("accounts")};
  sl::mutex journal{sl::object_name("journal")};
};

sl::task<> log_entry(bank& b) {
  const sl::mutex_guard entry = co_await b.journal.lock();
  co_await sl::yield();
}

sl::task<> transfer(bank& b) {
  const sl::mutex_guard money = co_await b.accounts.lock();
  co_await sl::yield();
  co_await log_entry(b);
}

sl::task<> audit_job(bank& b) {
  const sl::mutex_guard entries = co_await b.journal.lock();
  co_await sl::yield();
  const sl::mutex_guard money = co_await b.accounts.lock();
}

sl::task<> tick() {
  for (;;) co_await sl::sleep_for(1s);
}

sl::task<> serve(bank& b) {
  sl::spawn_daemon("clock", tick);
  for (int day = 0; day < 3; ++day) co_await transfer(b);
  for (int i = 0; i < 4; ++i) sl::spawn("transfer", transfer, sl::borrow(b));
  const auto audit = sl::spawn("audit_job", audit_job, sl::borrow(b));
  co_await audit.join();
}

}  // namespace

int main() {
  bank b;  // outlives the run, and so the tasklets that borrow it
  sl::scheduler_options options;
  options.keep_history = true;
  try {
    sl::run(options, "main", serve, sl::borrow(b));
  } catch (const sl::deadlock_error& error) {
    std::puts(error.what());
    return 1;
  }
}
