#pragma once

#include "operation_queue.hpp"
#include "thread_pool.hpp"
#include "uring_features.hpp"

#include <liburing.h>

#include <cstdint>

namespace stackless::inline STACKLESS_ABI::detail {

/// One ring for one scheduler. What the kernel can do is found out at run time.
class uring_backend final : public io_backend {
 public:
  /// \throws std::system_error when this kernel or sandbox does not offer what is needed
  uring_backend(const uring_features& features, unsigned entries);
  ~uring_backend() override;

  [[nodiscard]] const char* name() const noexcept override { return "io_uring"; }
  void start(io_operation& operation) override;
  void cancel(io_operation& operation) noexcept override;
  void poll(std::optional<std::chrono::nanoseconds> timeout) override;
  void wake() noexcept override;
  [[nodiscard]] int poll_descriptor() override;
  [[nodiscard]] bool supports(io_code code) const noexcept override {
    return can_splice_ || (code != io_code::splice_in && code != io_code::splice_out);
  }

 protected:
  void lend(buffer_pool_state& pool) noexcept override;

 private:
  [[nodiscard]] io_uring_sqe* next_entry() noexcept;
  void enqueue(io_operation& operation) noexcept;
  [[nodiscard]] bool enqueue_cancel(const io_operation& operation) noexcept;
  void enqueue_backlog() noexcept;
  void hand_to_threads() noexcept;
  void finish_pool_work() noexcept;
  void arm_wake() noexcept;
  [[nodiscard]] bool kernel_has_work() const noexcept;
  void wait(std::optional<std::chrono::nanoseconds> timeout);
  void reap() noexcept;
  void on_completion(const io_uring_cqe& completion) noexcept;
  void on_part(io_operation& operation, const io_uring_cqe& completion) noexcept;
  void finish(io_operation& operation, int result) noexcept;

  io_uring ring_{};
  operation_queue backlog_;         // operations that found no entry in the submission queue
  operation_queue cancel_backlog_;  // operations in the kernel whose cancel found none
  operation_queue for_threads_;     // what the kernel lacks, since the last poll
  operation_queue taken_back_;      // from the threads: cancelled
  std::size_t finished_in_poll_ = 0;
  int wake_descriptor_ = -1;
  std::atomic<int> host_descriptor_{-1};  // `wake` may come from another thread
  bool wake_armed_ = false;
  bool can_splice_ = false;
  bool can_lend_ = false;
  std::uint16_t receive_many_flag_ = 0;
  std::uint16_t next_group_ = 0;
  std::uint64_t wake_count_ = 0;  // the kernel reads the eventfd into it
  io_code_set on_threads_;
  thread_pool pool_;
};

}  // namespace stackless::inline STACKLESS_ABI::detail
