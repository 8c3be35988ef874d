#include <stackless/detail/diagnostics_port.hpp>
#include <stackless/detail/error_trace.hpp>
#include <stackless/detail/hooks.hpp>
#include <stackless/detail/local_table.hpp>
#include <stackless/detail/scheduler_core.hpp>
#include <stackless/error.hpp>

#include "core/signal_dump.hpp"
#include "host_descriptor.hpp"

#include <algorithm>
#include <utility>

namespace stackless::inline STACKLESS_ABI::detail {

constinit thread_local scheduler_core* active_scheduler = nullptr;

namespace {

constexpr std::size_t time_marks_kept = 256;

using time_point = std::chrono::steady_clock::time_point;

std::chrono::nanoseconds time_left(time_point end, time_point now) noexcept {
  return end <= now ? std::chrono::nanoseconds(0) : end - now;
}

/// What it waited for has happened, and it has not run since.
bool has_taken_effect(const tasklet_block& t) noexcept {
  return t.started && !t.yielding && !t.blocked();
}

}  // namespace

time_point later(time_point start, std::chrono::nanoseconds duration) noexcept {
  if (duration > time_point::max() - start) return time_point::max();
  if (duration.count() < 0 &&
      start.time_since_epoch() < time_point::min().time_since_epoch() - duration)
    return time_point::min();
  return start + duration;
}

const std::exception_ptr& exit_exception() noexcept {
  static const std::exception_ptr error = std::make_exception_ptr(tasklet_exit{});
  return error;
}

bool is_exit(const std::exception_ptr& error) noexcept {
  if (error == exit_exception()) return true;
  try {
    std::rethrow_exception(error);
  } catch (const tasklet_exit&) {
    return true;
  } catch (...) {
    return false;
  }
}

bool is_cancelled(const std::exception_ptr& error) noexcept {
  try {
    std::rethrow_exception(error);
  } catch (const cancelled&) {
    return true;
  } catch (...) {
    return false;
  }
}

void keep_for_later(const std::exception_ptr& error, std::exception_ptr other) {
  if (!is_exit(other)) {
    add_suppressed(error, std::move(other));
  } else if (!is_exit(error)) {
    active_scheduler->current()->attention |= exit_at_next;
  }
}

void throw_outside_scheduler() {
  throw_misuse("this needs a running scheduler: call it from a tasklet, inside stackless::run");
}

scheduler_core::scheduler_core(const scheduler_options& options) : options_(options) {
  time_marks_.reserve(time_marks_kept);
  if (options.keep_history) make_hooks().keeps_history = true;
  if (options.dump_on_signal) dump_ = std::make_unique<signal_dump>(options.dump_signal);
  note_time(step);
}

scheduler_core::~scheduler_core() {
  if (alive() != 0) terminate_with_report(*this, "a scheduler was destroyed with live tasklets");
  doors.for_each([](door& d) { d.home_gone(); });
  inbox_->close();
}

void scheduler_core::check_thread() const {
  if (std::this_thread::get_id() != thread_)
    throw_misuse("a tasklet or scheduler was used from another thread than its own");
  if (hooks_ && hooks_->running) throw_misuse("an observer must not use tasklets and channels");
}

void scheduler_core::throw_spawn_refused() const {
  check_thread();
  throw tasklet_exit{};
}

void scheduler_core::refuse_spawns() noexcept {
  refuses_spawns_ = tearing_down() || (hooks_ && hooks_->running);
}

void scheduler_core::release_locks(const tasklet_block& owner) noexcept {
  held_locks.for_each([&](lock_core& lock) {
    if (lock.owner == &owner) lock.owner_ended();
  });
}

// Runners
// ------------------------------------------------------------------------------------------

void scheduler_core::push_runner(drain_record& record) noexcept {
  record.below = runners;
  record.on_stack = true;
  runners = &record;
}

void scheduler_core::pop_runner(drain_record& record) noexcept {
  if (!record.on_stack) return;
  for (;;) {
    drain_record& top = *runners;
    runners = top.below;
    top.on_stack = false;
    if (&top == &record) return;
    wake_runner(top);
  }
}

void scheduler_core::wake_runner(drain_record& record) noexcept {
  if (!record.runner->in_ring()) ring.append(*record.runner);
}

// Raising in other tasklets
// ------------------------------------------------------------------------

namespace {

/// A kill and an error both count: the error is raised first, and the kill at the next await.
void set_pending(tasklet_block& t, std::exception_ptr error) noexcept {
  if (!t.pending) {
    t.pending = std::move(error);
  } else if (is_exit(error)) {
    if (!is_exit(t.pending)) t.attention |= exit_at_next;
  } else if (is_exit(t.pending)) {
    t.pending = std::move(error);
    t.attention |= exit_at_next;
  } else {
    add_suppressed(t.pending, std::move(error));
  }
}

}  // namespace

bool scheduler_core::interrupt(tasklet_block& t, std::exception_ptr error) noexcept {
  set_pending(t, std::move(error));
  t.attention = static_cast<std::uint8_t>((t.attention & ~raise_at_next) | raise_here);
  if (t.in_ring()) return true;

  if (wait* w = t.waiting()) {
    if (w->object != nullptr && !w->object->withdraw(*w)) {
      t.attention |= cancel_requested;
      return false;
    }
    w->complete_as(wait_outcome::closed);
  }
  ring.append(t);
  return true;
}

void scheduler_core::deliver_uncaught(std::exception_ptr error) noexcept {
  tasklet_block* target = runners != nullptr ? runners->runner : main;
  if (tearing_down_ || target == nullptr) {  // none: a host drives, and the error leaves its call
    keep_run_error(std::move(error));
    return;
  }
  if (target->ended) {
    begin_teardown(std::move(error));
    return;
  }
  if (target->pending) {
    set_pending(*target, std::move(error));
    return;
  }
  // An operation has happened or it has thrown, never both: where it has happened, or cannot be
  // undone, the error waits for the next await.
  const bool in_flight = target->blocked() && (target->waiting()->kind() == wait_kind::io ||
                                               target->waiting()->kind() == wait_kind::foreign);
  if (has_taken_effect(*target) || in_flight) {
    target->pending = std::move(error);
    target->attention |= raise_at_next;
    if (!target->in_ring()) return;
  } else {
    if (!interrupt(*target, std::move(error))) return;  // its nursery ends first
  }
  ring.move_to(*target);
}

void scheduler_core::keep_run_error(std::exception_ptr error) noexcept {
  has_errors_ = watches_turns_ = true;
  if (run_error_) {
    add_suppressed(run_error_, std::move(error));
  } else {
    run_error_ = std::move(error);
  }
}

void scheduler_core::begin_teardown(std::exception_ptr reason) noexcept {
  begin_teardown(std::move(reason), options_.shutdown_grace);
}

void scheduler_core::begin_teardown(
    std::exception_ptr reason, std::chrono::nanoseconds grace
) noexcept {
  if (reason) keep_run_error(std::move(reason));
  if (tearing_down_) return;
  tearing_down_ = true;
  refuse_spawns();
  grace_end_ = later(std::chrono::steady_clock::now(), grace);
  exit_all();
}

void scheduler_core::end_daemons() noexcept {
  ending_daemons_ = true;
  refuse_spawns();
  grace_end_ = later(std::chrono::steady_clock::now(), options_.shutdown_grace);
  exit_all();
}

void scheduler_core::exit_all() noexcept {
  tasklets.for_each([this](tasklet_block& t) {
    if (t.scope != nullptr && t.scope->shielded()) return;  // until it leaves the shield
    t.attention |= torn_down;
    (void)interrupt(t, exit_exception());
  });
}

void scheduler_core::check_grace() {
  if (std::chrono::steady_clock::now() < grace_end_) return;
  terminate_with_report(*this, "tasklets did not end within the grace period of the shutdown");
}

void tasklet_block::raise_attention() {
  if (pending) {
    attention &= static_cast<std::uint8_t>(~(raise_here | raise_at_next | cancel_requested));
    rethrow_here(std::exchange(pending, nullptr));
  }
  if ((attention & torn_down) != 0) {
    attention &= static_cast<std::uint8_t>(~exit_at_next);
    home->check_grace();  // a tasklet that swallows every exit must not spin for ever
    throw tasklet_exit{};
  }
  if ((attention & exit_at_next) != 0) {
    attention &= static_cast<std::uint8_t>(~exit_at_next);
    throw tasklet_exit{};
  }
  if ((attention & in_cancelled_scope) != 0) {
    attention &= static_cast<std::uint8_t>(~(raise_here | cancel_requested));
    throw cancelled(scope->cancelled_by()->reason);
  }
  if ((attention & hooked) != 0 && !home->hooked()) attention &= static_cast<std::uint8_t>(~hooked);
}

// Time and I/O
// -------------------------------------------------------------------------------------

std::chrono::steady_clock::time_point scheduler_core::now() const noexcept {
  return options_.clock == clock_choice::virtual_time ? virtual_now_
                                                      : std::chrono::steady_clock::now();
}

void scheduler_core::note_time(std::uint64_t of_step) noexcept {
  const auto time = now();
  if (!time_marks_.empty() && time_marks_.back().step >= of_step) {
    if (of_step > step) time_marks_.back().time = time;  // it slept again before that step came
    return;
  }
  if (time_marks_.size() == time_marks_kept) {
    // Every second mark goes: the older a time, the coarser, and all of history stays covered.
    for (std::size_t i = 0; i < time_marks_kept / 2; ++i) time_marks_[i] = time_marks_[2 * i];
    time_marks_.resize(time_marks_kept / 2);
  }
  time_marks_.push_back({of_step, time});
}

std::chrono::steady_clock::time_point scheduler_core::time_of_step(std::uint64_t when
) const noexcept {
  const auto after = std::upper_bound(
      time_marks_.begin(), time_marks_.end(), when,
      [](std::uint64_t s, const time_mark& mark) { return s < mark.step; }
  );
  return after == time_marks_.begin() ? time_marks_.front().time : std::prev(after)->time;
}

io_backend& scheduler_core::io() {
  if (!io_) {
    io_ = make_io_backend(options_);
    if (!io_) throw_misuse("I/O in a scheduler whose options say io_choice::none");
    if (dump_) dump_->wake_through(*io_);
    inbox_->sleeps_in(*io_);
  }
  return *io_;
}

std::size_t scheduler_core::sources() const noexcept {
  return timers.size() + (io_ ? io_->in_flight() : 0) + foreign_sources - silent_sources;
}

void scheduler_core::start(
    timer& t, std::chrono::steady_clock::time_point deadline, const tasklet_block& owner
) {
  t.deadline = deadline;
  timers.insert(t);
  t.silent = owner.wakes_nobody;
  if (t.silent) ++silent_sources;
}

void scheduler_core::stop(timer& t) noexcept {
  timers.remove(t);
  if (t.silent) --silent_sources;
}

void scheduler_core::fire_timers() noexcept {
  if (timers.empty()) return;
  const auto time = now();
  while (!timers.empty() && timers.soonest().deadline <= time) {
    timer& due = timers.soonest();
    stop(due);
    due.fire(*this);
  }
}

void scheduler_core::dump_if_asked() noexcept {
  if (!dump_) return;
  if (const auto waited = dump_->take_request()) print_tasklets(*this, dump_->signal(), *waited);
}

void scheduler_core::poll(bool may_sleep) {
  dump_if_asked();  // also of a signal that came when there was no backend to be woken
  std::optional<std::chrono::nanoseconds> timeout = std::chrono::nanoseconds(0);
  if (may_sleep) {
    note_time(step);  // who began to wait since the last poll did so before the sleep
    timeout.reset();
    if (hooks_ && hooks_->look_again_at)
      timeout = time_left(*hooks_->look_again_at, std::chrono::steady_clock::now());
    if (!timers.empty() && options_.clock == clock_choice::steady) {
      const auto next_timer = time_left(timers.soonest().deadline, now());
      timeout = timeout ? std::min(*timeout, next_timer) : next_timer;
    }
    if (tearing_down_ || ending_daemons_) {
      const auto grace = time_left(grace_end_, std::chrono::steady_clock::now());
      timeout = timeout ? std::min(*timeout, grace) : grace;
    }
  }
  if (may_sleep && !inbox_->fall_asleep()) timeout = std::chrono::nanoseconds(0);
  if (io_ && (!io_->idle() || may_sleep)) {
    io_->poll(timeout);
  } else if (!timeout || timeout->count() > 0) {
    inbox_->sleep(timeout, dump_ ? dump_->descriptor() : -1);
    if (dump_) dump_->drain_descriptor();
  }
  (void)take_mail();
  dump_if_asked();
  fire_timers();
  note_time(may_sleep ? step + 1 : step);
}

bool scheduler_core::wait_for_a_source() {
  if (take_mail()) return true;
  if (foreign_sources != 0 && foreign_sources == sources())
    doors.for_each([](door& d) { d.look_again(); });
  if (sources() == 0) return false;
  if (hooks_ && hooks_->watcher != nullptr && !tearing_down()) {
    tell_stalls(*this);
    if (!ring.empty()) return true;  // an error of the observer's
    tell_sleep(*this);
  }
  if (options_.clock == clock_choice::virtual_time && (!io_ || io_->in_flight() == 0) &&
      foreign_sources == 0) {
    virtual_now_ = std::max(virtual_now_, timers.soonest().deadline);
    poll(false);
  } else {
    poll(true);
  }
  return true;
}

}  // namespace stackless::inline STACKLESS_ABI::detail
