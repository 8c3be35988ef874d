#include <stackless/detail/hooks.hpp>
#include <stackless/detail/sync_core.hpp>
#include <stackless/snapshot.hpp>

#include "sync/place_text.hpp"

namespace stackless::inline STACKLESS_ABI::detail {

namespace {

std::string_view word_for(object_kind kind) noexcept {
  switch (kind) {
  case object_kind::mutex:
    return "mutex";
  case object_kind::shared_mutex:
    return "shared_mutex";
  case object_kind::semaphore:
    return "semaphore";
  case object_kind::event:
    return "event";
  case object_kind::condition_variable:
    return "condition_variable";
  case object_kind::latch:
    return "latch";
  case object_kind::barrier:
    return "barrier";
  case object_kind::once:
    return "once";
  case object_kind::oneshot:
    return "oneshot";
  case object_kind::watch:
    return "watch";
  case object_kind::broadcast:
    return "broadcast";
  case object_kind::external_source:
    return "external_source";
  case object_kind::remote:
    return "remote";
  default:
    return "object";
  }
}

#if STACKLESS_TRACKING
action_kind waiting_action(wait_kind kind) noexcept {
  switch (kind) {
  case wait_kind::acquire:
    return action_kind::acquire;
  case wait_kind::lock:
    return action_kind::lock;
  case wait_kind::lock_shared:
    return action_kind::lock_shared;
  case wait_kind::arrive:
    return action_kind::arrive;
  default:
    return action_kind::wait;
  }
}
#endif

}  // namespace

/// For `throw_object_gone`: when its tasklet runs, nothing is left of this to be named.
void sync_core::tell_gone(const wait& w, std::string_view kind) const noexcept {
  if (w.owner->error) return;
  try {
    std::string what = "what it waited for was destroyed: ";
    what += kind.empty() ? word_for(kind_) : kind;
    std::string place = place_text(made_at_);
    if (!name_.empty()) {
      what += " '" + name_ + "'";
      if (place.starts_with('@')) {
        place.replace(0, 1, ", made ");
      } else {
        place.clear();
      }
    }
    w.owner->error = std::make_exception_ptr(object_gone(what + place));
  } catch (...) {  // no memory for it: it is told without a name
  }
}

void sync_core::turn_all_away(std::string_view kind) noexcept {
  while (!waiting_.empty()) {
    wait& w = waiting_.pop_front();
    tell_gone(w, kind);
    w.owner->home->wake(w, wait_outcome::closed);
  }
}

void sync_core::turn_woken_away() noexcept {
  while (!woken_.empty()) {
    wait& w = woken_.pop_front();
    tell_gone(w, {});
    w.complete_as(wait_outcome::closed);
    w.object = nullptr;
  }
}

sync_core::~sync_core() {
  turn_all_away();
  // Of an event it has happened all the same; of these, who was woken does not get what it wanted.
  const bool was_to_be_held = kind_ == object_kind::mutex || kind_ == object_kind::shared_mutex ||
                              kind_ == object_kind::semaphore || kind_ == object_kind::once;
  while (!woken_.empty()) {
    wait& w = woken_.pop_front();
    w.object = nullptr;
    if (was_to_be_held) tell_gone(w, {});
  }
  if (active_scheduler != nullptr) active_scheduler->forget(*this);
}

tasklet_block* sync_core::acting() {
  if (active_scheduler == nullptr) return nullptr;
  if (active_scheduler->hooks_if_made() != nullptr) [[unlikely]]
    active_scheduler->check_thread();
  return active_scheduler->current();
}

void sync_core::note(
    [[maybe_unused]] action_kind what,
    [[maybe_unused]] action_outcome how,
    [[maybe_unused]] site here,
    [[maybe_unused]] bool attempted
) noexcept {
#if STACKLESS_TRACKING
  const scheduler_core* core = acting_scheduler();
  last_ = {
      what,
      how,
      attempted,
      0,
      core != nullptr ? core->current()->id : 0,
      core != nullptr ? core->step : 0,
      here
  };
  if (active_scheduler != nullptr && active_scheduler->hooks_if_made() != nullptr &&
      active_scheduler->hooks_if_made()->keeps_history)
    history_.add(with_woken(last_));
#endif
}

#if STACKLESS_TRACKING
/// Whom a set or a notify is about to wake.
action sync_core::with_woken(action done) const noexcept {
  const bool wakes_all = done.what == action_kind::set || done.what == action_kind::notify_all;
  const bool wakes_one = done.what == action_kind::set_one || done.what == action_kind::notify;
  if (waiting_.empty() || (!wakes_all && !wakes_one)) return done;
  done.given_to = waiting_.front().owner->id;
  done.woken = wakes_all ? static_cast<std::uint32_t>(waiting_.size()) : 1;
  return done;
}
#endif

void sync_core::note_wait([[maybe_unused]] wait_kind kind, [[maybe_unused]] site here) noexcept {
#if STACKLESS_TRACKING
  if (!active_scheduler->hooks_if_made()->keeps_history) return;
  history_.add(
      {waiting_action(kind), action_outcome::blocked, false, 0, active_scheduler->current()->id,
       active_scheduler->step, kind == wait_kind::notify ? site{} : here}
  );  // the library's own, not the waiter's
#endif
}

std::string sync_core::display_name() const {
  if (!name_.empty()) return name_;
  return std::string(word_for(kind_)) + place_text(made_at_);
}

std::string sync_core::title() const {
  return name_.empty() ? display_name() : std::string(word_for(kind_)) + " '" + name_ + "'";
}

void sync_core::describe(object_info& info, std::vector<const void*>&) const {
  info.kind = kind_;
  info.name = name_;
  info.type = word_for(kind_);
  info.made_at = {made_at_.file_name(), made_at_.line(), made_at_.column(), {}};
  waiting_.for_each([&](const wait&) { ++info.waiting; });
#if STACKLESS_TRACKING
  info.history = history_.list();
  if (last_.what != action_kind::none) info.last = to_operation(last_);
#endif
}

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Winvalid-offsetof"  // no virtual bases
sync_core::offsets sync_core::offsets_of_fields() noexcept {
  return {offsetof(sync_core, name_), offsetof(sync_core, made_at_), offsetof(sync_core, kind_)};
}
#pragma GCC diagnostic pop

void throw_object_gone(std::exception_ptr told, const char* otherwise) {
  if (told) std::rethrow_exception(std::move(told));
  throw object_gone(otherwise);
}

}  // namespace stackless::inline STACKLESS_ABI::detail
