#pragma once

#include <stackless/detail/awaited_once.hpp>
#include <stackless/detail/sync_core.hpp>

#include <string_view>
#include <vector>

namespace stackless::inline STACKLESS_ABI {

namespace detail {

class event_core final : public sync_core {
 public:
  static constexpr bool grants_an_event = true;

  event_core(site here, bool automatic) noexcept;
  event_core(const object_name& name, bool automatic);
  ~event_core() { turn_all_away(word()); }

  bool try_take(wait&) noexcept {
    if (!is_set_) return false;
    is_set_ = !automatic_;
    return true;
  }
  void give_back(wait&) noexcept {
    if (automatic_) set();
  }
  void set() noexcept;
  void set_at(site here) noexcept {
    note(
        automatic_ ? action_kind::set_one : action_kind::set,
        anybody_waits() ? action_outcome::delivered
        : is_set_       ? action_outcome::merged
                        : action_outcome::done,
        here
    );
    set();
  }
  /// For reports: one came through, `here`. Only of an automatic one, which that has changed.
  void note_passed(site here) noexcept {
    if (automatic_) note(action_kind::wait, action_outcome::done, here);
  }
  void reset();
  [[nodiscard]] bool is_set() const noexcept { return is_set_; }

  void describe(object_info& info, std::vector<const void*>& handles) const override;

 private:
  [[nodiscard]] std::string_view word() const noexcept {
    return automatic_ ? "auto_event" : "event";
  }

  bool is_set_ = false;
  bool automatic_;
};

class event_awaiter : public sync_awaiter<event_core> {
 public:
  explicit event_awaiter(event_core& core) noexcept
      : sync_awaiter<event_core>(core, wait_kind::event) {}
  void await_resume(site here = site::current()) {
    finish();
    if (has_core()) core().note_passed(here);
  }
};

class [[STACKLESS_OPERATION]] event_operation : public awaited_once {
 public:
  explicit event_operation(event_core& core) noexcept : core_(core) {}
  event_awaiter make_awaiter() const noexcept { return event_awaiter(core_); }

 private:
  event_core& core_;
};

}  // namespace detail

/// Something that has happened, for all who wait for it and all who come later; until `reset`.
///
/// **Lifetime**: who waits when it goes gets `object_gone`. **Threads**: of one scheduler.
class event {
 public:
  explicit event(detail::site here = detail::site::current()) noexcept : core_(here, false) {}
  explicit event(const object_name& name) : core_(name, false) {}
  event(const event&) = delete;
  event& operator=(const event&) = delete;

  /// A plain function. **Wakes**: all who wait go to the tail in their order.
  void set(detail::site here = detail::site::current()) noexcept { core_.set_at(here); }
  void reset(detail::site here = detail::site::current()) {
    core_.note(detail::action_kind::reset, detail::action_outcome::done, here);
    core_.reset();
  }
  [[nodiscard]] bool is_set() const noexcept { return core_.is_set(); }

  /// Waits until it is set; goes on at once if it is.
  /// **Cancellation**: a cancel point.
  detail::event_operation wait() noexcept { return detail::event_operation(core_); }

 private:
  detail::event_core core_;
};

/// As `event`, for one tasklet each time: a `set` lets one through, the first in the queue or else
/// the next to come, and is used up. Setting it twice before somebody comes is setting it once.
class auto_event {
 public:
  explicit auto_event(detail::site here = detail::site::current()) noexcept : core_(here, true) {}
  explicit auto_event(const object_name& name) : core_(name, true) {}
  auto_event(const auto_event&) = delete;
  auto_event& operator=(const auto_event&) = delete;

  void set(detail::site here = detail::site::current()) noexcept { core_.set_at(here); }
  void reset(detail::site here = detail::site::current()) {
    core_.note(detail::action_kind::reset, detail::action_outcome::done, here);
    core_.reset();
  }
  [[nodiscard]] bool is_set() const noexcept { return core_.is_set(); }

  /// **Cancellation**: a cancel point; one that raised has not used it up.
  detail::event_operation wait() noexcept { return detail::event_operation(core_); }

 private:
  detail::event_core core_;
};

}  // namespace stackless::inline STACKLESS_ABI
