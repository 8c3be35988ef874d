#pragma once

#include <stackless/detail/scheduler_core.hpp>

#include <cstddef>
#include <vector>

namespace stackless::inline STACKLESS_ABI::detail {

/// The waits of a select, one for each case, of which one wins.
class select_core final : public wait_object {
 public:
  static constexpr std::size_t nobody = ~std::size_t{0};

  select_core(wait** cases, std::size_t count) noexcept : cases_(cases), count_(count) {}

  /// The case of that number is in its object's queue.
  void began(std::size_t number, wait& w, tasklet_block& owner) noexcept;
  /// Takes all cases out of their queues but the winner, who is out already.
  void leave_all_but(const wait* winner) noexcept;
  [[nodiscard]] std::size_t winner() const noexcept { return winner_; }

  template <class Visit>
  void for_each_case(Visit&& visit) const {
    for (std::size_t i = 0; i < count_; ++i)
      if (const wait* w = cases_[i]) visit(*w);
  }

  [[nodiscard]] bool withdraw(wait& w) noexcept override;
  void describe(object_info& info, std::vector<const void*>& handles) const override;

 private:
  friend struct debug_layout;

  wait** cases_;  // null: not in a queue
  std::size_t count_;
  std::size_t winner_ = nobody;
};

}  // namespace stackless::inline STACKLESS_ABI::detail
