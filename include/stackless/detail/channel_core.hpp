#pragma once

#include <stackless/channel_side.hpp>
#include <stackless/detail/history.hpp>
#include <stackless/detail/scheduler_core.hpp>
#include <stackless/object_name.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <typeinfo>
#include <utility>

namespace stackless::inline STACKLESS_ABI {

class any_tasklet;

/// Which side of an exchange runs next: `receiver` as in the ancestor, the preferred side at once.
/// With `neither` the one who acts goes on and its partner goes to the tail.
enum class channel_preference : std::int8_t { receiver = -1, neither = 0, sender = 1 };

using channel_name = object_name;

/// What it means that the last sender or the last receiver of a channel is gone.
enum class orphan_policy : std::uint8_t {
  closed,  ///< the channel is closed
  error    ///< those who wait for the other side, or begin to, raise `deadlock_error` at once
};

namespace detail {

/// What an exchange makes of the ring.
enum class exchange : std::uint8_t {
  direct,          ///< the partner runs now
  without_switch,  ///< the partner goes to the tail
  all_others       ///< the partner goes to the tail, and all run before the actor goes on
};

/// \throws channel_closed; in a function of its own, so that an await that goes well carries none
/// of it
[[noreturn]] void throw_closed_and_empty();

/// The part of a channel that does not depend on its element type.
class channel_core : public wait_object {
 public:
  // One of the two is empty.
  wait_queue receivers;
  wait_queue senders;
  std::size_t capacity;
  std::size_t buffered = 0;
  exchange send_exchange;                                ///< by a send to a waiting receiver
  exchange receive_exchange = exchange::without_switch;  ///< by a receive from a waiting sender
  bool shut = false;  ///< `closed`, or `closing`: its ancestor's form

  channel_core(
      std::size_t room,
      std::string text,
      site here,
      const std::type_info& element,
      orphan_policy orphans = orphan_policy::closed
  );
  virtual ~channel_core();

  [[nodiscard]] channel_preference preference() const noexcept { return preference_; }
  [[nodiscard]] bool schedule_all() const noexcept { return schedule_all_; }
  void set_switching(channel_preference side, bool all) noexcept {
    preference_ = side;
    schedule_all_ = all;
    send_exchange = exchange_of(side == channel_preference::receiver, all);
    receive_exchange = exchange_of(side == channel_preference::sender, all);
  }

  [[nodiscard]] bool receivers_wait() const noexcept { return !receivers.empty(); }
  [[nodiscard]] bool senders_wait() const noexcept { return !senders.empty(); }
  [[nodiscard]] std::ptrdiff_t balance() const noexcept {
    return static_cast<std::ptrdiff_t>(senders.size() - receivers.size());
  }

  /// In a history, if one is kept: what fast paths do is recorded by `tell_observer`.
  void record(action_kind what, action_outcome how, site here, bool attempted = false) noexcept {
    if (active_scheduler != nullptr && active_scheduler->hooks_if_made() != nullptr) [[unlikely]]
      add_to_history(what, how, here, attempted);
  }

  /// Called before an operation of `t` would join the queue.
  /// \throws block_trap_error
  void check_block_trap(const tasklet_block& t) const {
    if ((t.attention & block_trap) != 0) [[unlikely]]
      throw_block_trap();
  }

  /// \throws what the observer throws; nothing has changed then
  void tell_observer(scheduler_core& core, bool sending, bool will_block, site here);
  /// \throws std::logic_error inside an observer
  static void check_not_in_hook() {
    if (active_scheduler != nullptr && active_scheduler->hooks_if_made() != nullptr) [[unlikely]]
      active_scheduler->check_thread();
  }

  [[nodiscard]] bool closed() const noexcept { return closed_; }
  void begin_closing() noexcept { shut = true; }
  void open() noexcept { shut = closed_ = false; }
  void close(site here = {}) noexcept;
  [[noreturn]] void throw_closed(const char* operation) const;
  [[noreturn]] void throw_block_trap() const;
  [[noreturn]] static void throw_both_directions();
  [[nodiscard]] std::string display_name() const;

  /// With histories: a spawn has given an end to that tasklet.
  void note_given(channel_side side, std::uint64_t tasklet) noexcept;

  /// Remembers the latest operation, for reports.
  void note(
      [[maybe_unused]] action_kind what,
      [[maybe_unused]] action_outcome how,
      [[maybe_unused]] const scheduler_core* core,
      [[maybe_unused]] site here,
      [[maybe_unused]] bool attempted = false
  ) noexcept {
#if STACKLESS_TRACKING
    if (core != nullptr) [[likely]] {
      note_by(*core->current(), core->step, what, how, here, attempted);
    } else {
      last_.at = here;
      last_.what = {what, how, attempted};
      last_.tasklet = 0;
    }
#endif
  }
  void note_by(
      [[maybe_unused]] const tasklet_block& t,
      [[maybe_unused]] std::uint64_t step,
      [[maybe_unused]] action_kind what,
      [[maybe_unused]] action_outcome how,
      [[maybe_unused]] site here,
      [[maybe_unused]] bool attempted = false
  ) noexcept {
#if STACKLESS_TRACKING
    const std::uint64_t id = t.id;  // before the stores, which the compiler takes for its own
    last_.at = here;
    last_.what = {what, how, attempted};
    last_.tasklet = id;
    last_.step = step;
#endif
  }

