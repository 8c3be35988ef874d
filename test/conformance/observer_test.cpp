#include <stackless/stackless.hpp>

#include "catch.hpp"
#include "trace.hpp"

#include <stdexcept>
#include <string>

using namespace conformance;
using stackless::any_tasklet;
using stackless::channel;
using stackless::channel_action;
using stackless::current_observer;
using stackless::drain;
using stackless::set_observer;
using stackless::spawn;
using stackless::task;
using stackless::yield;

// All traces follow the row "schedule callback" of section 9: previous and next directly, never by
// way of main.

namespace {

class switch_log : public stackless::observer {
 public:
  void on_switch(const any_tasklet& previous, const any_tasklet& next) override {
    log(previous ? previous.name() : "none", ">", next.name());
  }
};

class channel_log : public stackless::observer {
 public:
  void on_channel(const channel_action& action) override {
    log(action.tasklet.name(), action.sending ? " send" : " recv",
        action.will_block ? " block" : " go");
  }
};

}  // namespace

TEST_CASE("CBK-01 the observer is told previous and next of each switch") {
  switch_log observer;
  const auto trace = run_case([&]() -> task<> {
    spawn("A", says, "A");
    spawn("B", says, "B");
    set_observer(&observer);
    co_await drain();
    set_observer(nullptr);
    log("M");
  });
  CHECK(trace == "main>A → A → A>B → B → B>main → M");
}

TEST_CASE("CBK-03 the observer is not called when nothing switches") {
  switch_log observer;
  const auto trace = run_case([&]() -> task<> {
    set_observer(&observer);
    co_await yield();
    co_await drain();
    const auto a = spawn(says, "A");
    a.remove();
    set_observer(nullptr);
    log("M");
    co_await a.kill();
  });
  CHECK(trace == "M");
}

TEST_CASE("CBK-05 set_observer gives the previous one") {
  switch_log f;
  switch_log g;
  const auto trace = run_case([&]() -> task<> {
    log(set_observer(&f) == nullptr);
    log(current_observer() == &f);
    log(set_observer(&g) == &f);
    log(set_observer(nullptr) == &g);
    log(current_observer() == nullptr);
    co_return;
  });
  CHECK(trace == "true → true → true → true → true");
}

TEST_CASE("CBK-07 the observer is told of channel actions: a blocking receive, then a send") {
  channel_log observer;
  channel<int> c;
  const auto r = [&]() -> task<> { (void)co_await c.receive(); };
  const auto s = [&]() -> task<> { co_await c.send(1); };
  const auto trace = run_case([&]() -> task<> {
    set_observer(&observer);
    spawn("R", r);
    spawn("S", s);
    co_await drain();
    set_observer(nullptr);
  });
  CHECK(trace == "R recv block → S send go");
}

TEST_CASE("CBK-09 a channel action inside the observer is refused") {
  class meddler : public stackless::observer {
   public:
    explicit meddler(channel<int> c) : other_(std::move(c)) {}
    void on_channel(const channel_action&) override {
      try {
        (void)other_.try_send(1);
      } catch (...) {
        log("inner!", error_name());
      }
    }

   private:
    channel<int> other_;
  } observer(channel<int>{});
  channel<int> c;
  const auto r = [&]() -> task<> { log("R ", co_await c.receive()); };
  const auto trace = run_case([&]() -> task<> {
    spawn(r);
    co_await drain();
    set_observer(&observer);
    co_await c.send(1);
    log("send ok");
    set_observer(nullptr);
  });
  CHECK(
      trace == "inner!logic_error(an observer must not use tasklets and channels) → R 1 → send ok"
  );
}

// Cases that are not printed, from the same rules.

TEST_CASE("what on_channel throws is raised by an operation that has not happened") {
  class refuses : public stackless::observer {
   public:
    void on_channel(const channel_action&) override { throw std::runtime_error("refused"); }
  } observer;
  channel<int> c("c", 1);
  const auto trace = run_case([&]() -> task<> {
    set_observer(&observer);
    co_await attempt("send", c.send(1));
    log(c.size());
    set_observer(nullptr);
    co_await c.send(2);
    set_observer(&observer);
    co_await attempt("receive", c.receive());
    log(c.size());
    set_observer(nullptr);
    log(co_await c.receive());
  });
  CHECK(trace == "send!refused → 0 → receive!refused → 1 → 2");
}

TEST_CASE("what on_switch throws goes to main as an uncaught error, the switch takes place") {
  class throws_once : public stackless::observer {
   public:
    void on_switch(const any_tasklet&, const any_tasklet&) override {
      if (!std::exchange(thrown_, true)) throw std::runtime_error("from the observer");
    }

   private:
    bool thrown_ = false;
  } observer;
  const auto trace = run_case([&]() -> task<> {
    set_observer(&observer);
    spawn(says, "A");
    co_await attempt("drain", drain());
    set_observer(nullptr);
  });
  CHECK(trace == "A → drain!from the observer");
}

TEST_CASE("an observer must not change who runs") {
  class meddler : public stackless::observer {
   public:
    void on_switch(const any_tasklet&, const any_tasklet& next) override {
      try {
        next.kill_pending();
      } catch (...) {
        log("inner!", error_name());
      }
    }
  } observer;
  const auto trace = run_case([&]() -> task<> {
    set_observer(&observer);
    spawn(says, "A");
    co_await yield();
    set_observer(nullptr);
  });
  const std::string refusal = "inner!logic_error(an observer must not use tasklets and channels)";
  CHECK(trace == refusal + " → A → " + refusal);
}

TEST_CASE("the switches of a message are observed, and of tasklets that were never run") {
  switch_log observer;
  channel<int> c;
  const auto r = [&]() -> task<> {
    log(co_await c.receive());
    log(co_await c.receive());
  };
  const auto trace = run_case([&]() -> task<> {
    set_observer(&observer);
    spawn("R", r);
    co_await c.send(1);
    co_await c.send(2);
    set_observer(nullptr);
  });
  CHECK(trace == "main>R → 1 → R>main → main>R → 2 → R>main");
}

TEST_CASE("an observer needs a scheduler") {
  CHECK_THROWS_AS(set_observer(nullptr), std::logic_error);
  CHECK_THROWS_AS(current_observer(), std::logic_error);
}
