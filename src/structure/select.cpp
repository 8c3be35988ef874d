#include <stackless/select.hpp>
#include <stackless/snapshot.hpp>

#include <utility>

namespace stackless::inline STACKLESS_ABI::detail {

void scheduler_core::win_select(wait& winner) noexcept {
  static_cast<select_core&>(*winner.owner->waiting()->object).leave_all_but(&winner);
}

void select_core::began(std::size_t number, wait& w, tasklet_block& owner) noexcept {
  w.owner = &owner;
  w.begin(owner.home->step);
  w.join_select();
  cases_[number] = &w;
}

void select_core::leave_all_but(const wait* winner) noexcept {
  for (std::size_t i = 0; i < count_; ++i) {
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
