#include <stackless/select.hpp>
#include <stackless/snapshot.hpp>

#include <utility>

namespace stackless::inline STACKLESS_ABI::detail {

namespace {

select_core& select_of(const wait& w) noexcept {
  return static_cast<select_core&>(*w.owner->waiting()->object);
}

}  // namespace

void scheduler_core::win_select(wait& winner) noexcept {
  select_of(winner).leave_all_but(&winner);
}

void scheduler_core::wake_select(wait& winner, wait_outcome how) noexcept {
  select_core& all = select_of(winner);
  winner.complete_as(how);
  winner.owner->home->ring.append(*winner.owner);
  all.leave_all_but(&winner);  // later: those whom this lets in came after it
}

void select_core::began(std::size_t number, wait& w, tasklet_block& owner) noexcept {
  w.owner = &owner;
  w.begin(owner.home->step);
  w.join_select();
  cases_[number] = &w;
}

void select_core::leave_all_but(const wait* winner) noexcept {
  // Who leaves a queue may let in those behind: the last to come leaves first, so that no case of
  // this one is let in by another of it.
  for (std::size_t i = count_; i-- > 0;) {
    wait* w = std::exchange(cases_[i], nullptr);
    if (w == nullptr) continue;
    if (w == winner) {
      winner_ = i;
    } else {
      (void)w->object->withdraw(*w);
    }
  }
}

bool select_core::withdraw(wait&) noexcept {
  leave_all_but(nullptr);
  return true;
}

void select_core::describe(object_info& info, std::vector<const void*>&) const {
  info.kind = object_kind::select;
  info.type = "select";
  info.children = count_;
}

}  // namespace stackless::inline STACKLESS_ABI::detail
