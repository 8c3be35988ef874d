#pragma once

#include <stackless/detail/debug_listing.hpp>
#include <stackless/detail/door.hpp>
#include <stackless/detail/ended_tasklets.hpp>
#include <stackless/detail/io_port.hpp>
#include <stackless/detail/lock_core.hpp>
#include <stackless/detail/ready_ring.hpp>
#include <stackless/detail/timer_queue.hpp>
#include <stackless/error.hpp>
#include <stackless/run_limits.hpp>
#include <stackless/scheduler_options.hpp>

#include <chrono>
#include <coroutine>
#include <exception>
#include <memory>
#include <string>
#include <thread>
#include <vector>

namespace stackless::inline STACKLESS_ABI::detail {

struct hooks;
class host_descriptor;
class signal_dump;
class local_table;

/// A tasklet inside `drain()`. Lives in its awaiter; the innermost one is on top of the stack.
struct drain_record {
  tasklet_block* runner = nullptr;
  drain_record* below = nullptr;
  bool ready_only = false;  ///< `drain_ready`: comes back without sleeping
  bool on_stack = false;
};

/// The ready ring, and every rule about who runs next. One at a time is active on a thread.
class scheduler_core {
 public:
  static constexpr int transfers_per_turn = 64;

  // Hot state, in the order of use.
  ready_ring ring;
  int calls = 0;                          ///< calls and returns left in this turn of the loop
  std::uint64_t step = 0;                 ///< one up for every switch to another tasklet
  std::uint64_t loop_at = 0;              ///< the step at which a switch goes through the loop
  tasklet_block* last_blocker = nullptr;  ///< whose block emptied the ring
  tasklet_block* ended = nullptr;         ///< its root has just returned

  explicit scheduler_core(const scheduler_options& options);
  scheduler_core(const scheduler_core&) = delete;
  scheduler_core& operator=(const scheduler_core&) = delete;
  ~scheduler_core();

  [[nodiscard]] tasklet_block* current() const noexcept { return ring.current(); }

  // Switching: called from await_suspend, the result is what to resume ---------------------------

  /// The one door. The current tasklet, suspended in `f` at `here`, waits for `w.object` and leaves
  /// the ring; the caller has linked `w` where its waker will find it.
  [[nodiscard]] std::coroutine_handle<> block(wait& w, frame& f, site here) noexcept {
    tasklet_block& t = *current();
    begin_wait(t, w, f, here);
    tasklet_block* const next = ring.leave(&w);
    if (next == nullptr) [[unlikely]] {
      last_blocker = &t;
      return std::noop_coroutine();
    }
    return resume(*next);
  }

  /// As `block`, and `next`, a member of the ring, runs.
  [[nodiscard]] std::coroutine_handle<> block_in_favour_of(
      wait& w, frame& f, site here, tasklet_block& next
  ) noexcept {
    begin_wait(*current(), w, f, here);
    current()->yielding = true;
    ring.leave(&w);
    ring.move_to(next);
    return resume_next();
  }

  /// The current tasklet's operation has happened, and it keeps its place in the ring. The wait
  /// that it has completed runs first.
  [[nodiscard]] std::coroutine_handle<> hand_over(
      wait& completed, frame& f, site here, wait_outcome how = wait_outcome::done
  ) noexcept {
    suspend_in(*current(), f, here);
    completed.complete_as(how);
    tasklet_block& next = *completed.owner;
    ring.insert_and_advance(next);
    if (must_see_loop()) [[unlikely]]
      return std::noop_coroutine();
    return next.current_frame->handle();  // it waited, and so it has been started
  }
  /// Whether `hand_over` may be called: the wait is of this scheduler, and no case of a select.
  [[nodiscard]] bool can_hand_over(const wait& w) const noexcept {
    return w.owner->home == this && w.outcome() == wait_outcome::pending;
  }

  /// As `hand_over`, but all others run first.
  [[nodiscard]] std::coroutine_handle<> step_aside(frame& f, site here) noexcept {
    suspend_in(*current(), f, here);
    ring.advance();
    return resume_next();
  }

  /// The current tasklet's operation has happened, and it goes on.
  [[nodiscard]] std::coroutine_handle<> go_on(frame& f, site here) noexcept {
    suspend_in(*current(), f, here);
    return continue_in(f);
  }

