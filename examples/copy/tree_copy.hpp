#pragma once

// Everything that the command line names.

#include <stackless/task.hpp>

#include "options.hpp"
#include "report.hpp"

namespace copying {

/// Walks through the sources and hands their files, through a channel, to a few tasklets that copy
/// them. Memory and descriptors depend on the number of these and on the depth of the tree, and not
/// on how much is in it. What fails is in `results`; the rest goes on.
stackless::task<> copy_sources(const options& chosen, report& results);

}  // namespace copying
