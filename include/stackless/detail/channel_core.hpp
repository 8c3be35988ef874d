#pragma once

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

  channel_core(std::size_t room, std::string text, site here, const std::type_info& element);
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
  [[nodiscard]] bool withdraw(wait& w) noexcept final;
  void describe(object_info& info, std::vector<const void*>& handles) const final;

  void rename(std::string_view text) { name_ = text; }
  [[nodiscard]] std::vector<any_tasklet> waiting() const;

  // The handle registry --------------------------------------------------------------------------

#if STACKLESS_TRACKING
  void add_handle(list_hook& handle) noexcept { handle.insert_before(handles_); }
  void remove_handle(list_hook& handle) noexcept {
    handle.unlink();
    if (handles_.next == &handles_) [[unlikely]]
      last_handle_gone();
  }
#else
  void add_handle() noexcept { ++handles_; }
  void remove_handle() noexcept {
    if (--handles_ == 0) [[unlikely]]
      last_handle_gone();
  }
#endif

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
  void last_handle_gone() noexcept;
  void add_to_history(action_kind what, action_outcome how, site here, bool attempted) noexcept;

#if STACKLESS_TRACKING
  list_hook handles_;
  last_action last_;
#else
  std::size_t handles_ = 0;
#endif
  channel_preference preference_;
  bool schedule_all_ = false;
  bool closed_ = false;
  std::string name_;
  site made_at_;
  const std::type_info& element_;
#if STACKLESS_TRACKING
  object_history history_;
#endif
};

/// A counted reference to a channel that its channel knows by address: reports tell who holds what.
class channel_handle
#if STACKLESS_TRACKING
    : private list_hook
#endif
{
 public:
  explicit channel_handle(channel_core* core) noexcept : core_(core) {
    if (core_ != nullptr) enrol();
  }
  channel_handle(const channel_handle& other) noexcept : channel_handle(other.core_) {}
  channel_handle(channel_handle&& other) noexcept : channel_handle(other.core_) { other.reset(); }
  channel_handle& operator=(const channel_handle& other) noexcept {
    if (core_ != other.core_) {
      reset();
      core_ = other.core_;
      if (core_ != nullptr) enrol();
    }
    return *this;
  }
  channel_handle& operator=(channel_handle&& other) noexcept {
    if (this != &other) {
      *this = static_cast<const channel_handle&>(other);
      other.reset();
    }
    return *this;
  }
  ~channel_handle() { reset(); }

 protected:
  /// \throws std::logic_error for a handle that was moved from
  [[nodiscard]] channel_core& core() const {
    if (core_ == nullptr) [[unlikely]]
      throw_moved_from();
    return *core_;
  }
  [[nodiscard]] const channel_core* identity() const noexcept { return core_; }

 private:
  [[noreturn]] static void throw_moved_from();

#if STACKLESS_TRACKING
  void enrol() noexcept { core_->add_handle(*this); }
  void reset() noexcept {
    if (core_ != nullptr) std::exchange(core_, nullptr)->remove_handle(*this);
  }
#else
  void enrol() noexcept { core_->add_handle(); }
  void reset() noexcept {
    if (core_ != nullptr) std::exchange(core_, nullptr)->remove_handle();
  }
#endif

  channel_core* core_;
};

}  // namespace detail

}  // namespace stackless::inline STACKLESS_ABI
