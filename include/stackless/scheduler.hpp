#pragma once

#include <stackless/detail/awaited_once.hpp>
#include <stackless/detail/spawn_check.hpp>
#include <stackless/run_limits.hpp>
#include <stackless/scheduler_options.hpp>
#include <stackless/scheduler_statistics.hpp>
#include <stackless/tasklet.hpp>

#include <memory>
#include <optional>
#include <utility>

namespace stackless::inline STACKLESS_ABI {

class observer;
class stop_handle;

/// Marks a daemon that promises to wake no other tasklet, so that it hides no deadlock.
struct wakes_nobody_t {
  explicit wakes_nobody_t() = default;
};
inline constexpr wakes_nobody_t wakes_nobody{};

template <>
inline constexpr bool detail::precedes_callable<wakes_nobody_t> = true;
template <>
inline constexpr bool detail::precedes_callable<scheduler_options> = true;

/// What was left when `drain()` came back.
struct drain_result {
  std::size_t waiting = 0;  ///< tasklets that still wait, in all
  std::size_t receiving = 0;
  std::size_t sending = 0;
  std::size_t joining = 0;
  std::size_t paused = 0;  ///< suspended or removed, not counted in `waiting`
};

namespace detail {

class yield_awaiter {
 public:
  yield_awaiter() noexcept = default;
  yield_awaiter(const yield_awaiter&) = delete;
  yield_awaiter& operator=(const yield_awaiter&) = delete;

  static bool await_ready() {
    check_before_leaving(*active_scheduler);
    return false;  // alone too: the loop must get to look at I/O
  }
  template <std::derived_from<frame> Promise>
  static std::coroutine_handle<> await_suspend(
      std::coroutine_handle<Promise> h, site here = site::current()
  ) noexcept {
    scheduler_core& core = *active_scheduler;
    return core.pass_to(h.promise(), here, core.ring.next());
  }
  static void await_resume() { resumed_from_yield(*active_scheduler->current()); }
};

class [[STACKLESS_OPERATION]] yield_operation : public awaited_once {
 public:
  yield_operation() noexcept = default;
  static yield_awaiter make_awaiter() noexcept { return {}; }
};

class suspend_awaiter {
 public:
  suspend_awaiter() noexcept : wait_(wait_kind::suspend, nullptr) {}
  suspend_awaiter(const suspend_awaiter&) = delete;
  suspend_awaiter& operator=(const suspend_awaiter&) = delete;

  static bool await_ready() {
    check_before_leaving(*active_scheduler);
    return false;
  }
  template <std::derived_from<frame> Promise>
  std::coroutine_handle<> await_suspend(
      std::coroutine_handle<Promise> h, site here = site::current()
  ) noexcept {
    active_scheduler->current()->yielding = true;
    return active_scheduler->block(wait_, h.promise(), here);
  }
  static void await_resume() { resumed_from_yield(*active_scheduler->current()); }

 private:
  wait wait_;
};

class [[STACKLESS_OPERATION]] suspend_operation : public awaited_once {
 public:
  suspend_operation() noexcept = default;
  static suspend_awaiter make_awaiter() noexcept { return {}; }
};

class drain_awaiter {
 public:
  explicit drain_awaiter(bool ready_only) noexcept : wait_(wait_kind::drain, nullptr) {
    record_.ready_only = ready_only;
  }
  drain_awaiter(const drain_awaiter&) = delete;
  drain_awaiter& operator=(const drain_awaiter&) = delete;

  static bool await_ready() {
    check_before_leaving(*active_scheduler);
    return false;
  }
  template <std::derived_from<frame> Promise>
  std::coroutine_handle<> await_suspend(
      std::coroutine_handle<Promise> h, site here = site::current()
  ) noexcept {
    scheduler_core& core = *active_scheduler;
    record_.runner = core.current();
    core.push_runner(record_);
    record_.runner->yielding = true;
    return core.block(wait_, h.promise(), here);
  }
  drain_result await_resume();

