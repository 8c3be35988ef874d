#include <stackless/snapshot.hpp>
#include <stackless/sync/semaphore.hpp>

#include <algorithm>
#include <limits>
#include <stdexcept>

namespace stackless::inline STACKLESS_ABI::detail {

namespace {

constexpr std::size_t most_units = std::numeric_limits<std::size_t>::max();

}  // namespace

semaphore_core::semaphore_core(std::size_t units, site here) noexcept
    : sync_core(object_kind::semaphore, here), units_(units) {}

semaphore_core::semaphore_core(const object_name& name, std::size_t units)
    : sync_core(object_kind::semaphore, name), units_(units) {}

void semaphore_core::check_room(std::size_t units) const {
  if (units > most_units - units_)
    throw std::logic_error(title() + ": released more units than can be counted");
}

void semaphore_core::release(std::size_t units) noexcept {
  for (; units != 0 && anybody_waits(); --units) wake_first();
  units_ += std::min(units, most_units - units_);
}

void semaphore_core::describe(object_info& info, std::vector<const void*>& handles) const {
  sync_core::describe(info, handles);
  info.count = units_;
}

}  // namespace stackless::inline STACKLESS_ABI::detail