  /// The current tasklet, still in the ring, lets `next` run. Unlike after `step_aside` an error
  /// may be raised where it stands: it waits for nothing.
  [[nodiscard]] std::coroutine_handle<> pass_to(frame& f, site here, tasklet_block& next) noexcept {
    tasklet_block& t = *current();
    suspend_in(t, f, here);
    t.yielding = true;
    if (&next == &t) [[unlikely]] {  // no step: nobody else has run
      t.current_frame = &f;
      return std::noop_coroutine();
    }
    ring.move_to(next);
    return resume_next();
  }

  /// The current tasklet calls a child coroutine.
  [[nodiscard]] std::coroutine_handle<> call(frame& child) noexcept { return continue_in(child); }

  /// A coroutine of the current tasklet has returned.
  [[nodiscard]] std::coroutine_handle<> leave_frame(frame& f) noexcept {
    if (f.parent == nullptr) [[unlikely]] {
#if !STACKLESS_TRACKING
      current()->current_frame = &f;
#endif
      ended = current();
      return std::noop_coroutine();
    }
    return continue_in(*f.parent);
  }

  // Waking ---------------------------------------------------------------------------------------

  /// Completes a wait: its tasklet goes to the tail. The waker has unlinked it from its object.
  void wake(wait& w, wait_outcome how = wait_outcome::done) noexcept {
    if (w.outcome() == wait_outcome::pending_in_select) [[unlikely]] {
      wake_select(w, how);
      return;
    }
    w.complete_as(how);
    ring.append(*w.owner);
  }

  /// After `block`: whether the current wait closes a circle of tasklets each of which waits for
  /// the next one's end, or for a lock that the next one owns. Nothing else can end those waits, so
  /// the one that closes the circle is told at once.
  void check_circle(tasklet_block& t) noexcept;

  /// What tasklets keep in tasklet_locals; null: nothing.
  std::unique_ptr<local_table> locals;

  /// The error of those who wait on a channel whose other side is gone, `told` the first of them.
  [[nodiscard]] std::exception_ptr make_orphan_error(const tasklet_block& told) noexcept;
  /// After `block`: nobody is left who could end the current wait, which is known at once.
  void raise_orphaned(tasklet_block& t) noexcept;

  /// Locks that are held, for when their owner ends.
  intrusive_list<lock_core> held_locks;

  /// A case of a select is about to be completed: the others leave their queues.
  static void win_select(wait& winner) noexcept;
  /// As `wake`, of a case of a select.
  static void wake_select(wait& winner, wait_outcome how) noexcept;
  /// Where the next select begins to look, so that no case is always first.
  std::size_t select_turn = 0;

  // Raising in other tasklets (docs/errors.md) ---------------------------------------------------

  /// Makes `t` raise `error` at its suspension point: its wait is undone and it is runnable. If
  /// only the wait's own completion can end it (I/O), that is asked for and the error follows.
  /// Returns whether `t` is in the ring now.
  bool interrupt(tasklet_block& t, std::exception_ptr error) noexcept;

  /// Cancels a scope: all in it raise `cancelled` at their next await, which is now for those who
  /// wait. What cannot be undone (I/O in flight) is asked to end early, and its result stands.
  void cancel(scope_core& scope) noexcept;
  /// `t` enters or leaves a scope, innermost first.
  static void enter_scope(scope_core& scope, tasklet_block& t) noexcept;
  static void leave_scope(scope_core& scope) noexcept;

  /// For an error nobody caught: to the innermost drain, else to main, ahead of everything; else it
  /// ends the run.
  void deliver_uncaught(std::exception_ptr error) noexcept;

  /// For an error whose joiner was killed before it could take it: delivered as uncaught once the
  /// current tasklet has been left.
  void return_unseen(std::exception_ptr error) {
    has_errors_ = watches_turns_ = true;
    if (unseen_error_) {
      add_suppressed(unseen_error_, std::move(error));
    } else {
      unseen_error_ = std::move(error);
    }
  }

  /// Every tasklet (or every daemon) raises `tasklet_exit` at each await until it has ended.
  void begin_teardown(std::exception_ptr reason) noexcept;
  void begin_teardown(std::exception_ptr reason, std::chrono::nanoseconds grace) noexcept;
  void end_daemons() noexcept;
  void stop() noexcept;  ///< as `request_stop` asks
  [[nodiscard]] bool tearing_down() const noexcept { return tearing_down_ || ending_daemons_; }
  void check_grace();

