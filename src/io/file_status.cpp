#include "file_status.hpp"

#include <stackless/io/error.hpp>

#include "failure.hpp"

#include <cerrno>
#include <cstring>
#include <utility>

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

namespace stackless::inline STACKLESS_ABI {

namespace detail {

namespace {

// Of Linux 6.1, and younger than the headers of many systems.
constexpr unsigned dio_alignment = 0x2000;
constexpr std::size_t dio_alignment_offset = 0x98;

io::file_time time_of(const statx_timestamp& time) noexcept {
  return io::file_time(std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec));
}

io::direct_alignment alignment_of(const struct statx& native) noexcept {
  io::direct_alignment result;
  if ((native.stx_mask & dio_alignment) == 0) return result;
  const auto* const fields = reinterpret_cast<const std::byte*>(&native) + dio_alignment_offset;
  std::memcpy(&result.memory, fields, sizeof result.memory);
  std::memcpy(&result.offset, fields + sizeof result.memory, sizeof result.offset);
  return result;
}

}  // namespace

timespec native_time(io::file_time time) noexcept {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(time);
  timespec result{};
  result.tv_sec = seconds.time_since_epoch().count();
  result.tv_nsec = (time - seconds).count();
  return result;
}

unsigned status_mask() noexcept {
  return STATX_BASIC_STATS | STATX_BTIME | dio_alignment;
}

io::file_type type_of_mode(unsigned mode) noexcept {
  switch (mode & S_IFMT) {
  case S_IFREG:
    return io::file_type::regular;
  case S_IFDIR:
    return io::file_type::directory;
  case S_IFLNK:
    return io::file_type::symlink;
  case S_IFBLK:
    return io::file_type::block_device;
  case S_IFCHR:
    return io::file_type::character_device;
  case S_IFIFO:
    return io::file_type::fifo;
  case S_IFSOCK:
    return io::file_type::socket;
  default:
    return io::file_type::unknown;
  }
}

io::file_status status_of(const struct statx& native) noexcept {
  io::file_status result;
  result.type = type_of_mode(native.stx_mode);
  result.permissions = native.stx_mode & 07777U;
  result.size = native.stx_size;
  result.allocated = native.stx_blocks * 512;
  result.links = native.stx_nlink;
  result.device = ::makedev(native.stx_dev_major, native.stx_dev_minor);
  result.inode = native.stx_ino;
  result.user = native.stx_uid;
  result.group = native.stx_gid;
  result.accessed = time_of(native.stx_atime);
  result.modified = time_of(native.stx_mtime);
  result.changed = time_of(native.stx_ctime);
  if ((native.stx_mask & STATX_BTIME) != 0) result.created = time_of(native.stx_btime);
  result.direct = alignment_of(native);
  return result;
}

io::direct_alignment direct_alignment_of(int descriptor) noexcept {
  struct statx native{};
  if (::statx(descriptor, "", AT_EMPTY_PATH, dio_alignment, &native) == -1) return {};
  return alignment_of(native);
}

}  // namespace detail

namespace io {

status_operation::status_operation(std::string path, symlinks links, std::error_code* error)
    : io_call(detail::io_code::status, nullptr, error), path_(std::move(path)) {
  if (path_.find('\0') != std::string::npos) refusal_ = -EINVAL;
  operation_.path = path_.c_str();
  operation_.flags = links == symlinks::keep ? AT_SYMLINK_NOFOLLOW : 0;
  set_up();
}

status_operation::status_operation(detail::io_resource* file, std::error_code* error) noexcept
    : io_call(detail::io_code::status, file, error) {
  set_up();
}

void status_operation::set_up() noexcept {
  static_assert(sizeof(struct statx) <= sizeof native_);
  operation_.data = native_.data();
  operation_.length = detail::status_mask();
}

file_status status_operation::take() {
  settle();
  if (checked() < 0) return {};
  struct statx native{};
  std::memcpy(&native, native_.data(), sizeof native);
  return detail::status_of(native);
}

}  // namespace io

}  // namespace stackless::inline STACKLESS_ABI
