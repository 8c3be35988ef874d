#pragma once

#include <stackless/channel.hpp>
#include <stackless/detail/awaited_once.hpp>
#include <stackless/detail/door.hpp>
#include <stackless/detail/sync_core.hpp>
#include <stackless/error.hpp>

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <mutex>
#include <optional>
#include <utility>

namespace stackless::inline STACKLESS_ABI {

class scheduler;

namespace detail {

[[nodiscard]] scheduler_core& core_of(scheduler& home) noexcept;

/// What the ends of a remote share, but for the values.
class remote_core : public sync_core, public door {
 public:
  // Any thread.
  void add_sender() noexcept {
    senders_.fetch_add(1, std::memory_order_relaxed);
    retain();
  }
  void drop_sender() noexcept {
    if (senders_.fetch_sub(1, std::memory_order_acq_rel) == 1) post();
    release();
  }

  // The scheduler's thread.
  void make_sender();
  void close();
  void owner_gone() noexcept;
  /// Whether a value is there that nobody has been promised: it is promised now.
  [[nodiscard]] bool try_promise() noexcept;
  bool try_take(wait& w) noexcept;
  void give_back(wait&) noexcept;
  [[nodiscard]] bool is_closed() const noexcept { return is_closed_; }
  [[noreturn]] void throw_closed() const;
  void describe(object_info& info, std::vector<const void*>& handles) const override;

 protected:
  remote_core(scheduler_core& home, std::size_t capacity, site here);
  remote_core(scheduler_core& home, std::size_t capacity, const object_name& name);
  ~remote_core() = default;

  /// A thread's: whether there is room for one value; may wait for it.
  /// \throws std::logic_error where it would wait for itself
  send_status find_room(std::unique_lock<std::mutex>& lock, bool may_wait);
  /// In the scheduler's thread: one value has been taken out.
  void made_room() noexcept { room_.notify_one(); }
  /// `take` has been promised a value; uses the promise up.
  void use_grant() noexcept { --granted_; }
  /// Gives who waits what nobody has been promised.
  void serve() noexcept;
  virtual void drop_values() noexcept = 0;

  std::mutex mutex_;      // for the values, and for:
  std::size_t size_ = 0;  // of them
  bool refuses_ = false;

 private:
  void posted() noexcept override;
  void cut_off() noexcept override { refuse_senders(); }
  void refuse_senders() noexcept;
  [[nodiscard]] std::size_t not_granted() noexcept;
  [[nodiscard]] bool is_over() const noexcept { return is_closed_ || (had_senders_ && !is_live_); }

  std::condition_variable room_;
  const std::size_t capacity_;
  std::atomic<std::size_t> senders_{0};
  // The scheduler's thread:
  std::size_t granted_ = 0;  ///< values, to tasklets that were woken and have not run yet
  bool had_senders_ = false;
  bool is_live_ = false;  ///< has senders, as far as the scheduler knows
  bool is_closed_ = false;
};

template <class T>
class remote_state final : public remote_core {
 public:
  remote_state(scheduler_core& home, std::size_t capacity, site here)
      : remote_core(home, capacity, here) {}
  remote_state(scheduler_core& home, std::size_t capacity, const object_name& name)
      : remote_core(home, capacity, name) {}

  /// Any thread.
  send_status put(T& value, bool may_wait) {
    std::unique_lock lock(mutex_);
    const send_status found = find_room(lock, may_wait);
    if (found != send_status::sent) return found;
    values_.push_back(std::move(value));
    ++size_;
    lock.unlock();
    post();
    return found;
  }

  /// The scheduler's thread: what was promised.
  std::optional<T> take() {
    use_grant();
    std::unique_lock lock(mutex_);
    std::optional<T> value;
    try {
      value.emplace(std::move(values_.front()));
    } catch (...) {
      lock.unlock();
      serve();  // it is there still, for the next
      throw;
    }
    values_.pop_front();
    --size_;
    lock.unlock();
    made_room();
    return value;
  }

 private:
  ~remote_state() = default;
  void destroy() noexcept override { delete this; }
  void drop_values() noexcept override {
    std::deque<T> dropped;
    {
      const std::lock_guard lock(mutex_);
      dropped.swap(values_);
      size_ = 0;
    }
  }

  std::deque<T> values_;
};

template <class T>
class remote_awaiter : public sync_awaiter<remote_core> {
 public:
  explicit remote_awaiter(remote_state<T>& state) noexcept
      : sync_awaiter<remote_core>(state, wait_kind::event) {}
  T await_resume() {
    std::optional<T> value = next();
    if (!value) core().throw_closed();
    return std::move(*value);
  }

 protected:
  std::optional<T> next() {
    finish();
    if (was_refused()) return std::nullopt;
    return static_cast<remote_state<T>&>(core()).take();
  }
};

template <class T>
class remote_next_awaiter : public remote_awaiter<T> {
 public:
  using remote_awaiter<T>::remote_awaiter;
  std::optional<T> await_resume() { return this->next(); }
};

template <class T, class Awaiter>
class [[STACKLESS_OPERATION]] remote_operation : public awaited_once {
 public:
  explicit remote_operation(remote_state<T>& state) noexcept : state_(state) {}
  Awaiter make_awaiter() const noexcept { return Awaiter(state_); }

