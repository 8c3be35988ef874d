#include "document_root.hpp"

#include <stackless/offload.hpp>

#include <array>
#include <cerrno>
#include <charconv>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace http {

namespace {

using stackless::io::owned_descriptor;

#ifndef RESOLVE_CACHED
#define RESOLVE_CACHED 0x20  // of Linux 5.12, and its headers
#endif

/// The descriptor, or a negated errno.
int open_beneath(int root, const char* path, std::uint64_t also) noexcept {
  open_how how{};
  // A pipe without a writer must not hold anybody up.
  how.flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS | also;
  for (;;) {
    const long result = ::syscall(SYS_openat2, root, path, &how, sizeof how);
    if (result >= 0) return static_cast<int>(result);
    // EAGAIN without RESOLVE_CACHED: something was renamed meanwhile.
    if (errno == EINTR || (errno == EAGAIN && (also & RESOLVE_CACHED) == 0)) continue;
    return -errno;
  }
}

int status_of(int error) noexcept {
  switch (error) {
  case ENOENT:
  case ENOTDIR:
  case ENAMETOOLONG:
    return 404;
  case EACCES:
  case EPERM:
  case EXDEV:  // it leads out of the root
  case ELOOP:
  case ENXIO:  // a socket
    return 403;
  case EMFILE:
  case ENFILE:
  case ENOMEM:
    return 503;
  default:
    return 500;
  }
}

std::string tag_of(const struct stat& status) {
  std::string tag = "\"";
  for (const auto number :
       {static_cast<std::uint64_t>(status.st_size),
        static_cast<std::uint64_t>(status.st_mtim.tv_sec),
        static_cast<std::uint64_t>(status.st_mtim.tv_nsec)}) {
    std::array<char, 16> digits{};
    const auto [end, error] =
        std::to_chars(digits.data(), digits.data() + digits.size(), number, 16);
    (void)error;
    if (tag.size() > 1) tag += '-';
    tag.append(digits.data(), end);
  }
  return tag + '"';
}

}  // namespace

document_root::document_root(const std::string& folder)
    : root_(::open(folder.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC)) {
  if (!root_.is_open()) throw std::system_error(errno, std::system_category(), folder);
  const owned_descriptor probe(open_beneath(root_.get(), ".", 0));
  if (!probe.is_open())
    throw std::system_error(-probe.get(), std::system_category(), folder + ": openat2");
}

stackless::task<document> document_root::open(std::string path) const {
  document found;
  found.name = std::move(path);
  const bool wants_folder = found.name.empty() || found.name.ends_with('/');
  if (wants_folder) found.name += "index.html";
  const char* const name = found.name.c_str();
  // What the kernel has in its caches needs no other thread.
  int number = open_beneath(root_.get(), name, RESOLVE_CACHED);
  if (number == -EAGAIN || number == -EINVAL) {
    const int root = root_.get();
    const auto work = [root, name] { return open_beneath(root, name, 0); };
    number = co_await stackless::offload(work);
  }
  owned_descriptor descriptor(number);
  struct stat status{};
  if (number < 0) {
    found.status = status_of(-number);
  } else if (::fstat(number, &status) == -1) {
    found.status = 500;
  } else if (S_ISDIR(status.st_mode)) {
    found.status = wants_folder ? 404 : 301;  // a folder that is named index.html
  } else if (!S_ISREG(status.st_mode)) {
    found.status = 403;
  } else {
    found.size = static_cast<std::uint64_t>(status.st_size);
    found.modified = status.st_mtim.tv_sec;
    found.tag = tag_of(status);
    found.file = stackless::io::file(std::move(descriptor), found.name);
  }
  co_return found;
}

}  // namespace http
