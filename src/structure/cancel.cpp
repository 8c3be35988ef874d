#include <stackless/cancel.hpp>
#include <stackless/detail/stop_link.hpp>

#include <fmt/format.h>

#include <utility>

namespace stackless::inline STACKLESS_ABI {

namespace {

std::string duration_text(std::chrono::nanoseconds time) {
  const double seconds = std::chrono::duration<double>(time).count();
  if (seconds >= 1) return fmt::format("{:g} s", seconds);
  if (seconds >= 1e-3) return fmt::format("{:g} ms", seconds * 1e3);
  return fmt::format("{:g} us", seconds * 1e6);
}

}  // namespace

cancel_scope::cancel_scope(bool shields) {
  detail::tasklet_block* t = detail::running_scheduler().current();
  if (t == nullptr) detail::throw_outside_scheduler();
  core_.shields = shields;
  core_.offers_way_out = !shields;
  detail::scheduler_core::enter_scope(core_, *t);
}

cancel_scope::~cancel_scope() {
  while (links_ != nullptr) std::exchange(links_, links_->next)->unlink_scope();
  remove_deadline();
  detail::scheduler_core::leave_scope(core_);
}

void cancel_scope::cancel(std::string reason) {
  if (core_.is_cancelled) return;
  if (!reason.empty()) core_.reason = std::make_shared<const std::string>(std::move(reason));
  core_.host->home->cancel(core_);
  stop_.request_stop();
}

bool cancel_scope::takes_cancelled() const noexcept {
  return core_.is_cancelled && (core_.outer == nullptr || core_.outer->cancelled_by() == nullptr);
}

void cancel_scope::set_deadline(time_point deadline) {
  remove_deadline();
  core_.host->home->start(timer_, deadline, *core_.host);
  timer_.is_running = true;
}

void cancel_scope::link(std::stop_token token) {
  if (token.stop_requested()) {
    cancel("a stop was requested");
  } else if (token.stop_possible()) {
    auto* made = new detail::stop_link(*core_.host->home, *this, std::move(token));
    made->next = links_;
    links_ = made;
    core_.offers_way_out = true;
  }
}

void cancel_scope::remove_deadline() noexcept {
  if (std::exchange(timer_.is_running, false)) core_.host->home->stop(timer_);
}

std::stop_token cancel_scope::stop_token() {
  if (!stop_.stop_possible()) {
    stop_ = std::stop_source();
    if (core_.is_cancelled) stop_.request_stop();
  }
  return stop_.get_token();
}

void cancel_scope::deadline_timer::fire(detail::scheduler_core& core) noexcept {
  is_running = false;
  if (scope.core_.is_cancelled) return;
  has_fired = true;
  core.cancel(scope.core_);
  scope.stop_.request_stop();
}

bool cancel_requested() noexcept {
  if (detail::active_scheduler == nullptr) return false;
  const detail::tasklet_block* t = detail::active_scheduler->current();
  return t != nullptr && (t->attention & (detail::in_cancelled_scope | detail::torn_down |
                                          detail::raise_at_next)) != 0;
}

void detail::throw_timeout(std::chrono::nanoseconds limit, [[maybe_unused]] site here) {
  std::string text = "timed out after " + duration_text(limit);
#if STACKLESS_TRACKING
  const std::string_view file = here.file_name();
  text += fmt::format(" ({}:{})", file.substr(file.rfind('/') + 1), here.line());
#endif
  throw timeout_error(text);
}

}  // namespace stackless::inline STACKLESS_ABI
