#pragma once

#include <stackless/detail/intrusive_list.hpp>

#include <cstddef>
#include <cstdint>
#include <vector>

namespace stackless::inline STACKLESS_ABI {
struct object_info;
}  // namespace stackless::inline STACKLESS_ABI

namespace stackless::inline STACKLESS_ABI::detail {

struct tasklet_block;
class wait;

/// What a blocked await is doing. The first two leave the tasklet paused; the others block it.
enum class wait_kind : std::uint8_t {
  suspend,
  drain,
  receive,
  send,
  send_exception,
  join,
  sleep,
  io,
  nursery,
  start,  ///< of a child
  event,
  acquire,  ///< of a semaphore
  lock,
  lock_shared,
  notify,  ///< of a condition variable
  select,
  arrive,    ///< of others, at a latch or a barrier
  foreign,   ///< for an awaitable of another library, or a callback
  readiness  ///< of a descriptor: I/O that can be undone
};

[[nodiscard]] constexpr bool only_pauses(wait_kind kind) noexcept {
  return kind == wait_kind::suspend || kind == wait_kind::drain;
}

/// Waits that cannot be undone before a child has ended, or said something.
[[nodiscard]] constexpr bool waits_for_children(wait_kind kind) noexcept {
  return kind == wait_kind::nursery || kind == wait_kind::start;
}

/// How a wait was completed by its waker.
enum class wait_outcome : std::uint8_t {
  pending,
  pending_in_select,  ///< a case of one: the others must not win too
  done,
  failed,  ///< with an error, which is in its tasklet's `error`
  closed   ///< by the object, or undone by an interruption
};

/// Anything that can be waited for: a channel, a tasklet to join, a timer, an I/O operation.
class wait_object {
 public:
  wait_object(const wait_object&) = delete;
  wait_object& operator=(const wait_object&) = delete;

  /// Takes `w` out again because its tasklet must not go on waiting. True: the operation is undone
  /// and never happened. False: only its own completion can end it; it was asked to hurry.
  [[nodiscard]] virtual bool withdraw(wait& w) noexcept = 0;

  /// The tasklet without which this wait cannot end; null if that is none, or not known.
  [[nodiscard]] virtual tasklet_block* needed() noexcept { return nullptr; }

  /// For a wait on others that cannot be undone: the one of them that has waited longest. It is
  /// told of a deadlock instead.
  [[nodiscard]] virtual tasklet_block* oldest_beneath() const noexcept { return nullptr; }

  /// Fills in what a report says about this object. `handles`: the addresses of the handles through
  /// which others can reach it, where they are known; diagnosis finds out whose they are.
  virtual void describe(object_info& info, std::vector<const void*>& handles) const = 0;

 protected:
  wait_object() noexcept = default;
  ~wait_object() = default;
};

/// The record of one blocked await. It lives in the awaiter, and so in the coroutine frame:
/// blocking allocates nothing, and whoever completes the wait finds the tasklet here.
class wait : public list_hook {
 public:
  tasklet_block* owner;  ///< set when the wait begins, as `since` is
  wait_object* object;

  wait(wait_kind kind, wait_object* waited_for) noexcept
      : list_hook(leave_unset_t{}),
        object(waited_for),
        kind_(kind),
        outcome_(wait_outcome::pending) {}
  /// For one that may never be needed.
  explicit wait(leave_unset_t tag) noexcept : list_hook(tag) {}
  void prepare(wait_kind kind, wait_object& waited_for) noexcept {
    object = &waited_for;
    kind_ = kind;
    outcome_ = wait_outcome::pending;
  }

  [[nodiscard]] wait_kind kind() const noexcept { return kind_; }
  [[nodiscard]] wait_outcome outcome() const noexcept { return outcome_; }
  void complete_as(wait_outcome how) noexcept { outcome_ = how; }
  void join_select() noexcept { outcome_ = wait_outcome::pending_in_select; }

  /// The scheduler's step at which the wait began.
  [[nodiscard]] std::uint64_t since() const noexcept { return since_; }
  void begin(std::uint64_t step) noexcept { since_ = step; }

 private:
  friend struct debug_layout;

  std::uint64_t since_;
  wait_kind kind_;
  wait_outcome outcome_;
};

/// First come, first served; O(1) removal from the middle. A wait is in one queue or in none, and
/// whoever takes it out knows which: the hooks are not reset.
class wait_queue {
 public:
  wait_queue() noexcept = default;
  wait_queue(const wait_queue&) = delete;
  wait_queue& operator=(const wait_queue&) = delete;

  [[nodiscard]] bool empty() const noexcept { return first_ == nullptr; }
  /// Not `empty`, as a number to combine with others in one test: zero or not.
  [[nodiscard]] std::uintptr_t any() const noexcept {
    return reinterpret_cast<std::uintptr_t>(first_);
  }
  [[nodiscard]] wait& front() const noexcept { return static_cast<wait&>(*first_); }
  [[nodiscard]] std::size_t size() const noexcept { return first_ == nullptr ? 0 : behind_ + 1; }

  void push_back(wait& w) noexcept {
    if (first_ != nullptr) [[unlikely]] {
      last_->next = &w;
      w.previous = last_;
      ++behind_;
    } else {
      first_ = &w;
    }
    last_ = &w;
  }

  wait& pop_front() noexcept {
    wait& w = front();
    if (&w != last_) [[unlikely]] {
      first_ = w.next;
      --behind_;
    } else {
      first_ = nullptr;
    }
    return w;
  }

  void remove(wait& w) noexcept {
    if (&w == first_) {
      pop_front();
      return;
    }
    w.previous->next = w.next;
    if (&w == last_) {
      last_ = w.previous;
    } else {
      w.next->previous = w.previous;
    }
    --behind_;
  }

  template <class Visit>
  void for_each(Visit&& visit) const {
    if (empty()) return;
    for (const list_hook* hook = first_;; hook = hook->next) {
      visit(static_cast<const wait&>(*hook));
      if (hook == last_) return;
    }
  }

 private:
  // Most queues hold one wait. So that it costs little to come and to go alone, the links beyond
  // either end are not set, nor is `last_` in an empty queue, and only those behind are counted.
  list_hook* first_ = nullptr;
  list_hook* last_ = nullptr;
  std::size_t behind_ = 0;
};

/// The same, one pointer wide: a circle that is known by its last. For objects of which there are
/// many.
class narrow_wait_queue {
 public:
  narrow_wait_queue() noexcept = default;
  narrow_wait_queue(const narrow_wait_queue&) = delete;
  narrow_wait_queue& operator=(const narrow_wait_queue&) = delete;

  [[nodiscard]] bool empty() const noexcept { return last_ == nullptr; }

  void push_back(wait& w) noexcept {
    if (last_ == nullptr) {
      w.next = w.previous = &w;
    } else {
      w.insert_before(*last_->next);
    }
    last_ = &w;
  }

  void remove(wait& w) noexcept {
    if (w.next == &w) {
      last_ = nullptr;
      return;
    }
    if (last_ == &w) last_ = w.previous;
    w.unlink();
  }

  wait& pop_front() noexcept {
    auto& first = static_cast<wait&>(*last_->next);
    remove(first);
    return first;
  }

  void take_over(narrow_wait_queue& other) noexcept {
    last_ = other.last_;
    other.last_ = nullptr;
  }

 private:
  list_hook* last_ = nullptr;
};

}  // namespace stackless::inline STACKLESS_ABI::detail
