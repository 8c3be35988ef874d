#include "stream_receiver.hpp"

#include <stackless/error.hpp>
#include <stackless/io/receive.hpp>
#include <stackless/snapshot.hpp>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <new>
#include <string>
#include <utility>

#include <poll.h>
#include <sys/socket.h>

namespace stackless::inline STACKLESS_ABI::detail {

namespace {

/// What may come for a connection before its tasklet asks: enough for a sender that is faster for
/// a while.
std::uint32_t most_queued(const buffer_pool_state& pool) noexcept {
  return std::clamp<std::uint32_t>(pool.count() / 8, 1, 16);
}

}  // namespace

stream_receiver::stream_receiver(io_resource& resource, buffer_pool_state& pool) noexcept
    : pool_(&pool), resource_(resource) {
  pool.retain();
  operation_.owner = this;
}

stream_receiver::~stream_receiver() {
  drop_bytes();
  pool_->release();
}

void stream_receiver::enter(scheduler_core& home) {
  if (home_ != &home) {
    if (busy_ || first_waiter_ != nullptr)
      throw_misuse("receive: the stream is in use in another scheduler");
    home_ = &home;
  }
  io_backend& engine = home.io();
  if (pool_->home() == &engine) return;
  if (pool_->home() != nullptr)
    throw_misuse("receive: the buffer_pool is in use in another scheduler");
  engine.adopt(*pool_);
}

// The queue
// ----------------------------------------------------------------------------------------

void stream_receiver::note_pooled(int change) noexcept {
  const bool had = pooled_ != 0;
  pooled_ += static_cast<std::uint32_t>(change);
  if (!had && pooled_ != 0) pool_->note_hoard(*this);
  if (had && pooled_ == 0) pool_->forget_hoard(*this);
}

void stream_receiver::append(received_bytes& bytes, std::uint32_t size) noexcept {
  bytes.size = size;
  bytes.next = nullptr;
  (first_ == nullptr ? first_ : last_->next) = &bytes;
  last_ = &bytes;
  ++queued_;
  note_pooled(1);
}

void stream_receiver::hand_to(pooled_receive_awaiter& into, received_bytes& bytes) noexcept {
  into.bytes_ = pooled_access::make(*pool_, bytes);
  into.result_ = 0;
  into.has_result_ = true;
}

bool stream_receiver::take(pooled_receive_awaiter& into) noexcept {
  if (first_ != nullptr) {
    received_bytes& bytes = *first_;
    first_ = bytes.next;
    --queued_;
    if (bytes.in_pool) note_pooled(-1);
    hand_to(into, bytes);
  } else if (end_ != still_open) {
    into.result_ = end_;
    if (end_ < 0) end_ = still_open;  // told once, as the system does
  } else {
    return false;
  }
  into.has_result_ = true;
  return true;
}

void stream_receiver::put_back(pooled_receive_awaiter& from) noexcept {
  from.has_result_ = false;
  if (from.closed_ || resource_.closing || resource_.descriptor < 0) return;
  if (from.result_ < 0) {
    if (end_ == still_open) end_ = from.result_;
  } else if (!from.bytes_.empty()) {
    received_bytes& bytes = pooled_access::take_apart(from.bytes_);
    bytes.next = first_;
    if (first_ == nullptr) last_ = &bytes;
    first_ = &bytes;
    ++queued_;
    if (bytes.in_pool) note_pooled(1);
  }
  serve();
  if (pool_->anybody_starves()) (void)let_go();
}

void stream_receiver::drop_bytes() noexcept {
  while (first_ != nullptr) {
    received_bytes& bytes = *first_;
    first_ = bytes.next;
    --queued_;
    if (bytes.in_pool) {
      note_pooled(-1);
      pool_->give_back(bytes);
    } else {
      ::operator delete(&bytes);
    }
  }
}

bool stream_receiver::let_go() noexcept {
  // No more of them: who does not receive is to be told by its peer's full socket, not by us.
  cancel();
  for (received_bytes** place = &first_; *place != nullptr; place = &(*place)->next) {
    received_bytes& slot = **place;
    if (!slot.in_pool) continue;
    void* const memory = ::operator new(sizeof(received_bytes) + slot.size, std::nothrow);
    if (memory == nullptr) return false;
    auto* const own = new (memory) received_bytes{slot.next, slot.size, false, false};
    std::memcpy(own + 1, pool_->data(slot), slot.size);
    *place = own;
    if (last_ == &slot) last_ = own;
    note_pooled(-1);
    pool_->give_back(slot);
  }
  return true;
}

// Waiting
// ------------------------------------------------------------------------------------------

void stream_receiver::count(pooled_receive_awaiter& waiter, bool counted) noexcept {
  io_backend& engine = *home_->io_if_made();
  if (counted) {
    engine.wait_begins();
    if (waiter.silent_) ++home_->silent_sources;
  } else {
    engine.wait_ends();
    if (waiter.silent_) --home_->silent_sources;
  }
}

void stream_receiver::wait_for(pooled_receive_awaiter& waiter) {
  ask();
  waiter.silent_ = home_->current()->wakes_nobody;
  waiter.next_ = nullptr;
  (first_waiter_ == nullptr ? first_waiter_ : last_waiter_->next_) = &waiter;
  last_waiter_ = &waiter;
  ++resource_.in_flight;
  if (!starving_) count(waiter, true);
}

void stream_receiver::serve() noexcept {
  while (first_waiter_ != nullptr && take(*first_waiter_)) end_first_wait();
}

void stream_receiver::end_first_wait() noexcept {
  pooled_receive_awaiter& served = *first_waiter_;
  first_waiter_ = served.next_;
  end_wait(served);
}

/// It has been taken out of the queue of those who wait.
void stream_receiver::end_wait(pooled_receive_awaiter& waiter) noexcept {
  home_->wake(waiter.wait_);
  if (!starving_) count(waiter, false);  // now that its tasklet is in the ring
  if (first_waiter_ == nullptr) {
    starve_no_more();
    if (resource_.is_abandoned()) cancel();
  }
  resource_.operation_finished();
}

bool stream_receiver::withdraw(wait& w) noexcept {
  pooled_receive_awaiter* before = nullptr;
  pooled_receive_awaiter* waiter = first_waiter_;
  while (&waiter->wait_ != &w) before = std::exchange(waiter, waiter->next_);
  (before == nullptr ? first_waiter_ : before->next_) = waiter->next_;
  if (last_waiter_ == waiter) last_waiter_ = before;
  if (!starving_) count(*waiter, false);
  if (first_waiter_ == nullptr) {
    starve_no_more();
    if (resource_.is_abandoned()) cancel();
  }
  resource_.operation_finished();
  return true;
}

// Only bytes in hands of the program keep it waiting: nothing that the kernel will end.
void stream_receiver::starve() noexcept {
  starving_ = true;
  for (pooled_receive_awaiter* w = first_waiter_; w != nullptr; w = w->next_) count(*w, false);
  pool_->starve(*this);
}

void stream_receiver::starve_no_more() noexcept {
  if (!std::exchange(starving_, false)) return;
  pool_->feed_no_more(*this);
  for (pooled_receive_awaiter* w = first_waiter_; w != nullptr; w = w->next_) count(*w, true);
}

void stream_receiver::feed(received_bytes& slot) noexcept {
  starving_ = false;
  for (pooled_receive_awaiter* w = first_waiter_; w != nullptr; w = w->next_) count(*w, true);
  receive_into(slot);
}

void stream_receiver::receive_into(received_bytes& slot) noexcept {
  ssize_t size = 0;
  do {
    size = ::recv(resource_.descriptor, pool_->data(slot), pool_->buffer_size(), MSG_DONTWAIT);
  } while (size == -1 && errno == EINTR);
  const int error = size == -1 ? errno : 0;
  if (size > 0) {
    append(slot, static_cast<std::uint32_t>(size));
  } else {
    pool_->give_back(slot);
    if (error != EAGAIN) end_ = -error;
  }
  serve();
  if (first_waiter_ != nullptr) ask();
}

// The operation
// ------------------------------------------------------------------------------------

void stream_receiver::ask() {
  if (busy_ || starving_) return;
  io_backend& engine = home_->io();
  operation_.cancel_requested = false;
  operation_.backend_state = 0;
  operation_.background = true;
  operation_.descriptor = resource_.descriptor;
  pool_->borrower_comes();
  if (pool_->lent() != 0) {
    operation_.code = io_code::receive_many;
    operation_.other = pool_->ring()->group();
  } else {
    pool_->borrower_goes();
    operation_.code = io_code::poll;
    operation_.flags = POLLIN;
  }
  engine.start(operation_);
  busy_ = true;
  ++resource_.in_flight;
  resource_.retain();
}

void stream_receiver::look_ahead() {
  ask();
}

void stream_receiver::part(std::uint32_t buffer, int outcome) noexcept {
  received_bytes& slot = pool_->take_from_kernel(buffer);
  pool_->lend_more();
  if (outcome <= 0 || !is_wanted()) {
    pool_->give_back(slot);
    return;
  }
  if (first_waiter_ != nullptr) {  // and so nothing is kept
    slot.size = static_cast<std::uint32_t>(outcome);
    hand_to(*first_waiter_, slot);
    end_first_wait();
    return;
  }
  append(slot, static_cast<std::uint32_t>(outcome));
  if (queued_ >= most_queued(*pool_)) cancel();
}

bool stream_receiver::is_wanted() const noexcept {
  return !resource_.closing && (first_waiter_ != nullptr || !resource_.is_abandoned());
}

void stream_receiver::receive_now() noexcept {
  if (received_bytes* const slot = pool_->take()) {
    receive_into(*slot);
  } else if (pool_->lent() == 0 && first_waiter_ != nullptr) {
    starve();
  }
}

void stream_receiver::completed(int outcome) noexcept {
  busy_ = false;
  if (operation_.code == io_code::poll) {
    if (outcome >= 0) {
      if (is_wanted()) receive_now();
    } else if (outcome != -ECANCELED) {
      end_ = outcome;
    }
  } else {
    pool_->borrower_goes();
    switch (-outcome) {
    case 0:
      end_ = 0;
      break;
    case EINVAL:  // the rings are older (Linux 5.19) than receives that go on (6.0)
      pool_->stop_lending();
      break;
    case ENOBUFS:
    case ECANCELED:
    case EINTR:
    case EAGAIN:
      break;
    default:
      if (outcome < 0) end_ = outcome;
    }
  }
  serve();
  if (first_waiter_ != nullptr) ask();
  resource_.operation_finished();
  resource_.release();
}

void stream_receiver::cancel() noexcept {
  if (busy_ && !operation_.cancel_requested) home_->io_if_made()->cancel(operation_);
}

void stream_receiver::begin_close() noexcept {
  if (first_waiter_ != nullptr) resource_.keep_name();
  while (pooled_receive_awaiter* const waiter = first_waiter_) {
    first_waiter_ = waiter->next_;
    waiter->result_ = -ECANCELED;
    waiter->has_result_ = true;
    waiter->closed_ = true;
    end_wait(*waiter);
  }
  drop_bytes();
  if (!busy_) return;
  home_->io_if_made()->wait_for(operation_);
  cancel();
}

void stream_receiver::handle_gone() noexcept {
  if (first_waiter_ != nullptr) return;
  drop_bytes();
  cancel();
}

void stream_receiver::describe(object_info& info, std::vector<const void*>&) const {
  info.kind = object_kind::io_operation;
  info.type = name_of(io_code::receive);
  const std::string subject = resource_.name();
  info.name = subject.empty() ? "descriptor " + std::to_string(resource_.descriptor)
                              : "\"" + subject + "\"";
  if (!starving_) return;
  info.kind = object_kind::buffer_pool;
  info.capacity = pool_->count();
}

}  // namespace stackless::inline STACKLESS_ABI::detail
