#include <stackless/detail/stop_link.hpp>
#include <stackless/scheduler.hpp>
#include <stackless/stop.hpp>

namespace stackless::inline STACKLESS_ABI {

namespace detail {

void inbox::stop_request::arrive(scheduler_core& core) noexcept {
  core.stop();
}

void scheduler_core::stop() noexcept {
  if (alive() == 0) return;
  const bool main_runs = main != nullptr && !main->ended;
  begin_teardown(
      main_runs ? std::make_exception_ptr(run_stopped("run: it was stopped by request_stop"))
                : nullptr
  );
}

// stop_link
// ----------------------------------------------------------------------------------------

stop_link::stop_link(scheduler_core& home, cancel_scope& scope, std::stop_token token)
    : door(home), scope_(scope), token_(std::move(token)) {
  count_as_source(true);
  callback_.emplace(token_, posts{*this});  // at once, if it was requested already
}

void stop_link::unlink_scope() noexcept {
  callback_.reset();  // waits for one that is being called
  leave_home();
  release();
}

void stop_link::posted() noexcept {
  if (!token_.stop_requested()) return;
  count_as_source(false);
  try {
    scope_.cancel("a stop was requested");
  } catch (...) {  // no memory for the reason
    scope_.cancel();
  }
}

void stop_link::look_again() noexcept {
  if (!token_.stop_possible()) count_as_source(false);  // its last std::stop_source is gone
}

}  // namespace detail

stop_handle get_stop_handle() {
  return stop_handle(detail::running_scheduler().shared_inbox());
}

stop_handle scheduler::get_stop_handle() const {
  return stop_handle(core_->shared_inbox());
}

void scheduler::request_stop() const noexcept {
  (void)core_->shared_inbox()->request_stop();
}

}  // namespace stackless::inline STACKLESS_ABI
