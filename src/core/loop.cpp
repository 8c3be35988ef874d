#include <stackless/detail/hooks.hpp>
#include <stackless/detail/scheduler_core.hpp>

#include "host_descriptor.hpp"

#include <algorithm>
#include <chrono>
#include <optional>
#include <utility>

namespace stackless::inline STACKLESS_ABI::detail {

namespace {

struct activation {
  scheduler_core*& place;
  bool& driving;
  activation(scheduler_core* core, bool& flag) : place(active_scheduler), driving(flag) {
    place = core;
    driving = true;
  }
  activation(const activation&) = delete;
  activation& operator=(const activation&) = delete;
  ~activation() {
    place = nullptr;
    driving = false;
  }
};

/// Tells the observer when a host has the thread again.
class return_to_host {
 public:
  return_to_host(scheduler_core& core, scheduler_core::drive_mode mode)
      : core_(core), mode_(mode) {}
  return_to_host(const return_to_host&) = delete;
  return_to_host& operator=(const return_to_host&) = delete;
  ~return_to_host() {
    if (mode_ == scheduler_core::drive_mode::while_ready) tell_sleep(core_);
  }

 private:
  scheduler_core& core_;
  scheduler_core::drive_mode mode_;
};

/// Counts the turns of one drive.
class turn_limit {
 public:
  explicit turn_limit(const run_limits& limits)
      : limits_(limits), began_(clock::now()), turn_began_(began_) {}

  /// Turns must be seen one by one.
  [[nodiscard]] bool counts_turns() const noexcept { return limits_.steps || limits_.slice; }
  [[nodiscard]] bool any() const noexcept { return counts_turns() || limits_.time; }

  /// Before each turn: why there must be none.
  [[nodiscard]] std::optional<run_result> reached() {
    const auto now = clock::now();
    if (turns_ != 0) {
      if (limits_.steps && turns_ >= *limits_.steps) return run_result::steps_used;
      if (limits_.time && now - began_ >= *limits_.time) return run_result::time_used;
      if (limits_.slice && now - turn_began_ > *limits_.slice) return run_result::slice_used;
    }
    ++turns_;
    turn_began_ = now;
    return std::nullopt;
  }

 private:
  using clock = std::chrono::steady_clock;