  /// Moves the values of waiting senders into the room that has become free.
  virtual void refill() noexcept = 0;
  /// Destroys what is buffered. This channel may be gone after it.
  virtual void drop_values() noexcept = 0;
  [[nodiscard]] bool withdraw(wait& w) noexcept final;
  void describe(object_info& info, std::vector<const void*>& handles) const final;

  void rename(std::string_view text) { name_ = text; }
  [[nodiscard]] std::vector<any_tasklet> waiting() const;

  // The handle registry --------------------------------------------------------------------------

#if STACKLESS_TRACKING
  template <channel_side Side>
  void add_handle(list_hook& handle) noexcept {
    handle.insert_before(handles_of<Side>());
    if constexpr (Side != channel_side::both) {
      if (active_scheduler != nullptr && active_scheduler->hooks_if_made() != nullptr) [[unlikely]]
        note_new_end(handle, Side);
    }
  }
  template <channel_side Side>
  void remove_handle(list_hook& handle) noexcept {
    handle.unlink();
    if constexpr (Side != channel_side::both) {
      if (active_scheduler != nullptr && active_scheduler->hooks_if_made() != nullptr) [[unlikely]]
        forget_new_end(handle);
    }
    if (handles_of<Side>().next == &handles_of<Side>()) [[unlikely]]
      last_of_a_kind_gone();
  }
  template <channel_side Side>
  [[nodiscard]] bool has_handles() const noexcept {
    return handles_of<Side>().next != &handles_of<Side>();
  }
#else
  template <channel_side Side>
  void add_handle() noexcept {
    ++handles_of<Side>();
  }
  template <channel_side Side>
  void remove_handle() noexcept {
    if (--handles_of<Side>() == 0) [[unlikely]]
      last_of_a_kind_gone();
  }
  template <channel_side Side>
  [[nodiscard]] bool has_handles() const noexcept {
    return handles_of<Side>() != 0;
  }
#endif
  [[nodiscard]] bool has_senders() const noexcept {
    return has_handles<channel_side::both>() || has_handles<channel_side::send>();
  }
  [[nodiscard]] bool has_receivers() const noexcept {
    return has_handles<channel_side::both>() || has_handles<channel_side::receive>();
  }

  /// After an operation has begun to wait: with `orphan_policy::error` it may wait for a side that
  /// is gone.
  void check_orphaned(tasklet_block& t) const noexcept {
    if (raises_) [[unlikely]]
      raise_if_orphaned(t);
  }

 private:
  friend struct debug_layout;

  struct action_record {
    action_kind action = action_kind::none;
    action_outcome outcome = action_outcome::none;
    bool attempted = false;
    bool unused = false;  // four bytes: one store
  };

  struct last_action {  // no two of these words side by side: see list_hook::insert_before
    site at{};
    action_record what;
    std::uint64_t tasklet = 0;
    std::ptrdiff_t unused = 0;
    std::uint64_t step = 0;
  };

  static exchange exchange_of(bool partner_preferred, bool all) noexcept {
    if (all) return exchange::all_others;
    return partner_preferred ? exchange::direct : exchange::without_switch;
  }
  void last_of_a_kind_gone() noexcept;
  void last_handle_gone() noexcept;
  void receivers_gone() noexcept;
  void end_receiving() noexcept;
  void wake_senders_closed() noexcept;
  void note_end(action_kind which) noexcept;
  void note_new_end(const list_hook& end, channel_side side) noexcept;
  static void forget_new_end(const list_hook& end) noexcept;
  void raise_in_waiting() noexcept;
  void raise_if_orphaned(tasklet_block& t) const noexcept;
  void add_to_history(action_kind what, action_outcome how, site here, bool attempted) noexcept;

#if STACKLESS_TRACKING
  using handle_set = list_hook;
  list_hook handles_;
  last_action last_;
#else
  using handle_set = std::size_t;
  std::size_t handles_ = 0;
#endif
  channel_preference preference_;
  bool schedule_all_ = false;
  bool closed_ = false;
  orphan_policy orphans_;
  bool raises_ = false;  ///< a side is gone, and that is an error
  std::string name_;
  site made_at_;
  const std::type_info& element_;
#if STACKLESS_TRACKING
  object_history history_;
  action last_end_;  ///< who let go of the last sender, or of the last receiver
#endif
  handle_set send_ends_{};
  handle_set receive_ends_{};

  template <channel_side Side>
  [[nodiscard]] const handle_set& handles_of() const noexcept {
    if constexpr (Side == channel_side::both) {
      return handles_;
    } else if constexpr (Side == channel_side::send) {
      return send_ends_;
    } else {
      return receive_ends_;
    }
  }
  template <channel_side Side>
  [[nodiscard]] handle_set& handles_of() noexcept {
    return const_cast<handle_set&>(std::as_const(*this).template handles_of<Side>());
  }
};

}  // namespace detail

}  // namespace stackless::inline STACKLESS_ABI
