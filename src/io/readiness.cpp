#include <stackless/io/readiness.hpp>

#include "failure.hpp"
#include "resource.hpp"
#include "system_call.hpp"

#include <cerrno>
#include <memory>
#include <utility>

#include <poll.h>

namespace stackless::inline STACKLESS_ABI::detail {

namespace {

std::uint32_t events_of(readiness what) noexcept {
  return what == readiness::to_read ? POLLIN : POLLOUT;
}

}  // namespace

/// The operation of one wait. On the heap: a wait that is withdrawn is over at once, and the kernel
/// lets go of the operation later.
struct readiness_record {
  io_operation operation{io_code::poll};
  scheduler_core& home;
  readiness_record*& place;  // in the awaiter, until it was withdrawn

  readiness_record(readiness_awaiter& awaiter, scheduler_core& core) noexcept
      : home(core), place(awaiter.record_) {
    operation.descriptor = awaiter.resource_->descriptor;
    operation.flags = events_of(awaiter.what_);
    operation.resource = awaiter.resource_.get();
    operation.waiter = &awaiter.wait_;
    operation.record = this;
  }

  void withdraw() noexcept {
    place = nullptr;
    operation.waiter = nullptr;
    if (std::exchange(operation.silent, false)) --home.silent_sources;
    io_resource* const resource = std::exchange(operation.resource, nullptr);
    home.io_if_made()->abandon(operation);
    // After that the backend has forgotten the descriptor's number, and it may be closed.
    resource->operation_finished();
  }
};

void withdraw_readiness(readiness_record& record) noexcept {
  record.withdraw();
}

void drop_readiness(readiness_record& record) noexcept {
  delete &record;
}

readiness_awaiter::readiness_awaiter(
    const io_reference& resource, readiness what, std::error_code* error
) noexcept
    : wait_(wait_kind::readiness, nullptr), resource_(resource), error_(error), what_(what) {}

readiness_awaiter::~readiness_awaiter() {
  if (record_ != nullptr) drop_readiness(*record_);
}

bool readiness_awaiter::refused() noexcept {
  const io_resource* const resource = resource_.get();
  result_ = resource == nullptr || resource->closing || resource->descriptor < 0 ? -EBADF : 0;
  return result_ != 0;
}

bool readiness_awaiter::await_ready() {
  scheduler_core& core = running_scheduler();
  check_attention(*core.current());
  if (what_ == readiness::to_read) check_not_pooled(resource_.get());
  if (refused()) return true;
  core.check_switch_trap(core.others_can_run());
  return false;
}

bool readiness_awaiter::select_ready(site) {
  if (what_ == readiness::to_read) check_not_pooled(resource_.get());
  (void)active_scheduler->io();  // it is misuse without an engine, whether ready or not
  if (refused()) return true;
  io_operation once(io_code::poll);
  once.descriptor = resource_->descriptor;
  once.flags = events_of(what_);
  const int result = attempt(once, false);
  if (result == would_block) return false;
  result_ = result;
  return true;
}

void readiness_awaiter::select_begin() {
  scheduler_core& core = *active_scheduler;
  io_backend& backend = core.io();
  auto made = std::make_unique<readiness_record>(*this, core);
  backend.start(made->operation);
  ++resource_->in_flight;
  if (core.current()->wakes_nobody) {
    made->operation.silent = true;
    ++core.silent_sources;
  }
  wait_.object = &made->operation;
  record_ = made.release();
  waited_ = true;
}

void readiness_awaiter::await_resume() {
  if (waited_) {
    tasklet_block& t = *active_scheduler->current();
    resumed(t);
    result_ = record_->operation.result;
    // Somebody closes it.
    if (result_ < 0 && record_->operation.cancel_requested) check_attention(t);
  }
  if (result_ < 0 && error_ == nullptr)
    throw_failure(what_ == readiness::to_read ? "readable" : "writable", result_, resource_.get());
  if (error_ != nullptr) *error_ = result_ < 0 ? code_of(result_) : std::error_code();
}

}  // namespace stackless::inline STACKLESS_ABI::detail
