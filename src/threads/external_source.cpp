#include <stackless/external_source.hpp>
#include <stackless/scheduler.hpp>
#include <stackless/snapshot.hpp>

namespace stackless::inline STACKLESS_ABI {

namespace detail {

external_core::external_core(scheduler_core& home, site here)
    : sync_core(object_kind::external_source, here), door(home) {}

external_core::external_core(scheduler_core& home, const object_name& name)
    : sync_core(object_kind::external_source, name), door(home) {}

void external_core::make_notifier() {
  check_thread();
  add_notifier();
  had_notifiers_ = is_live_ = true;
  count_as_source(true);
}

void external_core::owner_gone() noexcept {
  turn_all_away();
  turn_woken_away();
  if (scheduler_core* core = door::home()) core->forget(*this);
  leave_home();
  release();
}

bool external_core::try_take(wait& w) noexcept {
  // Not past those who wait until the loop looks into its inbox.
  if (!anybody_waits() && take_notification()) return true;
  if (!is_over()) return false;
  refuse(w);
  return true;
}

void external_core::give_back(wait&) noexcept {
  if (anybody_waits()) {
    wake_first();
  } else {
    notified_.store(true, std::memory_order_relaxed);
  }
}

void external_core::settle(bool refused) {
  if (refused)
    throw channel_closed(
        "wait: every notifier of external_source '" + display_name() + "' is gone"
    );
}

void external_core::posted() noexcept {
  // First who is left, then what they told: the last one's notification came before its end.
  const bool over = is_live_ && notifiers_.load(std::memory_order_acquire) == 0;
  if (anybody_waits() && take_notification()) {
    note(action_kind::notify, action_outcome::delivered, {});
    wake_first();
  }
  if (over) {
    is_live_ = false;
    count_as_source(false);
    wake_all(wait_outcome::failed);
  }
}

void external_core::describe(object_info& info, std::vector<const void*>& handles) const {
  sync_core::describe(info, handles);
  info.count = notifiers_.load(std::memory_order_relaxed);
}

void throw_empty_notifier() {
  throw_misuse("this external_notifier was moved from");
}

}  // namespace detail

external_source::external_source(detail::site here)
    : core_(new detail::external_core(detail::running_scheduler(), here)) {}

external_source::external_source(const object_name& name)
    : core_(new detail::external_core(detail::running_scheduler(), name)) {}

external_source::external_source(scheduler& home, const object_name& name)
    : core_(new detail::external_core(home.core(), name)) {}

}  // namespace stackless::inline STACKLESS_ABI
