#include <stackless/error.hpp>
#include <stackless/io/file.hpp>

#include "core/system_error.hpp"
#include "failure.hpp"
#include "file_access.hpp"
#include "file_status.hpp"
#include "resource.hpp"

#include <cerrno>
#include <utility>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace stackless::inline STACKLESS_ABI::io {

using detail::io_code;

namespace {

constexpr std::uint64_t here = detail::io_operation::current_position;

int flags_of(open_mode mode) noexcept {
  switch (mode) {
  case open_mode::read_only:
    return O_RDONLY;
  case open_mode::write_only:
    return O_WRONLY;
  case open_mode::read_write:
    return O_RDWR;
  case open_mode::open_or_create:
    return O_RDWR | O_CREAT;
  case open_mode::create_truncate:
    return O_WRONLY | O_CREAT | O_TRUNC;
  case open_mode::create_new:
    return O_RDWR | O_CREAT | O_EXCL;
  case open_mode::append:
    return O_WRONLY | O_CREAT | O_APPEND;
  }
  return O_RDONLY;
}

std::uint32_t mode_of(allocation what) noexcept {
  switch (what) {
  case allocation::extend:
    break;
  case allocation::keep_size:
    return FALLOC_FL_KEEP_SIZE;
  case allocation::punch_hole:
    return FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
  }
  return 0;
}

}  // namespace

// Reading and writing
// ------------------------------------------------------------------------------

transfer_operation file::read_some(mutable_bytes into) noexcept {
  return transfer_operation(io_code::read, handle_.get(), into, here, nullptr);
}
transfer_operation file::read_some(mutable_bytes into, std::error_code& error) noexcept {
  return transfer_operation(io_code::read, handle_.get(), into, here, &error);
}
transfer_operation file::read_some(mutable_bytes into, std::size_t* done) noexcept {
  return transfer_operation(io_code::read, handle_.get(), into, here, nullptr, done);
}
transfer_operation file::read_some_at(std::uint64_t offset, mutable_bytes into) noexcept {
  return transfer_operation(io_code::read, handle_.get(), into, offset, nullptr);
}
transfer_operation file::read_some_at(
    std::uint64_t offset, mutable_bytes into, std::error_code& error
) noexcept {
  return transfer_operation(io_code::read, handle_.get(), into, offset, &error);
}

transfer_operation file::write_some(const_bytes from) noexcept {
  return transfer_operation(io_code::write, handle_.get(), from, here, nullptr);
}
transfer_operation file::write_some(const_bytes from, std::error_code& error) noexcept {
  return transfer_operation(io_code::write, handle_.get(), from, here, &error);
}
transfer_operation file::write_some(const_bytes from, std::size_t* done) noexcept {
  return transfer_operation(io_code::write, handle_.get(), from, here, nullptr, done);
}
transfer_operation file::write_some_at(std::uint64_t offset, const_bytes from) noexcept {
  return transfer_operation(io_code::write, handle_.get(), from, offset, nullptr);
}
transfer_operation file::write_some_at(
    std::uint64_t offset, const_bytes from, std::error_code& error
) noexcept {
  return transfer_operation(io_code::write, handle_.get(), from, offset, &error);
}

vectored_operation file::read_vectored(std::span<const mutable_bytes> into) {
  return vectored_operation(handle_.get(), into, here, nullptr);
}
vectored_operation file::read_vectored(
    std::span<const mutable_bytes> into, std::error_code& error
) {
  return vectored_operation(handle_.get(), into, here, &error);
}
vectored_operation file::read_vectored_at(
    std::uint64_t offset, std::span<const mutable_bytes> into
) {
  return vectored_operation(handle_.get(), into, offset, nullptr);
}
vectored_operation file::read_vectored_at(
    std::uint64_t offset, std::span<const mutable_bytes> into, std::error_code& error
) {
  return vectored_operation(handle_.get(), into, offset, &error);
}
vectored_operation file::write_vectored(std::span<const const_bytes> from) {
  return vectored_operation(handle_.get(), from, here, nullptr);
}
vectored_operation file::write_vectored(std::span<const const_bytes> from, std::error_code& error) {
  return vectored_operation(handle_.get(), from, here, &error);
}
vectored_operation file::write_vectored_at(
    std::uint64_t offset, std::span<const const_bytes> from
) {
  return vectored_operation(handle_.get(), from, offset, nullptr);
}
vectored_operation file::write_vectored_at(
    std::uint64_t offset, std::span<const const_bytes> from, std::error_code& error
) {
  return vectored_operation(handle_.get(), from, offset, &error);
}

