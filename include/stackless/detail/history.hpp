#pragma once

#include <stackless/detail/site.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace stackless::inline STACKLESS_ABI {
struct last_operation;
}  // namespace stackless::inline STACKLESS_ABI

namespace stackless::inline STACKLESS_ABI::detail {

enum class action_kind : std::uint8_t {
  none,
  send,
  receive,
  close,
  wait,
  acquire,
  lock,
  lock_shared,
  arrive,
  set,
  set_one,  ///< of an `auto_event`, which wakes no more than that
  reset,
  release,
  unlock,
  notify,
  notify_all,
  count_down,
  send_end,  ///< of a channel: the last one, or who was given one
  receive_end
};
enum class action_outcome : std::uint8_t {
  none,
  delivered,
  buffered,
  blocked,
  dropped,
  closed,
  created,
  done,
  merged
};

/// Something that was done with an object, for reports.
struct action {
  action_kind what = action_kind::none;
  action_outcome how = action_outcome::none;
  bool attempted = false;     ///< a `try_` call
  std::uint32_t woken = 0;    ///< how many tasklets were, by a set or a notify; in a history
  std::uint64_t tasklet = 0;  ///< 0: from outside the tasklets
  std::uint64_t step = 0;
  site at{};
  std::uint64_t given_to = 0;  ///< the tasklet that was given an end, or was woken first
};

[[nodiscard]] last_operation to_operation(const action& a);

/// The latest actions on one object. A pointer until the first is kept.
class object_history {
 public:
  static constexpr std::size_t kept = 8;

  object_history() noexcept = default;
  object_history(const object_history&) = delete;
  object_history& operator=(const object_history&) = delete;

  /// Without memory for it the action is not kept.
  void add(const action& a) noexcept;
  [[nodiscard]] std::vector<last_operation> list() const;  ///< oldest first

 private:
  struct ring {
    std::array<action, kept> actions;
    std::size_t count = 0;
  };
  std::unique_ptr<ring> ring_;
};

}  // namespace stackless::inline STACKLESS_ABI::detail
