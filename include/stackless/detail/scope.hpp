#pragma once

#include <stackless/detail/intrusive_list.hpp>

#include <memory>
#include <string>

namespace stackless::inline STACKLESS_ABI::detail {

struct tasklet_block;

/// A tasklet's place among the children of its group.
struct child_link : list_hook {
  tasklet_block* tasklet = nullptr;
};

/// A stretch of a tasklet's run that can be cancelled as a whole, or is shielded from that. Scopes
/// of one tasklet nest; the outermost one of a nursery's child is inside the nursery's.
///
/// Cancelling is a state and no event: while a scope is cancelled, every await inside it raises
/// `cancelled`, unless a shield lies between.
class scope_core {
 public:
  scope_core() noexcept = default;
  scope_core(const scope_core&) = delete;
  scope_core& operator=(const scope_core&) = delete;

  scope_core* outer = nullptr;
  tasklet_block* host = nullptr;  ///< who is in it
  bool shields = false;
  bool is_cancelled = false;
  bool is_group = false;        ///< a `child_group`
  bool offers_way_out = false;  ///< somebody may cancel it, or its deadline will
  std::shared_ptr<const std::string> reason;

  /// The nearest scope, from here outwards, that is cancelled; null if there is none before a
  /// shield. O(depth).
  [[nodiscard]] const scope_core* cancelled_by() const noexcept {
    for (const scope_core* s = this; s != nullptr; s = s->outer) {
      if (s->is_cancelled) return s;
      if (s->shields) return nullptr;
    }
    return nullptr;
  }
  [[nodiscard]] bool shielded() const noexcept {
    for (const scope_core* s = this; s != nullptr; s = s->outer)
      if (s->shields) return true;
    return false;
  }
};

/// A scope that tasklets are born in: they are cancelled with it, and it is told of their ends.
class child_group : public scope_core {
 public:
  child_group() noexcept { is_group = true; }

  intrusive_list<child_link> children;
  child_group* subgroup = nullptr;  ///< a group inside this one that has no host of its own

  /// Called once all of the child's frames are gone, with how it ended in `t.error`.
  virtual void child_ended(tasklet_block& t) noexcept = 0;

 protected:
  ~child_group() = default;
};

}  // namespace stackless::inline STACKLESS_ABI::detail