whole_transfer_operation file::read_exactly(mutable_bytes into, std::size_t* done) noexcept {
  return whole_transfer_operation(io_code::read, handle_.get(), into, here, done);
}
whole_transfer_operation file::read_exactly_at(
    std::uint64_t offset, mutable_bytes into, std::size_t* done
) noexcept {
  return whole_transfer_operation(io_code::read, handle_.get(), into, offset, done);
}
whole_transfer_operation file::write_all(const_bytes from, std::size_t* done) noexcept {
  return whole_transfer_operation(io_code::write, handle_.get(), from, here, done);
}
whole_transfer_operation file::write_all_at(
    std::uint64_t offset, const_bytes from, std::size_t* done
) noexcept {
  return whole_transfer_operation(io_code::write, handle_.get(), from, offset, done);
}

readiness_operation file::readable() noexcept {
  return {handle_.get(), detail::readiness::to_read, nullptr};
}
readiness_operation file::readable(std::error_code& error) noexcept {
  return {handle_.get(), detail::readiness::to_read, &error};
}
readiness_operation file::writable() noexcept {
  return {handle_.get(), detail::readiness::to_write, nullptr};
}
readiness_operation file::writable(std::error_code& error) noexcept {
  return {handle_.get(), detail::readiness::to_write, &error};
}

plain_operation file::sync() noexcept {
  return plain_operation(io_code::sync, handle_.get(), 0, nullptr);
}
plain_operation file::sync(std::error_code& error) noexcept {
  return plain_operation(io_code::sync, handle_.get(), 0, &error);
}
plain_operation file::sync_data() noexcept {
  return plain_operation(io_code::sync, handle_.get(), 1, nullptr);
}
plain_operation file::sync_data(std::error_code& error) noexcept {
  return plain_operation(io_code::sync, handle_.get(), 1, &error);
}

file::file(owned_descriptor descriptor, std::string path) {
  if (!descriptor.is_open()) return;
  handle_ = detail::io_handle::make(detail::io_resource::kind::file, std::move(path));
  handle_->descriptor = descriptor.release();
  // What cannot be sought may be a pipe.
  if (!handle_->is_seekable()) detail::ignore_broken_pipes();
}

status_operation file::status() noexcept {
  return status_operation(handle_.get(), nullptr);
}
status_operation file::status(std::error_code& error) noexcept {
  return status_operation(handle_.get(), &error);
}

plain_operation file::allocate(std::uint64_t offset, std::uint64_t size, allocation what) noexcept {
  return plain_operation(io_code::allocate, handle_.get(), offset, size, mode_of(what), nullptr);
}
plain_operation file::allocate(
    std::uint64_t offset, std::uint64_t size, allocation what, std::error_code& error
) noexcept {
  return plain_operation(io_code::allocate, handle_.get(), offset, size, mode_of(what), &error);
}

plain_operation file::resize(std::uint64_t size) noexcept {
  return plain_operation(io_code::resize, handle_.get(), here, size, 0, nullptr);
}
plain_operation file::resize(std::uint64_t size, std::error_code& error) noexcept {
  return plain_operation(io_code::resize, handle_.get(), here, size, 0, &error);
}

plain_operation file::set_permissions(unsigned permissions) noexcept {
  return plain_operation(io_code::set_permissions, handle_.get(), here, 0, permissions, nullptr);
}
plain_operation file::set_permissions(unsigned permissions, std::error_code& error) noexcept {
  return plain_operation(io_code::set_permissions, handle_.get(), here, 0, permissions, &error);
}

times_operation file::set_times(file_time accessed, file_time modified) noexcept {
  return times_operation(handle_.get(), accessed, modified, nullptr);
}
times_operation file::set_times(
    file_time accessed, file_time modified, std::error_code& error
) noexcept {
  return times_operation(handle_.get(), accessed, modified, &error);
}

