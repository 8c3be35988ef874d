#pragma once

#include <stackless/detail/awaited_once.hpp>
#include <stackless/detail/result_slot.hpp>
#include <stackless/detail/sync_core.hpp>
#include <stackless/error.hpp>

#include <concepts>
#include <exception>
#include <optional>
#include <utility>

namespace stackless::inline STACKLESS_ABI {

namespace detail {

/// What the two ends of a oneshot share. Lives as long as one of them.
class oneshot_core : public sync_core {
 public:
  explicit oneshot_core(site here) noexcept;
  explicit oneshot_core(const object_name& name);
  virtual ~oneshot_core() = default;

  bool try_take(wait&) const;
  static void give_back(wait&) noexcept {}  // it is still there
  /// \throws std::logic_error if something was sent before
  void check_unsent() const;
  void sent(site here) noexcept;
  /// \throws channel_closed, what was sent as an error, std::logic_error
  void begin_taking();
  void sender_moved(const void* to) noexcept { sender_ = to; }
  void sender_gone() noexcept;
  void receiver_gone() noexcept;
  [[nodiscard]] bool is_wanted() const noexcept { return has_receiver_; }
  [[nodiscard]] bool is_ready() const noexcept { return is_sent_ || sender_ == nullptr; }

  void describe(object_info& info, std::vector<const void*>& handles) const override;

  std::exception_ptr error;

 private:
  const void* sender_ = nullptr;
  bool has_receiver_ = true;
  bool is_sent_ = false;
  bool is_taken_ = false;
};

template <class T>
class oneshot_state final : public oneshot_core {
 public:
  using oneshot_core::oneshot_core;
  result_slot<T> value;
};

[[noreturn]] void throw_empty_oneshot();

template <class T>
class oneshot_awaiter : public sync_awaiter<oneshot_core> {
 public:
  explicit oneshot_awaiter(oneshot_state<T>& state) noexcept
      : sync_awaiter<oneshot_core>(state, wait_kind::event) {}
  T await_resume() {
    finish();
    core().begin_taking();
    return static_cast<oneshot_state<T>&>(core()).value.take();
  }
};

template <class T>
class [[STACKLESS_OPERATION]] oneshot_operation : public awaited_once {
 public:
  explicit oneshot_operation(oneshot_state<T>& state) noexcept : state_(state) {}
  oneshot_awaiter<T> make_awaiter() const noexcept { return oneshot_awaiter<T>(state_); }

 private:
  oneshot_state<T>& state_;
};

}  // namespace detail

/// The end of a oneshot that sends: one value, or one error. Empty after a move.
///
/// **Lifetime**: when it goes and has sent nothing, the receiver gets `channel_closed`.
/// **Threads**: of one scheduler.
template <class T>
class oneshot_sender {
 public:
  oneshot_sender(oneshot_sender&& other) noexcept : state_(std::exchange(other.state_, nullptr)) {
    if (state_ != nullptr) state_->sender_moved(this);
  }
  oneshot_sender& operator=(oneshot_sender&& other) noexcept {
    if (this != &other) {
      reset();
      state_ = std::exchange(other.state_, nullptr);
      if (state_ != nullptr) state_->sender_moved(this);
    }
    return *this;
  }
  ~oneshot_sender() { reset(); }

  /// A plain function. False: the receiver is gone, and the value with it.
  /// **Errors**: `std::logic_error` if something was sent before, or it was moved from.
  /// **Wakes**: the receiver, at the tail.
  bool send(T value, detail::site here = detail::site::current()) {
    detail::oneshot_state<T>& state = unsent();
    if (!state.is_wanted()) return false;
    state.value.emplace(std::move(value));
    state.sent(here);
    return true;
  }
  /// As `send`: the receiver raises `error`. **Errors**: `std::logic_error` for a null one, too.
  bool send_error(std::exception_ptr error, detail::site here = detail::site::current()) {
    if (!error) detail::throw_misuse("send_error: a null exception_ptr is no error");
    detail::oneshot_state<T>& state = unsent();
    if (!state.is_wanted()) return false;
    state.error = std::move(error);
    state.sent(here);
    return true;
  }
  /// The receiver is still there. **Errors**: `std::logic_error` if it was moved from.
  [[nodiscard]] bool wanted() const {
    if (state_ == nullptr) detail::throw_empty_oneshot();
    return state_->is_wanted();
  }

  /// For the library.
  explicit oneshot_sender(detail::oneshot_state<T>& state) noexcept : state_(&state) {
    state.sender_moved(this);
  }

 private:
  [[nodiscard]] detail::oneshot_state<T>& unsent() const {
    if (state_ == nullptr) detail::throw_empty_oneshot();
    state_->check_unsent();
    return *state_;
  }
  void reset() noexcept {
    if (state_ != nullptr) std::exchange(state_, nullptr)->sender_gone();
  }

  detail::oneshot_state<T>* state_;
};

/// The end of a oneshot that receives. Empty after a move.
///
/// **Lifetime**: must outlive its `receive`, which raises `object_gone` else, also when something
/// was sent and its tasklet has not run since. **Threads**: of one scheduler.
template <class T>
class oneshot_receiver {
 public:
  oneshot_receiver(oneshot_receiver&& other) noexcept
      : state_(std::exchange(other.state_, nullptr)) {}
  oneshot_receiver& operator=(oneshot_receiver&& other) noexcept {
    if (this != &other) {
      reset();
      state_ = std::exchange(other.state_, nullptr);
    }
    return *this;
  }
  ~oneshot_receiver() { reset(); }

  /// Waits for the value. Can be a case of a `select`.
  ///
  /// **Cancellation**: a cancel point; what was sent is still there after one that raised.
  /// **Errors**: what was sent as an error; `channel_closed` when the sender has gone and sent
  /// nothing; `std::logic_error` if it was received before, or this was moved from.
  detail::oneshot_operation<T> receive() const { return detail::oneshot_operation<T>(state()); }
  /// A plain function: the value, or nothing yet. **Errors**: as `receive`.
  [[nodiscard]] std::optional<T> try_receive() const {
    if (!state().is_ready()) return std::nullopt;
    state().begin_taking();
    return state().value.take();
  }
  /// `receive` would not wait.
  [[nodiscard]] bool ready() const { return state().is_ready(); }

  /// For the library.
  explicit oneshot_receiver(detail::oneshot_state<T>& state) noexcept : state_(&state) {}

 private:
  [[nodiscard]] detail::oneshot_state<T>& state() const {
    if (state_ == nullptr) detail::throw_empty_oneshot();
    return *state_;
  }
  void reset() noexcept {
    if (state_ != nullptr) std::exchange(state_, nullptr)->receiver_gone();
  }

  detail::oneshot_state<T>* state_;
};

/// Two ends for one value: a reply, a result.
template <class T>
[[nodiscard]] std::pair<oneshot_sender<T>, oneshot_receiver<T>> make_oneshot(
    detail::site here = detail::site::current()
) {
  auto& state = *new detail::oneshot_state<T>(here);
  return {oneshot_sender<T>(state), oneshot_receiver<T>(state)};
}
template <class T>
[[nodiscard]] std::pair<oneshot_sender<T>, oneshot_receiver<T>> make_oneshot(const object_name& name
) {
  auto& state = *new detail::oneshot_state<T>(name);
  return {oneshot_sender<T>(state), oneshot_receiver<T>(state)};
}

}  // namespace stackless::inline STACKLESS_ABI
