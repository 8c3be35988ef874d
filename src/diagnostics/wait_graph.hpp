#pragma once

#include <stackless/snapshot.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace stackless::inline STACKLESS_ABI::detail {

/// Who could use a channel.
enum class reach : std::uint8_t {
  by_handle,    ///< a tasklet with a handle in one of its frames
  by_reference  ///< and whoever could refer to such a handle: every live descendant of that
                ///< tasklet, and anybody to a handle outside
};

/// Which tasklet could end the wait of which. An edge goes from a tasklet to what it waits for, and
/// from there to those who could make it happen; any one of them would do.
///
/// Somebody who sits in a join can do nothing before the joined tasklet has ended: among the
/// helpers that one stands in for him, so he is never part of a knot but for a cycle of joins.
class wait_graph {
 public:
  using index = std::uint32_t;  ///< of a tasklet in `snapshot_data::tasklets`
  static constexpr index none = ~index{0};

  wait_graph(const snapshot_data& state, reach how);

  /// The tasklets that could end the wait of `t`, by index, without itself.
  [[nodiscard]] std::vector<index> helpers(index t) const;

  /// Sets of tasklets of which each waits for members of its own set only, and which cannot be made
  /// smaller. One of a single tasklet: nobody else could help it, or it does not wait.
  [[nodiscard]] std::vector<std::vector<index>> knots() const { return groups(true); }

  /// As `knots`, of two and more, but each may wait for others besides.
  [[nodiscard]] std::vector<std::vector<index>> circles() const;

  /// For each tasklet, whether the wait of `t` leads to it.
  [[nodiscard]] std::vector<bool> reached_from(index t) const;

  /// For each tasklet, whether its wait leads to one of `targets`.
  [[nodiscard]] std::vector<bool> leads_to(std::span<const index> targets) const;

  /// Who has to end before `t` could do anything: `t` itself, unless it sits in a join.
  [[nodiscard]] index stand_in(index t) const { return stand_in_[t]; }

  /// The tasklet that `t` joins, or the child for which it joins a nursery, or `none`.
  [[nodiscard]] index joined_by(index t) const { return joined_[t]; }

  /// Nothing tells who could do what it waits for: an event, or a channel with handles outside.
  /// `state` is the one that this was made of.
  [[nodiscard]] bool could_be_anybodys(const snapshot_data& state, index t) const;

 private:
  using node = std::uint32_t;
  struct edge {
    node from;
    node to;
  };

  [[nodiscard]] std::vector<std::vector<index>> groups(bool closed) const;
  void find_joins(const snapshot_data& state);
  void find_stand_ins();
  void add_holders(const snapshot_data& state, reach how, std::vector<edge>& edges) const;
  void add_descendants(const snapshot_data& state, std::vector<edge>& edges) const;
  void lay_out(const std::vector<edge>& edges);
  [[nodiscard]] std::span<const node> successors(node n) const {
    return {targets_.data() + first_[n], first_[n + 1] - first_[n]};
  }
  [[nodiscard]] std::vector<node> components() const;

  // Nodes: the tasklets, then the objects, then for each tasklet it with its descendants, then
  // everybody, then those whose ancestry is not known.
  [[nodiscard]] node object_node(std::size_t object) const {
    return static_cast<node>(tasklets_ + object);
  }
  [[nodiscard]] node family_node(std::size_t tasklet) const {
    return static_cast<node>(tasklets_ + objects_ + tasklet);
  }
  [[nodiscard]] node everybody() const { return static_cast<node>(2 * tasklets_ + objects_); }
  [[nodiscard]] node strays() const { return everybody() + 1; }
  [[nodiscard]] std::size_t node_count() const { return strays() + std::size_t{1}; }

  std::size_t tasklets_;
  std::size_t objects_;
  std::vector<index> joined_;
  std::vector<index> stand_in_;
  std::vector<bool> held_outside_;  // for each object
  std::vector<std::size_t> first_;  // where a node's successors begin in targets_
  std::vector<node> targets_;
};

/// The index of the tasklet, or `wait_graph::none`.
[[nodiscard]] wait_graph::index index_of(const snapshot_data& state, std::uint64_t tasklet);

/// Waits for something that only another tasklet can do.
[[nodiscard]] bool waits_for_others(const tasklet_info& t);
/// Waits for the end of another, or of a nursery's children.
[[nodiscard]] bool is_join(const tasklet_info& t);
/// The owner of the lock that it waits for, or `wait_graph::none`.
[[nodiscard]] wait_graph::index owner_awaited(const snapshot_data& state, const tasklet_info& t);
/// With this handle the channel's waits could be ended: it is none of those who wait on it.
[[nodiscard]] bool could_help(const object_info& object, const holder_info& holder);
/// The side of the channel that it waits for is gone for ever.
[[nodiscard]] bool is_orphaned(const snapshot_data& state, const tasklet_info& t);

}  // namespace stackless::inline STACKLESS_ABI::detail
