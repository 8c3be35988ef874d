#include <stackless/stackless.hpp>

#include "tls_test.hpp"

#include <algorithm>
#include <array>

using namespace tls_test;
using namespace std::chrono_literals;
using io_test::on_each_backend;
using io_test::settle;
namespace io = stackless::io;
namespace sl = stackless;

namespace {

template <class Stream>
task<std::string> take(Stream& stream, std::size_t size) {
  std::string got(size, '\0');
  co_await stream.read_exactly(got);
  co_return got;
}

/// A transport in memory, over channels: no I/O keeps a deadlock from being seen.
class channel_transport {
 public:
  channel_transport(sl::channel<std::string> in, sl::channel<std::string> out)
      : in_(std::move(in)), out_(std::move(out)) {}

  task<std::size_t> read_some(io::mutable_bytes into, std::size_t* done) {
    if (left_.empty()) {
      auto next = co_await in_.next();
      if (!next) co_return 0;
      left_ = std::move(*next);
    }
    const std::size_t count = std::min(into.size(), left_.size());
    std::memcpy(into.data(), left_.data(), count);
    left_.erase(0, count);
    *done += count;
    co_return count;
  }
  task<std::size_t> write_some(io::const_bytes from, std::size_t* done) {
    std::string bytes(reinterpret_cast<const char*>(from.data()), from.size());
    co_await out_.send(std::move(bytes));
    *done += from.size();
    if (lingers != nullptr && *lingers) co_await sl::sleep_for(1h);
    co_return from.size();
  }
  task<> close() {
    out_.close();
    co_return;
  }

  const bool* lingers = nullptr;  ///< a write that has been done does not end by itself

 private:
  sl::channel<std::string> in_;
  sl::channel<std::string> out_;
  std::string left_;
};

}  // namespace

TEST_CASE("a handshake that is cut short goes on where it was") {
  on_each_backend([]() -> task<> {
    ends both;
    co_await make_ends(both);
    // No answer comes: the client waits for the server's first words.
    for (int i = 0; i < 3; ++i) {
      auto first = [&]() -> task<> { co_await both.client.handshake(); };
      const bool ended = co_await sl::move_on_after(5ms, first);
      CHECK_FALSE(ended);
    }
    auto killed = sl::spawn([&]() -> task<> { co_await both.client.handshake(); });
    co_await settle();
    co_await io_test::stop(killed);
    const handshakes done = co_await shake_hands(both);
    CHECK(done.client.what.empty());
    CHECK(done.server.what.empty());
    co_await both.client.write_all("hello");
    const std::string got = co_await take(both.server, 5);
    CHECK(got == "hello");
    CHECK(io_test::in_flight() == 0);
  });
}

TEST_CASE("a handshake that is cut short at every await") {
  // Both sides are cancelled again and again, at whatever they wait for.
  on_each_backend([]() -> task<> {
    const tls::context client = test_authority().client();
    const tls::context server = test_authority().server();
    sl::channel<std::string> there;
    sl::channel<std::string> back;
    tls::stream<channel_transport> near(channel_transport(back, there), client, "localhost");
    tls::stream<channel_transport> far(channel_transport(there, back), server);
    bool near_done = false;
    bool far_done = false;
    auto impatient = [](tls::stream<channel_transport>& stream, bool& done) -> task<> {
      while (!done) {
        sl::cancel_scope* inside = nullptr;
        auto once = [&](sl::cancel_scope& scope) -> task<> {
          inside = &scope;
          co_await stream.handshake();
          done = true;
        };
        auto nuisance = sl::spawn([&]() -> task<> {
          for (int i = 0; i < 2; ++i) co_await sl::yield();
          if (inside != nullptr) inside->cancel();
        });
        (void)co_await sl::with_cancel_scope(once);
        inside = nullptr;
        co_await nuisance.join();
      }
    };
    auto one = sl::spawn(impatient, sl::borrow(near), sl::borrow(near_done));
    auto two = sl::spawn(impatient, sl::borrow(far), sl::borrow(far_done));
    co_await one.join();
    co_await two.join();
    auto send = sl::spawn([&]() -> task<> { co_await near.write_all("whole"); });
    const std::string got = co_await take(far, 5);
    co_await send.join();
    CHECK(got == "whole");
  });
}

