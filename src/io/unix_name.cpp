#include "unix_name.hpp"

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <string_view>

#include <sys/stat.h>
#include <unistd.h>

namespace stackless::inline STACKLESS_ABI::detail {

int parse(const std::string& path, unix_name& name) noexcept {
  if (path.empty() || path.find('\0') != std::string::npos) return -EINVAL;
  // An abstract name has no terminator, but the "@" stands for a 0.
  const bool is_abstract = path.front() == '@';
  if (path.size() + (is_abstract ? 0 : 1) > sizeof name.native.sun_path) return -ENAMETOOLONG;
  name.native.sun_family = AF_UNIX;
  std::memcpy(name.native.sun_path, path.data(), path.size());
  if (is_abstract) name.native.sun_path[0] = '\0';
  name.size =
      static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size() + (is_abstract ? 0 : 1));
  return 0;
}

namespace {

/// Whether the name is that of a socket file which nobody has open.
bool is_stale(const std::string& path, const unix_name& name, int type) noexcept {
  struct stat status{};
  if (path.front() == '@' || ::lstat(path.c_str(), &status) == -1 || !S_ISSOCK(status.st_mode))
    return false;
  const int probe = ::socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (probe == -1) return false;
  const bool refused = ::connect(probe, name.get(), name.size) == -1 && errno == ECONNREFUSED;
  ::close(probe);
  return refused;
}

}  // namespace

std::string text_of(const sockaddr_un& name, std::size_t size) {
  constexpr std::size_t before = offsetof(sockaddr_un, sun_path);
  if (size <= before) return {};
  const char* const text = name.sun_path;
  size -= before;
  if (text[0] == '\0') return "@" + std::string(text + 1, size - 1);
  return std::string(text, ::strnlen(text, size));
}

int bind_unix(int descriptor, const std::string& path, const unix_name& name, int type) noexcept {
  int result = ::bind(descriptor, name.get(), name.size);
  if (result == -1 && errno == EADDRINUSE) {
    if (!is_stale(path, name, type)) return -EADDRINUSE;
    if (::unlink(path.c_str()) == -1 && errno != ENOENT) return -errno;
    result = ::bind(descriptor, name.get(), name.size);
  }
  return result == -1 ? -errno : 0;
}

}  // namespace stackless::inline STACKLESS_ABI::detail
