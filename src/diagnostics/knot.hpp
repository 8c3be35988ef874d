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
    const wait_graph& by_handle, const wait_graph& by_reference, wait_graph::index told
);

/// The knots, all stuck, that `members` fall into; `members` are one knot of `by_reference`. Where
/// only what a tasklet without a spawner might know ties them together, they are not one.
[[nodiscard]] std::vector<std::vector<wait_graph::index>> untied(
    const wait_graph& by_reference, std::vector<wait_graph::index> members
);

}  // namespace stackless::inline STACKLESS_ABI::detail