  // Hooks (hooks.hpp) ----------------------------------------------------------------------------

  /// Made on first use.
  [[nodiscard]] hooks& make_hooks();
  [[nodiscard]] hooks* hooks_if_made() const noexcept { return hooks_.get(); }
  /// A switch trap or an observer is set: every switch goes through the loop, and no await takes a
  /// short cut.
  [[nodiscard]] bool hooked() const noexcept;
  void hook_current() noexcept;
  /// \throws switch_trap_error if the trap is set and `another_would_run`
  void check_switch_trap(bool another_would_run) const;
  /// With histories: which ends of channels the spawn of `t` has given it.
  void note_given_ends(const tasklet_block& t) noexcept;
  /// Now, or before the current tasklet runs again if it waits.
  [[nodiscard]] bool others_can_run() const noexcept {
    return &ring.next() != current() || (alive() > 1 && sources() != 0);
  }

  // Tasklets -------------------------------------------------------------------------------------

  /// Takes a new tasklet: it is alive, and at the tail of the ring.
  void adopt(tasklet_block& t) noexcept {
    tasklets.push_back(t);
    ++workers;
    ring.append(t);
  }
  [[nodiscard]] std::uint64_t next_id() noexcept { return ++last_id_; }
  [[nodiscard]] std::uint64_t spawned() const noexcept { return last_id_; }
  /// \throws tasklet_exit at teardown, std::logic_error in an observer
  void check_spawn() const {
    if (refuses_spawns_) [[unlikely]]
      throw_spawn_refused();
  }
  void refuse_spawns() noexcept;  ///< or not, by what goes on now

  tasklet_block* main = nullptr;
  drain_record* runners = nullptr;                    ///< innermost first
  intrusive_list<tasklet_block, live_hook> tasklets;  ///< alive, in order of their ids
  std::size_t workers = 0;                            ///< alive, and no daemons
  std::size_t daemons = 0;
  [[nodiscard]] std::size_t alive() const noexcept { return workers + daemons; }

  void push_runner(drain_record& record) noexcept;
  void pop_runner(drain_record& record) noexcept;

  // Time and I/O ---------------------------------------------------------------------------------

  [[nodiscard]] std::chrono::steady_clock::time_point now() const noexcept;
  timer_queue timers;
  /// On behalf of `owner`. \throws std::bad_alloc
  void start(timer& t, std::chrono::steady_clock::time_point deadline, const tasklet_block& owner);
  void stop(timer& t) noexcept;
  std::size_t silent_sources = 0;  ///< timers and operations of tasklets that wake nobody

  /// The I/O engine, made on first use. \throws std::logic_error for `io_choice::none`
  [[nodiscard]] io_backend& io();
  [[nodiscard]] io_backend* io_if_made() const noexcept { return io_.get(); }

  /// Ways in for other threads, and how many of them are believed in.
  intrusive_list<door> doors;
  std::size_t foreign_sources = 0;
  [[nodiscard]] const std::shared_ptr<inbox>& shared_inbox() const noexcept { return inbox_; }

  /// Timers, operations and doors that may still wake somebody who may wake somebody.
  [[nodiscard]] std::size_t sources() const noexcept;

  /// When a wait began, from its step: exact to one I/O poll.
  [[nodiscard]] std::chrono::steady_clock::time_point time_of_step(std::uint64_t when
  ) const noexcept;

  // Driving --------------------------------------------------------------------------------------
  [[nodiscard]] const debug_listing& listing() const noexcept { return listing_; }

  /// For plain functions, which could be called from anywhere.
  /// \throws std::logic_error on another thread than the scheduler's
  void check_thread() const;

  enum class drive_mode : std::uint8_t {
    to_the_end,  ///< until all but daemons have ended; sleeps
    while_ready  ///< one look at I/O, then until the ring is empty; never sleeps
  };

  /// \throws std::logic_error inside a running scheduler, or on another thread
  void check_may_drive() const;
  /// Runs the loop. \throws an error that nobody in the scheduler could take, or the teardown's
  /// reason
  run_result drive(drive_mode mode, const run_limits& limits = {});
  /// \throws std::system_error
  [[nodiscard]] int host_poll_descriptor();
  [[nodiscard]] bool driving() const noexcept { return driving_; }