 private:
  wait wait_;
  drain_record record_;
};

class [[STACKLESS_OPERATION]] drain_operation : public awaited_once {
 public:
  explicit drain_operation(bool ready_only) noexcept : ready_only_(ready_only) {}
  drain_awaiter make_awaiter() const noexcept { return drain_awaiter(ready_only_); }

 private:
  bool ready_only_;
};

/// A scheduler for the time of one `run`.
class run_scope {
 public:
  explicit run_scope(const scheduler_options& options);
  run_scope(const run_scope&) = delete;
  run_scope& operator=(const run_scope&) = delete;
  ~run_scope();

  [[nodiscard]] scheduler_core& core() noexcept { return *core_; }
  /// \throws what main or the scheduler ended with
  void run_main(tasklet_block& main);

 private:
  std::unique_ptr<scheduler_core> core_;
};

void make_daemon(tasklet_block& t, bool wakes_nobody) noexcept;

}  // namespace detail

// Spawning
// -----------------------------------------------------------------------------------------

/// Makes a tasklet that runs `f(args...)`, and puts it at the tail of the ring. The callable and
/// its arguments are kept for the tasklet's life; hand references over with `borrow`.
///
/// **Errors**: `std::logic_error` outside a running scheduler, `std::bad_alloc`; `tasklet_exit`
/// during teardown. What the tasklet raises goes to those who wait in `join`, else to the innermost
/// `drain`, else to main.
/// **Wakes**: no switch; the new tasklet runs in its turn. O(1), one or two blocks from the free
/// list.
template <class F, class... A>
  requires task_function<F, A...>
[[gnu::always_inline]] inline tasklet<task_result_t<F, A...>> spawn(F f, A... args) {
  using result = task_result_t<F, A...>;
  return tasklet<result>(
      detail::make_tasklet<result>(detail::running_scheduler(), std::move(f), std::move(args)...)
  );
}

/// As above; reports show the name, and the file and line of this call.
template <class F, class... A>
  requires task_function<F, A...>
tasklet<task_result_t<F, A...>> spawn(tasklet_name name, F f, A... args) {
  using result = task_result_t<F, A...>;
  return tasklet<result>(detail::make_tasklet<result>(
      detail::running_scheduler(), name.origin(), std::move(f), std::move(args)...
  ));
}

/// For what cannot run as a tasklet: says why.
template <class... A>
  requires detail::mistaken_spawn<A...>
tasklet<> spawn(A&&...) {
  detail::explain_spawn<A...>();
  return {};
}

/// A tasklet that `run` does not wait for: when only daemons remain they are killed.
template <class F, class... A>
  requires task_function<F, A...>
any_tasklet spawn_daemon(F f, A... args) {
  any_tasklet made = spawn(std::move(f), std::move(args)...);
  detail::make_daemon(made.block(), false);
  return made;
}
template <class F, class... A>
  requires task_function<F, A...>
any_tasklet spawn_daemon(tasklet_name name, F f, A... args) {
  any_tasklet made = spawn(std::move(name), std::move(f), std::move(args)...);
  detail::make_daemon(made.block(), false);
  return made;
}
/// A daemon whose timers and I/O do not count as something that could end a deadlock.
template <class F, class... A>
  requires task_function<F, A...>
any_tasklet spawn_daemon(wakes_nobody_t, F f, A... args) {
  any_tasklet made = spawn(std::move(f), std::move(args)...);
  detail::make_daemon(made.block(), true);
  return made;
}
template <class F, class... A>
  requires task_function<F, A...>
any_tasklet spawn_daemon(wakes_nobody_t, tasklet_name name, F f, A... args) {
  any_tasklet made = spawn(std::move(name), std::move(f), std::move(args)...);
  detail::make_daemon(made.block(), true);
  return made;
}

template <class... A>
  requires detail::mistaken_spawn<A...>
any_tasklet spawn_daemon(A&&...) {
  detail::explain_spawn<A...>();
  return {};
}

// Running
// ------------------------------------------------------------------------------------------

/// Runs `f(args...)` as the main tasklet on this thread, until every tasklet but daemons has ended,
/// and gives main's result.
///
/// **Errors**: what main raised; `deadlock_error` when nothing can go on; errors that nobody took.
/// Before it leaves with an error, all tasklets are killed: their destructors run.
/// `std::logic_error` inside a running scheduler.
template <class F, class... A>
  requires task_function<F, A...>
task_result_t<F, A...> run(const scheduler_options& options, F f, A... args) {
  using result = task_result_t<F, A...>;
  detail::run_scope scope(options);
  detail::spawn_origin origin{.name = "main"};
  auto& main = detail::make_tasklet<result>(scope.core(), origin, std::move(f), std::move(args)...);
  const tasklet<result> keep(main);
  scope.run_main(main);
  return main.result.take();
}

/// As above; reports show main's name, and the file and line of this call.
template <class F, class... A>
  requires task_function<F, A...>
task_result_t<F, A...> run(const scheduler_options& options, tasklet_name name, F f, A... args) {
  using result = task_result_t<F, A...>;
  detail::run_scope scope(options);
  auto& main =
      detail::make_tasklet<result>(scope.core(), name.origin(), std::move(f), std::move(args)...);
  const tasklet<result> keep(main);
  scope.run_main(main);
  return main.result.take();
}
template <class F, class... A>
  requires task_function<F, A...>
task_result_t<F, A...> run(tasklet_name name, F f, A... args) {
  return run(scheduler_options{}, std::move(name), std::move(f), std::move(args)...);
}

template <class F, class... A>
  requires task_function<F, A...>
task_result_t<F, A...> run(F f, A... args) {
  return run(scheduler_options{}, std::move(f), std::move(args)...);
}

template <class... A>
  requires detail::mistaken_spawn<A...>
void run(A&&...) {
  detail::explain_spawn<A...>();
}

// Who runs next
// ------------------------------------------------------------------------------------

/// Lets all other runnable tasklets run once.
///
/// **Cancellation**: a cancel point.
/// **Wakes**: the next in the ring; the caller keeps its place.
inline detail::yield_operation yield() noexcept {
  return {};
}

/// Leaves the ring, paused, until somebody inserts this tasklet. Main comes back by itself when
/// nothing else can run.
///
/// **Cancellation**: a cancel point.
/// **Errors**: `deadlock_error` when that leaves nobody to insert it.
inline detail::suspend_operation suspend() noexcept {
  return {};
}

/// Runs the others until nothing can run and nothing is in flight: sleeps for I/O and timers. Tells
/// how many still wait. Calls nest; the innermost comes back first.
///
/// **Cancellation**: a cancel point.
/// **Errors**: an error that a tasklet did not catch, when nobody joins that tasklet.
inline detail::drain_operation drain() noexcept {
  return detail::drain_operation(false);
}

/// One look at I/O and timers, then runs the others until the ring is empty. Never sleeps.
inline detail::drain_operation drain_ready() noexcept {
  return detail::drain_operation(true);
}

// Embedding
// ----------------------------------------------------------------------------------------

/// A scheduler that a host loop drives. There is no main tasklet.
///
/// **Lifetime**: must be empty when it is destroyed (`shutdown`): with live tasklets left it prints
/// its report and terminates. When an exception destroys it, it shuts itself down instead.
/// **Threads**: one thread; several may live on it, and one is driven at a time.
class scheduler {
 public:
  explicit scheduler(const scheduler_options& options = {});
  scheduler(const scheduler&) = delete;
  scheduler& operator=(const scheduler&) = delete;
  ~scheduler();

