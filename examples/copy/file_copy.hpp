#pragma once

// One file, or one symbolic link.

#include <stackless/task.hpp>

#include "buffers.hpp"
#include "options.hpp"
#include "report.hpp"

#include <cstdint>
#include <string>

namespace copying {

enum class source_kind : std::uint8_t {
  named,   ///< as the command line has it: links are followed, pipes and devices are read
  file,    ///< of a tree: a regular file, or it has changed meanwhile
  symlink  ///< stays one
};

struct file_job {
  std::string source;
  std::string target;
  source_kind kind = source_kind::file;
};

/// Copies it, and counts it. What fails is told, and leaves what had the target's name as it was:
///
/// - A source that changes while it is read is a failure: the copy would be none of anything.
/// - What was written of a file that fails goes, unless a `--resume` might use it. One that is cut
///   short by a cancellation stays.
/// - A target that is there and no regular file (a device, a pipe) is written to.
stackless::task<> copy_file(
    const file_job& job, const options& chosen, buffers& memory, report& results
);

}  // namespace copying
