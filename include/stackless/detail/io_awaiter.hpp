#pragma once

#include <stackless/detail/awaited_once.hpp>
#include <stackless/detail/io_resource.hpp>
#include <stackless/detail/scheduler_core.hpp>

#include <cassert>
#include <concepts>
#include <coroutine>
#include <cstddef>
#include <system_error>

namespace stackless::inline STACKLESS_ABI::detail {

template <class Call>
class io_awaiter;

/// One I/O operation as it is awaited: the base of the operations in `io`. It stays where the
/// user's expression made it, and may be awaited again once it has completed.
class io_call : public awaited_once {
 public:
  io_call(const io_call&) = delete;
  io_call& operator=(const io_call&) = delete;

 protected:
  io_call(io_code code, io_resource* resource, std::error_code* error) noexcept;
  ~io_call() { assert(operation_.waiter == nullptr); }  // the backend would write into what is gone

  /// \throws what is pending for the tasklet. True: it failed already, without an operation.
  bool ready();
  bool refused() noexcept;
  [[nodiscard]] bool is_misaligned() const noexcept;

  /// Hands the operation to the backend; throws before anything has changed.
  void start();

  /// After a resumption. The result must be in safe hands before this: it raises what was thrown at
  /// the tasklet meanwhile.
  void settle();

  /// The result; a failure goes to the caller's error_code and gives -1, or is thrown.
  int checked();

  void set_buffer(void* data, std::size_t length) noexcept {
    operation_.data = data;
    operation_.length =
        static_cast<std::uint32_t>(length < longest_transfer ? length : longest_transfer);
  }

  io_operation operation_;
  wait wait_;
  io_reference resource_;
  std::error_code* error_;
  std::size_t* moved_ = nullptr;  ///< a composite's count: right even when the resumption throws
  int refusal_ = 0;               ///< a failure from before the await
  std::uint8_t directions_ = 0;   ///< `io_direction`s that must not be broken
  bool started_ = false;
};

/// What a promise awaits in place of an operation of `io`.
template <class Call>
class io_awaiter {
 public:
  explicit io_awaiter(Call& call) noexcept : call_(call) {}
  io_awaiter(const io_awaiter&) = delete;
  io_awaiter& operator=(const io_awaiter&) = delete;

  bool await_ready() { return call_.ready(); }

  template <std::derived_from<frame> Promise>
  std::coroutine_handle<> await_suspend(
      std::coroutine_handle<Promise> h, site here = site::current()
  ) {
    call_.start();
    return active_scheduler->block(call_.wait_, h.promise(), here);
  }

  decltype(auto) await_resume() { return call_.take(); }

 private:
  Call& call_;
};

}  // namespace stackless::inline STACKLESS_ABI::detail
