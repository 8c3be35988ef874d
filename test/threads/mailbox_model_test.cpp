// All interleavings of a loop that falls asleep and of those who wake it, over the atomic steps of
// the very code that the library runs. Sequentially consistent; docs/threads.md says why the memory
// orders are enough.

#include <stackless/detail/mailbox.hpp>

#include "catch.hpp"

#if defined(__SANITIZE_THREAD__)
#define STACKLESS_NO_FIBERS 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define STACKLESS_NO_FIBERS 1
#endif
#endif

#ifndef STACKLESS_NO_FIBERS

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

#include <ucontext.h>

namespace {

/// Runs actors one atomic step at a time, in every order. What has been seen from a state is not
/// looked at twice: a state is all shared values, and what each actor has read so far.
class explorer {
 public:
  static explorer* active;
  bool closes = false;  ///< the box is closed in this test

  // For the actors
  // ---------------------------------------------------------------------------------

  /// The actor's next step happens when it is its turn.
  void step() {
    actor& me = actors_[current_];
    me.may_go = nullptr;
    leave();
  }
  /// As `step`, and not before `condition` holds.
  void step_when(std::function<bool()> condition) {
    actor& me = actors_[current_];
    me.may_go = std::move(condition);
    leave();
  }
  void saw(std::uint64_t value) {
    actor& me = actors_[current_];
    me.history = mix(me.history, value);
  }
  /// What the actor will do next depends on `value` only, and on nothing else that it has read.
  void stands_at(std::uint64_t value) { actors_[current_].history = mix(current_ + 2, value); }
  /// Not before another one has done something.
  void step_after_another() {
    const std::size_t before = steps_;
    step_when([this, before] { return steps_ > before; });
    saw(0);
  }
  void fail(const char* what) {
    if (failure_.empty()) failure_ = what;
  }
  void watch(const std::uint64_t* value) { values_.push_back(value); }

  // For the test
  // -----------------------------------------------------------------------------------

  /// `make()` gives the actors, over state that it makes anew in the same place.
  template <class Make>
  std::string explore(Make make) {
    active = this;
    do {
      values_.clear();
      run(make());
      ++runs_;
    } while (failure_.empty() && next_path());
    active = nullptr;
    return failure_;
  }
  [[nodiscard]] std::size_t states() const { return seen_.size(); }
  [[nodiscard]] std::size_t complete_runs() const { return complete_; }

 private:
  static constexpr std::size_t stack_size = std::size_t{128} * 1024;

  struct actor {
    std::function<void()> body;
    std::function<bool()> may_go;
    std::uint64_t history = 0;
    bool done = false;
    ucontext_t context{};
    std::unique_ptr<char[]> stack = std::make_unique<char[]>(stack_size);
  };
  struct choice {
    std::vector<std::size_t> options;
    std::size_t taken = 0;
  };

  static std::uint64_t mix(std::uint64_t a, std::uint64_t b) {
    std::uint64_t x = a * 0x9E3779B97F4A7C15ULL ^ (b + 0x7F4A7C15ULL + (a << 6U) + (a >> 2U));
    x = (x ^ (x >> 31U)) * 0xBF58476D1CE4E5B9ULL;
    return x ^ (x >> 29U);
  }

  static void enter() {
    explorer& e = *active;
    actor& me = e.actors_[e.current_];
    me.body();
    me.done = true;
    me.history = mix(me.history, 1);
    ::swapcontext(&me.context, &e.main_);
  }
  void leave() { ::swapcontext(&actors_[current_].context, &main_); }

