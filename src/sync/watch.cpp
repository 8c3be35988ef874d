#include <stackless/snapshot.hpp>
#include <stackless/sync/watch.hpp>

namespace stackless::inline STACKLESS_ABI::detail {

watch_core::watch_core(site here) noexcept : feed_core(object_kind::watch, here) {}

watch_core::watch_core(const object_name& name) : feed_core(object_kind::watch, name) {}

}  // namespace stackless::inline STACKLESS_ABI::detail