  const run_limits& limits_;
  clock::time_point began_;
  clock::time_point turn_began_;
  std::uint64_t turns_ = 0;
};

}  // namespace

void scheduler_core::check_may_drive() const {
  check_thread();
  if (active_scheduler != nullptr)
    throw_misuse("a scheduler is already running on this thread: spawn a tasklet instead of run");
}

/// First run: whether there is something to resume.
inline bool scheduler_core::enter(tasklet_block& t) noexcept {
  t.started = true;
  if ((t.attention & raise_here) == 0 && t.current_frame != nullptr) [[likely]]
    return true;
  return call_kept(t);
}

/// The rare half of `enter`, apart so that the other is inlined.
bool scheduler_core::call_kept(tasklet_block& t) noexcept {
  if ((t.attention & raise_here) != 0) {  // it never enters its function
    t.error = t.pending ? std::exchange(t.pending, nullptr) : std::make_exception_ptr(cancelled());
    ended = &t;
    return false;
  }
  try {
    t.start();
    return true;
  } catch (...) {
    t.error = std::current_exception();
    ended = &t;
    return false;
  }
}

void scheduler_core::last_worker_ended() noexcept {
  if (daemons != 0 && mode_ == drive_mode::to_the_end && !ending_daemons_) end_daemons();
}

[[gnu::always_inline]] inline void scheduler_core::finish(tasklet_block& t) noexcept {
  frame* root = std::exchange(t.current_frame, nullptr);
  if (root == nullptr) [[unlikely]] {  // it never entered its function
    ended_.remember(t, nullptr, step);
    finish_specially(t);
    return;
  }
  ended_.remember(t, root, step);
  root->handle().destroy();  // still current: destructors of arguments may use the library
  if (!t.ends_plainly()) [[unlikely]] {
    finish_specially(t);
    return;
  }
  ring.drop_current();
  static_cast<live_hook&>(t).unlink_for_good();
  last_blocker = nullptr;
  frame_slab::put_back<frame_slab::block_unit>(&t, t.plain_class);
  if (--workers == 0) [[unlikely]]
    last_worker_ended();
}

void scheduler_core::finish_specially(tasklet_block& t) noexcept {
  if (t.error) t.killed = is_exit(t.error);
  if ((t.end_duties & drop_more) != 0) t.drop_callable();
  bool uncaught = false;
  if (t.error || (t.end_duties & tell_handler) != 0) uncaught = is_uncaught(t);
  if ((t.end_duties & let_go) != 0) {
    drop_locals(t);    // after the handler, which may use them
    release_locks(t);  // last: what went until now may have held guards, or have locked
  }
#if STACKLESS_TRACKING
  if (t.error || (t.end_duties & drop_name) != 0) ended_.remember_extras(t);
#endif
  t.ended = true;
  ring.remove(t);
  intrusive_list<tasklet_block, live_hook>::remove(t);
  last_blocker = nullptr;
  --(t.is_daemon() ? daemons : workers);
  if (!t.joiners.empty()) wake_joiners(t);
  if (t.scope != nullptr) static_cast<child_group*>(t.scope)->child_ended(t);
  if (t.error || t.pending) report_end(t, uncaught);
  if (workers == 0) last_worker_ended();
  t.release();
}

inline void scheduler_core::wake_joiners(tasklet_block& t) noexcept {
  t.error_is_unseen = t.error && !t.killed && t.scope == nullptr;  // else its nursery has it
  narrow_wait_queue woken;                                         // each leaves it by itself
  while (!t.joiners.empty()) {
    wait& joiner = t.joiners.pop_front();
    woken.push_back(joiner);
    wake(joiner);
  }
  t.joiners.take_over(woken);
}

inline void scheduler_core::begin_turn() noexcept {
  calls = transfers_per_turn;
  loop_at = step + transfers_per_turn;
}

[[gnu::always_inline]] inline void scheduler_core::resume_current() {
  tasklet_block& t = *current();
  if (t.started || enter(t)) [[likely]]
    t.current_frame->handle().resume();
  if (ended != nullptr) finish(*std::exchange(ended, nullptr));
}

/// After a turn that left an error behind.
void scheduler_core::take_errors() {
  if (unseen_error_) deliver_uncaught(std::exchange(unseen_error_, nullptr));
  if (run_error_ && main == nullptr && !tearing_down_)
    std::rethrow_exception(std::exchange(run_error_, nullptr));
  has_errors_ = static_cast<bool>(run_error_);
}

run_result scheduler_core::drive(drive_mode mode, const run_limits& limits) {
  check_may_drive();
  const activation active(this, driving_);
  const return_to_host returning(*this, mode);
  mode_ = mode;
  note_time(step);
  const unsigned polls_after = std::max(options_.resumes_between_polls, 1U);
  unsigned turns_to_poll = polls_after;
  turn_limit limit(limits);
  const bool limited = limit.any();
  counts_turns_ = limit.counts_turns();
  watches_turns_ = limited || hooks_ != nullptr || has_errors_;
  calls = transfers_per_turn;
  if (mode == drive_mode::while_ready) {
    if (host_descriptor_) quiet_for_host();
    poll(false);
  } else if (workers == 0 && daemons != 0) {
    end_daemons();
  }
  for (;;) {
    while (!ring.empty()) {
      if (watches_turns_) [[unlikely]] {
        if (has_errors_) take_errors();
        // With no calls left it is the same turn, back here only to keep the native stack flat.
        if (limited && calls > 0)
          if (const auto why = limit.reached()) return *why;
        begin_turn();
        watch_turn();
      } else {
        begin_turn();
      }
      resume_current();
      if (--turns_to_poll == 0) [[unlikely]] {
        turns_to_poll = polls_after;
        poll(false);
      }
    }
    if (has_errors_) {
      take_errors();
      if (!ring.empty()) continue;
    }
    if (alive() == 0) {
      tearing_down_ = ending_daemons_ = false;
      refuse_spawns();
      last_deadlock_ = {};
      if (run_error_) std::rethrow_exception(std::exchange(run_error_, nullptr));
      return run_result::all_ended;
    }
    if (tearing_down_ || ending_daemons_) check_grace();

    tasklet_block* cause = std::exchange(last_blocker, nullptr);
    if (runners != nullptr && runners->ready_only) {
      poll(false);
      if (ring.empty()) wake_runner(*runners);
      continue;
    }
    if (mode == drive_mode::while_ready) {
      if (runners != nullptr && !take_mail() && sources() == 0) {
        wake_runner(*runners);
        continue;
      }
      if (!ready_for_host()) return workers == 0 ? run_result::all_ended : run_result::idle;
      continue;
    }
    if (wait_for_a_source()) {
      if (!ring.empty(
          )) {  // a switch too, from nobody: waits that begin now get a time of their own
        ++step;
        note_time(step);
      }
      continue;
    }
    if (options_.on_deadlock == deadlock_policy::wait && runners == nullptr && main == nullptr)
      return run_result::idle;
    on_quiescent(cause);
  }
}

const tasklet_block* scheduler_core::ending_tasklet() const noexcept {
#if STACKLESS_TRACKING
  if (!driving_ || ring.empty()) return nullptr;
  const tasklet_block* t = current();
  if (t->started && t->current_frame == nullptr && ended_.latest() == t->id) return t;
#endif
  return nullptr;
}

void scheduler_core::report_end(tasklet_block& t, bool uncaught) noexcept {
  if (t.pending && !is_exit(t.pending)) {  // it ended before its next await
    if (t.error && !t.killed) {
      add_suppressed(t.error, std::exchange(t.pending, nullptr));
    } else {
      deliver_uncaught(std::exchange(t.pending, nullptr));
    }
  }
  if (uncaught) {
    deliver_uncaught(t.error);
  } else if (t.error && &t == main) {
    begin_teardown(t.error);
  }
}

}  // namespace stackless::inline STACKLESS_ABI::detail
