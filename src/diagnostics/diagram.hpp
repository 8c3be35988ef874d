#pragma once

#include <stackless/deadlock.hpp>

#include <cstddef>
#include <string>
#include <vector>

namespace stackless::inline STACKLESS_ABI::detail {

enum class node_kind : std::uint8_t { tasklet, group, object, outside };

struct diagram_node {
  std::string key;  ///< a word, the same from run to run: `t2`, `o1`, `g7`, `outside`
  node_kind kind = node_kind::tasklet;
  std::string title;   ///< one line, printable
  std::string detail;  ///< a second one, or empty
  bool in_core = false;
  bool is_told = false;  ///< it gets the error
};

struct diagram_edge {
  std::size_t from = 0;
  std::size_t to = 0;
  std::string label;
  bool any_one = false;  ///< others could do it as well
  bool in_core = false;
};

/// A wait graph of a size that can be drawn. The nodes of the core come first, in the order in
/// which each waits for the next.
struct diagram {
  std::vector<diagram_node> nodes;
  std::vector<diagram_edge> edges;
  std::size_t core_nodes = 0;
  std::size_t left_out = 0;  ///< tasklets for which there was no room
};

struct diagram_limits {
  std::size_t core = 100;    ///< tasklets
  std::size_t groups = 100;  ///< of others that wait alike
};

[[nodiscard]] diagram draw(const deadlock_report& report, diagram_limits limits);
[[nodiscard]] diagram draw(const snapshot_data& state, diagram_limits limits);

}  // namespace stackless::inline STACKLESS_ABI::detail