  /// An object that was waited for is gone, and its address may be used again.
  void forget(const wait_object& object) noexcept {
    if (last_deadlock_.object == &object) last_deadlock_.object = nullptr;
  }

  /// The latest tasklets to end, oldest first.
  [[nodiscard]] std::vector<ended_tasklet> recently_ended() const {
    return ended_.list(ending_tasklet());
  }
  /// The current tasklet, when its coroutines have ended and are being destroyed: it counts among
  /// the ended. Else null.
  [[nodiscard]] const tasklet_block* ending_tasklet() const noexcept;
  [[nodiscard]] const scheduler_options& options() const noexcept { return options_; }

 private:
  friend struct debug_layout;

  void throw_spawn_refused() const;

  // With tracking, the current frame is kept at every call and return, so that a running tasklet's
  // stack is right too; without, only where the loop will need it.
  static void suspend_in([[maybe_unused]] tasklet_block& t, frame& f, site here) noexcept {
    f.suspended_at(here);
#if !STACKLESS_TRACKING
    t.current_frame = &f;
#endif
  }

  /// The ring has moved on: resumes who is current now. Directly, or every so often through the
  /// loop, so that the native stack stays flat where the compiler does not make symmetric transfer
  /// a tail call.
  [[nodiscard]] std::coroutine_handle<> resume_next() noexcept { return resume(*current()); }
  [[nodiscard]] std::coroutine_handle<> resume(const tasklet_block& t) noexcept {
    if (must_see_loop() || !t.started) [[unlikely]]
      return std::noop_coroutine();
    return t.current_frame->handle();
  }
  [[nodiscard]] bool must_see_loop() noexcept { return ++step >= loop_at; }

  void begin_wait(tasklet_block& t, wait& w, frame& f, site here) noexcept {
    suspend_in(t, f, here);
    w.owner = &t;
    w.begin(step);
  }

  [[nodiscard]] std::coroutine_handle<> continue_in(frame& f) noexcept {
#if STACKLESS_TRACKING
    current()->current_frame = &f;
#endif
    if (--calls <= 0) [[unlikely]] {
      current()->current_frame = &f;
      return std::noop_coroutine();
    }
    return f.handle();
  }

  void watch_turn() noexcept;
  [[nodiscard]] bool is_uncaught(tasklet_block& t) noexcept;
  [[nodiscard]] bool ready_for_host();
  void quiet_for_host();
  bool take_mail() noexcept { return inbox_->marked() && inbox_->deliver(*this); }
  void begin_turn() noexcept;
  void resume_current();
  [[nodiscard]] bool enter(tasklet_block& t) noexcept;
  [[gnu::noinline]] bool call_kept(tasklet_block& t) noexcept;
  void finish(tasklet_block& t) noexcept;
  [[gnu::noinline]] void finish_specially(tasklet_block& t) noexcept;
  void last_worker_ended() noexcept;
  void take_errors();
  void wake_joiners(tasklet_block& t) noexcept;
  void report_end(tasklet_block& t, bool uncaught) noexcept;
  void poll(bool may_sleep);
  bool wait_for_a_source();
  void on_quiescent(tasklet_block* cause);
  void tell_of_deadlock(tasklet_block* cause) noexcept;
  void wake_runner(drain_record& record) noexcept;
  void keep_run_error(std::exception_ptr error) noexcept;
  void exit_all() noexcept;
  static void attend_scopes(tasklet_block& t) noexcept;
  void cancel_await(tasklet_block& t) noexcept;
  void cancel_inside(tasklet_block& t, const scope_core* outermost) noexcept;
  void cancel_children(const child_group& group) noexcept;
  void fire_timers() noexcept;
  /// That this step, the current or the next one, is or begins now.
  void note_time(std::uint64_t of_step) noexcept;
  void dump_if_asked() noexcept;
  [[nodiscard]] bool is_same_deadlock(const tasklet_block* t) const noexcept;
  void release_stuck(tasklet_block* cause) noexcept;
  void release_locks(const tasklet_block& owner) noexcept;
  void drop_locals(const tasklet_block& owner) noexcept;
  [[nodiscard]] static site place_of(const tasklet_block& t) noexcept;