  void run(std::vector<std::function<void()>> bodies) {
    if (actors_.size() != bodies.size()) actors_ = std::vector<actor>(bodies.size());
    for (std::size_t i = 0; i < bodies.size(); ++i) {
      actor& a = actors_[i];
      a.body = std::move(bodies[i]);
      a.may_go = nullptr;
      a.history = i;
      a.done = false;
      ::getcontext(&a.context);
      a.context.uc_stack.ss_sp = a.stack.get();
      a.context.uc_stack.ss_size = stack_size;
      a.context.uc_link = nullptr;
      ::makecontext(&a.context, &explorer::enter, 0);
    }
    steps_ = 0;
    for (std::size_t i = 0; i < actors_.size(); ++i) resume(i);  // to their first steps
    for (std::size_t depth = 0; failure_.empty(); ++depth) {
      if (depth == path_.size()) {
        std::vector<std::size_t> options;
        bool all_done = true;
        for (std::size_t i = 0; i < actors_.size(); ++i) {
          all_done &= actors_[i].done;
          if (!actors_[i].done && (!actors_[i].may_go || actors_[i].may_go())) options.push_back(i);
        }
        if (all_done) {
          ++complete_;
          return;
        }
        if (options.empty()) {
          fail("somebody sleeps for ever");
          return;
        }
        if (!seen_.insert(state()).second) return;
        path_.push_back({std::move(options), 0});
      }
      ++steps_;
      resume(path_[depth].options[path_[depth].taken]);
    }
  }
  void resume(std::size_t who) {
    current_ = who;
    ::swapcontext(&main_, &actors_[who].context);
  }
  [[nodiscard]] std::uint64_t state() const {
    std::uint64_t sum = 1;
    for (const std::uint64_t* value : values_) sum = mix(sum, *value);
    for (const actor& a : actors_) sum = mix(sum, a.history);
    return sum;
  }
  bool next_path() {
    while (!path_.empty()) {
      if (++path_.back().taken < path_.back().options.size()) return true;
      path_.pop_back();
    }
    return false;
  }

  std::vector<actor> actors_;
  std::size_t current_ = 0;
  ucontext_t main_{};
  std::size_t steps_ = 0;
  std::vector<const std::uint64_t*> values_;
  std::vector<choice> path_;
  std::unordered_set<std::uint64_t> seen_;
  std::size_t runs_ = 0;
  std::size_t complete_ = 0;
  std::string failure_;
};

explorer* explorer::active = nullptr;

/// As std::atomic, each operation being a step.
template <class T>
class model_atomic {
 public:
  explicit model_atomic(T initial = T()) : value_(initial) {
    publish();
    if (is_visible()) explorer::active->watch(&bits_);
  }
  model_atomic(const model_atomic&) = delete;
  model_atomic& operator=(const model_atomic&) = delete;

  T load(std::memory_order) const {
    explorer::active->step();
    return seen(value_);
  }
  void store(T value, std::memory_order) {
    explorer::active->step();
    value_ = value;
    publish();
    explorer::active->saw(0);
  }
  T exchange(T value, std::memory_order) {
    explorer::active->step();
    const T old = std::exchange(value_, value);
    publish();
    return seen(old);
  }
  T fetch_add(T more, std::memory_order) {
    if (is_visible()) explorer::active->step();
    const T old = value_;
    value_ = static_cast<T>(value_ + more);
    publish();
    if (is_visible()) explorer::active->saw(0);  // nobody looks at the sum
    return old;
  }
  T fetch_sub(T less, std::memory_order order) { return fetch_add(static_cast<T>(-less), order); }
  bool compare_exchange_strong(T& expected, T desired, std::memory_order, std::memory_order) {
    explorer::active->step();
    const bool equal = value_ == expected;
    if (equal) {
      value_ = desired;
      publish();
    } else {
      expected = value_;
    }
    explorer::active->saw(equal ? 1 : 2);
    (void)seen(expected);
    return equal;
  }
  bool compare_exchange_weak(T& expected, T desired, std::memory_order s, std::memory_order f) {
    return compare_exchange_strong(expected, desired, s, f);
  }

 private:
  /// The mailbox counts who is inside with an int, and only `close` looks at it.
  static bool is_visible() { return !std::is_same_v<T, int> || explorer::active->closes; }
  static std::uint64_t bits(T value) {
    if constexpr (std::is_pointer_v<T>) {
      return reinterpret_cast<std::uintptr_t>(value);
    } else {
      return static_cast<std::uint64_t>(value);
    }
  }
  void publish() { bits_ = bits(value_); }
  T seen(T value) const {
    explorer::active->saw(bits(value));
    return value;
  }

