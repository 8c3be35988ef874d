#pragma once

#include <stackless/detail/intrusive_list.hpp>
#include <stackless/io/buffer_pool.hpp>

#include "buffer_ring.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

namespace stackless::inline STACKLESS_ABI::detail {

class io_backend;
class stream_receiver;

struct starving_hook : list_hook {};
struct hoarding_hook : list_hook {};

/// Received bytes in a queue: those in a buffer of a pool, or in memory of their own that begins
/// with this.
struct received_bytes {
  received_bytes* next = nullptr;
  std::uint32_t size = 0;
  bool in_pool = true;
  bool lent = false;  ///< the buffer is the kernel's at the moment
};

/// What the handles of a pool share with the bytes in use and the streams that receive. A buffer is
/// free, lent to the kernel, or holds bytes.
class buffer_pool_state final : public list_hook {
 public:
  /// \throws std::invalid_argument, std::bad_alloc
  buffer_pool_state(std::size_t count, std::size_t size);
  buffer_pool_state(const buffer_pool_state&) = delete;
  buffer_pool_state& operator=(const buffer_pool_state&) = delete;

  void retain() noexcept { ++references_; }
  void release() noexcept {
    if (--references_ == 0) delete this;
  }

  [[nodiscard]] std::uint32_t count() const noexcept { return count_; }
  [[nodiscard]] std::uint32_t buffer_size() const noexcept { return size_; }
  [[nodiscard]] std::uint32_t lent() const noexcept { return lent_; }
  [[nodiscard]] std::uint32_t available() const noexcept { return free_count_ + lent_; }

  [[nodiscard]] received_bytes& slot(std::uint32_t index) const noexcept { return slots_[index]; }
  [[nodiscard]] std::uint32_t index_of(const received_bytes& slot) const noexcept {
    return static_cast<std::uint32_t>(&slot - slots_.get());
  }
  [[nodiscard]] std::byte* data(const received_bytes& slot) const noexcept {
    return memory_ + std::size_t{index_of(slot)} * size_;
  }

  /// A free buffer, to be filled by the caller; null: none is.
  [[nodiscard]] received_bytes* take() noexcept;
  /// The kernel has filled it, or only taken it.
  [[nodiscard]] received_bytes& take_from_kernel(std::uint32_t index) noexcept;
  /// To the receiver that has waited for a buffer longest; else it is free, or the kernel's.
  void give_back(received_bytes& slot) noexcept;

  /// The engine that it is used with.
  [[nodiscard]] io_backend* home() const noexcept { return home_; }
  void enter(io_backend& home) noexcept { home_ = &home; }
  /// The kernel gives back what it has: it is about to be gone.
  void leave() noexcept;

  [[nodiscard]] const buffer_ring* ring() const noexcept { return ring_.get(); }
  void lend_through(std::unique_ptr<buffer_ring> ring) noexcept { ring_ = std::move(ring); }
  /// One more, or one less, receives through the kernel's share.
  void borrower_comes() noexcept {
    ++borrowers_;
    lend_more();
  }
  void borrower_goes() noexcept { --borrowers_; }
  /// Free buffers become the kernel's, as many as those who borrow can use at a time: what it has
  /// can all go to one that sends faster than its tasklet receives.
  void lend_more() noexcept;
  void stop_lending() noexcept;

  /// `receiver` has something to receive and no buffer: it gets the next one. Bytes that nobody
  /// waits for make room for it.
  void starve(stream_receiver& receiver) noexcept;
  void feed_no_more(stream_receiver& receiver) noexcept;
  [[nodiscard]] bool anybody_starves() const noexcept { return !starving_.empty(); }
  /// `receiver` has buffers with bytes that nobody waits for, or has none any more.
  void note_hoard(stream_receiver& receiver) noexcept;
  void forget_hoard(stream_receiver& receiver) noexcept;

 private:
  ~buffer_pool_state();
  [[nodiscard]] bool may_lend() const noexcept;
  void mark(const received_bytes& slot, bool in_use) const noexcept;

  std::byte* memory_ = nullptr;
  std::unique_ptr<received_bytes[]> slots_;
  received_bytes* first_free_ = nullptr;
  std::uint32_t size_;
  std::uint32_t count_;
  std::uint32_t free_count_ = 0;
  std::uint32_t lent_ = 0;
  std::uint32_t borrowers_ = 0;
  std::uint32_t references_ = 1;
  bool kernel_keeps_memory_ = false;
  std::unique_ptr<buffer_ring> ring_;
  io_backend* home_ = nullptr;
  intrusive_list<stream_receiver, starving_hook> starving_;
  intrusive_list<stream_receiver, hoarding_hook> hoarding_;
};

struct pooled_access {
  [[nodiscard]] static buffer_pool_state& state_of(const io::buffer_pool& pool) noexcept {
    return *pool.state_;
  }
  /// Owns `bytes` from now on; `pool` is that of bytes in one.
  [[nodiscard]] static io::pooled_bytes make(
      buffer_pool_state& pool, received_bytes& bytes
  ) noexcept;
  /// The reverse.
  [[nodiscard]] static received_bytes& take_apart(io::pooled_bytes& bytes) noexcept;
};

}  // namespace stackless::inline STACKLESS_ABI::detail
