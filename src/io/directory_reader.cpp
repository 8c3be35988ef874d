#include "directory_reader.hpp"

#include "file_status.hpp"

#include <cerrno>
#include <cstring>
#include <new>
#include <utility>

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace stackless::inline STACKLESS_ABI::detail {

namespace {

constexpr std::size_t block_size = std::size_t{32} << 10;
constexpr int how_to_open = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;

// What getdents64 writes: the number, where the next one is, the size of this, the type, the name.
constexpr std::size_t next_at = 8;
constexpr std::size_t size_at = 16;
constexpr std::size_t type_at = 18;
constexpr std::size_t name_at = 19;

template <class T>
T load(const std::byte* from) noexcept {
  T value{};
  std::memcpy(&value, from, sizeof value);
  return value;
}

const char* name_of(const std::byte* record) noexcept {
  return reinterpret_cast<const char*>(record + name_at);
}

bool is_dot_or_dots(const char* name) noexcept {
  return name[0] == '.' && (name[1] == '\0' || (name[1] == '.' && name[2] == '\0'));
}

}  // namespace

const directory_record* directory_reader::next() noexcept {
  while (position_ < used_) {
    const std::byte* const at = block_.get() + position_;
    position_ += load<std::uint16_t>(at + size_at);
    if (is_dot_or_dots(name_of(at))) continue;
    record_.name = name_of(at);
    record_.type = type_of_mode(DTTOIF(std::to_integer<unsigned>(at[type_at])));
    return &record_;
  }
  return nullptr;
}

int directory_reader::fail(int result) noexcept {
  at_end_ = true;
  position_ = 0;
  used_ = 0;
  return result;
}

int directory_reader::open(int at, const char* name) noexcept {
  descriptor_ = io::owned_descriptor(::openat(at, name, how_to_open));
  if (!descriptor_.is_open()) return fail(-errno);
  struct stat status{};
  if (::fstat(descriptor_.get(), &status) == -1) return fail(-errno);
  device_ = status.st_dev;
  inode_ = status.st_ino;
  return 0;
}

int directory_reader::read_block() noexcept {
  if (!block_) block_.reset(new (std::nothrow) std::byte[block_size]);
  if (!block_) return fail(-ENOMEM);
  const long size = ::syscall(SYS_getdents64, descriptor_.get(), block_.get(), block_size);
  if (size == -1) return fail(-errno);
  position_ = 0;
  used_ = static_cast<std::size_t>(size);
  if (size == 0) {
    at_end_ = true;
    block_.reset();
    return 0;
  }
  find_types();
  return 0;
}

// Some file systems do not write the types.
void directory_reader::find_types() noexcept {
  for (std::size_t i = 0; i < used_;) {
    std::byte* const at = block_.get() + i;
    i += load<std::uint16_t>(at + size_at);
    resume_at_ = load<std::int64_t>(at + next_at);
    if (at[type_at] != std::byte{DT_UNKNOWN} || is_dot_or_dots(name_of(at))) continue;
    struct stat status{};
    if (::fstatat(descriptor_.get(), name_of(at), &status, AT_SYMLINK_NOFOLLOW) == 0)
      at[type_at] = static_cast<std::byte>(IFTODT(status.st_mode));
  }
}

int directory_reader::reopen(const directory_reader& child, const char* path) noexcept {
  for (const bool by_path : {false, true}) {
    const int at = by_path ? AT_FDCWD : child.descriptor_.get();
    io::owned_descriptor again(::openat(at, by_path ? path : "..", how_to_open));
    struct stat status{};
    if (!again.is_open() || ::fstat(again.get(), &status) == -1) continue;
    if (status.st_dev != device_ || status.st_ino != inode_) continue;
    // Where nothing has been read since, nothing was lost.
    if (::lseek(again.get(), resume_at_, SEEK_SET) == -1) return fail(-errno);
    descriptor_ = std::move(again);
    return 0;
  }
  return fail(-ESTALE);
}

int open_directory_call::perform() noexcept {
  const int at = parent_ != nullptr ? parent_->descriptor_.get() : AT_FDCWD;
  const int result = reader_.open(at, where_);
  return result != 0 ? result : reader_.read_block();
}

int file_type_call::perform() noexcept {
  struct stat status{};
  if (::lstat(path_, &status) == -1) return -errno;
  type_ = type_of_mode(status.st_mode);
  return 0;
}

}  // namespace stackless::inline STACKLESS_ABI::detail
