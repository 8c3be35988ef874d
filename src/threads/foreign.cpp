#include <stackless/await_callback.hpp>
#include <stackless/detail/foreign_wait.hpp>
#include <stackless/error.hpp>
#include <stackless/snapshot.hpp>

#include <cstdlib>

#include <cxxabi.h>

namespace stackless::inline STACKLESS_ABI::detail {

foreign_wait::foreign_wait(const std::type_info& type) noexcept
    : frame_{&on_resume, &on_destroy, this}, wait_(wait_kind::foreign, this), type_(type) {}

void foreign_wait::check_before() {
  const scheduler_core& core = running_scheduler();
  check_attention(*core.current());
  core.check_switch_trap(core.others_can_run());
}

void foreign_wait::begin() {
  scheduler_core& core = *active_scheduler;
  home_ = &core;
  inbox_ = core.shared_inbox();
  began_ = true;
  count(!core.current()->wakes_nobody);
}

void foreign_wait::count(bool counts) noexcept {
  if (counts == counted_) return;
  counted_ = counts;
  home_->foreign_sources += counts ? 1U : std::size_t(-1);
}

void foreign_wait::abandon() noexcept {
  count(false);
  began_ = false;
}

std::coroutine_handle<> foreign_wait::block(frame& f, site here) noexcept {
  return active_scheduler->block(wait_, f, here);
}

void foreign_wait::on_resume(void* frame) noexcept {
  foreign_wait& self = *static_cast<decltype(frame_)*>(frame)->self;
  // The loop may be done with it before `post` returns.
  const std::shared_ptr<inbox> keep = self.inbox_;
  (void)keep->post(self);
}

void foreign_wait::on_destroy(void* frame) noexcept {
  static_cast<decltype(frame_)*>(frame)->self->destroyed_ = true;
  on_resume(frame);
}

void foreign_wait::arrive(scheduler_core& core) noexcept {
  core.wake(wait_);
  count(false);
}

bool foreign_wait::withdraw(wait&) noexcept {
  count(true);  // its end is to be waited for, whoever it wakes
  return false;
}

void foreign_wait::settle() {
  if (!began_) return;
  resumed(*active_scheduler->current());
  if (destroyed_)
    throw object_gone("the awaitable has destroyed the coroutine that awaited it, not resumed it");
}

void foreign_wait::describe(object_info& info, std::vector<const void*>&) const {
  info.kind = object_kind::foreign;
  int status = 0;
  char* const name = abi::__cxa_demangle(type_.name(), nullptr, nullptr, &status);
  info.type = name != nullptr ? name : type_.name();
  std::free(name);
}

void throw_empty_callback() {
  throw_misuse("this callback was moved from");
}

std::exception_ptr callback_dropped_error() noexcept {
  return std::make_exception_ptr(
      channel_closed("await_callback: the callback was dropped, and was never called")
  );
}

}  // namespace stackless::inline STACKLESS_ABI::detail
