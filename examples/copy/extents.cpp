#include "extents.hpp"

#include <stackless/stackless.hpp>

#include <cerrno>

#include <unistd.h>

namespace copying {

namespace {

std::optional<extent> find_extent(int descriptor, std::uint64_t from) {
  const off_t begin = ::lseek(descriptor, static_cast<off_t>(from), SEEK_DATA);
  if (begin == -1) {
    if (errno == ENXIO) return std::nullopt;
    return extent{from};
  }
  const off_t end = ::lseek(descriptor, begin, SEEK_HOLE);
  if (end == -1) return extent{static_cast<std::uint64_t>(begin)};
  return extent{static_cast<std::uint64_t>(begin), static_cast<std::uint64_t>(end)};
}

}  // namespace

stackless::task<std::optional<extent>> next_extent(
    const stackless::io::file& file, std::uint64_t from
) {
  co_return co_await stackless::offload(find_extent, file.descriptor(), from);
}

}  // namespace copying
