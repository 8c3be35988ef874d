#pragma once

#include <stackless/snapshot.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace stackless::inline STACKLESS_ABI::detail {

/// What a state says about who waits for what, by number instead of by id. Every stage of the
/// verdict asks this, and of a million tasklets the state itself is too large to be read often.
class wait_facts {
 public:
  using index = std::uint32_t;  ///< of a tasklet, or of an object, in `snapshot_data`
  static constexpr index none = ~index{0};

  /// One thing that a tasklet waits for; of those of a select any one would do.
  struct awaited {
    index tasklet = none;
    index helper = none;  ///< the tasklet that owns it, or whose end it is
    index channel = none;
    bool anybody = false;  ///< nothing tells who could do it
  };

  explicit wait_facts(const snapshot_data& state);

  [[nodiscard]] std::size_t tasklets() const { return flags_.size(); }
  [[nodiscard]] std::size_t objects() const { return first_holder_.size() - 1; }
  [[nodiscard]] bool tracked() const { return tracked_; }

  /// By tasklet; nothing of one that does not wait for others.
  [[nodiscard]] std::span<const awaited> all_awaited() const { return awaited_; }

  /// Who holds a handle with which the channel's waits could be ended; each once.
  [[nodiscard]] std::span<const index> holders(index channel) const {
    return {holders_.data() + first_holder_[channel], holders_.data() + first_holder_[channel + 1]};
  }
  /// There is such a handle outside every tasklet.
  [[nodiscard]] bool held_outside(index channel) const { return held_outside_[channel]; }

  /// The tasklet that `t` joins, or the child for which it joins a nursery, or `none`.
  [[nodiscard]] index joined_by(index t) const { return joined_[t]; }
  /// Who has to end before `t` could do anything: `t` itself, unless it sits in a join.
  [[nodiscard]] index stand_in(index t) const { return stand_in_[t]; }
  /// The only one who could end the wait of `t`, by a lock or a join; or `none`.
  [[nodiscard]] index needed_by(index t) const { return needed_[t]; }

  /// It waits for something that only another tasklet can do, and its waiting counts.
  [[nodiscard]] bool is_stuck(index t) const {
    return (flags_[t] & (waits_for_others | wakes_nobody)) == waits_for_others;
  }
  [[nodiscard]] bool is_quiet(index t) const { return (flags_[t] & wakes_nobody) != 0; }
  /// The side of the channel that it waits for is gone for ever.
  [[nodiscard]] bool is_orphaned(index t) const { return (flags_[t] & orphaned) != 0; }
  /// Nothing tells who could do what it waits for: an event, or a channel with handles outside.
  [[nodiscard]] bool could_be_anybodys(index t) const { return (flags_[t] & anybodys) != 0; }

  /// The live tasklet that spawned it, or `none`.
  [[nodiscard]] index spawner(index t) const { return spawner_[t]; }
  /// Its spawner has ended.
  [[nodiscard]] bool is_stray(index t) const { return (flags_[t] & stray) != 0; }
  [[nodiscard]] bool has_children(index t) const { return (flags_[t] & parent) != 0; }
  [[nodiscard]] bool any_stray() const { return any_stray_; }

 private:
  enum flag : std::uint8_t {
    waits_for_others = 1,
    wakes_nobody = 2,
    orphaned = 4,
    anybodys = 8,
    stray = 16,
    parent = 32
  };

  void read_objects(const snapshot_data& state);
  void read_tasklets(const snapshot_data& state);
  void read_wait(
      const snapshot_data& state, index t, operation_kind operation, std::uint64_t object_id
  );
  void find_stand_ins();

  bool tracked_;
  bool any_stray_ = false;
  std::vector<std::uint8_t> flags_;
  std::vector<awaited> awaited_;
  std::vector<index> joined_;
  std::vector<index> stand_in_;
  std::vector<index> needed_;
  std::vector<index> spawner_;
  std::vector<std::uint32_t> first_holder_;
  std::vector<index> holders_;
  std::vector<bool> held_outside_;
};

/// The index of the tasklet, or `wait_facts::none`.
[[nodiscard]] wait_facts::index index_of(const snapshot_data& state, std::uint64_t tasklet);

/// Waits for something that only another tasklet can do; of a select every case is.
[[nodiscard]] bool waits_for_others(const tasklet_info& t);
/// Waits for the end of another, or of a nursery's children.
[[nodiscard]] bool is_join(const tasklet_info& t);
/// With this handle the channel's waits could be ended: it is none of those who wait on it.
[[nodiscard]] bool could_help(const object_info& object, const holder_info& holder);
/// There is such a handle outside every tasklet's frames: on the heap, in a global, with the host.
[[nodiscard]] bool held_outside(const object_info& object);
/// The side of the channel that it waits for is gone for ever.
[[nodiscard]] bool is_orphaned(const snapshot_data& state, const tasklet_info& t);

}  // namespace stackless::inline STACKLESS_ABI::detail