  T value_;
  std::uint64_t bits_ = 0;
};

struct model_platform {
  template <class T>
  using atomic = model_atomic<T>;
  static void yield() { explorer::active->step_after_another(); }
};

using model_mailbox = stackless::detail::mailbox<model_platform>;
constexpr auto order = std::memory_order_seq_cst;

/// A letter, and what it tells of.
struct message : model_mailbox::letter {
  model_atomic<unsigned> count{0};
};

/// What the loop sleeps on: an eventfd.
struct bell {
  bell() { explorer::active->watch(&rung); }
  void ring() {
    explorer::active->step();
    rung = 1;
    explorer::active->saw(1);
  }
  void wait() {
    explorer::active->step_when([this] { return rung != 0; });
    rung = 0;
    explorer::active->saw(1);
  }
  std::uint64_t rung = 0;
};

struct world {
  model_mailbox box;
  std::array<message, 3> messages;
  bell sleep;
  bool backend_is_there = true;
  unsigned arrived = 0;
  int refused = 0;

  void post(message& m) {
    m.count.fetch_add(1, order);
    const auto result = box.post(m, [this] {
      if (!backend_is_there) explorer::active->fail("woke a backend that is gone");
      sleep.ring();
      if (!backend_is_there) explorer::active->fail("the backend went while it was being woken");
    });
    if (result == model_mailbox::result::refused) ++refused;
  }
  unsigned collect(model_mailbox::letter* next) {
    unsigned sum = 0;
    while (next != nullptr) {
      auto& m = static_cast<message&>(*next);
      next = model_mailbox::open(m);
      sum += m.count.exchange(0, order);
    }
    return sum;
  }
  /// The loop, until it has been told of so many.
  void loop(unsigned expected) {
    while (arrived < expected) {
      explorer::active->stands_at(arrived);
      if (box.marked()) arrived += collect(box.take());
      if (arrived >= expected) return;
      if (box.fall_asleep()) sleep.wait();
    }
  }
};

/// One place for all runs, so that addresses are the same in each.
std::optional<world> the_world;

using actors = std::vector<std::function<void()>>;

}  // namespace

TEST_CASE("mailbox, all interleavings: two who post their own letters") {
  explorer e;
  const std::string failure = e.explore([] {
    world& w = the_world.emplace();
    return actors{
        [&w] { w.loop(3); },
        [&w] {
          w.post(w.messages[0]);
          explorer::active->stands_at(1);
          w.post(w.messages[0]);
        },
        [&w] { w.post(w.messages[1]); }
    };
  });
  CAPTURE(failure, e.states());
  CHECK(failure.empty());
  CHECK(e.states() > 1'000);
  CHECK(e.complete_runs() > 0);
}

TEST_CASE("mailbox, all interleavings: two who post one letter") {
  explorer e;
  const std::string failure = e.explore([] {
    world& w = the_world.emplace();
    const auto poster = [&w] { w.post(w.messages[0]); };
    return actors{[&w] { w.loop(2); }, poster, poster};
  });
  CAPTURE(failure, e.states());
  CHECK(failure.empty());
  CHECK(e.states() > 300);
}

TEST_CASE("mailbox, all interleavings: the loop wakes for another reason too") {
  explorer e;
  const std::string failure = e.explore([] {
    world& w = the_world.emplace();
    return actors{
        [&w] { w.loop(2); },
        [&w] {
          w.post(w.messages[0]);
          explorer::active->stands_at(1);
          w.post(w.messages[0]);
        },
        [&w] { w.sleep.ring(); }, [&w] { w.sleep.ring(); }
    };
  });
  CAPTURE(failure, e.states());
  CHECK(failure.empty());
  CHECK(e.states() > 300);
}

TEST_CASE("mailbox, all interleavings: the box closes while others post") {
  explorer e;
  e.closes = true;
  const std::string failure = e.explore([] {
    world& w = the_world.emplace();
    return actors{
        [&w] {
          w.loop(1);
          (void)w.box.fall_asleep();  // as a host leaves it
          const unsigned left = w.collect(w.box.close());
          w.backend_is_there = false;
          // Nobody is told twice, and who was refused is not told.
          if (w.arrived + left > 2) explorer::active->fail("told twice");
        },
        [&w] { w.post(w.messages[0]); }, [&w] { w.post(w.messages[1]); },
        [&w] { w.sleep.ring(); }  // else it is awake only once they have rung
    };
  });
  CAPTURE(failure, e.states());
  CHECK(failure.empty());
  CHECK(e.states() > 1'000);
}

#endif