TEST_CASE("a read that is cancelled or killed has taken nothing") {
  on_each_backend([]() -> task<> {
    ends both;
    co_await connect_ends(both);
    std::array<char, 100> bytes{};
    std::size_t done = 0;
    auto read = [&]() -> task<> { (void)co_await both.client.read_some(bytes, &done); };
    const bool ended = co_await sl::move_on_after(5ms, read);
    CHECK_FALSE(ended);
    auto killed = sl::spawn(read);
    co_await settle();
    co_await io_test::stop(killed);
    CHECK(done == 0);
    // Half a record, then the cancellation, then the rest.
    co_await both.server.write_all("in one piece");
    const std::string got = co_await take(both.client, 12);
    CHECK(got == "in one piece");
    // Also when it need not wait.
    co_await both.server.write_all("more");
    co_await settle();
    auto body = [&](sl::cancel_scope& scope) -> task<> {
      scope.cancel();
      (void)co_await both.client.read_some(bytes, &done);
    };
    const bool whole = co_await sl::with_cancel_scope(body);
    CHECK_FALSE(whole);
    CHECK(done == 0);
    const std::string rest = co_await take(both.client, 4);
    CHECK(rest == "more");
    CHECK(io_test::in_flight() == 0);
  });
}

TEST_CASE("a read_exactly that is left in the middle without a count") {
  on_each_backend([]() -> task<> {
    ends both;
    co_await connect_ends(both);
    co_await both.server.write_all("abc");
    std::array<char, 10> bytes{};
    auto uncounted = [&]() -> task<> { co_await both.client.read_exactly(bytes); };
    const bool ended = co_await sl::move_on_after(20ms, uncounted);
    CHECK_FALSE(ended);
    std::error_code error;
    (void)co_await both.client.read_some(bytes, error);
    CHECK(error == io::errc::broken_stream);
    co_await both.client.write_all("the other direction goes on");
    // With a count nothing is lost.
    std::size_t done = 0;
    auto counted = [&]() -> task<> { co_await both.server.read_exactly(bytes, &done); };
    (void)co_await sl::move_on_after(5s, counted);
    CHECK(done == 10);
    CHECK(std::string_view(bytes.data(), 10) == "the other ");
  });
}

TEST_CASE("writes that are cut short again and again lose and repeat nothing") {
  on_each_backend([]() -> task<> {
    ends both;
    co_await connect_ends(both);
    const int small = 16'384;
    const int out = both.client.beneath().descriptor();
    REQUIRE(::setsockopt(out, SOL_SOCKET, SO_SNDBUF, &small, sizeof small) == 0);
    const std::string data = pattern(10'000'000);
    std::size_t done = 0;
    int cut = 0;
    // Nobody reads: a first one is cut short for certain, and one is killed.
    auto write = [&]() -> task<> {
      while (done != data.size())
        (void)co_await both.client.write_some({data.data() + done, data.size() - done}, &done);
    };
    const bool ended = co_await sl::move_on_after(20ms, write);
    CHECK_FALSE(ended);
    CHECK(done > 0);
    CHECK(done < data.size());
    auto killed = sl::spawn(write);
    co_await settle();
    co_await io_test::stop(killed);
    auto sink = sl::spawn([&]() -> task<std::string> {
      std::string got(data.size(), '\0');
      co_await both.server.read_exactly(got);
      co_return got;
    });
    for (;;) {
      const bool whole = co_await sl::move_on_after(1ms, write);
      if (whole) break;
      ++cut;
    }
    co_await both.client.flush();
    const std::string got = co_await sink.join();
    CHECK((got == data));
    CHECK(done == data.size());
    CHECK(io_test::in_flight() == 0);
    INFO("cut short " << cut << " times");
  });
}

TEST_CASE("a write_all that is left in the middle without a count breaks that direction") {
  on_each_backend([]() -> task<> {
    ends both;
    co_await connect_ends(both);
    const std::string data = pattern(20'000'000);
    auto write = [&]() -> task<> { co_await both.client.write_all(data); };
    const bool ended = co_await sl::move_on_after(50ms, write);
    CHECK_FALSE(ended);
    std::error_code error;
    (void)co_await both.client.write_some("x", error);
    CHECK(error == io::errc::broken_stream);
    co_await both.server.write_all("abc");
    const std::string got = co_await take(both.client, 3);
    CHECK(got == "abc");
  });
}

