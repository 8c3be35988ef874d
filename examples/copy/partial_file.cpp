#include "partial_file.hpp"

#include <cerrno>
#include <stdexcept>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

namespace sl = stackless;
namespace io = stackless::io;

namespace copying {

namespace {

constexpr std::string_view suffix = ".copy-partial";
constexpr std::size_t longest_name = 255;

/// FNV-1a, as 16 digits: it has to be the same in the next run, which `std::hash` does not promise.
std::string hash_text(std::string_view text) {
  std::uint64_t hash = 0xcbf29ce484222325;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  std::string digits;
  for (int i = 0; i < 16; ++i, hash >>= 4U) digits += "0123456789abcdef"[hash & 15U];
  return digits;
}

/// False: another program has it. A file system without locks is trusted. It does not block.
bool lock(const io::file& file) noexcept {
  return ::flock(file.descriptor(), LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK;
}

}  // namespace

std::string partial_path(std::string_view target) {
  const std::size_t name_at = target.rfind('/') + 1;
  std::string name(target.substr(name_at));
  if (1 + name.size() + suffix.size() > longest_name) {
    const std::string hash = hash_text(name);
    name.resize(longest_name - 1 - suffix.size() - 1 - hash.size());
    name += "~" + hash;
  }
  return std::string(target.substr(0, name_at)) + "." + name + std::string(suffix);
}

bool is_partial_name(std::string_view name) noexcept {
  return name.size() > 1 + suffix.size() && name.front() == '.' && name.ends_with(suffix);
}

sl::task<partial_file> partial_file::open(std::string target, bool keep, unsigned permissions) {
  partial_file made;
  made.path_ = partial_path(target);
  made.target_ = std::move(target);
  permissions |= 0600U;  // its owner has to be able to go on with it
  for (;;) {
    std::error_code error;
    made.file = co_await io::open(made.path_, io::open_mode::create_new, permissions, error);
    const bool is_new = !error;
    if (error == std::errc::file_exists) {
      io::open_options options;
      options.follow_symlink = false;
      made.file = co_await io::open(made.path_, io::open_mode::read_write, options, error);
      if (error == std::errc::no_such_file_or_directory) continue;
      if (error == std::errc::too_many_symbolic_link_levels) {
        co_await io::remove_file(made.path_);
        continue;
      }
    }
    if (error) throw io::io_error(error, "open", -1, made.target_);
    if (!lock(made.file))
      throw std::runtime_error("\"" + made.target_ + "\" is being written by another copy");
    if (is_new) {
      made.permissions_ = permissions;
      co_return made;
    }

    // Between the open and the lock its owner may have completed or removed it.
    const io::file_status mine = co_await made.file.status();
    const io::file_status named = co_await io::status(made.path_, io::symlinks::keep, error);
    if (error || mine.inode != named.inode || mine.device != named.device) continue;
    // One with another name is somebody's file, and one of another user's is his to write to.
    const bool is_ours = mine.links == 1 && mine.user == ::geteuid();
    if (keep && mine.type == io::file_type::regular && is_ours) {
      made.kept = mine.size;
      made.permissions_ = mine.permissions;
      co_return made;
    }
    co_await io::remove_file(made.path_);
  }
}

sl::task<> partial_file::complete() {
  // Closing tells of what could not be written; this keeps the lock until it has its name.
  const io::owned_descriptor lock(::fcntl(file.descriptor(), F_DUPFD_CLOEXEC, 0));
  co_await file.close();
  co_await io::rename(path_, target_);
}

sl::task<> partial_file::remove() {
  std::error_code error;
  co_await io::remove_file(path_, error);
  co_await file.close(error);
}

}  // namespace copying
