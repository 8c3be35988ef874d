#pragma once

#include <stackless/detail/awaited_once.hpp>
#include <stackless/detail/history.hpp>
#include <stackless/detail/intrusive_list.hpp>
#include <stackless/detail/promise.hpp>
#include <stackless/detail/scheduler_core.hpp>
#include <stackless/object_name.hpp>

#include <concepts>
#include <coroutine>
#include <cstddef>
#include <exception>
#include <string>
#include <string_view>
#include <utility>

namespace stackless::inline STACKLESS_ABI {
enum class object_kind : std::uint8_t;
}  // namespace stackless::inline STACKLESS_ABI

namespace stackless::inline STACKLESS_ABI::detail {

class sync_core;

/// The part of a guard that its object knows, so that the guard is empty when that goes.
class holder : public list_hook {
 public:
  holder() noexcept = default;
  holder(sync_core& object, intrusive_list<holder>& all) noexcept : object_(&object) {
    all.push_back(*this);
  }
  ~holder() {
    if (linked()) unlink();
  }

  void take_over(holder& other) noexcept {
    if (other.object_ == nullptr) return;
    object_ = other.object_;
    insert_before(other);
    (void)other.let_go();
  }
  /// It holds nothing from now on. Gives what it held.
  sync_core* let_go() noexcept {
    if (linked()) unlink();
    return std::exchange(object_, nullptr);
  }
  [[nodiscard]] bool holds() const noexcept { return object_ != nullptr; }

  static void empty_all(intrusive_list<holder>& all) noexcept {
    while (!all.empty()) (void)all.front().let_go();
  }

 private:
  sync_core* object_ = nullptr;
};

/// What all of sync/ have in common: a name, and a queue that is served first come, first served.
class sync_core : public wait_object {
 public:
  [[nodiscard]] bool withdraw(wait& w) noexcept override {
    waiting_.remove(w);
    return true;
  }
  void enqueue(wait& w) noexcept { waiting_.push_back(w); }
  /// One that was woken runs again.
  void left_by(wait& w) noexcept { woken_.remove(w); }
  void describe(object_info& info, std::vector<const void*>& handles) const override;

  /// Remembers what was done with it, for reports. A wait that begins is only for the history.
  void note(action_kind what, action_outcome how, site here, bool attempted = false) noexcept;
  void note_wait(wait_kind kind, site here) noexcept;

  [[nodiscard]] std::string display_name() const;
  [[nodiscard]] std::string title() const;  ///< with the kind of thing it is
#if STACKLESS_TRACKING
  [[nodiscard]] site last_at() const noexcept { return last_.at; }
#endif
  [[nodiscard]] bool anybody_waits() const noexcept { return !waiting_.empty(); }

  struct offsets {
    std::size_t name;
    std::size_t made_at;
    std::size_t kind;
  };
  /// For debuggers. (No friend: GCC then warns of a destructor that is accessible.)
  [[nodiscard]] static offsets offsets_of_fields() noexcept;

 protected:
  sync_core(object_kind kind, site here) noexcept : made_at_(here), kind_(kind) {}
  sync_core(object_kind kind, const object_name& name)
      : name_(name.text()), made_at_(name.at()), kind_(kind) {}
  /// Whoever still waits is told that this is gone, and so is who was woken and has not run.
  ~sync_core();

  /// The first in the queue has what it waits for, and goes to the tail of its ring.
  void wake_first(wait_outcome how = wait_outcome::done) noexcept {
    wait& first = waiting_.pop_front();
    woken_.push_back(first);
    first.owner->home->wake(first, how);
  }
  void wake_all(wait_outcome how = wait_outcome::done) noexcept {
    while (!waiting_.empty()) wake_first(how);
  }
  /// For `try_take`: it need not wait, and is granted nothing.
  void refuse(wait& w) noexcept {
    woken_.push_back(w);
    w.complete_as(wait_outcome::failed);
  }
  [[nodiscard]] wait& first() const noexcept { return waiting_.front(); }
  /// Whoever waits is told that this is gone. `kind`: the word for it, if it has one of its own.
  void turn_all_away(std::string_view kind = {}) noexcept;
  /// And so is who was woken and has not run.
  void turn_woken_away() noexcept;

  /// The acting tasklet, null outside of tasklets. \throws std::logic_error in an observer
  [[nodiscard]] static tasklet_block* acting();