TEST_CASE("a write that was cut short goes out with flush") {
  on_each_backend([]() -> task<> {
    const tls::context client = test_authority().client();
    const tls::context server = test_authority().server();
    sl::channel<std::string> there;
    sl::channel<std::string> back(8);
    tls::stream<channel_transport> near(channel_transport(back, there), client, "localhost");
    tls::stream<channel_transport> far(channel_transport(there, back), server);
    auto other = sl::spawn([&]() -> task<> { co_await far.handshake(); });
    co_await near.handshake();
    co_await other.join();
    std::size_t done = 0;
    auto write = [&]() -> task<> { (void)co_await near.write_some("taken", &done); };
    const bool ended = co_await sl::move_on_after(5ms, write);
    CHECK_FALSE(ended);
    CHECK(done == 5);
    auto flush = sl::spawn([&]() -> task<> { co_await near.flush(); });
    const std::string got = co_await take(far, 5);
    co_await flush.join();
    CHECK(got == "taken");
  });
}

TEST_CASE("closing ends what other tasklets do, and does not wait for a peer that does not read") {
  on_each_backend([]() -> task<> {
    ends both;
    co_await connect_ends(both);
    std::error_code read_error;
    std::error_code write_error;
    auto reader = sl::spawn([&]() -> task<> {
      std::array<char, 10> bytes{};
      (void)co_await both.client.read_some(bytes, read_error);
    });
    const std::string data = pattern(20'000'000);
    auto writer = sl::spawn([&]() -> task<> {
      while (!write_error) (void)co_await both.client.write_some(data, write_error);
    });
    co_await settle();
    co_await sl::sleep_for(20ms);
    co_await both.client.close();
    co_await reader.join();
    co_await writer.join();
    CHECK(read_error);
    CHECK(write_error);
    CHECK(io_test::in_flight() == 0);
  });
}

TEST_CASE("a handle that goes while others use it") {
  on_each_backend([]() -> task<> {
    ends both;
    co_await connect_ends(both);
    std::string got;
    auto reader = sl::spawn([&]() -> task<> {
      got.resize(5);
      co_await both.client.read_exactly(got);
    });
    co_await settle();
    both.client = {};
    co_await both.server.write_all("hello");
    co_await reader.join();
    CHECK(got == "hello");
    // Now it is closed.
    std::array<char, 4> bytes{};
    std::error_code error;
    (void)co_await both.server.read_some(bytes, error);
    CHECK(error);
  });
}

TEST_CASE("a cancelled tasklet closes all the same, and says goodbye") {
  on_each_backend([]() -> task<> {
    ends both;
    co_await connect_ends(both);
    auto body = [&](sl::cancel_scope& scope) -> task<> {
      scope.cancel();
      co_await both.client.close();
    };
    (void)co_await sl::with_cancel_scope(body);
    CHECK_FALSE(both.client.is_open());
    std::array<char, 4> bytes{};
    const std::size_t count = co_await both.server.read_some(bytes);
    CHECK(count == 0);
  });
}

TEST_CASE("several readers take turns") {
  on_each_backend([]() -> task<> {
    ends both;
    co_await connect_ends(both);
    std::string all;
    auto read = [&]() -> task<> {
      std::array<char, 1> byte{};
      for (int i = 0; i < 100; ++i) {
        (void)co_await both.client.read_some(byte);
        all += byte[0];
      }
    };
    auto one = sl::spawn(read);
    auto two = sl::spawn(read);
    const std::string data = pattern(200);
    auto half = [&](std::size_t from) -> task<> {
      for (std::size_t i = 0; i < 100; ++i) co_await both.server.write_all({&data[from + i], 1});
    };
    auto three = sl::spawn(half, std::size_t{0});
    auto four = sl::spawn(half, std::size_t{100});
    co_await one.join();
    co_await two.join();
    co_await three.join();
    co_await four.join();
    CHECK(all.size() == 200);
    std::string sorted = data;
    std::sort(all.begin(), all.end());
    std::sort(sorted.begin(), sorted.end());
    CHECK(all == sorted);
  });
}

