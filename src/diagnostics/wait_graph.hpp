#pragma once

#include <stackless/snapshot.hpp>

#include "diagnostics/wait_facts.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace stackless::inline STACKLESS_ABI::detail {

/// Who could use a channel.
enum class reach : std::uint8_t {
  by_handle,    ///< a tasklet with a handle in one of its frames
  by_descent,   ///< and whoever could refer to such a handle: every live descendant of that
                ///< tasklet, and anybody to a handle outside
  by_reference  ///< and every tasklet whose spawner has ended, for it may be anybody's descendant
};

/// Which tasklet could end the wait of which. An edge goes from a tasklet to what it waits for, and
/// from there to those who could make it happen; any one of them would do. From a select edges go
/// to what each of its cases waits for.
///
/// Somebody who sits in a join can do nothing before the joined tasklet has ended: among the
/// helpers that one stands in for him, so he is never part of a knot but for a cycle of joins.
class wait_graph {
 public:
  using index = wait_facts::index;  ///< of a tasklet in `snapshot_data::tasklets`
  static constexpr index none = wait_facts::none;

  wait_graph(const snapshot_data& state, reach how);
  wait_graph(std::shared_ptr<const wait_facts> facts, reach how);

  /// What it was made of.
  [[nodiscard]] const wait_facts& facts() const { return *facts_; }
  [[nodiscard]] std::shared_ptr<const wait_facts> facts_shared() const { return facts_; }

  /// The tasklets that could end the wait of `t`, by index, without itself.
  [[nodiscard]] std::vector<index> helpers(index t) const;

  /// Sets of tasklets of which each waits for members of its own set only, and which cannot be made
  /// smaller. One of a single tasklet: nobody else could help it, or it does not wait.
  [[nodiscard]] std::vector<std::vector<index>> knots() const { return groups(true, 1); }

  /// As `knots`, of two and more, but each may wait for others besides.
  [[nodiscard]] std::vector<std::vector<index>> circles() const { return groups(false, 2); }

  /// For each tasklet, whether the wait of `t` leads to it.
  [[nodiscard]] std::vector<bool> reached_from(index t) const;

  /// For each tasklet, whether its wait leads to one of `targets`.
  [[nodiscard]] std::vector<bool> leads_to(std::span<const index> targets) const;

 private:
  using node = std::uint32_t;

  [[nodiscard]] std::vector<std::vector<index>> groups(bool closed, std::size_t least) const;
  void number_families(reach how);
  template <class Visit>
  void each_edge(reach how, Visit visit) const;
  template <class Visit>
  void each_of_family(reach how, index t, Visit visit) const;
  void lay_out(reach how);
  [[nodiscard]] std::span<const node> successors(node n) const {
    return {targets_.data() + first_[n], first_[n + 1] - first_[n]};
  }
  void find_components() const;

  // Nodes: the tasklets, then the objects, then everybody, then those whose ancestry is not known,
  // then each tasklet that has children, with its descendants.
  [[nodiscard]] node object_node(index object) const {
    return static_cast<node>(facts_->tasklets() + object);
  }
  [[nodiscard]] node everybody() const {
    return static_cast<node>(facts_->tasklets() + facts_->objects());
  }
  [[nodiscard]] node strays() const { return everybody() + 1; }
  [[nodiscard]] std::size_t node_count() const { return strays() + 1 + families_; }

  std::shared_ptr<const wait_facts> facts_;
  std::vector<node> family_;  // of each tasklet, or `none`; empty: there are none
  std::size_t families_ = 0;
  std::vector<node> first_;  // where a node's successors begin in targets_
  std::vector<node> targets_;
  mutable std::vector<node> component_;  // of each node, when it has been asked for
};

}  // namespace stackless::inline STACKLESS_ABI::detail
