#pragma once

#include "operation_queue.hpp"
#include "thread_pool.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace stackless::inline STACKLESS_ABI::detail {

/// Readiness and plain system calls for sockets, pipes and the like; threads for regular files.
/// Runs on every Linux.
class epoll_backend final : public io_backend {
 public:
  /// \throws std::system_error
  epoll_backend();
  ~epoll_backend() override;

  [[nodiscard]] const char* name() const noexcept override { return "epoll"; }
  void start(io_operation& operation) override;
  void cancel(io_operation& operation) noexcept override;
  void poll(std::optional<std::chrono::nanoseconds> timeout) override;
  void wake() noexcept override;
  [[nodiscard]] int poll_descriptor() override {
    is_watched_ = true;
    return epoll_;
  }

 private:
  enum queue_index : std::size_t { readers, writers, watchers, queue_count };

  /// The operations that wait for one descriptor. Each queue is first come, first served.
  struct interest {
    std::array<operation_queue, queue_count> queues;
    std::uint32_t armed = 0;  ///< events that the kernel reports next, once
    bool registered = false;  ///< as far as we know: a descriptor may be closed and come again
  };

  static queue_index queue_of(const io_operation& operation) noexcept;
  void begin(io_operation& operation) noexcept;
  void begin_on_descriptor(io_operation& operation) noexcept;
  void offload(io_operation& operation) noexcept;
  void await_readiness(io_operation& operation) noexcept;
  void serve(int descriptor, std::uint32_t events) noexcept;
  void arm(int descriptor) noexcept;
  [[nodiscard]] int control(int descriptor, std::uint32_t events) noexcept;
  void forget(int descriptor) noexcept;
  void fail_waiting(int descriptor, int result) noexcept;
  void offload_waiting(int descriptor) noexcept;
  void wait(std::optional<std::chrono::nanoseconds> timeout);
  void finish_pool_work() noexcept;
  void finish(io_operation& operation, int result) noexcept;

  int epoll_ = -1;
  int wake_descriptor_ = -1;
  bool is_watched_ = false;          // by a host: each poll is to leave the descriptor quiet
  operation_queue fresh_;            // started since the last poll
  operation_queue cancelled_;        // to be completed by the next poll
  std::vector<interest> interests_;  // by descriptor
  std::size_t waiting_ = 0;          // operations in `interests_`
  std::size_t finished_in_poll_ = 0;
  thread_pool pool_;
};

}  // namespace stackless::inline STACKLESS_ABI::detail
