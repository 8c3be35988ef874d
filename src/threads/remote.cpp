#include <stackless/remote.hpp>
#include <stackless/scheduler.hpp>
#include <stackless/snapshot.hpp>

namespace stackless::inline STACKLESS_ABI::detail {

namespace {

std::size_t checked_capacity(std::size_t capacity) {
  if (capacity == 0) throw_misuse("remote: it needs room for one value at least");
  return capacity;
}

}  // namespace

scheduler_core& core_of(scheduler& home) noexcept {
  return home.core();
}

remote_core::remote_core(scheduler_core& home, std::size_t capacity, site here)
    : sync_core(object_kind::remote, here), door(home), capacity_(checked_capacity(capacity)) {}

remote_core::remote_core(scheduler_core& home, std::size_t capacity, const object_name& name)
    : sync_core(object_kind::remote, name), door(home), capacity_(checked_capacity(capacity)) {}

send_status remote_core::find_room(std::unique_lock<std::mutex>& lock, bool may_wait) {
  if (refuses_) return send_status::closed;
  if (size_ < capacity_) return send_status::sent;
  if (!may_wait) return send_status::would_block;
  if (is_home_thread())
    throw_misuse(
        "send: the remote is full, and its own thread would wait for itself; use try_send, or a "
        "channel"
    );
  room_.wait(lock, [this] { return refuses_ || size_ < capacity_; });
  return refuses_ ? send_status::closed : send_status::sent;
}

void remote_core::make_sender() {
  check_thread();
  if (is_closed_) throw_misuse("remote: it is closed, and takes no more senders");
  add_sender();
  had_senders_ = is_live_ = true;
  count_as_source(true);
}

void remote_core::refuse_senders() noexcept {
  {
    const std::lock_guard lock(mutex_);
    refuses_ = true;
  }
  room_.notify_all();
}

void remote_core::close() {
  check_thread();
  if (std::exchange(is_closed_, true)) return;
  refuse_senders();
  count_as_source(false);
  serve();
}

void remote_core::owner_gone() noexcept {
  is_closed_ = true;
  turn_all_away();
  turn_woken_away();
  if (scheduler_core* core = door::home()) core->forget(*this);
  refuse_senders();
  leave_home();
  granted_ = 0;
  drop_values();
  release();
}

std::size_t remote_core::not_granted() noexcept {
  const std::lock_guard lock(mutex_);
  return size_ - granted_;
}

bool remote_core::try_promise() noexcept {
  // Not past those who wait until the loop looks into its inbox.
  if (anybody_waits() || not_granted() == 0) return false;
  ++granted_;
  return true;
}

bool remote_core::try_take(wait& w) noexcept {
  if (try_promise()) return true;
  if (!is_over()) return false;
  refuse(w);
  return true;
}

void remote_core::give_back(wait&) noexcept {
  use_grant();
  serve();
}

void remote_core::serve() noexcept {
  if (!anybody_waits()) return;
  for (std::size_t left = not_granted(); left != 0 && anybody_waits(); --left) {
    ++granted_;
    wake_first();
  }
  if (is_over()) wake_all(wait_outcome::failed);
}

void remote_core::posted() noexcept {
  // First who is left, then what they sent: the last one's values came before its end.
  if (is_live_ && senders_.load(std::memory_order_acquire) == 0) {
    is_live_ = false;
    count_as_source(false);
  }
  if (anybody_waits()) note(action_kind::send, action_outcome::delivered, {});
  serve();
}

void remote_core::throw_closed() const {
  throw channel_closed(
      is_closed_ ? "receive: remote '" + display_name() + "' is closed"
                 : "receive: every sender of remote '" + display_name() + "' is gone"
  );
}

void remote_core::describe(object_info& info, std::vector<const void*>& handles) const {
  sync_core::describe(info, handles);
  info.count = senders_.load(std::memory_order_relaxed);
  info.capacity = capacity_;
}

void throw_remote_closed(const char* what) {
  throw channel_closed(what);
}

void throw_empty_sender() {
  throw_misuse("this remote_sender was moved from");
}

}  // namespace stackless::inline STACKLESS_ABI::detail
