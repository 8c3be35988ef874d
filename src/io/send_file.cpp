#include "send_file.hpp"

#include <algorithm>
#include <cerrno>

#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

namespace stackless::inline STACKLESS_ABI::detail {

namespace {

/// As a read of one byte that does not wait: 1, or 0 behind the file's end, or -1.
/// Its answer for a page that is just being read from the disk is no, unlike that of cachestat(2),
/// and it may be asked of files that belong to others, unlike mincore(2).
int probe(int file, off_t at) noexcept {
  char byte = 0;
  const iovec into{&byte, 1};
  return static_cast<int>(::preadv2(file, &into, 1, at, RWF_NOWAIT));
}

off_t place_of(int file, std::uint64_t offset) noexcept {
  return offset == io_operation::current_position ? ::lseek(file, 0, SEEK_CUR)
                                                  : static_cast<off_t>(offset);
}

/// How many of the bytes are there, or `not_in_memory`. The kernel reads ahead and forgets in one
/// piece: the first and the last byte stand for those between.
std::int64_t in_memory(int file, off_t begin, std::size_t length) noexcept {
  auto last = begin + static_cast<off_t>(length) - 1;
  int found = probe(file, last);
  if (found == 0) {
    struct stat status{};
    if (::fstat(file, &status) == -1) return not_in_memory;
    if (status.st_size <= begin) return 0;
    last = std::min(last, status.st_size - 1);
    found = probe(file, last);
  }
  if (found != 1 || probe(file, begin) != 1) return not_in_memory;
  return last - begin + 1;
}

}  // namespace

int look_at(int file, std::uint64_t offset) noexcept {
  const off_t at = place_of(file, offset);
  const int found = at == -1 ? -1 : probe(file, at);
  return found == -1 ? not_in_memory : found;
}

int send_file(int socket, int file, std::uint64_t offset, std::size_t length) noexcept {
  off_t at = place_of(file, offset);
  if (at == -1) return not_in_memory;
  const std::int64_t count = in_memory(file, at, length);
  if (count <= 0) return static_cast<int>(count);
  off_t* const place = offset == io_operation::current_position ? nullptr : &at;
  const auto sent = ::sendfile(socket, file, place, static_cast<std::size_t>(count));
  return sent >= 0 ? static_cast<int>(sent) : -errno;
}

}  // namespace stackless::inline STACKLESS_ABI::detail
