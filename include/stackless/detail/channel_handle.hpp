#pragma once

#include <stackless/detail/channel_core.hpp>

#include <utility>

namespace stackless::inline STACKLESS_ABI::detail {

[[noreturn]] void throw_moved_from(channel_side side);

/// A counted reference to a channel that its channel knows by address: reports tell who holds what,
/// and the channel when a side has gone.
template <channel_side Side>
class channel_reference
#if STACKLESS_TRACKING
    : private list_hook
#endif
{
 public:
  explicit channel_reference(channel_core* core) noexcept : core_(core) {
    if (core_ != nullptr) enrol();
  }
  channel_reference(const channel_reference& other) noexcept : channel_reference(other.core_) {}
  channel_reference(channel_reference&& other) noexcept : channel_reference(other.core_) {
    other.reset();
  }
  channel_reference& operator=(const channel_reference& other) noexcept {
    if (core_ != other.core_) {
      const channel_reference keep(other);
      reset();
      core_ = keep.core_;
      if (core_ != nullptr) enrol();
    }
    return *this;
  }
  channel_reference& operator=(channel_reference&& other) noexcept {
    if (this != &other) {
      const channel_reference keep(std::move(other));  // what goes may take `other` with it
      *this = keep;
    }
    return *this;
  }
  ~channel_reference() { reset(); }

 protected:
  /// \throws std::logic_error for one that was moved from
  [[nodiscard]] channel_core& core() const {
    if (core_ == nullptr) [[unlikely]]
      throw_moved_from(Side);
    return *core_;
  }
  [[nodiscard]] const channel_core* identity() const noexcept { return core_; }

 private:
#if STACKLESS_TRACKING
  void enrol() noexcept { core_->add_handle<Side>(*this); }
  void reset() noexcept {
    if (core_ != nullptr) std::exchange(core_, nullptr)->template remove_handle<Side>(*this);
  }
#else
  void enrol() noexcept { core_->add_handle<Side>(); }
  void reset() noexcept {
    if (core_ != nullptr) std::exchange(core_, nullptr)->template remove_handle<Side>();
  }
#endif

  channel_core* core_;
};

using channel_handle = channel_reference<channel_side::both>;

}  // namespace stackless::inline STACKLESS_ABI::detail
