#include "resource.hpp"

#include <stackless/detail/io_awaiter.hpp>
#include <stackless/io/error.hpp>
#include <stackless/snapshot.hpp>

#include "failure.hpp"
#include "native_address.hpp"
#include "stream_receiver.hpp"

#include <cerrno>
#include <concepts>
#include <new>
#include <string>
#include <utility>

#include <unistd.h>

namespace stackless::inline STACKLESS_ABI::detail {

namespace {

void cancel_operations_of(const io_resource& resource, io_backend& backend) noexcept {
  backend.operations().for_each([&](io_operation& operation) {
    if (operation.resource == &resource) backend.cancel(operation);
  });
}

}  // namespace

// io_resource
// --------------------------------------------------------------------------------------

io_resource::~io_resource() {
  delete receiver;
}

void io_resource::operation_finished() noexcept {
  if (--in_flight != 0) return;
  if (wait* w = std::exchange(closer, nullptr)) {
    w->owner->home->wake(*w);
  } else if (abandoned_ && descriptor >= 0) {
    ::close(std::exchange(descriptor, -1));
  }
}

void io_resource::abandon() noexcept {
  abandoned_ = true;
  if (receiver != nullptr) receiver->handle_gone();
  if (ends_waits && in_flight != 0 && active_scheduler != nullptr)
    if (io_backend* const backend = active_scheduler->io_if_made())
      cancel_operations_of(*this, *backend);
  // An asynchronous close under way finishes by itself.
  if (in_flight == 0 && closer == nullptr && descriptor >= 0)
    ::close(std::exchange(descriptor, -1));
}

bool io_resource::is_seekable() noexcept {
  if (!known_seekable_) known_seekable_ = ::lseek(descriptor, 0, SEEK_CUR) != -1;
  return known_seekable_;
}

std::string io_resource::name() const {
  if (!name_.empty() || descriptor < 0) return name_;
  switch (kind_) {
  case kind::file:
    break;
  case kind::listener:
    return address_text(descriptor, socket_end::local);
  case kind::stream:
    return address_text(descriptor, socket_end::peer);
  case kind::datagram: {
    std::string peer = address_text(descriptor, socket_end::peer);
    return peer.empty() ? address_text(descriptor, socket_end::local) : peer;
  }
  }
  return name_;
}

void io_resource::keep_name() noexcept {
  try {
    name_ = name();
  } catch (const std::bad_alloc&) {
    return;  // it is told without
  }
}

bool io_resource::withdraw(wait&) noexcept {
  return false;  // who closes waits for operations that were cancelled: they end soon
}

void io_resource::describe(object_info& info, std::vector<const void*>&) const {
  info.kind = object_kind::io_operation;
  info.type = name_of(io_code::close);
  if (const std::string subject = name(); !subject.empty()) info.name = "\"" + subject + "\", ";
  info.name += "after " + std::to_string(in_flight) + " cancelled operations";
}

// Closing
// ------------------------------------------------------------------------------------------

namespace {

/// Waits until no operation of the resource is in flight.
class idle_awaiter {
 public:
  explicit idle_awaiter(io_resource& resource) noexcept
      : resource_(resource), wait_(wait_kind::io, &resource) {}
  idle_awaiter(const idle_awaiter&) = delete;
  idle_awaiter& operator=(const idle_awaiter&) = delete;

  [[nodiscard]] bool await_ready() const noexcept { return resource_.in_flight == 0; }
  template <std::derived_from<frame> Promise>
  std::coroutine_handle<> await_suspend(
      std::coroutine_handle<Promise> h, site here = site::current()
  ) noexcept {
    suspended_ = true;
    resource_.closer = &wait_;
    return active_scheduler->block(wait_, h.promise(), here);
  }
  void await_resume() const {
    if (suspended_) resumed(*active_scheduler->current());
  }

 private:
  io_resource& resource_;
  wait wait_;
  bool suspended_ = false;
};

class idle_operation {
 public:
  explicit idle_operation(io_resource& resource) noexcept : resource_(resource) {}
  [[nodiscard]] idle_awaiter make_awaiter() const noexcept { return idle_awaiter(resource_); }

 private:
  io_resource& resource_;
};

/// The close itself: not a cancel point, and the descriptor belongs to the kernel from its start
/// on.
class close_operation : public io_call {
 public:
  close_operation(io_resource& resource, std::error_code* error) noexcept
      : io_call(io_code::close, nullptr, error), closed_(resource) {
    operation_.descriptor = resource.descriptor;
  }
  [[nodiscard]] io_awaiter<close_operation> make_awaiter() noexcept {
    return io_awaiter<close_operation>(*this);
  }

 private:
  friend class io_awaiter<close_operation>;

  static bool ready() noexcept { return false; }
  void start() {
    io_call::start();
    closed_.descriptor = -1;
  }
  void take() {
    settle();
    // Interrupted, it has closed the descriptor all the same.
    if (operation_.result == -EINTR || operation_.result == -EINPROGRESS) operation_.result = 0;
    if (operation_.result < 0 && error_ == nullptr)
      throw io::io_error(
          code_of(operation_.result), "close", operation_.descriptor, closed_.path()
      );
    (void)checked();
  }

  io_resource& closed_;
};

class close_guard {
 public:
  explicit close_guard(io_resource& resource) noexcept : resource_(resource) {}
  close_guard(const close_guard&) = delete;
  close_guard& operator=(const close_guard&) = delete;
  ~close_guard() { resource_.abandon(); }

 private:
  io_resource& resource_;
};

}  // namespace

task<> close_resource(io_resource* resource, std::error_code* error) {
  if (error != nullptr) error->clear();
  if (resource == nullptr || resource->closing || resource->descriptor < 0) co_return;
  const io_reference keep(resource);
  resource->closing = true;
  const close_guard guard(*resource);
  if (resource->receiver != nullptr) resource->receiver->begin_close();
  if (resource->in_flight != 0) {
    cancel_operations_of(*resource, running_scheduler().io());
    co_await idle_operation(*resource);
    if (resource->descriptor < 0) co_return;  // the handle was destroyed meanwhile
  }
  co_await close_operation(*resource, error);
}

void check_not_pooled(const io_resource* resource) {
  if (resource != nullptr && resource->receiver != nullptr)
    throw_misuse("a stream that was received from with a buffer_pool is read by receive alone");
}

void check_current_tasklet() {
  check_attention(*running_scheduler().current());
}

}  // namespace stackless::inline STACKLESS_ABI::detail
