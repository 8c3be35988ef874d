#pragma once

// Where the data of a sparse file are.

#include <stackless/io/io.hpp>
#include <stackless/task.hpp>

#include <cstdint>
#include <limits>
#include <optional>

namespace copying {

/// Bytes that are stored; between two of them is a hole, which reads as zeros.
struct extent {
  std::uint64_t begin = 0;
  std::uint64_t end = std::numeric_limits<std::uint64_t>::max();
};

/// The next one at or behind `from`; nothing when only a hole is left. A file system that does not
/// tell has one extent. On a thread: it may have to read.
stackless::task<std::optional<extent>> next_extent(
    const stackless::io::file& file, std::uint64_t from
);

}  // namespace copying
