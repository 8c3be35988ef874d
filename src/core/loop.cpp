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

run_result scheduler_core::drive(drive_mode mode, const run_limits& limits) {
  check_may_drive();
  const activation active(this, driving_);
  mode_ = mode;
  note_time();
  const unsigned polls_after = std::max(options_.resumes_between_polls, 1U);
  unsigned turns_to_poll = polls_after;
  turn_limit limit(limits);
  const bool limited = limit.any();
  counts_turns_ = limit.counts_turns();
  watches_turns_ = counts_turns_ || hooks_ != nullptr;
  calls = transfers_per_turn;
  if (mode == drive_mode::while_ready) {
    poll(false);
  } else if (alive == daemons && alive != 0) {
    end_daemons();
  }
  for (;;) {
    while (!ring.empty()) {
      // With no calls left it is the same turn, back here only to keep the native stack flat.
      if (limited && calls > 0) [[unlikely]]
        if (const auto why = limit.reached()) return *why;
      resume_current();
      if (unseen_error_) [[unlikely]]
        deliver_uncaught(std::exchange(unseen_error_, nullptr));
      if (run_error_ && main == nullptr && !tearing_down_)
        std::rethrow_exception(std::exchange(run_error_, nullptr));
      if (--turns_to_poll == 0) [[unlikely]] {
        turns_to_poll = polls_after;
        poll(false);
      }
    }
    if (alive == 0) {
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
      if (runners != nullptr && sources() == 0) {
        wake_runner(*runners);
        continue;
      }
      if (!ready_for_host()) return alive == daemons ? run_result::all_ended : run_result::idle;
      continue;
    }
    if (wait_for_a_source()) {
      if (!ring.empty(
          )) {  // a switch too, from nobody: waits that begin now get a time of their own
        ++step;
        note_time();
      }
      continue;
    }
    if (options_.on_deadlock == deadlock_policy::wait && runners == nullptr && main == nullptr)
      return run_result::idle;
    on_quiescent(cause);
  }
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

inline void scheduler_core::remember(
    [[maybe_unused]] const tasklet_block& t, [[maybe_unused]] const frame* root
) noexcept {
#if STACKLESS_TRACKING
  const std::size_t place = ended_count_++ % ended_kept;
  ended_record& record = ended_[place];
  record.id = t.id;
  record.name = t.name;
  record.function = root != nullptr ? root->function : nullptr;
  record.spawned_at = t.spawn_site_known ? t.spawned_at : site{};
  record.step = step;
  if (record.has_extras || t.owns_name || t.error) [[unlikely]]
    remember_extras(place, t);
#endif
}

inline void scheduler_core::finish(tasklet_block& t) noexcept {
  if (t.error) [[unlikely]]
    t.killed = is_exit(t.error);
  frame* root = std::exchange(t.current_frame, nullptr);
  remember(t, root);
  // Still current: destructors of arguments may use the library.
  if (root != nullptr) root->handle().destroy();
  if (t.keeps_callable) t.drop_callable();
  if (t.owns_locks) [[unlikely]]
    release_locks(t);
  bool uncaught = false;
  if (t.error || t.has_error_handler) [[unlikely]]
    uncaught = is_uncaught(t);
  t.ended = true;
  ring.remove(t);
  last_blocker = nullptr;
  intrusive_list<tasklet_block, live_hook>::remove(t);
  --alive;
  if (t.is_daemon) --daemons;

  if (!t.joiners.empty()) wake_joiners(t);
  if (t.scope != nullptr) [[unlikely]]
    static_cast<child_group*>(t.scope)->child_ended(t);
  if (t.error || t.pending) [[unlikely]]
    report_end(t, uncaught);
  if (alive == daemons && alive != 0 && mode_ == drive_mode::to_the_end && !ending_daemons_)
    end_daemons();
  t.release();
}

void scheduler_core::wake_joiners(tasklet_block& t) noexcept {
  t.error_is_unseen = t.error && !t.killed && t.scope == nullptr;  // else its nursery has it
  narrow_wait_queue woken;                                         // each leaves it by itself
  while (!t.joiners.empty()) {
    wait& joiner = t.joiners.pop_front();
    woken.push_back(joiner);
    wake(joiner);
  }
  t.joiners.take_over(woken);
}

void scheduler_core::resume_current() {
  tasklet_block& t = *current();
  calls = transfers_per_turn;
  loop_at = step + transfers_per_turn;
  if (watches_turns_) [[unlikely]]
    watch_turn();
  if (t.started || enter(t)) [[likely]]
    t.current_frame->handle().resume();
  if (ended != nullptr) finish(*std::exchange(ended, nullptr));
}

void scheduler_core::remember_extras(std::size_t place, const tasklet_block& t) noexcept {
  ended_extra& extra = ended_extras_[place];
  ended_[place].has_extras = t.owns_name || t.error;
  extra.error = t.error;
  extra.killed = t.killed;
  try {
    extra.name = t.name != nullptr ? t.name : "";  // an owned name ends with its tasklet
  } catch (...) {
    extra.name.clear();  // no memory for a name: the report does without it
  }
}

std::vector<ended_tasklet> scheduler_core::recently_ended() const {
  std::vector<ended_tasklet> list;
  const std::uint64_t first = ended_count_ > ended_kept ? ended_count_ - ended_kept : 0;
  for (std::uint64_t i = first; i < ended_count_; ++i) {
    const ended_record& record = ended_[i % ended_kept];
    ended_tasklet& item = list.emplace_back();
    item.id = record.id;
    item.function = record.function;
    item.at = record.spawned_at;
    item.step = record.step;
    if (record.has_extras) {
      const ended_extra& extra = ended_extras_[i % ended_kept];
      item.error = extra.error;
      item.killed = extra.killed;
      item.name = extra.name;
    } else if (record.name != nullptr) {
      item.name = record.name;
    }
  }
  return list;
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
