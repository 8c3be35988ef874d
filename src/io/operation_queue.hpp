#pragma once

#include <stackless/detail/io_port.hpp>

namespace stackless::inline STACKLESS_ABI::detail {

/// First in, first out, linked through `backend_next`. Copying it moves no operation, so that it
/// may live in a vector.
class operation_queue {
 public:
  [[nodiscard]] bool empty() const noexcept { return first_ == nullptr; }
  [[nodiscard]] io_operation* front() const noexcept { return first_; }

  void push(io_operation& operation) noexcept {
    operation.backend_next = nullptr;
    (first_ == nullptr ? first_ : last_->backend_next) = &operation;
    last_ = &operation;
  }

  io_operation& pop() noexcept {
    io_operation& operation = *first_;
    first_ = operation.backend_next;
    operation.backend_next = nullptr;
    return operation;
  }

  /// O(n). False: it is not in this queue.
  bool remove(io_operation& operation) noexcept {
    io_operation* before = nullptr;
    for (io_operation* o = first_; o != nullptr; before = o, o = o->backend_next) {
      if (o != &operation) continue;
      (before == nullptr ? first_ : before->backend_next) = o->backend_next;
      if (last_ == o) last_ = before;
      o->backend_next = nullptr;
      return true;
    }
    return false;
  }

 private:
  io_operation* first_ = nullptr;
  io_operation* last_ = nullptr;
};

}  // namespace stackless::inline STACKLESS_ABI::detail
