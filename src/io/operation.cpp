#include <stackless/error.hpp>
#include <stackless/io/operation.hpp>
#include <stackless/snapshot.hpp>

#include "failure.hpp"
#include "file_status.hpp"
#include "resource.hpp"

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstddef>
#include <cstring>
#include <string>
#include <utility>

#include <poll.h>
#include <sys/uio.h>

namespace stackless::inline STACKLESS_ABI {

namespace detail {

const char* name_of(io_code code) noexcept {
  switch (code) {
  case io_code::nop:
    return "nop";
  case io_code::open:
    return "open";
  case io_code::close:
    return "close";
  case io_code::read:
  case io_code::read_vectored:
    return "read";
  case io_code::write:
  case io_code::write_vectored:
    return "write";
  case io_code::sync:
    return "sync";
  case io_code::accept:
    return "accept";
  case io_code::connect:
    return "connect";
  case io_code::receive:
  case io_code::receive_message:
  case io_code::receive_many:
    return "receive";
  case io_code::send:
  case io_code::send_message:
    return "send";
  case io_code::shutdown:
    return "shutdown";
  case io_code::poll:
    return "poll";
  case io_code::status:
    return "status";
  case io_code::rename:
    return "rename";
  case io_code::unlink:
    return "remove";
  case io_code::make_directory:
    return "create_directory";
  case io_code::symbolic_link:
    return "create_symlink";
  case io_code::hard_link:
    return "create_hard_link";
  case io_code::allocate:
    return "allocate";
  case io_code::resize:
    return "resize";
  case io_code::set_permissions:
    return "set_permissions";
  case io_code::set_times:
    return "set_times";
  case io_code::call:
    return "call";
  case io_code::splice_in:
    return "copy from";
  case io_code::splice_out:
    return "copy to";
  }
  return "unknown operation";
}

const char* name_of(const io_operation& operation) noexcept {
  if (operation.code != io_code::call) return name_of(operation.code);
  return static_cast<const blocking_call*>(operation.data)->name;
}

// io_operation
// -------------------------------------------------------------------------------------

bool io_operation::advance(int outcome) noexcept {
  const auto moved = static_cast<std::size_t>(outcome);
  rest -= moved;
  // What was cut short ends here: its tasklet tells how far it came.
  if (rest == 0 || cancel_requested) return false;
  data = static_cast<std::byte*>(data) + moved;
  length = static_cast<std::uint32_t>(std::min(rest, longest_transfer));
  if (offset != current_position) offset += moved;
  return true;
}

void io_operation::complete(int outcome) noexcept {
  if (owner != nullptr) {
    owner->completed(outcome);
    return;
  }
  if (abandoned) {
    drop_readiness(*record);
    return;
  }
  result = outcome;
  if (wait* w = std::exchange(waiter, nullptr)) {
    scheduler_core& home = *w->owner->home;
    if (std::exchange(silent, false)) --home.silent_sources;
    home.wake(*w);
  }
  if (resource != nullptr) resource->operation_finished();
}

bool io_operation::withdraw(wait& w) noexcept {
  if (record != nullptr) {
    withdraw_readiness(*record);
    return true;
  }
  scheduler_core& home = *w.owner->home;
  // Its end is near, and its tasklet's as well: that is to be waited for.
  if (std::exchange(silent, false)) --home.silent_sources;
  home.io_if_made()->cancel(*this);
  return false;
}

void io_operation::describe(object_info& info, std::vector<const void*>&) const {
  info.kind = object_kind::io_operation;
  info.type = code != io_code::poll   ? name_of(*this)
              : (flags & POLLIN) != 0 ? "readable"
                                      : "writable";
  const std::string subject = resource != nullptr ? resource->name() : std::string();
  if (!subject.empty()) {
    info.name = "\"" + subject + "\"";
  } else if (path != nullptr) {
    info.name = "\"" + std::string(path) + "\"";
  } else if (descriptor >= 0) {
    info.name = "descriptor " + std::to_string(descriptor);
  }
  if (cancel_requested) info.name += " (cancel requested)";
}

// Failures
// -----------------------------------------------------------------------------------------

std::error_code code_of(int result) noexcept {
  if (result == broken_stream_result) return io::errc::broken_stream;
  if (result == misaligned_result) return io::errc::misaligned;
  return {-result, std::system_category()};
}

void throw_failure(const char* operation, int result, const io_resource* resource) {
  if (resource == nullptr) throw io::io_error(code_of(result), operation, -1, {});
  throw io::io_error(code_of(result), operation, resource->descriptor, resource->name());
}

namespace {

std::string alignment_text(const io_resource& resource) {
  if (resource.offset_alignment == 0) return "(the file system does not tell how to align)";
  return "(offset and size must be multiples of " + std::to_string(resource.offset_alignment) +
         ", addresses of " + std::to_string(resource.memory_alignment) + ")";
}

}  // namespace

void throw_failure(const io_operation& operation, const io_resource* resource) {
  if (operation.result == misaligned_result)
    throw io::io_error(
        code_of(operation.result), name_of(operation), resource->descriptor, resource->name(),
        alignment_text(*resource)
    );
  if (resource != nullptr || operation.path == nullptr)
    throw_failure(name_of(operation), operation.result, resource);
  const bool two_paths = operation.code == io_code::rename ||
                         operation.code == io_code::hard_link ||
                         operation.code == io_code::symbolic_link;
  const std::string other =
      two_paths ? "to \"" + std::string(static_cast<const char*>(operation.data)) + "\"" : "";
  throw io::io_error(code_of(operation.result), name_of(operation), -1, operation.path, other);
}

void throw_errno(const char* operation, const io_resource* resource) {
  throw_failure(operation, -errno, resource);
}

void throw_errno(const char* operation, int descriptor, const std::string& path) {
  throw io::io_error({errno, std::system_category()}, operation, descriptor, path);
}

// io_call
// ------------------------------------------------------------------------------------------

io_call::io_call(io_code code, io_resource* resource, std::error_code* error) noexcept
    : operation_(code), wait_(wait_kind::io, &operation_), resource_(resource), error_(error) {
  operation_.resource = resource;
}

bool io_call::ready() {
  check_attention(*running_scheduler().current());
  if ((directions_ & reading) != 0) check_not_pooled(resource_.get());
  if (operation_.waiter != nullptr)
    throw_misuse("an I/O operation was awaited that another tasklet is awaiting");
  if (refused()) return true;
  const scheduler_core& core = *active_scheduler;
  core.check_switch_trap(core.others_can_run());
  return false;
}

bool io_call::refused() noexcept {
  started_ = false;
  operation_.result = refusal_;
  if (refusal_ != 0) return true;
  const bool by_descriptor = operation_.path == nullptr && operation_.code != io_code::call;
  if (by_descriptor) {
    if (resource_.get() == nullptr || resource_->closing || resource_->descriptor < 0) {
      operation_.result = -EBADF;
      return true;
    }
    operation_.descriptor = resource_->descriptor;
  }
  if (by_descriptor && operation_.offset != io_operation::current_position &&
      !resource_->is_seekable()) {
    operation_.result = -ESPIPE;
    return true;
  }
  if (resource_.get() != nullptr && (resource_->broken & directions_) != 0) {
    operation_.result = broken_stream_result;
    return true;
  }
  if (resource_.get() != nullptr && resource_->is_direct && is_misaligned()) {
    operation_.result = misaligned_result;
    return true;
  }
  return false;
}

// The kernel's answer would be "Invalid argument".
bool io_call::is_misaligned() const noexcept {
  const std::uint64_t memory = resource_->memory_alignment;
  const std::uint64_t block = resource_->offset_alignment;
  if (memory == 0 || block == 0) return false;
  const auto is_off = [&](const void* data, std::uint64_t size) noexcept {
    return reinterpret_cast<std::uintptr_t>(data) % memory != 0 || size % block != 0;
  };
  const std::uint64_t offset = operation_.offset;
  const bool offset_is_off = offset != io_operation::current_position && offset % block != 0;
  switch (operation_.code) {
  case io_code::read:
  case io_code::write:
    return offset_is_off || is_off(operation_.data, operation_.length);
  case io_code::read_vectored:
  case io_code::write_vectored: {
    const auto* const vectors = static_cast<const iovec*>(operation_.data);
    return offset_is_off || std::any_of(vectors, vectors + operation_.length, [&](const iovec& v) {
             return is_off(v.iov_base, v.iov_len);
           });
  }
  default:
    return false;
  }
}

void io_call::start() {
  scheduler_core& core = *active_scheduler;
  io_backend& backend = core.io();
  operation_.cancel_requested = false;
  operation_.backend_state = 0;
  operation_.waiter = &wait_;
  wait_.complete_as(wait_outcome::pending);
  try {
    backend.start(operation_);
  } catch (...) {
    operation_.waiter = nullptr;
    throw;
  }
  if (resource_.get() != nullptr) ++resource_->in_flight;
  operation_.silent = core.current()->wakes_nobody;
  if (operation_.silent) ++core.silent_sources;
  started_ = true;
}

void io_call::settle() {
  if (!started_) return;
  if (moved_ != nullptr && operation_.result > 0)
    *moved_ += static_cast<std::size_t>(operation_.result);
  tasklet_block& t = *active_scheduler->current();
  resumed(t);
  // Cut short by its scope. One that was faster has its result; the next await raises.
  if (operation_.result < 0 && operation_.cancel_requested) check_attention(t);
}

int io_call::checked() {
  if (operation_.result >= 0) {
    if (error_ != nullptr) error_->clear();
    return operation_.result;
  }
  // Of the position, or of a device that has not told.
  if (operation_.result == -EINVAL && resource_.get() != nullptr && resource_->is_direct)
    operation_.result = misaligned_result;
  if (error_ == nullptr) throw_failure(operation_, resource_.get());
  *error_ = code_of(operation_.result);
  return -1;
}

std::uint8_t directions_of(io_code code, std::uint64_t offset) noexcept {
  if (code == io_code::receive) return reading;
  if (code == io_code::send) return writing;
  // A file has one position for both.
  return offset == io_operation::current_position ? reading | writing : 0;
}

}  // namespace detail

namespace io {

using detail::io_code;

transfer_operation::transfer_operation(
    io_code code,
    detail::io_resource* resource,
    mutable_bytes into,
    std::uint64_t offset,
    std::error_code* error,
    std::size_t* moved
) noexcept
    : io_call(code, resource, error) {
  set_buffer(into.data(), into.size());
  operation_.offset = offset;
  moved_ = moved;
  directions_ = detail::directions_of(code, offset);
}

transfer_operation::transfer_operation(
    io_code code,
    detail::io_resource* resource,
    const_bytes from,
    std::uint64_t offset,
    std::error_code* error,
    std::size_t* moved
) noexcept
    // A write only reads through the pointer.
    : transfer_operation(
          code,
          resource,
          mutable_bytes(const_cast<std::byte*>(from.data()), from.size()),
          offset,
          error,
          moved
      ) {}

std::size_t transfer_operation::take() {
  settle();
  const int count = checked();
  return count < 0 ? 0 : static_cast<std::size_t>(count);
}

// Vectored ones
// -------------------------------------------------------------------------------

vectored_operation::vectored_operation(
    detail::io_resource* resource,
    std::span<const mutable_bytes> into,
    std::uint64_t offset,
    std::error_code* error
)
    : io_call(io_code::read_vectored, resource, error) {
  operation_.offset = offset;
  directions_ = detail::directions_of(io_code::read_vectored, offset);
  note(into);
}

vectored_operation::vectored_operation(
    detail::io_resource* resource,
    std::span<const const_bytes> from,
    std::uint64_t offset,
    std::error_code* error
)
    : io_call(io_code::write_vectored, resource, error) {
  operation_.offset = offset;
  directions_ = detail::directions_of(io_code::write_vectored, offset);
  note(from);
}

template <class Bytes>
void vectored_operation::note(std::span<const Bytes> buffers) {
  static_assert(sizeof(iovec) == vector_size);
  const std::size_t count = std::min<std::size_t>(buffers.size(), IOV_MAX);
  std::byte* vectors = few_.data();
  if (count > few) {
    many_ = std::make_unique_for_overwrite<std::byte[]>(count * vector_size);
    vectors = many_.get();
  }
  for (std::size_t i = 0; i < count; ++i) {
    iovec vector{};
    // A write only reads through the pointer.
    vector.iov_base = const_cast<std::byte*>(buffers[i].data());
    vector.iov_len = buffers[i].size();
    std::memcpy(vectors + i * vector_size, &vector, sizeof vector);
  }
  operation_.data = vectors;
  operation_.length = static_cast<std::uint32_t>(count);
}

std::size_t vectored_operation::take() {
  settle();
  const int count = checked();
  return count < 0 ? 0 : static_cast<std::size_t>(count);
}

plain_operation::plain_operation(
    io_code code,
    detail::io_resource* resource,
    std::uint64_t offset,
    std::uint64_t size,
    std::uint32_t mode,
    std::error_code* error
) noexcept
    : io_call(code, resource, error) {
  operation_.offset = offset;
  operation_.size = size;
  operation_.mode = mode;
}

plain_operation::plain_operation(
    io_code code, detail::io_resource* resource, std::uint32_t flags, std::error_code* error
) noexcept
    : io_call(code, resource, error) {
  operation_.flags = flags;
}

void plain_operation::take() {
  settle();
  (void)checked();
}

times_operation::times_operation(
    detail::io_resource* file, file_time accessed, file_time modified, std::error_code* error
) noexcept
    : io_call(io_code::set_times, file, error) {
  static_assert(sizeof native_ == 2 * sizeof(timespec));
  const std::array<timespec, 2> times{detail::native_time(accessed), detail::native_time(modified)};
  std::memcpy(native_.data(), times.data(), sizeof native_);
  operation_.data = native_.data();
}

void times_operation::take() {
  settle();
  (void)checked();
}

}  // namespace io

}  // namespace stackless::inline STACKLESS_ABI
