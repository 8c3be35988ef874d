#pragma once

#include <stackless/detail/tasklet_block.hpp>

#include <cstddef>

namespace stackless::inline STACKLESS_ABI::detail {

/// Who can run, in order: a circle, in which the current tasklet is a member. The tail is the place
/// just before it, and moving on to the next is what rotates the queue: nothing is moved when a
/// tasklet yields. A tasklet outside the ring is blocked, or paused.
///
/// The next one is kept beside the current one. A switch would otherwise find it through the links
/// that the switch before has just written, and these waits for memory are what a switch costs.
class ready_ring {
 public:
  [[nodiscard]] bool empty() const noexcept { return current_ == nullptr; }
  /// Null: the ring is empty.
  [[nodiscard]] tasklet_block* current() const noexcept { return current_; }
  /// The one after the current one, which is itself when it is alone.
  [[nodiscard]] tasklet_block& next() const noexcept { return *next_; }

  /// To the tail.
  void append(tasklet_block& t) noexcept {
    if (current_ == nullptr) [[unlikely]] {
      t.ring_next = t.ring_previous = current_ = next_ = &t;
      return;
    }
    tasklet_block& last = *current_->ring_previous;
    t.ring_next = current_;
    t.ring_previous = &last;
    last.ring_next = current_->ring_previous = &t;
    if (next_ == current_) next_ = &t;
  }

  /// Puts `t` just after the current one, and moves on to it.
  void insert_and_advance(tasklet_block& t) noexcept {
    tasklet_block& before = *current_;
    tasklet_block& behind = *next_;
    t.ring_previous = &before;
    behind.ring_previous = &t;
    t.ring_next = &behind;
    before.ring_next = &t;
    current_ = &t;
  }

  void advance() noexcept { move_to(*next_); }

  /// To any member.
  void move_to(tasklet_block& t) noexcept {
    current_ = &t;
    next_ = t.ring_next;
  }

  /// The current one leaves, to be blocked or paused at `w`, and the next one is current: the
  /// result. Null: there is none.
  tasklet_block* leave(wait* w) noexcept {
    tasklet_block& t = *current_;
    tasklet_block* const following = drop_current();
    t.ring_next = nullptr;
    t.outside = w;
    return following;
  }

  /// The current one leaves, and will not be asked for its place again.
  tasklet_block* drop_current() noexcept {
    tasklet_block& following = *next_;
    tasklet_block& last = *current_->ring_previous;
    if (&following == current_) [[unlikely]] {
      current_ = next_ = nullptr;
      return nullptr;
    }
    last.ring_next = &following;
    following.ring_previous = &last;
    current_ = &following;
    next_ = &last == &following ? &following : following.ring_next;
    return &following;
  }

  /// Any member leaves.
  void remove(tasklet_block& t) noexcept {
    if (&t == current_) {
      leave(nullptr);
      return;
    }
    t.ring_previous->ring_next = t.ring_next;
    t.ring_next->ring_previous = t.ring_previous;
    t.ring_next = nullptr;
    t.outside = nullptr;
    next_ = current_->ring_next;
  }

  /// O(n).
  [[nodiscard]] std::size_t size() const noexcept {
    if (current_ == nullptr) return 0;
    std::size_t count = 1;
    for (tasklet_block* t = next_; t != current_; t = t->ring_next) ++count;
    return count;
  }

 private:
  friend struct debug_layout;

  tasklet_block* current_ = nullptr;
  void* apart_ = nullptr;  // as between the links: tasklet_block.hpp
  tasklet_block* next_ = nullptr;
};

}  // namespace stackless::inline STACKLESS_ABI::detail