  template <class F, class... A>
    requires task_function<F, A...>
  tasklet<task_result_t<F, A...>> spawn(F f, A... args) {
    using result = task_result_t<F, A...>;
    return tasklet<result>(detail::make_tasklet<result>(*core_, std::move(f), std::move(args)...));
  }
  template <class F, class... A>
    requires task_function<F, A...>
  tasklet<task_result_t<F, A...>> spawn(tasklet_name name, F f, A... args) {
    using result = task_result_t<F, A...>;
    return tasklet<result>(
        detail::make_tasklet<result>(*core_, name.origin(), std::move(f), std::move(args)...)
    );
  }
  template <class... A>
    requires detail::mistaken_spawn<A...>
  tasklet<> spawn(A&&...) {
    detail::explain_spawn<A...>();
    return {};
  }

  /// Runs until every tasklet but daemons has ended; sleeps for I/O and timers.
  ///
  /// **Errors**: `deadlock_error` (with `deadlock_policy::wait` it returns `idle` instead); an
  /// error that a tasklet did not catch, when nobody joins it: the next call goes on with the
  /// others.
  run_result run();

  /// One look at I/O and timers, then until nothing is runnable. Never sleeps, never calls a wait a
  /// deadlock: the host may still send. **Errors**: as `run` for uncaught errors.
  run_result run_ready();

