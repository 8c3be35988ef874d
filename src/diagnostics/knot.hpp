#pragma once

#include "diagnostics/wait_graph.hpp"

#include <vector>

namespace stackless::inline STACKLESS_ABI::detail {

struct knot {
  std::vector<wait_graph::index> members;
  bool closed =
      true;  ///< by the wider graph too: nobody else could help, not even through a reference
};

/// The smallest set of tasklets that explains why `told` (or, for `none`, anybody) waits.
[[nodiscard]] knot find_knot(
    const snapshot_data& state,
    const wait_graph& by_handle,
    const wait_graph& by_reference,
    wait_graph::index told
);

}  // namespace stackless::inline STACKLESS_ABI::detail
