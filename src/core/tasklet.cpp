#include <stackless/detail/error_trace.hpp>
#include <stackless/scheduler.hpp>
#include <stackless/tasklet.hpp>

#include <cstdlib>
#include <cstring>
#include <new>
#include <stdexcept>
#include <utility>

namespace stackless::inline STACKLESS_ABI {

namespace {

const char* copy_text(std::string_view text) {
  auto* copy = static_cast<char*>(std::malloc(text.size() + 1));
  if (copy == nullptr) throw std::bad_alloc();
  std::memcpy(copy, text.data(), text.size());
  copy[text.size()] = '\0';
  return copy;
}

std::exception_ptr checked(std::exception_ptr error) {
  if (!error) throw std::invalid_argument("raise: a null exception_ptr is no error");
  return error;
}

detail::tasklet_block& current_block() {
  detail::tasklet_block* t = detail::running_scheduler().current();
  if (t == nullptr) detail::throw_outside_scheduler();
  return *t;
}

}  // namespace

void tasklet_name::copy(std::string_view text, detail::site here) {
  origin_.name = copy_text(text);
  origin_.owns_name = true;
  origin_.site_known = true;
  origin_.at = here;
}

// A spawn that threw has not taken it.
void tasklet_name::free_copy() noexcept {
  std::free(const_cast<char*>(origin_.name));
}

namespace detail {

void tasklet_block::free_name() noexcept {
  std::free(const_cast<char*>(name));
}

bool tasklet_block::withdraw(wait& joiner) noexcept {
  joiners.remove(joiner);
  return true;
}

void tasklet_block::describe(object_info& info, std::vector<const void*>&) const {
  info.kind = object_kind::tasklet;
  info.tasklet = id;
  info.name = name != nullptr ? name : "";
}

void enlist(scheduler_core& scheduler, tasklet_block& t) noexcept {
  const tasklet_block* spawner = scheduler.driving() ? scheduler.current() : nullptr;
  t.spawner = spawner != nullptr ? spawner->id : 0;
#if STACKLESS_TRACKING
  t.spawned_in = spawner != nullptr && spawner->current_frame != nullptr
                     ? spawner->current_frame->function
                     : nullptr;
#endif
  scheduler.adopt(t);
  if (spawner != nullptr && scheduler.hooks_if_made() != nullptr) [[unlikely]]
    scheduler.note_given_ends(t);
}

void label(tasklet_block& t, spawn_origin& origin) noexcept {
  t.name = origin.name;
  if (std::exchange(origin.owns_name, false)) t.end_duties |= drop_name;
#if STACKLESS_TRACKING
  if (!origin.site_known) return;
  t.spawned_at = origin.at;
  t.spawn_site_known = true;
#endif
}

// Joining
// ------------------------------------------------------------------------------------------

bool join_awaiter::await_ready() {
  scheduler_core& core = *active_scheduler;
  check_attention(*core.current());
  check_target();
  if (target_.ended) return true;
  core.check_switch_trap(core.others_can_run());
  return false;
}

void join_awaiter::check_target() const {
  scheduler_core& core = *active_scheduler;
  if (&target_ == core.current()) throw_misuse("join: a tasklet cannot wait for its own end");
  if (target_.home != &core) throw_misuse("join: the tasklet belongs to another scheduler");
}

void join_awaiter::finish_join() {
  scheduler_core& core = *active_scheduler;
  if (wait_.outcome() == wait_outcome::done) {
    target_.joiners.remove(wait_);
    // Something else is raised here: the error is for the other joiners, or else nobody's yet.
    const bool displaced = (core.current()->attention & raise_here) != 0;
    if (target_.error_is_unseen && (!displaced || target_.joiners.empty())) {
      target_.error_is_unseen = false;
      if (displaced) core.return_unseen(target_.error);
    }
  }
  resumed(*core.current());
  raise_end_of(target_);
}

void raise_end_of(tasklet_block& ended) {
  if (ended.killed) {
    const any_tasklet handle(ended);
    throw tasklet_killed(
        "join: tasklet #" + std::to_string(handle.id()) + " " + handle.name() +
        (is_exit(ended.error) ? " was killed" : " was cancelled")
    );
  }
  if (!ended.error) return;
  if (acting_scheduler() != nullptr) rethrow_here(ended.error, ended.id);
  std::rethrow_exception(ended.error);
}

void join_awaiter::claim_result() {
  if (target_.result_taken)
    throw_misuse("join: the result cannot be copied, and an earlier join has taken it");
  target_.result_taken = true;
}

// Kill, raise, run, switch_to
// ----------------------------------------------------------------------

direct_switch_awaiter::direct_switch_awaiter(
    action what, tasklet_block& target, std::exception_ptr error
) noexcept
    : wait_(wait_kind::suspend, nullptr), target_(target), error_(std::move(error)), action_(what) {
  target_.retain();
}

bool direct_switch_awaiter::await_ready() {
  scheduler_core& core = *active_scheduler;
  check_attention(*core.current());
  if (target_.home != &core)
    throw_misuse("kill, raise, run, switch_to: the tasklet belongs to another scheduler");
  const bool myself = &target_ == core.current();
  if (action_ == action::raise) {
    if (target_.ended) {
      if (is_exit(error_)) return true;
      throw_misuse("raise: the tasklet has ended");
    }
    if (myself) std::rethrow_exception(std::exchange(error_, nullptr));
    core.check_switch_trap(true);
    return false;
  }
  if (target_.ended) throw_misuse("run, switch_to: the tasklet has ended");
  if (target_.blocked() && !target_.in_ring())
    throw_misuse("run, switch_to: the tasklet is blocked, only what it waits for can wake it");
  if (!myself) core.check_switch_trap(true);
  return myself;
}

std::coroutine_handle<> direct_switch_awaiter::suspend(frame& f, site here) {
  scheduler_core& core = *active_scheduler;
  if (action_ == action::raise) {
    // With I/O in flight the error follows its completion, and the caller goes on.
    tasklet_block& next =
        core.interrupt(target_, std::exchange(error_, nullptr)) ? target_ : *core.current();
    return core.pass_to(f, here, next);
  }
  if (!target_.in_ring()) core.ring.append(target_);
  if (action_ == action::run) return core.pass_to(f, here, target_);
  return core.block_in_favour_of(wait_, f, here, target_);
}

}  // namespace detail

// Handles
// ------------------------------------------------------------------------------------------

detail::tasklet_block& any_tasklet::block() const {
  if (block_ == nullptr) detail::throw_misuse("this tasklet handle refers to no tasklet");
  return *block_;
}

std::string any_tasklet::name() const {
  const detail::tasklet_block& t = block();
  if (t.name != nullptr) return t.name;
#if STACKLESS_TRACKING
  const detail::frame* f = t.current_frame;
  while (f != nullptr && f->parent != nullptr) f = f->parent;
  if (f != nullptr && f->function != nullptr) return f->function;
#endif
  return "tasklet";
}

void any_tasklet::set_name(std::string_view name) {
  detail::tasklet_block& t = block();
  const char* copy = copy_text(name);
  if ((t.end_duties & detail::drop_name) != 0) t.free_name();
  t.name = copy;
  t.end_duties |= detail::drop_name;
}

bool any_tasklet::paused() const {
  return alive() && !block().in_ring() && !block().blocked();
}

bool any_tasklet::blocked() const {
  return block().blocked() && !block().in_ring();
}

bool any_tasklet::scheduled() const {
  return block().in_ring() || blocked();
}

bool any_tasklet::is_current() const {
  return detail::active_scheduler != nullptr && detail::active_scheduler->current() == &block();
}

void any_tasklet::insert() const {
  detail::tasklet_block& t = block();
  if (t.ended) detail::throw_misuse("insert: the tasklet has ended");
  t.home->check_thread();
  if (t.in_ring()) return;
  if (t.blocked())
    detail::throw_misuse("insert: the tasklet is blocked, only what it waits for can wake it");
  t.home->ring.append(t);
}

void any_tasklet::remove() const {
  detail::tasklet_block& t = block();
  if (t.ended) return;
  t.home->check_thread();
  if (is_current()) detail::throw_misuse("remove: the running tasklet cannot be removed");
  if (blocked()) detail::throw_misuse("remove: the tasklet is blocked");
  if (t.in_ring()) t.home->ring.remove(t);
}

any_tasklet any_tasklet::next_in_ring() const {
  detail::tasklet_block& t = block();
  return t.in_ring() ? any_tasklet(*t.ring_next) : any_tasklet();
}

any_tasklet any_tasklet::previous_in_ring() const {
  detail::tasklet_block& t = block();
  return t.in_ring() ? any_tasklet(*t.ring_previous) : any_tasklet();
}

void any_tasklet::kill_pending() const {
  detail::tasklet_block& t = block();
  if (t.ended) return;
  t.home->check_thread();
  if (is_current()) throw tasklet_exit{};
  (void)t.home->interrupt(t, detail::exit_exception());
}

void any_tasklet::raise_pending(std::exception_ptr error) const {
  detail::tasklet_block& t = block();
  error = checked(std::move(error));
  if (t.ended) {
    if (detail::is_exit(error)) return;
    detail::throw_misuse("raise_pending: the tasklet has ended");
  }
  t.home->check_thread();
  if (is_current()) std::rethrow_exception(error);
  (void)t.home->interrupt(t, std::move(error));
}

bool any_tasklet::set_block_trap(bool on) const {
  if (alive()) block().home->check_thread();
  std::uint8_t& attention = block().attention;
  const bool before = block_trap();
  attention = static_cast<std::uint8_t>(
      on ? attention | detail::block_trap : attention & ~detail::block_trap
  );
  return before;
}

bool any_tasklet::block_trap() const {
  return (block().attention & detail::block_trap) != 0;
}

detail::direct_switch_operation any_tasklet::kill() const {
  return {detail::direct_switch_awaiter::action::raise, block(), detail::exit_exception()};
}

detail::direct_switch_operation any_tasklet::raise(std::exception_ptr error) const {
  return {detail::direct_switch_awaiter::action::raise, block(), checked(std::move(error))};
}

detail::direct_switch_operation any_tasklet::run() const {
  return {detail::direct_switch_awaiter::action::run, block(), nullptr};
}

detail::direct_switch_operation any_tasklet::switch_to() const {
  return {detail::direct_switch_awaiter::action::switch_to, block(), nullptr};
}

detail::join_operation<void> any_tasklet::join() const {
  return detail::join_operation<void>(block());
}

namespace this_tasklet {

any_tasklet handle() {
  return any_tasklet(current_block());
}
std::uint64_t id() {
  return current_block().id;
}
std::string name() {
  return handle().name();
}
void set_name(std::string_view name) {
  handle().set_name(name);
}
async_stack stack() {
  return current_stack();
}

}  // namespace this_tasklet

}  // namespace stackless::inline STACKLESS_ABI
