#include <stackless/snapshot.hpp>
#include <stackless/sync/once.hpp>

namespace stackless::inline STACKLESS_ABI {

once::once(detail::site here) noexcept : running_(object_kind::once, here) {}

once::once(const object_name& name) : running_(object_kind::once, name) {}

}  // namespace stackless::inline STACKLESS_ABI
