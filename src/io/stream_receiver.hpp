#pragma once

#include <stackless/detail/io_port.hpp>
#include <stackless/detail/io_resource.hpp>

#include "buffer_pool_state.hpp"

#include <cstdint>

namespace stackless::inline STACKLESS_ABI::detail {

class pooled_receive_awaiter;

/// What a stream that is received from with a pool has beyond its descriptor: an operation of the
/// engine that may go on when nobody waits, and what it has brought.
///
/// Where the kernel can, the operation is a receive that goes on by itself into buffers that it
/// picks; else it waits until there is something to receive, and a buffer is taken then. Either is
/// no source: only a tasklet that waits makes it one.
class stream_receiver final : public wait_object,
                              public operation_owner,
                              public starving_hook,
                              public hoarding_hook {
 public:
  stream_receiver(io_resource& resource, buffer_pool_state& pool) noexcept;
  ~stream_receiver();

  [[nodiscard]] buffer_pool_state& pool() const noexcept { return *pool_; }
  /// From now on for tasklets of this scheduler. \throws std::logic_error
  void enter(scheduler_core& home);

  /// What has come, or the end. False: nothing yet.
  [[nodiscard]] bool take(pooled_receive_awaiter& into) noexcept;
  void wait_for(pooled_receive_awaiter& waiter);
  /// Asks for bytes on nobody's behalf, if that takes no buffer.
  void look_ahead();
  /// What came for one that could not take it any more: the next one gets it.
  void put_back(pooled_receive_awaiter& from) noexcept;
  [[nodiscard]] bool withdraw(wait& w) noexcept override;

  /// Ends all waits, and the operation. It counts as in flight until it has ended.
  void begin_close() noexcept;
  /// Nobody has the stream any more but those who wait.
  void handle_gone() noexcept;

  /// A buffer has come for one that had none.
  void feed(received_bytes& slot) noexcept;
  /// Bytes that nobody waits for leave the pool's buffers. False: no memory.
  [[nodiscard]] bool let_go() noexcept;

  void part(std::uint32_t buffer, int outcome) noexcept override;
  void completed(int outcome) noexcept override;
  void describe(object_info& info, std::vector<const void*>& handles) const override;

 private:
  static constexpr int still_open = 1;

  void ask();
  void append(received_bytes& bytes, std::uint32_t size) noexcept;
  [[nodiscard]] bool is_wanted() const noexcept;
  void receive_now() noexcept;
  void receive_into(received_bytes& slot) noexcept;
  void hand_to(pooled_receive_awaiter& into, received_bytes& bytes) noexcept;
  void serve() noexcept;
  void end_first_wait() noexcept;
  void end_wait(pooled_receive_awaiter& waiter) noexcept;
  void count(pooled_receive_awaiter& waiter, bool counted) noexcept;
  void starve() noexcept;
  void starve_no_more() noexcept;
  void cancel() noexcept;
  void drop_bytes() noexcept;
  void note_pooled(int change) noexcept;

  io_operation operation_{io_code::poll};
  pooled_receive_awaiter* first_waiter_ = nullptr;
  pooled_receive_awaiter* last_waiter_ = nullptr;
  received_bytes* first_ = nullptr;
  received_bytes* last_ = nullptr;
  std::uint32_t queued_ = 0;
  std::uint32_t pooled_ = 0;  // of those, in buffers of the pool
  int end_ = still_open;      // 0: of the stream; a negated errno
  bool busy_ = false;         // the operation is in flight
  bool starving_ = false;
  buffer_pool_state* pool_;
  io_resource& resource_;
  scheduler_core* home_ = nullptr;
};

}  // namespace stackless::inline STACKLESS_ABI::detail
