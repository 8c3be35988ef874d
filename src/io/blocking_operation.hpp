#pragma once

#include <stackless/detail/io_awaiter.hpp>

namespace stackless::inline STACKLESS_ABI::detail {

/// Runs a `blocking_call` on a thread of the engine; gives its result, a negated errno too. `path`:
/// for reports.
class blocking_operation final : public io_call {
 public:
  blocking_operation(blocking_call& call, const char* path) noexcept
      : io_call(io_code::call, nullptr, nullptr) {
    operation_.data = &call;
    operation_.path = path;
  }
  [[nodiscard]] io_awaiter<blocking_operation> make_awaiter() noexcept {
    return io_awaiter<blocking_operation>(*this);
  }

 private:
  friend class io_awaiter<blocking_operation>;
  int take() {
    settle();
    return operation_.result;
  }
};

}  // namespace stackless::inline STACKLESS_ABI::detail
