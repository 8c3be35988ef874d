#include <stackless/error.hpp>
#include <stackless/io/receive.hpp>

#include "buffer_pool_state.hpp"
#include "failure.hpp"
#include "stream_receiver.hpp"

#include <cerrno>
#include <memory>
#include <utility>

namespace stackless::inline STACKLESS_ABI::detail {

pooled_receive_awaiter::pooled_receive_awaiter(
    const io_reference& resource, io::buffer_pool& pool, std::error_code* error
) noexcept
    : wait_(wait_kind::readiness, nullptr), resource_(resource), pool_(pool), error_(error) {}

pooled_receive_awaiter::~pooled_receive_awaiter() {
  if (has_result_) receiver_->put_back(*this);
}

bool pooled_receive_awaiter::refused() noexcept {
  const io_resource* const resource = resource_.get();
  if (resource == nullptr || resource->closing || resource->descriptor < 0) {
    result_ = -EBADF;
  } else if ((resource->broken & reading) != 0) {
    result_ = broken_stream_result;
  }
  return result_ != 0;
}

void pooled_receive_awaiter::prepare() {
  buffer_pool_state& pool = pooled_access::state_of(pool_);
  if (resource_->receiver == nullptr) {
    auto made = std::make_unique<stream_receiver>(*resource_.get(), pool);
    made->enter(*active_scheduler);
    resource_->receiver = made.release();
  }
  receiver_ = resource_->receiver;
  if (&receiver_->pool() != &pool)
    throw_misuse("receive: the stream was received from with another buffer_pool");
  receiver_->enter(*active_scheduler);
}

bool pooled_receive_awaiter::await_ready() {
  scheduler_core& core = running_scheduler();
  check_attention(*core.current());
  if (refused()) return true;
  prepare();
  if (receiver_->take(*this)) return true;
  core.check_switch_trap(core.others_can_run());
  return false;
}

bool pooled_receive_awaiter::select_ready(site) {
  (void)active_scheduler->io();  // it is misuse without an engine, whether ready or not
  if (refused()) return true;
  prepare();
  if (receiver_->take(*this)) return true;
  receiver_->look_ahead();
  return false;
}

void pooled_receive_awaiter::select_begin() {
  receiver_->wait_for(*this);
  wait_.object = receiver_;
  waited_ = true;
}

io::pooled_bytes pooled_receive_awaiter::await_resume() {
  if (waited_) {
    tasklet_block& t = *active_scheduler->current();
    resumed(t);
    if (closed_) check_attention(t);
  }
  has_result_ = false;
  if (result_ < 0 && error_ == nullptr) throw_failure("receive", result_, resource_.get());
  if (error_ != nullptr) *error_ = result_ < 0 ? code_of(result_) : std::error_code();
  return std::move(bytes_);
}

}  // namespace stackless::inline STACKLESS_ABI::detail
