#include <stackless/snapshot.hpp>
#include <stackless/sync/shared_mutex.hpp>

namespace stackless::inline STACKLESS_ABI::detail {

shared_mutex_core::shared_mutex_core(site here) noexcept
    : sync_core(object_kind::shared_mutex, here) {}

shared_mutex_core::shared_mutex_core(const object_name& name)
    : sync_core(object_kind::shared_mutex, name) {}

shared_mutex_core::~shared_mutex_core() {
  holder::empty_all(guards);
  if (linked()) unlink();
}

void shared_mutex_core::give_to(tasklet_block* writer) noexcept {
  written_ = true;
  owner = writer;
  if (writer == nullptr) return;
  writer->end_duties |= let_go;
  writer->home->held_locks.push_back(*this);
}

void shared_mutex_core::owner_ended() noexcept {
  unlink();
  owner = nullptr;  // the guard lives on somewhere, and will unlock it
}

bool shared_mutex_core::try_lock() noexcept {
  if (written_ || readers_ != 0) return false;
  give_to(active_scheduler != nullptr ? active_scheduler->current() : nullptr);
  return true;
}

bool shared_mutex_core::try_lock_shared() noexcept {
  if (written_ || anybody_waits()) return false;
  ++readers_;
  return true;
}

void shared_mutex_core::unlock() noexcept {
  written_ = false;
  if (linked()) unlink();
  owner = nullptr;
  serve();
}

void shared_mutex_core::unlock_shared() noexcept {
  --readers_;
  serve();
}

void shared_mutex_core::serve() noexcept {
  while (anybody_waits() && !written_) {
    if (first().kind() == wait_kind::lock) {
      if (readers_ != 0) return;
      give_to(first().owner);
    } else {
      ++readers_;
    }
    wake_first();
  }
}

bool shared_mutex_core::withdraw(wait& w) noexcept {
  (void)sync_core::withdraw(w);
  serve();  // those behind one who wanted it alone may share it now
  return true;
}

void shared_mutex_core::describe(object_info& info, std::vector<const void*>& handles) const {
  sync_core::describe(info, handles);
  if (owner != nullptr) info.tasklet = owner->id;
  info.count = readers_;
}

}  // namespace stackless::inline STACKLESS_ABI::detail
