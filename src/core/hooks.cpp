#include <stackless/detail/channel_core.hpp>
#include <stackless/detail/diagnostics_port.hpp>
#include <stackless/detail/hooks.hpp>
#include <stackless/observer.hpp>
#include <stackless/scheduler.hpp>
#include <stackless/switch_trap.hpp>

#include <utility>

namespace stackless::inline STACKLESS_ABI {

namespace detail {

namespace {

class running_hook {
 public:
  explicit running_hook(scheduler_core& core) noexcept : core_(core) { set(true); }
  running_hook(const running_hook&) = delete;
  running_hook& operator=(const running_hook&) = delete;
  ~running_hook() { set(false); }

 private:
  void set(bool running) noexcept {
    core_.make_hooks().running = running;
    core_.refuse_spawns();
  }

  scheduler_core& core_;
};

observer* exchange_observer(scheduler_core& core, observer* watcher) {
  core.check_thread();
  hooks& h = core.make_hooks();
  h.previous =
      core.driving() && core.current() != nullptr ? any_tasklet(*core.current()) : any_tasklet();
  h.asleep = !core.driving();
  observer* before = std::exchange(h.watcher, watcher);
  core.hook_current();
  return before;
}

/// True: `handler` took the error. Else `error` is what it threw instead.
bool taken_by(const error_handler& handler, tasklet_block& t, std::exception_ptr& error) noexcept {
  if (!handler) return false;
  try {
    const error_handler keep = handler;  // it may set another one
    keep(any_tasklet(t), error);
    return true;
  } catch (...) {
    std::exception_ptr instead = std::current_exception();
    if (is_exit(instead)) return false;  // the handler was stopped: the error goes on
    if (instead != error) add_suppressed(instead, std::exchange(error, instead));
    return false;
  }
}

}  // namespace

hooks& scheduler_core::make_hooks() {
  if (!hooks_) {
    hooks_ = std::make_unique<hooks>();
    watches_turns_ = true;
  }
  return *hooks_;
}

bool scheduler_core::hooked() const noexcept {
  return hooks_ &&
         (hooks_->switch_traps != 0 || hooks_->watcher != nullptr || hooks_->keeps_history);
}

void scheduler_core::hook_current() noexcept {
  if (!hooked() || !driving() || ring.empty()) return;
  current()->attention |= detail::hooked;
  loop_at = 0;
}

void scheduler_core::note_given_ends(const tasklet_block& t) noexcept {
  for (const new_end& end : hooks_->new_ends) {
    const frame_slab::extent block = frame_slab::block_of(end.place);
    if (block.contains(&t) ||
        (t.current_frame != nullptr && block.contains(t.current_frame->handle().address())))
      end.channel->note_given(end.side, t.id);
  }
  hooks_->new_ends.clear();
}

void scheduler_core::check_switch_trap(bool another_would_run) const {
  if (another_would_run && hooks_ && hooks_->switch_traps != 0)
    throw switch_trap_error("the switch trap is set, and another tasklet would have to run");
}

void scheduler_core::watch_turn() noexcept {
  if (counts_turns_) loop_at = 0;
  if (!hooks_) return;
  hooks_->new_ends.clear();
  hook_current();
  if (std::exchange(hooks_->asleep, false) && hooks_->watcher != nullptr) {
    const running_hook running(*this);
    hooks_->watcher->on_wake(any_tasklet(*current()));
  }
  if (hooks_->watcher == nullptr || hooks_->previous == any_tasklet(*current())) return;
  const any_tasklet previous = std::exchange(hooks_->previous, any_tasklet(*current()));
  try {
    const running_hook running(*this);
    hooks_->watcher->on_switch(previous, hooks_->previous);
  } catch (...) {
    return_unseen(std::current_exception());
  }
}

bool scheduler_core::is_uncaught(tasklet_block& t) noexcept {
  const error_handler own = (t.end_duties & tell_handler) != 0
                                ? std::move(hooks_->on_error_of.extract(t.id).mapped())
                                : error_handler();
  if (!t.error || t.killed || t.scope != nullptr || !t.joiners.empty() || &t == main) return false;
  return !taken_by(own, t, t.error) && !(hooks_ && taken_by(hooks_->on_error, t, t.error));
}

void channel_core::tell_observer(scheduler_core& core, bool sending, bool will_block, site here) {
  if (!core.hooked()) return;  // any more
  hooks& h = *core.hooks_if_made();
  if (h.running) throw_misuse("an observer must not use tasklets and channels");
  if (h.watcher != nullptr) {
    const running_hook running(core);
    h.watcher->on_channel({display_name(), any_tasklet(*core.current()), sending, will_block});
  }
  if (!h.keeps_history || (will_block && (core.current()->attention & block_trap) != 0)) return;
  action_outcome how = action_outcome::delivered;
  if (will_block) {
    how = action_outcome::blocked;
  } else if (sending && !receivers_wait()) {
    how = shut ? action_outcome::closed : action_outcome::buffered;
  } else if (!sending && buffered == 0 && !senders_wait()) {
    how = action_outcome::closed;
  }
  record(sending ? action_kind::send : action_kind::receive, how, here);
}

void tell_sleep(scheduler_core& core) noexcept {
  hooks* h = core.hooks_if_made();
  if (h == nullptr || h->watcher == nullptr || std::exchange(h->asleep, true)) return;
  const running_hook running(core);
  h->watcher->on_sleep(h->previous);
}

void tell_stalls(scheduler_core& core) noexcept {
  hooks& h = core.make_hooks();
  const auto began = std::chrono::steady_clock::now();
  h.look_again_at.reset();
  if (core.step == h.stalls_at_step) return;
  if (began < h.next_look) {
    h.look_again_at = h.next_look;
    return;
  }
  h.stalls_at_step = core.step;
  constexpr int share = 20;
  try {
    std::set<std::pair<std::uint64_t, std::uint64_t>> now;
    for (const deadlock_report& report : find_stalls_in(core)) {
      const std::uint64_t first = report.core.front();
      const std::pair key(first, report.find_tasklet(first)->waits.since_step);
      now.insert(key);
      if (h.stalls_told.contains(key) || h.watcher == nullptr) continue;
      h.stalls_told.insert(key);
      const running_hook running(core);
      h.watcher->on_stall(report);
    }
    h.stalls_told = std::move(now);  // those that have ended are forgotten
  } catch (...) {
    core.deliver_uncaught(std::current_exception());
  }
  const auto end = std::chrono::steady_clock::now();
  h.next_look = end + share * (end - began);
}

}  // namespace detail

// Switch trap
// --------------------------------------------------------------------------------------

switch_trap::switch_trap() : core_(detail::running_scheduler()) {
  ++core_.make_hooks().switch_traps;
  core_.hook_current();
}

switch_trap::~switch_trap() {
  --core_.make_hooks().switch_traps;
}

// Observer
// -----------------------------------------------------------------------------------------

void observer::on_switch(const any_tasklet&, const any_tasklet&) {}
void observer::on_sleep(const any_tasklet&) noexcept {}
void observer::on_wake(const any_tasklet&) noexcept {}
void observer::on_channel(const channel_action&) {}
void observer::on_stall(const deadlock_report&) {}

observer* set_observer(observer* watcher) {
  return detail::exchange_observer(detail::running_scheduler(), watcher);
}

observer* current_observer() {
  const detail::hooks* h = detail::running_scheduler().hooks_if_made();
  return h != nullptr ? h->watcher : nullptr;
}

observer* scheduler::set_observer(observer* watcher) {
  return detail::exchange_observer(*core_, watcher);
}

// Error handlers
// -----------------------------------------------------------------------------------

error_handler set_error_handler(error_handler handler) {
  return std::exchange(detail::running_scheduler().make_hooks().on_error, std::move(handler));
}

error_handler scheduler::set_error_handler(error_handler handler) {
  return std::exchange(core_->make_hooks().on_error, std::move(handler));
}

void any_tasklet::set_error_handler(error_handler handler) const {
  detail::tasklet_block& t = block();
  if (t.ended) detail::throw_misuse("set_error_handler: the tasklet has ended");
  t.home->check_thread();
  if (handler) {
    t.home->make_hooks().on_error_of[t.id] = std::move(handler);
  } else if ((t.end_duties & detail::tell_handler) != 0) {
    t.home->make_hooks().on_error_of.erase(t.id);
  }
  if (t.home->make_hooks().on_error_of.contains(t.id)) {
    t.end_duties |= detail::tell_handler;
  } else {
    t.end_duties &= static_cast<std::uint8_t>(~detail::tell_handler & 0x1f);
  }
}

}  // namespace stackless::inline STACKLESS_ABI
