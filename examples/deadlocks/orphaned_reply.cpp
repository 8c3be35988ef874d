// A reply that nobody can send any more: the worker that had the only send end failed before it
// answered. Who waits is told at once, although other tasklets run on, because the channel was made
// with `orphan_policy::error`. (By default it would be closed.)

#include <stackless/stackless.hpp>

#include <chrono>
#include <cstdio>
#include <stdexcept>
#include <string>
#include <utility>

namespace sl = stackless;
using namespace std::chrono_literals;

namespace {

class bad_query : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

sl::task<int> parse(const std::string& query) {
  co_await sl::yield();
  if (query.find("nmae") != std::string::npos) throw bad_query("unknown column 'nmae'");
  co_return 42;
}

sl::task<> worker(std::string query, sl::sender<int> reply) {
  const int answer = co_await parse(query);
  co_await reply.send(answer);
}

sl::task<int> ask(std::string query) {
  auto [to_me, reply] = sl::make_channel<int>("reply", 0, sl::orphan_policy::error);
  sl::spawn("worker", worker, std::move(query), std::move(to_me));
  const int answer = co_await reply.receive();
  co_return answer;
}

sl::task<> heartbeat() {
  for (;;) co_await sl::sleep_for(1s);
}

sl::task<> session() {
  sl::spawn_daemon("heartbeat", heartbeat);
  std::string query = "select nmae from people";
  std::printf("%d\n", co_await ask(std::move(query)));
}

}  // namespace

int main() {
  sl::scheduler_options options;
  options.keep_history = true;
  try {
    sl::run(options, "main", session);
  } catch (const sl::deadlock_error& error) {
    std::puts(error.what());
    return 1;
  }
}