// Plain functions
// ----------------------------------------------------------------------------------

std::uint64_t file::size(std::error_code& error) const noexcept {
  struct stat status{};
  if (::fstat(descriptor(), &status) == -1) {
    error = detail::last_error();
    return 0;
  }
  error.clear();
  return static_cast<std::uint64_t>(status.st_size);
}

std::uint64_t file::size() const {
  std::error_code error;
  const std::uint64_t result = size(error);
  if (error) throw io_error(error, "size", descriptor(), path());
  return result;
}

void file::truncate(std::uint64_t size, std::error_code& error) noexcept {
  int result = 0;
  do {
    result = ::ftruncate(descriptor(), static_cast<off_t>(size));
  } while (result == -1 && errno == EINTR);
  error = result == 0 ? std::error_code() : detail::last_error();
}

void file::truncate(std::uint64_t size) {
  std::error_code error;
  truncate(size, error);
  if (error) throw io_error(error, "truncate", descriptor(), path());
}

direct_alignment file::direct_io_alignment() const noexcept {
  direct_alignment result;
  if (handle_.get() == nullptr) return result;
  result.memory = handle_->memory_alignment;
  result.offset = handle_->offset_alignment;
  return result;
}

std::string file::path() const {
  return handle_.get() != nullptr ? handle_->path() : std::string();
}

task<> file::close() {
  return detail::close_resource(handle_.get(), nullptr);
}
task<> file::close(std::error_code& error) {
  return detail::close_resource(handle_.get(), &error);
}

// Opening
// ------------------------------------------------------------------------------------------

open_operation::open_operation(
    std::string path, open_mode mode, open_options options, std::error_code* error
)
    : open_operation(
          detail::io_handle::make(detail::io_resource::kind::file, std::move(path)),
          mode,
          options,
          error
      ) {}

open_operation::open_operation(
    detail::io_handle made, open_mode mode, const open_options& options, std::error_code* error
)
    : io_call(io_code::open, made.get(), error),
      made_(std::move(made)),
      is_direct_(options.direct) {
  const std::string& path = made_->path();
  if (path.find('\0') != std::string::npos) refusal_ = -EINVAL;
  operation_.path = path.c_str();
  const int flags =
      flags_of(mode) | (options.direct ? O_DIRECT : 0) | (options.follow_symlink ? 0 : O_NOFOLLOW);
  operation_.flags = static_cast<std::uint32_t>(flags);
  operation_.mode = options.permissions;
}

bool open_operation::ready() {
  if (made_.get() == nullptr) detail::throw_misuse("an open operation was awaited twice");
  return io_call::ready();
}

file open_operation::take() {
  if (operation_.result >= 0) made_->descriptor = operation_.result;
  settle();
  if (is_direct_ && operation_.result == -EINVAL) operation_.result = -EOPNOTSUPP;
  if (checked() < 0) return file();
  if (is_direct_) {
    const direct_alignment alignment = detail::direct_alignment_of(made_->descriptor);
    made_->memory_alignment = alignment.memory;
    made_->offset_alignment = alignment.offset;
    made_->is_direct = true;
  }
  return file(std::move(made_));
}

namespace {

open_options with(unsigned permissions) noexcept {
  open_options options;
  options.permissions = permissions;
  return options;
}

}  // namespace

open_operation open(std::string path, open_mode mode, unsigned permissions) {
  return open_operation(std::move(path), mode, with(permissions), nullptr);
}
open_operation open(std::string path, open_mode mode, std::error_code& error) {
  return open_operation(std::move(path), mode, open_options(), &error);
}
open_operation open(
    std::string path, open_mode mode, unsigned permissions, std::error_code& error
) {
  return open_operation(std::move(path), mode, with(permissions), &error);
}
open_operation open(std::string path, open_mode mode, open_options options) {
  return open_operation(std::move(path), mode, options, nullptr);
}
open_operation open(
    std::string path, open_mode mode, open_options options, std::error_code& error
) {
  return open_operation(std::move(path), mode, options, &error);
}

}  // namespace stackless::inline STACKLESS_ABI::io