TEST_CASE("a close whose goodbye nobody reads ends after a second, or when it is killed") {
  const auto body = []() -> task<> {
    for (const bool kills : {false, true}) {
      const tls::context client = test_authority().client();
      const tls::context server = test_authority().server();
      sl::channel<std::string> there;
      sl::channel<std::string> back(8);
      tls::stream<channel_transport> near(channel_transport(back, there), client, "localhost");
      tls::stream<channel_transport> far(channel_transport(there, back), server);
      auto hands = sl::spawn([&]() -> task<> { co_await far.handshake(); });
      co_await near.handshake();
      co_await hands.join();
      auto closes = sl::spawn([&]() -> task<> { co_await near.close(); });
      co_await sl::drain_ready();
      CHECK_FALSE(near.is_open());
      CHECK_FALSE(there.closed());
      if (kills) {
        co_await io_test::stop(closes);
      } else {
        co_await closes.join();
      }
      CHECK(there.closed());
      std::array<char, 4> bytes{};
      std::error_code error;
      (void)co_await far.read_some(bytes, error);
      CHECK(error == tls::errc::truncated);
    }
  };
  sl::run(body);
}

TEST_CASE("a write in the middle of a message of the peer waits for its rest") {
  // A ticket holds the client's certificate: with a long one it comes in many records.
  identity::wish fat;
  fat.name = "a fat client";
  fat.hosts = "";
  fat.ballast = 6000;
  test_authority().issue("fat", fat);
  const auto body = [&]() -> task<> {
    tls::context client = test_authority().client();
    client.use_certificate(test_authority().file("fat.pem"), test_authority().file("fat.key"));
    tls::context server = test_authority().server();
    server.trust(test_authority().root());
    server.set_verification(tls::verification::required);
    ::SSL_CTX_set_max_send_fragment(server.settings()->context.get(), 512);
    for (const bool closes : {false, true}) {
      sl::channel<std::string> there(8);
      sl::channel<std::string> back(8);
      sl::channel<std::string> held_back(8);
      tls::stream<channel_transport> near(channel_transport(back, there), client, "localhost");
      tls::stream<channel_transport> far(channel_transport(there, held_back), server);
      bool hold = false;
      sl::channel<int> go;
      auto relay = sl::spawn("relay", [&]() -> task<> {
        while (auto next = co_await held_back.next()) {
          std::string first = next->substr(0, 700);
          if (hold && next->size() > 700) {
            co_await back.send(std::move(first));
            (void)co_await go.receive();
            first = next->substr(700);
            co_await back.send(std::move(first));
          } else {
            co_await back.send(std::move(*next));
          }
        }
        back.close();
      });
      auto hands = sl::spawn("hands", [&]() -> task<> { co_await far.handshake(); });
      co_await near.handshake();
      co_await hands.join();
      hold = true;
      co_await far.write_all("with tickets before it");
      auto reader =
          sl::spawn("reader", [&]() -> task<std::string> { co_return co_await take(near, 22); });
      co_await sl::drain_ready();
      auto writer = sl::spawn("writer", [&]() -> task<> {
        if (closes) {
          co_await near.shutdown_send();
        } else {
          co_await near.write_all("hello");
        }
      });
      co_await sl::drain_ready();
      CHECK(writer.alive());
      CHECK(reader.alive());
      co_await go.send(1);
      const std::string got = co_await reader.join();
      CHECK(got == "with tickets before it");
      co_await writer.join();
      if (closes) {
        std::array<char, 4> bytes{};
        const std::size_t count = co_await far.read_some(bytes);
        CHECK(count == 0);
      } else {
        const std::string question = co_await take(far, 5);
        CHECK(question == "hello");
      }
      held_back.close();
      co_await relay.join();
    }
  };
  sl::run(body);
}

TEST_CASE("what went out before a write was cut short is not sent twice") {
  const auto body = []() -> task<> {
    const tls::context client = test_authority().client();
    const tls::context server = test_authority().server();
    sl::channel<std::string> there(8);
    sl::channel<std::string> back(8);
    bool lingers = false;
    tls::stream<channel_transport> near(channel_transport(back, there), client, "localhost");
    tls::stream<channel_transport> far(channel_transport(there, back), server);
    near.beneath().lingers = &lingers;
    auto hands = sl::spawn([&]() -> task<> { co_await far.handshake(); });
    co_await near.handshake();
    co_await hands.join();
    lingers = true;
    auto write = [&]() -> task<> { co_await near.write_all("once"); };
    auto writer = sl::spawn(write);
    co_await sl::drain_ready();
    CHECK(writer.alive());
    co_await io_test::stop(writer);
    lingers = false;
    co_await near.write_all(" only");
    const std::string got = co_await take(far, 9);
    CHECK(got == "once only");
  };
  sl::run(body);
}

