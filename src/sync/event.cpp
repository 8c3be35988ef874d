#include <stackless/snapshot.hpp>
#include <stackless/sync/event.hpp>

namespace stackless::inline STACKLESS_ABI::detail {

event_core::event_core(site here, bool automatic) noexcept
    : sync_core(object_kind::event, here), automatic_(automatic) {}

event_core::event_core(const object_name& name, bool automatic)
    : sync_core(object_kind::event, name), automatic_(automatic) {}

void event_core::set() noexcept {
  if (automatic_ && anybody_waits()) {
    wake_first();
    return;
  }
  is_set_ = true;
  wake_all();
}

void event_core::reset() {
  is_set_ = false;
}

void event_core::describe(object_info& info, std::vector<const void*>& handles) const {
  sync_core::describe(info, handles);
  info.type = word();
}

}  // namespace stackless::inline STACKLESS_ABI::detail
