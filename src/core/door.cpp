#include <stackless/detail/door.hpp>
#include <stackless/detail/scheduler_core.hpp>
#include <stackless/error.hpp>

namespace stackless::inline STACKLESS_ABI::detail {

door::door(scheduler_core& home)
    : inbox_(home.shared_inbox()), thread_(std::this_thread::get_id()), home_(&home) {
  home.check_thread();
  const tasklet_block* maker = active_scheduler == &home ? home.current() : nullptr;
  silent_ = maker != nullptr && maker->wakes_nobody;
  home.doors.push_back(*this);
}

void door::post() noexcept {
  retain();  // for the notice on its way
  if (inbox_->post(*this) != inbox::result::posted) release();
}

void door::count_as_source(bool counts) noexcept {
  if (silent_ || counts == counted_ || home_ == nullptr) return;
  counted_ = counts;
  home_->foreign_sources += counts ? 1U : std::size_t(-1);
}

void door::leave_home() noexcept {
  if (home_ == nullptr) return;
  count_as_source(false);
  unlink();
  home_ = nullptr;
  cut_off();
}

void door::home_gone() noexcept {
  leave_home();
}

void door::check_thread() const {
  if (!is_home_thread())
    throw_misuse("the scheduler's end of a door was used from another thread than its own");
}

}  // namespace stackless::inline STACKLESS_ABI::detail