  struct time_mark {
    std::uint64_t step;
    std::chrono::steady_clock::time_point time;
  };

  scheduler_options options_;
  std::thread::id thread_ = std::this_thread::get_id();
  std::shared_ptr<inbox> inbox_ = std::make_shared<inbox>();
  std::unique_ptr<io_backend> io_;
  std::unique_ptr<signal_dump> dump_;  // goes before the backend, which it wakes
  std::unique_ptr<hooks> hooks_;
  std::unique_ptr<host_descriptor> host_descriptor_;
  std::uint64_t last_id_ = 0;
  bool driving_ = false;
  bool counts_turns_ = false;   ///< a limit does
  bool watches_turns_ = false;  ///< there is a limit, a hook or an error, now or lately
  bool refuses_spawns_ = false;
  bool tearing_down_ = false;
  bool ending_daemons_ = false;
  bool has_errors_ = false;  ///< one of these two, now or lately
  std::exception_ptr unseen_error_;
  std::exception_ptr run_error_;  ///< what `drive` will throw
  std::chrono::steady_clock::time_point grace_end_{};
  std::chrono::steady_clock::time_point virtual_now_{};
  std::vector<time_mark> time_marks_;
  ended_tasklets ended_;
  drive_mode mode_ = drive_mode::to_the_end;
  debug_listing listing_{*this};

  // The same wait deadlocking again escalates (design: rule 3).
  struct {
    std::uint64_t tasklet = 0;
    const wait_object* object = nullptr;
    site at{};
    std::uint64_t step = 0;
    int level = 0;
    int in_a_row = 0;  ///< of this tasklet, while no other has run
    std::exception_ptr error;
  } last_deadlock_;
};

/// `start + duration`, at the ends of time if that is beyond them.
[[nodiscard]] std::chrono::steady_clock::time_point later(
    std::chrono::steady_clock::time_point start, std::chrono::nanoseconds duration
) noexcept;

/// The scheduler whose loop runs on this thread, or null.
[[gnu::tls_model("initial-exec")]] extern constinit thread_local scheduler_core* active_scheduler;

[[noreturn]] void throw_outside_scheduler();

/// \throws std::logic_error outside a running scheduler
[[nodiscard]] inline scheduler_core& running_scheduler() {
  if (active_scheduler == nullptr) [[unlikely]]
    throw_outside_scheduler();
  return *active_scheduler;
}

/// The running scheduler, if one of its tasklets acts; null for a host, and while the destructors
/// of one that has ended run.
[[nodiscard]] inline const scheduler_core* acting_scheduler() noexcept {
  return active_scheduler != nullptr && active_scheduler->current() != nullptr ? active_scheduler
                                                                               : nullptr;
}

/// Start of every await that may wait: raises what is pending for the tasklet.
inline void check_attention(tasklet_block& t) {
  if ((t.attention & ~block_trap) != 0) [[unlikely]]
    t.raise_attention();
}

/// End of every await that may wait: the tasklet runs again. Raises what was thrown at it
/// meanwhile.
inline void resumed(tasklet_block& t) {
  if ((t.attention & raise_here) != 0) [[unlikely]]
    t.raise_attention();
}

/// Start of an await that leaves the tasklet for certain: as `check_attention`, and for the trap.
inline void check_before_leaving(const scheduler_core& core) {
  tasklet_block& t = *core.current();
  if ((t.attention & ~block_trap) != 0) [[unlikely]] {
    t.raise_attention();
    core.check_switch_trap(core.others_can_run());
  }
}

/// As `resumed`, after an await that only yields or pauses.
inline void resumed_from_yield(tasklet_block& t) {
  t.yielding = false;
  resumed(t);
}

/// The exception that means `tasklet_exit`, made once.
[[nodiscard]] const std::exception_ptr& exit_exception() noexcept;
/// Whether it is a `tasklet_exit`, that one or a user's.
[[nodiscard]] bool is_exit(const std::exception_ptr& error) noexcept;
[[nodiscard]] bool is_cancelled(const std::exception_ptr& error) noexcept;
/// In the current tasklet `error` is raised instead of `other`: a kill follows at the next await,
/// as a cancellation does by itself, and an error is kept.
void keep_for_later(const std::exception_ptr& error, std::exception_ptr other);

}  // namespace stackless::inline STACKLESS_ABI::detail
