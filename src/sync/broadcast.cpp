#include <stackless/snapshot.hpp>
#include <stackless/sync/broadcast.hpp>

#include <algorithm>
#include <string>

namespace stackless::inline STACKLESS_ABI::detail {

namespace {

std::size_t checked(std::size_t capacity) {
  if (capacity == 0) throw_misuse("broadcast: its capacity must be 1 at least");
  return capacity;
}

}  // namespace

broadcast_core::broadcast_core(site here, std::size_t capacity)
    : feed_core(object_kind::broadcast, here), capacity_(checked(capacity)) {}

broadcast_core::broadcast_core(const object_name& name, std::size_t capacity)
    : feed_core(object_kind::broadcast, name), capacity_(checked(capacity)) {}

std::size_t broadcast_core::behind(const feed_receiver& receiver) const noexcept {
  return static_cast<std::size_t>(std::min<std::uint64_t>(newest() - receiver.taken(), buffered()));
}

void broadcast_core::check_lag(feed_receiver& receiver) const {
  const std::uint64_t missed = newest() - receiver.taken() - behind(receiver);
  if (missed == 0) return;
  receiver.set_taken(receiver.taken() + missed);
  throw broadcast_lagged(
      "receive: " + std::to_string(missed) + (missed == 1 ? " value of " : " values of ") +
          title() + " passed by while this receiver was more than " + std::to_string(capacity_) +
          " behind",
      missed
  );
}

void broadcast_core::note_unheard(site here) noexcept {
  note(action_kind::send, action_outcome::dropped, here);
}

void broadcast_core::describe(object_info& info, std::vector<const void*>& handles) const {
  feed_core::describe(info, handles);
  info.capacity = capacity_;
  info.buffered = buffered();
}

}  // namespace stackless::inline STACKLESS_ABI::detail
