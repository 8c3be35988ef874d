#pragma once

#include <stackless/detail/config.hpp>

#include <atomic>
#include <cstdint>
#include <thread>

namespace stackless::inline STACKLESS_ABI::detail {

/// How threads hand letters to a loop that sleeps, without a lock (docs/threads.md has the
/// reasons).
///
/// One word says everything: who posts and who is about to sleep change the same `head_`, so that
/// there is no moment between "nothing has come" and "asleep". A template, so that the test of all
/// interleavings runs these very functions.
template <class Platform>
class mailbox {
  template <class T>
  using atomic = typename Platform::template atomic<T>;

 public:
  /// Is in the box once at most: posting one that has not been opened changes nothing.
  class letter {
   public:
    letter() noexcept = default;
    letter(const letter&) = delete;
    letter& operator=(const letter&) = delete;

   private:
    friend mailbox;
    atomic<bool> posted_{false};
    letter* next_ = nullptr;
  };

  enum class result : std::uint8_t {
    posted,
    was_posted,  ///< and the loop will see what was written before this call
    refused      ///< the box is closed
  };

  mailbox() noexcept = default;
  mailbox(const mailbox&) = delete;
  mailbox& operator=(const mailbox&) = delete;

  /// From any thread, and from signal handlers. The loop may have opened the letter before this
  /// returns: nothing of it is touched after that.
  template <class Wake>
  result post(letter& l, Wake&& wake) noexcept {
    if (l.posted_.exchange(true, std::memory_order_acq_rel)) return result::was_posted;
    inside_.fetch_add(1, std::memory_order_relaxed);
    letter* first = head_.load(std::memory_order_relaxed);
    do {
      if (first == &closed_) {
        l.posted_.store(false, std::memory_order_release);
        inside_.fetch_sub(1, std::memory_order_release);
        return result::refused;
      }
      l.next_ = first == &asleep_ ? nullptr : first;
    } while (!head_.compare_exchange_weak(
        first, &l, std::memory_order_acq_rel, std::memory_order_relaxed
    ));
    if (first == &asleep_) wake();
    inside_.fetch_sub(1, std::memory_order_release);
    return result::posted;
  }

  // The loop's side ------------------------------------------------------------------------------

  /// There may be something to take: letters, or the mark of a sleep.
  [[nodiscard]] bool marked() const noexcept {
    return head_.load(std::memory_order_relaxed) != nullptr;
  }

  /// Takes all letters, oldest first. The loop is awake from here on.
  [[nodiscard]] letter* take() noexcept {
    letter* last = head_.exchange(nullptr, std::memory_order_acq_rel);
    return last == &asleep_ ? nullptr : reversed(last);
  }

  /// Before anything that the letter tells of is read: from here on it can be posted again. Gives
  /// the next one. Reads and writes in one step: so what a `was_posted` wrote before it is seen.
  static letter* open(letter& l) noexcept {
    letter* const following = l.next_;
    (void)l.posted_.exchange(false, std::memory_order_acq_rel);
    return following;
  }

  /// False: a letter is there, and the loop must not sleep. True: the next post will wake it.
  [[nodiscard]] bool fall_asleep() noexcept {
    letter* expected = nullptr;
    return head_.compare_exchange_strong(
               expected, &asleep_, std::memory_order_acq_rel, std::memory_order_acquire
           ) ||
           expected == &asleep_;
  }

  /// Later posts are refused. Comes back when nobody is inside `post`, so that what `wake` uses can
  /// go; gives what was still in the box.
  [[nodiscard]] letter* close() noexcept {
    letter* last = head_.exchange(&closed_, std::memory_order_acq_rel);
    while (inside_.load(std::memory_order_acquire) != 0) Platform::yield();
    return last == &asleep_ || last == &closed_ ? nullptr : reversed(last);
  }

 private:
  static letter* reversed(letter* last) noexcept {
    letter* first = nullptr;
    while (last != nullptr) {
      letter* const before = last->next_;
      last->next_ = first;
      first = last;
      last = before;
    }
    return first;
  }

  letter asleep_;  // only their addresses are used
  letter closed_;
  atomic<letter*> head_{nullptr};  // the letter posted last; null: none, and the loop is awake
  atomic<int> inside_{0};          // threads inside `post`
};

struct thread_platform {
  template <class T>
  using atomic = std::atomic<T>;
  static void yield() noexcept { std::this_thread::yield(); }
};

using thread_mailbox = mailbox<thread_platform>;

}  // namespace stackless::inline STACKLESS_ABI::detail