TEST_CASE("a handshake that is cut short before its last words have gone out sends them later") {
  const auto body = []() -> task<> {
    const tls::context client = test_authority().client();
    const tls::context server = test_authority().server();
    sl::channel<std::string> said;
    sl::channel<std::string> there(8);
    sl::channel<std::string> back(8);
    sl::channel<int> go;
    tls::stream<channel_transport> near(channel_transport(back, said), client, "localhost");
    tls::stream<channel_transport> far(channel_transport(there, back), server);
    auto relay = sl::spawn("relay", [&]() -> task<> {
      for (int i = 0; i < 2; ++i) {
        std::string next = co_await said.receive();
        co_await there.send(std::move(next));
        if (i == 0) (void)co_await go.receive();
      }
    });
    auto hands = sl::spawn("hands", [&]() -> task<> { co_await far.handshake(); });
    auto first = [&]() -> task<> { co_await near.handshake(); };
    auto cut = sl::spawn(first);
    co_await sl::drain_ready();
    CHECK(cut.alive());
    co_await io_test::stop(cut);
    CHECK(near.version() == "TLSv1.3");  // the client has all that it needs
    co_await go.send(1);
    co_await near.handshake();
    co_await hands.join();
    co_await relay.join();
  };
  sl::run(body);
}

TEST_CASE("a peer that asks for answers and does not read them is not read from") {
  std::size_t updates = 0;
  const auto body = [&]() -> task<> {
    const tls::context client = test_authority().client();
    const tls::context server = test_authority().server();
    sl::channel<std::string> there;
    sl::channel<std::string> back;
    tls::stream<channel_transport> near(channel_transport(back, there), client, "localhost");
    tls::stream<channel_transport> far(channel_transport(there, back), server);
    auto hands = sl::spawn([&]() -> task<> { co_await far.handshake(); });
    co_await near.handshake();
    co_await hands.join();
    // Each one asks for new keys of the other direction.
    auto asks = sl::spawn([&]() -> task<> {
      for (; updates != 100'000; ++updates) co_await far.update_keys();
    });
    std::array<char, 10> bytes{};
    (void)co_await near.read_some(bytes);
  };
  CHECK_THROWS_AS(sl::run(body), sl::deadlock_error);
  CHECK(updates > 100);
  CHECK(updates < 2000);
}

TEST_CASE("a report shows the call of TLS and what it waits for, the stack all between") {
  std::string text;
  std::string stack;
  const auto body = [&]() -> task<> {
    const tls::context client = test_authority().client();
    const tls::context server = test_authority().server();
    sl::channel<std::string> there("there", 8);
    sl::channel<std::string> back("back", 8);
    tls::stream<channel_transport> near(channel_transport(back, there), client, "localhost");
    tls::stream<channel_transport> far(channel_transport(there, back), server);
    auto read = [&](tls::stream_base& stream) -> task<> {
      std::array<char, 10> bytes{};
      (void)co_await stream.read_some(bytes);
    };
    auto one = sl::spawn("near reads", read, sl::borrow<tls::stream_base>(near));
    auto two = sl::spawn("far reads", read, sl::borrow<tls::stream_base>(far));
    auto three = sl::spawn("far reads too", read, sl::borrow<tls::stream_base>(far));
    for (int i = 0; i < 50; ++i) co_await sl::yield();
    for (const auto& frame : one.stack()) stack += std::string(frame.function) + "\n";
    text = to_text(sl::snapshot());
    co_await one.kill();
    co_await two.kill();
    co_await three.kill();
  };
  sl::run(body);
  INFO(text);
  INFO(stack);
  CHECK_THAT(text, contains_text("receive on channel"));
  CHECK_THAT(text, contains_text("lock of mutex 'tls reading'"));
#ifndef STACKLESS_NO_TRACKING
  CHECK_THAT(text, contains_text("interrupted_test.cpp"));
  CHECK_THAT(stack, contains_text("channel_transport::read_some"));
  CHECK_THAT(stack, contains_text("tls_session::receive"));
  CHECK_THAT(stack, contains_text("stream_base::read_some"));
#endif
}
