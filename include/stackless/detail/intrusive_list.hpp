#pragma once

#include <stackless/detail/config.hpp>

#include <cassert>

namespace stackless::inline STACKLESS_ABI::detail {

struct leave_unset_t {};

/// A place in an intrusive list. Unlinked hooks hold null.
struct list_hook {
  list_hook* next;
  list_hook* previous;

  list_hook() noexcept : next(nullptr), previous(nullptr) {}
  /// For hooks whose owner never asks whether they are linked.
  explicit list_hook(leave_unset_t) noexcept {}
  list_hook(const list_hook&) = delete;
  list_hook& operator=(const list_hook&) = delete;

  [[nodiscard]] bool linked() const noexcept { return next != nullptr; }

  // In this order GCC keeps plain stores; side by side it joins them in a vector register, which
  // costs more than it saves.
  void insert_before(list_hook& position) noexcept {
    previous = position.previous;
    previous->next = this;
    next = &position;
    position.previous = this;
  }

  void unlink() noexcept {
    unlink_for_good();
    next = nullptr;
  }
  /// For one that is about to be destroyed.
  void unlink_for_good() noexcept {
    previous->next = next;
    next->previous = previous;
  }
};

/// A circular list with a sentinel: first in, first out, and O(1) removal from the middle.
/// `T` derives from `list_hook` through `Tag` (or directly), and outlives its stay in the list.
template <class T, class Hook = list_hook>
class intrusive_list {
 public:
  intrusive_list() noexcept { head_.next = head_.previous = &head_; }
  intrusive_list(const intrusive_list&) = delete;
  intrusive_list& operator=(const intrusive_list&) = delete;

  [[nodiscard]] bool empty() const noexcept { return head_.next == &head_; }
  [[nodiscard]] T& front() const noexcept {
    assert(!empty());
    return from_hook(*head_.next);
  }
  void push_back(T& item) noexcept { static_cast<Hook&>(item).insert_before(head_); }
  static void remove(T& item) noexcept { static_cast<Hook&>(item).unlink(); }

  template <class Visit>
  void for_each(Visit&& visit) const {
    for (list_hook* hook = head_.next; hook != &head_;) {
      list_hook* following = hook->next;  // the visitor may unlink the item
      visit(from_hook(*hook));
      hook = following;
    }
  }

 private:
  friend struct debug_layout;

  static T& from_hook(list_hook& hook) noexcept {
    return static_cast<T&>(static_cast<Hook&>(hook));
  }

  mutable list_hook head_;
};

}  // namespace stackless::inline STACKLESS_ABI::detail
