#include <stackless/detail/hooks.hpp>
#include <stackless/snapshot.hpp>
#include <stackless/sync/mutex.hpp>
#include <stackless/tasklet.hpp>

#include <utility>

namespace stackless::inline STACKLESS_ABI::detail {

mutex_return::mutex_return(mutex_core& left) noexcept : core(&left) {
  left.expect(*this);
}

mutex_core::mutex_core(site here) noexcept : mutex_core(object_kind::mutex, here) {}

mutex_core::mutex_core(const object_name& name) : mutex_core(object_kind::mutex, name) {}

mutex_core::mutex_core(object_kind kind, site here) noexcept : sync_core(kind, here) {}

mutex_core::mutex_core(object_kind kind, const object_name& name) : sync_core(kind, name) {}

mutex_core::~mutex_core() {
  empty_guard();
  while (!returning_.empty()) {
    mutex_return& who = returning_.front();
    who.core = nullptr;
    intrusive_list<mutex_return>::remove(who);
  }
  if (linked()) unlink();
}

void mutex_core::take(tasklet_block* t) noexcept {
  locked_ = true;
  owner = t;
  if (t == nullptr) return;
  t->end_duties |= let_go;
  if (!linked()) t->home->held_locks.push_back(*this);
}

void mutex_core::note_locked(site here, bool attempted) noexcept {
  note(action_kind::lock, action_outcome::done, here, attempted);
  if (owner != nullptr && owner->home->hooks_if_made() != nullptr) [[unlikely]]
    note_order(here);
}

void mutex_core::note_order([[maybe_unused]] site here) noexcept {
#if STACKLESS_TRACKING
  hooks& h = *owner->home->hooks_if_made();
  if (!h.keeps_history) return;
  constexpr std::size_t most_orders = 4096;
  static thread_local std::uint64_t numbered = 0;
  owner->home->held_locks.for_each([&](lock_core& lock) {
    auto* held = lock.owner == owner && &lock != this ? dynamic_cast<mutex_core*>(&lock) : nullptr;
    if (held == nullptr || h.lock_orders.size() == most_orders) return;
    for (mutex_core* each : {held, this})
      if (each->number_ == 0) each->number_ = ++numbered;
    try {
      lock_order& order = h.lock_orders[{held->number_, number_}];
      ++order.count;
      order.first_at = held->last_at();
      order.second_at = here;
    } catch (...) {  // no memory for it: the report does without
    }
  });
#endif
}

void mutex_core::disown() noexcept {
  if (linked()) unlink();
  owner = nullptr;
}

void mutex_core::empty_guard() noexcept {
  if (guard_ != nullptr) std::exchange(guard_, nullptr)->core_ = nullptr;
}

void mutex_core::unlock() noexcept {
  disown();
  guard_ = nullptr;
  if (!anybody_waits()) {
    locked_ = false;
    return;
  }
  take(first().owner);
  wake_first();
}

bool mutex_core::refuse() const {
  if (broken_) throw_broken();
  return false;
}

void mutex_core::throw_broken() const {
  throw broken_mutex(
      "mutex '" + display_name() + "': its owner " + broken_by_ + " ended without unlocking it"
  );
}

void mutex_core::owner_ended() noexcept {
  try {
    const any_tasklet t(*owner);
    broken_by_ = "#" + std::to_string(t.id()) + " " + t.name();
  } catch (...) {
    broken_by_.clear();
  }
  unlink();
  owner = nullptr;
  broken_ = true;
  empty_guard();  // after a repair it must not unlock what is another's
  while (anybody_waits()) wake_first(wait_outcome::failed);
}

void mutex_core::repair() noexcept {
  if (broken_) broken_ = locked_ = false;
}

void mutex_core::describe(object_info& info, std::vector<const void*>& handles) const {
  sync_core::describe(info, handles);
  if (owner != nullptr) info.tasklet = owner->id;
}

}  // namespace stackless::inline STACKLESS_ABI::detail