 private:
  void tell_gone(const wait& w, std::string_view kind) const noexcept;
#if STACKLESS_TRACKING
  [[nodiscard]] action with_woken(action done) const noexcept;
#endif

  wait_queue waiting_;
  wait_queue woken_;  ///< and have not run since
  std::string name_;
  site made_at_;
  object_kind kind_;
#if STACKLESS_TRACKING
  action last_;
  object_history history_;
#endif
};

/// What a tasklet was told when the object that it waited for went; null: it does not know.
[[noreturn]] void throw_object_gone(
    std::exception_ptr told = nullptr, const char* otherwise = "what it waited for was destroyed"
);

/// Waits until `Core` grants it. `Core` has
///   - `bool try_take(wait&)`: takes at once what the wait asks for;
///   - `void give_back(wait&)`: what was granted, to one that was killed before it ran;
///   - `grants_an_event`: it has happened, also when the core is gone before the waiter runs.
template <class Core>
class sync_awaiter {
 public:
  sync_awaiter(Core& core, wait_kind kind) noexcept : wait_(kind, &core) {}
  sync_awaiter(const sync_awaiter&) = delete;
  sync_awaiter& operator=(const sync_awaiter&) = delete;

  bool await_ready() {
    scheduler_core& scheduler = *active_scheduler;
    check_attention(*scheduler.current());
    if (core().try_take(wait_)) return true;
    scheduler.check_switch_trap(scheduler.others_can_run());
    return false;
  }
  template <std::derived_from<frame> Promise>
  std::coroutine_handle<> await_suspend(
      std::coroutine_handle<Promise> h, site here = site::current()
  ) noexcept {
    scheduler_core& scheduler = *active_scheduler;
    tasklet_block& me = *scheduler.current();
    core().enqueue(wait_);
    if (scheduler.hooks_if_made() != nullptr) [[unlikely]]
      core().note_wait(wait_.kind(), here);
    const std::coroutine_handle<> next = scheduler.block(wait_, h.promise(), here);
    scheduler.check_circle(me);
    return next;
  }

  bool select_ready(site) { return core().try_take(wait_); }
  void select_begin() noexcept { core().enqueue(wait_); }
  wait& select_wait() noexcept { return wait_; }

 protected:
  void finish() {
    tasklet_block& me = *active_scheduler->current();
    const bool is_there = leave_core();
    if ((me.attention & raise_here) != 0 && wait_.outcome() == wait_outcome::done && is_there)
        [[unlikely]]
      core().give_back(wait_);
    if (wait_.outcome() == wait_outcome::closed) [[unlikely]]
      fail(me);
    if constexpr (!requires { Core::grants_an_event; }) {
      if (!is_there) [[unlikely]]
        fail(me);
    }
    resumed(me);
  }
  /// The core is gone, or something else is to be raised.
  [[noreturn]] static void fail(tasklet_block& me) {
    std::exception_ptr told = std::exchange(me.error, nullptr);  // whichever of the two is raised
    resumed(me);
    throw_object_gone(std::move(told));
  }
  /// After the wait, first. False: the core is gone, and was there when it woke this.
  bool leave_core() noexcept {
    if (wait_.object == nullptr) [[unlikely]]
      return false;
    if (wait_.outcome() == wait_outcome::done || was_refused()) core().left_by(wait_);
    return true;
  }
  /// False after the wait: the core is gone.
  [[nodiscard]] bool has_core() const noexcept { return wait_.object != nullptr; }
  [[nodiscard]] Core& core() noexcept { return static_cast<Core&>(*wait_.object); }
  /// The core has ended this wait by an error of its own; nothing was granted.
  [[nodiscard]] bool was_refused() const noexcept {
    return wait_.outcome() == wait_outcome::failed;
  }

 private:
  wait wait_;
};

/// One that gives nothing but that it happened.
template <class Core>
class plain_sync_awaiter : public sync_awaiter<Core> {
 public:
  using sync_awaiter<Core>::sync_awaiter;
  void await_resume() { this->finish(); }
};

template <class Core>
class [[STACKLESS_OPERATION]] sync_operation : public awaited_once {
 public:
  sync_operation(Core& core, wait_kind kind) noexcept : core_(core), kind_(kind) {}
  plain_sync_awaiter<Core> make_awaiter() const noexcept {
    return plain_sync_awaiter<Core>(core_, kind_);
  }

 private:
  Core& core_;
  wait_kind kind_;
};

}  // namespace stackless::inline STACKLESS_ABI::detail