 private:
  remote_state<T>& state_;
};

[[noreturn]] void throw_remote_closed(const char* what);
[[noreturn]] void throw_empty_sender();

}  // namespace detail

/// Sends values to a `remote` from wherever it is. Copies send to the same one. Empty after a move.
///
/// **Lifetime**: may outlive the remote and its scheduler. While there is one the scheduler
/// believes that something may still come; when the last is gone, and what it sent is received, the
/// remote is closed.
/// **Threads**: any. One object may be used by several at a time; each may also have its copy. Not
/// from signal handlers: they notify an `external_source`.
template <class T>
class remote_sender {
 public:
  remote_sender(const remote_sender& other) noexcept : state_(other.state_) {
    if (state_ != nullptr) state_->add_sender();
  }
  remote_sender(remote_sender&& other) noexcept : state_(std::exchange(other.state_, nullptr)) {}
  remote_sender& operator=(remote_sender other) noexcept {
    std::swap(state_, other.state_);
    return *this;
  }
  ~remote_sender() {
    if (state_ != nullptr) state_->drop_sender();
  }

  /// Sends a copy if there is room, without waiting for any.
  /// **Errors**: `std::logic_error` if this was moved from.
  [[nodiscard("not every value is sent")]] send_status try_send(const T& value) const
    requires std::copy_constructible<T>
  {
    T copy(value);
    return try_send_from(copy);
  }
  /// As above; moves from `value` only when it is sent.
  [[nodiscard("not every value is sent")]] send_status try_send(T&& value) const {
    return try_send_from(value);
  }
  /// As `try_send`, moving from `value` only when it is sent: else it keeps its value.
  [[nodiscard("not every value is sent")]] send_status try_send_from(T& value) const {
    return state().put(value, false);
  }

  /// Waits until there is room: this blocks the thread.
  ///
  /// **Errors**: `channel_closed` when the remote was closed or is gone; `std::logic_error` in the
  /// scheduler's own thread, when there is no room: it would wait for itself.
  void send(T value) const { send_from(value); }
  /// As `send`; the value is moved from only when it was sent.
  void send_from(T& value) const {
    if (state().put(value, true) == send_status::closed)
      detail::throw_remote_closed("send: the remote is closed");
  }

  /// For the library.
  explicit remote_sender(detail::remote_state<T>& state) noexcept : state_(&state) {}

 private:
  [[nodiscard]] detail::remote_state<T>& state() const {
    if (state_ == nullptr) detail::throw_empty_sender();
    return *state_;
  }

  detail::remote_state<T>* state_;
};

/// A bounded queue into a scheduler: other threads send, tasklets receive.
///
/// **Lifetime**: who waits when it goes gets `object_gone`, and what was not received is destroyed
/// in the scheduler's thread.
/// **Threads**: its own functions are for the scheduler's thread.
template <class T>
class remote {
 public:
  /// Of the running scheduler, with room for so many values.
  /// **Errors**: `std::logic_error` outside of one, and for no room at all.
  explicit remote(std::size_t capacity, detail::site here = detail::site::current())
      : state_(new detail::remote_state<T>(detail::running_scheduler(), capacity, here)) {}
  remote(const object_name& name, std::size_t capacity)
      : state_(new detail::remote_state<T>(detail::running_scheduler(), capacity, name)) {}
  /// For a host.
  remote(scheduler& home, const object_name& name, std::size_t capacity)
      : state_(new detail::remote_state<T>(detail::core_of(home), capacity, name)) {}
  remote(const remote&) = delete;
  remote& operator=(const remote&) = delete;
  ~remote() { state_->owner_gone(); }

  /// A handle for another thread. **Errors**: `std::logic_error` on another thread than the
  /// scheduler's, and once it is closed.
  [[nodiscard]] remote_sender<T> sender() const {
    state_->make_sender();
    return remote_sender<T>(*state_);
  }

  /// Waits for a value, in the order in which they were sent. Can be a case of a `select`.
  ///
  /// **Cancellation**: a cancel point; one that raised has taken nothing.
  /// **Errors**: `channel_closed` when it is closed, or every sender is gone, and all is received.
  [[nodiscard]] auto receive() const noexcept {
    return detail::remote_operation<T, detail::remote_awaiter<T>>(*state_);
  }
  /// As `receive`; nothing when it is closed: `while (auto v = co_await r.next())`.
  [[nodiscard]] auto next() const noexcept {
    return detail::remote_operation<T, detail::remote_next_awaiter<T>>(*state_);
  }
  /// A plain function: a value that is there, and that nobody waits for.
  [[nodiscard]] std::optional<T> try_receive() const {
    return state_->try_promise() ? state_->take() : std::nullopt;
  }

  /// Refuses what comes from now on, and wakes the threads that wait in `send`. What was sent can
  /// still be received.
  /// **Wakes**: who waits here, when nothing is left to receive.
  void close() const { state_->close(); }
  [[nodiscard]] bool closed() const noexcept { return state_->is_closed(); }

 private:
  detail::remote_state<T>* state_;
};

}  // namespace stackless::inline STACKLESS_ABI
