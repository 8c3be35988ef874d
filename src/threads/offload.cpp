#include <stackless/error.hpp>
#include <stackless/offload.hpp>
#include <stackless/snapshot.hpp>

#include "threads/offload_pool.hpp"

namespace stackless::inline STACKLESS_ABI {

namespace detail {

offload_wait::offload_wait() noexcept : foreign_wait(typeid(offload_wait)) {}

void offload_wait::submit() {
  begin();
  try {
    offload_pool::instance().submit(*this);
  } catch (...) {
    abandon();
    throw;
  }
}

void offload_wait::run() noexcept {
  perform();
  handle().resume();
}

bool offload_wait::withdraw(wait& w) noexcept {
  if (offload_pool::instance().withdraw(*this)) {
    undone();
    return true;
  }
  ask_to_stop();
  return foreign_wait::withdraw(w);
}

void offload_wait::describe(object_info& info, std::vector<const void*>&) const {
  info.kind = object_kind::offload;
  info.type = offload_pool::instance().is_queued(*this)
                  ? "offloaded work, which waits for a free thread"
                  : "offloaded work";
}

void throw_offloaded_twice() {
  throw_misuse("offload: this operation was awaited before, and its arguments were used up");
}

}  // namespace detail

std::size_t offload_threads() noexcept {
  return detail::offload_pool::instance().most_threads();
}

void set_offload_threads(std::size_t most) {
  if (most == 0)
    detail::throw_misuse("set_offload_threads: without a thread nothing would be done");
  detail::offload_pool::instance().set_most_threads(most);
}

}  // namespace stackless::inline STACKLESS_ABI
