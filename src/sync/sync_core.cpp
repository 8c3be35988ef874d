#include <stackless/detail/sync_core.hpp>
#include <stackless/snapshot.hpp>

#include "sync/place_text.hpp"

namespace stackless::inline STACKLESS_ABI::detail {

namespace {

std::string_view word_for(object_kind kind) noexcept {
  switch (kind) {
  case object_kind::mutex:
    return "mutex";
  case object_kind::shared_mutex:
    return "shared_mutex";
  case object_kind::semaphore:
    return "semaphore";
  case object_kind::event:
    return "event";
  case object_kind::condition_variable:
    return "condition_variable";
  case object_kind::latch:
    return "latch";
  case object_kind::barrier:
    return "barrier";
  default:
    return "object";
  }
}

}  // namespace

sync_core::~sync_core() {
  while (!waiting_.empty()) {
    wait& w = waiting_.pop_front();
    w.owner->home->wake(w, wait_outcome::closed);
  }
  if (active_scheduler != nullptr) active_scheduler->forget(*this);
}

tasklet_block* sync_core::acting() {
  if (active_scheduler == nullptr) return nullptr;
  if (active_scheduler->hooks_if_made() != nullptr) [[unlikely]]
    active_scheduler->check_thread();
  return active_scheduler->current();
}

std::string sync_core::display_name() const {
  if (!name_.empty()) return name_;
  return std::string(word_for(kind_)) + place_text(made_at_);
}

void sync_core::describe(object_info& info, std::vector<const void*>&) const {
  info.kind = kind_;
  info.name = name_;
  info.type = word_for(kind_);
  info.made_at = {made_at_.file_name(), made_at_.line(), made_at_.column(), {}};
  waiting_.for_each([&](const wait&) { ++info.waiting; });
}

void throw_object_gone() {
  throw object_gone("what it waited for was destroyed");
}

}  // namespace stackless::inline STACKLESS_ABI::detail
