#include <stackless/scheduler.hpp>

#include <cstdio>
#include <exception>
#include <stdexcept>
#include <utility>

namespace stackless::inline STACKLESS_ABI {

namespace detail {

drain_result drain_awaiter::await_resume() {
  scheduler_core& core = *active_scheduler;
  core.pop_runner(record_);
  resumed_from_yield(*core.current());
  drain_result result;
  core.tasklets.for_each([&](const tasklet_block& t) {
    if (t.in_ring()) return;
    if (!t.blocked()) {
      ++result.paused;
      return;
    }
    ++result.waiting;
    const wait_kind kind = t.waiting()->kind();
    result.receiving += kind == wait_kind::receive;
    result.sending += kind == wait_kind::send || kind == wait_kind::send_exception;
    result.joining += kind == wait_kind::join;
  });
  return result;
}

run_scope::run_scope(const scheduler_options& options) {
  if (active_scheduler != nullptr)
    throw_misuse("run: a scheduler is already running on this thread; spawn a tasklet instead");
  core_ = std::make_unique<scheduler_core>(options);
}

run_scope::~run_scope() = default;

void run_scope::run_main(tasklet_block& main) {
  main.is_main = true;
  core_->main = &main;
  (void)core_->drive(scheduler_core::drive_mode::to_the_end);
}

namespace {

scheduler_statistics statistics_of(const scheduler_core& core) {
  scheduler_statistics numbers;
  numbers.spawned = core.spawned();
  numbers.alive = core.alive();
  numbers.daemons = core.daemons;
  numbers.runnable = core.ring.size();
  numbers.switches = core.step;
  numbers.timers = core.timers.size();
  if (const io_backend* io = core.io_if_made()) {
    numbers.io_in_flight = io->in_flight();
    numbers.io_operations = io->taken_in_all();
    numbers.io_backend = io->name();
    numbers.io_backend_reason = io->reason();
  }
  return numbers;
}

}  // namespace

void make_daemon(tasklet_block& t, bool wakes_nobody) noexcept {
  t.end_duties |= count_daemon;
  t.wakes_nobody = wakes_nobody;
  --t.home->workers;
  ++t.home->daemons;
}

}  // namespace detail

scheduler::scheduler(const scheduler_options& options)
    : core_(std::make_unique<detail::scheduler_core>(options)),
      exceptions_before_(std::uncaught_exceptions()) {}

scheduler::~scheduler() {
  // The exception that passes by is the news, and to terminate would hide it. Each error of a
  // tasklet leaves the drive; where none has ended it cannot be driven, and that ends the program.
  std::size_t before = core_->alive() + 1;
  while (core_->alive() != 0 && core_->alive() < before &&
         std::uncaught_exceptions() > exceptions_before_) {
    before = core_->alive();
    try {
      shutdown();
    } catch (const std::exception& error) {
      std::fprintf(
          stderr, "stackless: an error while a scheduler was shut down: %s\n", error.what()
      );
    } catch (...) {
      std::fputs("stackless: an error while a scheduler was shut down\n", stderr);
    }
  }
}

run_result scheduler::run() {
  return core_->drive(detail::scheduler_core::drive_mode::to_the_end);
}

run_result scheduler::run_ready() {
  return core_->drive(detail::scheduler_core::drive_mode::while_ready);
}

run_result scheduler::run_ready(const run_limits& limits) {
  const auto negative = [](const auto& time) { return time && time->count() < 0; };
  if (limits.steps == 0U || negative(limits.time) || negative(limits.slice))
    throw std::invalid_argument(
        "a scheduler runs for one step at least, and not for a negative time"
    );
  return core_->drive(detail::scheduler_core::drive_mode::while_ready, limits);
}

run_result scheduler::run_steps(std::uint64_t turns) {
  return run_ready(run_limits{turns, {}, {}});
}

run_result scheduler::run_for(std::chrono::nanoseconds time) {
  return run_ready(run_limits{{}, time, {}});
}

int scheduler::poll_fd() {
  return core_->host_poll_descriptor();
}

void scheduler::shutdown() {
  shutdown(core_->options().shutdown_grace);
}

void scheduler::shutdown(std::chrono::nanoseconds grace) {
  if (core_->alive() == 0) return;
  core_->check_may_drive();
  core_->begin_teardown(nullptr, grace);
  (void)core_->drive(detail::scheduler_core::drive_mode::to_the_end);
}

std::size_t scheduler::run_count() const noexcept {
  return core_->ring.size();
}

std::size_t scheduler::alive() const noexcept {
  return core_->alive();
}

scheduler_statistics scheduler::statistics() const {
  return detail::statistics_of(*core_);
}

scheduler_statistics statistics() {
  return detail::statistics_of(detail::running_scheduler());
}

std::size_t run_count() {
  return detail::running_scheduler().ring.size();
}

any_tasklet main_tasklet() {
  detail::tasklet_block* main = detail::running_scheduler().main;
  if (main == nullptr) detail::throw_misuse("this scheduler has no main tasklet: a host drives it");
  return any_tasklet(*main);
}

}  // namespace stackless::inline STACKLESS_ABI
