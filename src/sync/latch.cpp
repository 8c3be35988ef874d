#include <stackless/error.hpp>
#include <stackless/snapshot.hpp>
#include <stackless/sync/latch.hpp>

#include <stdexcept>

namespace stackless::inline STACKLESS_ABI::detail {

namespace {

std::size_t checked_parties(std::size_t parties) {
  if (parties == 0) throw_misuse("barrier: it needs at least one party");
  return parties;
}

}  // namespace

latch_core::latch_core(std::size_t count, site here) noexcept
    : sync_core(object_kind::latch, here), count_(count) {}

latch_core::latch_core(const object_name& name, std::size_t count)
    : sync_core(object_kind::latch, name), count_(count) {}

void latch_core::count_down(std::size_t by) {
  if (by > count_) throw std::logic_error(title() + ": counted down below zero");
  count_ -= by;
  if (count_ == 0) wake_all();
}

void latch_core::describe(object_info& info, std::vector<const void*>& handles) const {
  sync_core::describe(info, handles);
  info.count = count_;
}

barrier_core::barrier_core(std::size_t parties, site here)
    : sync_core(object_kind::barrier, here), parties_(checked_parties(parties)) {}

barrier_core::barrier_core(const object_name& name, std::size_t parties)
    : sync_core(object_kind::barrier, name), parties_(checked_parties(parties)) {}

void barrier_core::describe(object_info& info, std::vector<const void*>& handles) const {
  sync_core::describe(info, handles);
  info.count = parties_ - arrived_;
}

}  // namespace stackless::inline STACKLESS_ABI::detail
