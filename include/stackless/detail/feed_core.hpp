#pragma once

#include <stackless/detail/awaited_once.hpp>
#include <stackless/detail/sync_core.hpp>

#include <concepts>
#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <utility>

namespace stackless::inline STACKLESS_ABI::detail {

class feed_receiver;

/// What sources have in common that give values, numbered from 1, to receivers each of which stands
/// at a place of its own. Lives as long as a source or a receiver; closed with its last source.
class feed_core : public sync_core {
 public:
  feed_core(object_kind kind, site here) noexcept;
  feed_core(object_kind kind, const object_name& name);
  virtual ~feed_core() = default;

  void add_source(list_hook& source) noexcept { source.insert_before(sources_); }
  void remove_source(list_hook& source) noexcept;
  virtual void add_receiver(const feed_receiver& receiver) noexcept;
  virtual void remove_receiver(const feed_receiver& receiver) noexcept;
  [[nodiscard]] std::size_t receivers() const noexcept { return receivers_; }

  /// \throws channel_closed, std::logic_error in an observer
  void check_open(const char* operation) const;
  /// A new value is in place.
  void announce(action_kind what, site here) noexcept;
  void close(site here) noexcept;
  [[nodiscard]] bool closed() const noexcept { return closed_; }
  [[nodiscard]] std::uint64_t newest() const noexcept { return newest_; }

  static bool try_take(wait&) noexcept { return false; }  // its receiver knows
  static void give_back(wait&) noexcept {}                // nothing is taken before it resumes
  [[nodiscard]] bool withdraw(wait& w) noexcept override;
  void describe(object_info& info, std::vector<const void*>& handles) const override;

 private:
  void end_if_unused() noexcept;

  list_hook sources_;  ///< head of the list
  std::uint64_t newest_ = 0;
  std::size_t receivers_ = 0;
  bool closed_ = false;
};

/// A handle that feeds. Copies are the same source; empty after a move.
class feed_source : private list_hook {
 public:
  explicit feed_source(feed_core& core) noexcept : core_(&core) { enrol(); }
  feed_source(const feed_source& other) noexcept : list_hook(), core_(other.core_) { enrol(); }
  feed_source(feed_source&& other) noexcept : core_(other.core_) {
    enrol();
    other.reset();
  }
  feed_source& operator=(const feed_source& other) noexcept {
    if (core_ != other.core_) {
      reset();
      core_ = other.core_;
      enrol();
    }
    return *this;
  }
  feed_source& operator=(feed_source&& other) noexcept {
    if (this != &other) {
      *this = static_cast<const feed_source&>(other);
      other.reset();
    }
    return *this;
  }
  ~feed_source() { reset(); }

 protected:
  /// \throws std::logic_error if it was moved from
  [[nodiscard]] feed_core& core() const {
    if (core_ == nullptr) [[unlikely]]
      throw_moved_from();
    return *core_;
  }

 private:
  [[noreturn]] static void throw_moved_from();
  void enrol() noexcept {
    if (core_ != nullptr) core_->add_source(*this);
  }
  void reset() noexcept {
    if (core_ != nullptr) std::exchange(core_, nullptr)->remove_source(*this);
  }

  feed_core* core_;
};

class feed_awaiter;

/// A handle that receives. A copy goes on by itself from the same place; empty after a move.
class feed_receiver {
 public:
  feed_receiver(feed_core& core, std::uint64_t taken) noexcept : core_(&core), taken_(taken) {
    core.add_receiver(*this);
  }
  feed_receiver(const feed_receiver& other) noexcept : core_(other.core_), taken_(other.taken_) {
    if (core_ != nullptr) core_->add_receiver(*this);
  }
  feed_receiver(feed_receiver&& other) noexcept : feed_receiver(other) { other.reset(); }
  feed_receiver& operator=(const feed_receiver& other) noexcept {
    if (this != &other) {
      reset();
      core_ = other.core_;
      taken_ = other.taken_;
      if (core_ != nullptr) core_->add_receiver(*this);
    }
    return *this;
  }
  feed_receiver& operator=(feed_receiver&& other) noexcept {
    if (this != &other) {
      *this = static_cast<const feed_receiver&>(other);
      other.reset();
    }
    return *this;
  }
  ~feed_receiver() { reset(); }

  /// There is something newer, or it is closed.
  [[nodiscard]] bool ready() const { return has_newer() || core().closed(); }
  [[nodiscard]] bool has_newer() const { return core().newest() != taken_; }
  /// \throws std::logic_error if somebody waits on it
  void check_alone() const;

  /// \throws std::logic_error if it was moved from
  [[nodiscard]] feed_core& core() const {
    if (core_ == nullptr) [[unlikely]]
      throw_moved_from();
    return *core_;
  }
  /// The number of the latest value that it has taken, or passed over.
  [[nodiscard]] std::uint64_t taken() const noexcept { return taken_; }
  void set_taken(std::uint64_t number) noexcept { taken_ = number; }

 private:
  friend feed_awaiter;

  [[noreturn]] static void throw_moved_from();
  void reset() noexcept;

  feed_core* core_;
  std::uint64_t taken_;
  feed_awaiter* waiting_ = nullptr;
};

/// Waits until its receiver is ready.
class feed_awaiter : public sync_awaiter<feed_core> {
 public:
  explicit feed_awaiter(feed_receiver& receiver)
      : sync_awaiter<feed_core>(receiver.core(), wait_kind::event), receiver_(&receiver) {}
  feed_awaiter(const feed_awaiter&) = delete;
  feed_awaiter& operator=(const feed_awaiter&) = delete;
  ~feed_awaiter() {
    if (began_ && receiver_ != nullptr) receiver_->waiting_ = nullptr;
  }

  bool await_ready();
  template <std::derived_from<frame> Promise>
  std::coroutine_handle<> await_suspend(
      std::coroutine_handle<Promise> h, site here = site::current()
  ) noexcept {
    begin();
    return sync_awaiter<feed_core>::await_suspend(h, here);
  }
  bool select_ready(site) const;
  void select_begin();

  /// The receiver is gone.
  void orphan() noexcept;

 protected:
  /// Whether there is something newer; if not, it is closed.
  /// \throws what is to be raised here, object_gone
  [[nodiscard]] bool finish_wait();
  [[nodiscard]] feed_receiver& receiver() noexcept { return *receiver_; }
  [[noreturn]] void throw_closed();

 private:
  void begin() noexcept {
    began_ = true;
    receiver_->waiting_ = this;
  }

  feed_receiver* receiver_;
  bool began_ = false;
};

template <class Awaiter>
class [[STACKLESS_OPERATION]] feed_operation : public awaited_once {
 public:
  explicit feed_operation(feed_receiver& receiver) noexcept : receiver_(receiver) {}
  Awaiter make_awaiter() const { return Awaiter(receiver_); }

 private:
  feed_receiver& receiver_;
};

}  // namespace stackless::inline STACKLESS_ABI::detail
