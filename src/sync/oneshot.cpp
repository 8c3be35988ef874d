#include <stackless/snapshot.hpp>
#include <stackless/sync/oneshot.hpp>

namespace stackless::inline STACKLESS_ABI::detail {

oneshot_core::oneshot_core(site here) noexcept : sync_core(object_kind::oneshot, here) {}

oneshot_core::oneshot_core(const object_name& name) : sync_core(object_kind::oneshot, name) {}

bool oneshot_core::try_take(wait&) const {
  return is_ready();
}

void oneshot_core::check_unsent() const {
  (void)acting();
  if (is_sent_) throw_misuse("oneshot: something was sent before, and it sends once");
}

void oneshot_core::sent(site here) noexcept {
  is_sent_ = true;
  note(action_kind::send, action_outcome::delivered, here);
  wake_all();
}

void oneshot_core::begin_taking() {
  if (is_taken_) throw_misuse("oneshot: it was received before, and there is no second value");
  if (!is_sent_)
    throw channel_closed(
        "receive: the sender of oneshot '" + display_name() + "' is gone, and has sent nothing"
    );
  is_taken_ = true;
  if (error) std::rethrow_exception(std::exchange(error, nullptr));
}

void oneshot_core::sender_gone() noexcept {
  sender_ = nullptr;
  if (!has_receiver_) {
    delete this;
  } else {
    wake_all();
  }
}

void oneshot_core::receiver_gone() noexcept {
  has_receiver_ = false;
  // Whether it had been sent makes no difference: what was sent has gone with the receiver.
  turn_woken_away();
  turn_all_away();
  if (sender_ == nullptr) delete this;
}

void oneshot_core::describe(object_info& info, std::vector<const void*>& handles) const {
  sync_core::describe(info, handles);
  if (sender_ != nullptr) handles.push_back(sender_);
}

void throw_empty_oneshot() {
  throw_misuse("this end of a oneshot was moved from");
}

}  // namespace stackless::inline STACKLESS_ABI::detail