  /// As `run_ready`, for so many turns of tasklets at most.
  /// **Errors**: as `run_ready`; `std::invalid_argument` for 0.
  run_result run_steps(std::uint64_t turns);
  /// As `run_ready`, for so long, exact to one turn of each of up to 64 tasklets.
  /// **Errors**: as `run_ready`; `std::invalid_argument` for a negative time.
  run_result run_for(std::chrono::nanoseconds time);
  /// As `run_ready`, until one of the limits is reached.
  /// **Errors**: as `run_ready`; `std::invalid_argument` for limits of 0 steps or negative times.
  run_result run_ready(const run_limits& limits);

  /// A descriptor for the host's own poll loop: readable when `run_ready` has something to do
  /// because I/O has completed or a timer is due. Made by the first call, and valid for as long as
  /// the scheduler; what the host itself sends or spawns does not show in it. With the virtual
  /// clock it tells of I/O only.
  /// **Errors**: `std::system_error`.
  [[nodiscard]] int poll_fd();

  /// As the functions of the same names, for this scheduler.
  observer* set_observer(observer* watcher);
  error_handler set_error_handler(error_handler handler);

  /// Kills every tasklet and runs until they have ended, for `grace` at most; then it prints what
  /// is left and terminates.
  void shutdown(std::chrono::nanoseconds grace);
  void shutdown();

  /// As `stop_handle::request_stop`: from any thread and from signal handlers, while this object is
  /// there. The tasklets end in the next drive, or in the one that goes on.
  void request_stop() const noexcept;
  [[nodiscard]] stop_handle get_stop_handle() const;

  /// Runnable tasklets. O(n).
  [[nodiscard]] std::size_t run_count() const noexcept;
  /// Tasklets that have not ended.
  [[nodiscard]] std::size_t alive() const noexcept;
  [[nodiscard]] snapshot_data snapshot() const;

  /// What a program's metrics want to know. O(runnable tasklets).
  [[nodiscard]] scheduler_statistics statistics() const;

  /// For the library.
  [[nodiscard]] detail::scheduler_core& core() noexcept { return *core_; }

 private:
  std::unique_ptr<detail::scheduler_core> core_;
  int exceptions_before_;
};

/// Sets what is done with errors that tasklets do not catch, for the running scheduler; an empty
/// one lets them go to the innermost `drain`, else to main. Gives the handler before. Main's own
/// error is not asked about. **Errors**: `std::logic_error` outside a running scheduler.
error_handler set_error_handler(error_handler handler);

/// Runnable tasklets of the running scheduler, the caller included. O(n).
[[nodiscard]] std::size_t run_count();

/// As `scheduler::statistics`, of the running scheduler. **Errors**: `std::logic_error` outside
/// one.
[[nodiscard]] scheduler_statistics statistics();

/// The main tasklet of the running scheduler. **Errors**: `std::logic_error` if it has none.
[[nodiscard]] any_tasklet main_tasklet();

}  // namespace stackless::inline STACKLESS_ABI
