#include <stackless/io/operation.hpp>

#include "failure.hpp"
#include "resource.hpp"

#include <cerrno>
#include <string>

namespace stackless::inline STACKLESS_ABI::io {

using detail::io_code;

whole_transfer_operation::whole_transfer_operation(
    io_code code,
    detail::io_resource* resource,
    mutable_bytes into,
    std::uint64_t offset,
    std::size_t* done
) noexcept
    : io_call(code, resource, nullptr),
      data_(into.data()),
      size_(into.size()),
      offset_(offset),
      done_(done) {
  directions_ = detail::directions_of(code, offset);
}

whole_transfer_operation::whole_transfer_operation(
    io_code code,
    detail::io_resource* resource,
    const_bytes from,
    std::uint64_t offset,
    std::size_t* done
) noexcept
    // A write only reads through the pointer.
    : whole_transfer_operation(
          code,
          resource,
          mutable_bytes(const_cast<std::byte*>(from.data()), from.size()),
          offset,
          done
      ) {}

bool whole_transfer_operation::ready() {
  if (done_ != nullptr) *done_ = 0;
  set_buffer(data_, size_);
  operation_.offset = offset_;
  operation_.rest = size_;
  if (size_ != 0) return io_call::ready();
  detail::check_current_tasklet();
  return true;
}

void whole_transfer_operation::take() {
  if (size_ == 0) return;
  const std::size_t moved = size_ - operation_.rest;
  if (done_ != nullptr) {
    *done_ = moved;
  } else if (moved != 0 && moved < size_ && operation_.result != 0) {
    // Nobody knows the position any more. At the end of the input, all do.
    resource_->broken |= directions_;
  }
  // A part that came together with the cancellation is no success.
  if (moved < size_ && operation_.result > 0) operation_.result = -ECANCELED;

  settle();
  if (operation_.result == 0) throw_end_of_file(moved);
  (void)checked();
}

void whole_transfer_operation::throw_end_of_file(std::size_t moved) {
  // No device takes nothing of a write; if one does, it must not be asked for ever.
  if (operation_.code == io_code::write || operation_.code == io_code::send)
    detail::throw_failure(detail::name_of(operation_.code), -EIO, resource_.get());
  throw io_error(
      errc::end_of_file, detail::name_of(operation_.code), resource_->descriptor, resource_->name(),
      "after " + std::to_string(moved) + " of " + std::to_string(size_) + " bytes"
  );
}

}  // namespace stackless::inline STACKLESS_ABI::io
