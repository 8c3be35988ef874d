// A notification that comes before anybody waits. The reader looks whether something has arrived,
// and lets others run before it waits: the notification falls between, and a condition variable
// does not remember. The history of operations shows it.

#include <stackless/stackless.hpp>

#include <cstdio>

namespace sl = stackless;

namespace {

struct connection {
  sl::mutex lock{sl::object_name("lock")};
  sl::condition_variable ready{sl::object_name("ready")};
  bool arrived = false;
};

sl::task<> next_frame(connection& c) {
  if (!c.arrived) {
    co_await sl::yield();
    sl::mutex_guard guard = co_await c.lock.lock();
    co_await c.ready.wait(guard);
  }
}

sl::task<> reader(connection& c) {
  co_await next_frame(c);
}

sl::task<> receive_done(connection& c) {
  c.arrived = true;
  c.ready.notify_one();
  co_return;
}

sl::task<> serve(connection& c) {
  const auto reading = sl::spawn("reader", reader, sl::borrow(c));
  sl::spawn("receive_done", receive_done, sl::borrow(c));
  co_await reading.join();
}

}  // namespace

int main() {
  connection c;  // outlives the run, and so the tasklets that borrow it
  sl::scheduler_options options;
  options.keep_history = true;
  try {
    sl::run(options, serve, sl::borrow(c));
  } catch (const sl::deadlock_error& error) {
    std::puts(error.what());
    return 1;
  }
}
