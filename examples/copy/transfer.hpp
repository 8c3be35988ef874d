#pragma once

// The bytes of one file.

#include <stackless/io/io.hpp>
#include <stackless/task.hpp>

#include "buffers.hpp"

#include <cstdint>
#include <optional>

namespace copying {

struct transfer_plan {
  transfer_plan(stackless::io::file& from, stackless::io::file& to) : source(from), target(to) {}

  stackless::io::file& source;
  stackless::io::file& target;
  std::uint64_t begin = 0;
  std::optional<std::uint64_t> size;  ///< of a regular file; nothing: until it ends
  bool source_has_offsets = true;     ///< not a pipe or a terminal, which are read in order
  bool target_has_offsets = true;
  bool is_sparse = false;  ///< what is not stored is not written either
};

/// Copies from `begin` on, and gives where it came to an end. `moved` counts the bytes as they are
/// written.
///
/// A large file has a tasklet that reads, two that write, and a few blocks that go round between
/// them: with two writers the kernel has the next block at hand when it is done with one.
stackless::task<std::uint64_t> transfer(transfer_plan plan, buffers& memory, std::uint64_t& moved);

/// Where the first `size` bytes of the two differ, or one of them ends; nothing: they agree.
stackless::task<std::optional<std::uint64_t>> first_difference(
    stackless::io::file& one, stackless::io::file& other, std::uint64_t size, buffers& memory
);

}  // namespace copying
