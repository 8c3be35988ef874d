#include <stackless/cancel.hpp>
#include <stackless/combine.hpp>
#include <stackless/offload.hpp>
#include <stackless/snapshot.hpp>
#include <stackless/tasklet.hpp>

#include "io/name_lookup.hpp"
#include "io_test.hpp"

#include <array>
#include <atomic>
#include <semaphore>
#include <thread>

#include <netdb.h>

using namespace std::chrono_literals;
using namespace stackless;

namespace {

/// Other answers for the scope.
class resolver {
 public:
  explicit resolver(detail::name_lookup lookup) { detail::set_name_lookup(lookup); }
  resolver(const resolver&) = delete;
  resolver& operator=(const resolver&) = delete;
  ~resolver() { detail::set_name_lookup(&detail::system_name_lookup); }
};

std::atomic<int> asked = 0;
std::counting_semaphore<> answers(0);
std::atomic<int> answered = 0;

detail::name_answer never_asked(const std::string&, const std::string&) {
  ++asked;
  return {};
}

detail::name_answer slow(const std::string& host, const std::string& service) {
  ++asked;
  answers.acquire();
  ++answered;
  if (host != "known.test") return {{}, io::errc::unknown_host};
  const auto port = static_cast<std::uint16_t>(service == "http" ? 80 : 0);
  return {
      {io::socket_address(io::ip_address::v4({192, 0, 2, 1}), port),
       io::socket_address(io::ip_address::loopback(io::ip_version::v6), port)},
      {}
  };
}

detail::name_answer fails(const std::string& host, const std::string&) {
  if (host == "throws.test") throw std::bad_alloc();
  return {{}, std::error_code(EAI_AGAIN, io::resolver_category())};
}

/// The threads have let go of the schedulers, and so of their descriptors.
void wait_for_descriptors(std::size_t before) {
  while (io_test::open_descriptors() != before) std::this_thread::sleep_for(1ms);
}

struct failure {
  std::string text;
  std::error_code code;
};

task<failure> failure_of(std::string host, std::string service) {
  try {
    (void)co_await io::resolve_all(host, service);
  } catch (const io::io_error& error) {
    co_return failure{error.what(), error.code()};
  }
  co_return failure{};
}

}  // namespace

TEST_CASE("resolve: numeric addresses and localhost are answered without asking") {
  const resolver instead(&never_asked);
  asked = 0;
  run([]() -> task<> {
    CHECK(to_string(co_await io::resolve("192.0.2.7", "80")) == "192.0.2.7:80");
    CHECK(to_string(co_await io::resolve("[2001:db8::1]", "8080")) == "[2001:db8::1]:8080");
    CHECK(to_string(co_await io::resolve("2001:db8::1", "")) == "[2001:db8::1]:0");
    const auto local = co_await io::resolve_all("localhost", "81");
    REQUIRE(local.size() == 2);
    CHECK(to_string(local[0]) == "127.0.0.1:81");
    CHECK(to_string(local[1]) == "[::1]:81");
    const std::string zero("local\0host", 10);
    for (const std::string& host : {std::string(), zero}) {
      const failure f = co_await failure_of(host, "80");
      CHECK(f.code == io::errc::unknown_host);
    }
  });
  CHECK(asked == 0);
}

TEST_CASE("resolve: the system's resolver is asked on another thread") {
  run([]() -> task<> {
    // "http" is not a number: the system is asked for it, without the network.
    const failure f = co_await failure_of("127.0.0.1", "no-such-service");
    CHECK(f.code.category() == io::resolver_category());
    CHECK_THAT(f.text, starts_with_text("resolve \"127.0.0.1:no-such-service\": "));
    CHECK(std::string_view(f.text).ends_with(::gai_strerror(EAI_SERVICE)));
  });
}

TEST_CASE("resolve: the loop goes on while it is asked") {
  const resolver instead(&slow);
  asked = answered = 0;
  io_test::on_each_backend([]() -> task<> {
    auto t = spawn([]() -> task<io::socket_address> {
      co_return co_await io::resolve("known.test", "http");
    });
    auto unknown =
        spawn([]() -> task<failure> { co_return co_await failure_of("unknown.test", "http"); });
    co_await yield();
    const std::string shown = to_text(snapshot());
    CHECK_THAT(shown, contains_text("resolve \"known.test:http\""));
    CHECK(snapshot().sources.foreign == 2);
    answers.release(2);
    CHECK(to_string(co_await t.join()) == "192.0.2.1:80");
    const failure f = co_await unknown.join();
    CHECK(f.code == io::errc::unknown_host);
    CHECK_THAT(f.text, starts_with_text("resolve \"unknown.test:http\": unknown host"));
    answers.release();
    CHECK(to_string(co_await io::resolve("known.test", 7)) == "192.0.2.1:7");
    CHECK(snapshot().sources.foreign == 0);
  });
}

TEST_CASE("resolve: a failure of the resolver is told in its words") {
  const resolver instead(&fails);
  run([]() -> task<> {
    failure f = co_await failure_of("example.test", "80");
    CHECK(f.code == std::error_code(EAI_AGAIN, io::resolver_category()));
    CHECK(f.text == std::string("resolve \"example.test:80\": ") + ::gai_strerror(EAI_AGAIN));
    f = co_await failure_of("throws.test", "80");
    CHECK(f.code == std::errc::not_enough_memory);
  });
}

TEST_CASE("resolve: a cancellation and a kill do not wait for the resolver") {
  const resolver instead(&slow);
  asked = answered = 0;
  const std::size_t descriptors = io_test::open_descriptors();
  const std::size_t before = offload_threads();
  set_offload_threads(2);
  run([]() -> task<> {
    const auto asks = []() -> task<> { (void)co_await io::resolve("known.test", 1); };
    cancel_scope* scope = nullptr;
    const auto cut = spawn([&]() -> task<> {
      co_await with_cancel_scope([&](cancel_scope& s) -> task<> {
        scope = &s;
        co_await asks();
      });
    });
    while (asked < 1) co_await sleep_for(100us);
    scope->cancel();
    co_await cut.join();
    const auto t = spawn(asks);
    while (asked < 2) co_await sleep_for(100us);
    co_await t.kill();
    CHECK_FALSE(t.alive());
    // Both threads are taken: this one is not asked at all.
    CHECK_FALSE(co_await move_on_after(2ms, asks));
    CHECK(snapshot().sources.foreign == 0);
    CHECK(answered == 0);
  });  // nor does the scheduler's end
  CHECK(asked == 2);
  CHECK(answered == 0);
  answers.release(2);
  set_offload_threads(before);
  while (answered < 2) std::this_thread::yield();
  wait_for_descriptors(descriptors);
}

TEST_CASE("resolve: the limit and the answer, in both orders") {
  const resolver instead(&slow);
  const std::size_t descriptors = io_test::open_descriptors();
  run([]() -> task<> {
    const auto asks = []() -> task<> { (void)co_await io::resolve("known.test", 1); };
    answers.release();
    CHECK(co_await move_on_after(1h, asks));
    CHECK_FALSE(co_await move_on_after(1ms, asks));
    answers.release();
  });
  wait_for_descriptors(descriptors);
}
