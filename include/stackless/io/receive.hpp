#pragma once

#include <stackless/detail/io_resource.hpp>
#include <stackless/detail/scheduler_core.hpp>
#include <stackless/io/buffer_pool.hpp>

#include <concepts>
#include <coroutine>
#include <system_error>

namespace stackless::inline STACKLESS_ABI::detail {

class stream_receiver;

/// Waits for bytes in a buffer of a pool; alone, or as a case of a select.
class pooled_receive_awaiter {
 public:
  pooled_receive_awaiter(
      const io_reference& resource, io::buffer_pool& pool, std::error_code* error
  ) noexcept;
  pooled_receive_awaiter(const pooled_receive_awaiter&) = delete;
  pooled_receive_awaiter& operator=(const pooled_receive_awaiter&) = delete;
  ~pooled_receive_awaiter();

  bool await_ready();
  template <std::derived_from<frame> Promise>
  std::coroutine_handle<> await_suspend(
      std::coroutine_handle<Promise> h, site here = site::current()
  ) {
    select_begin();
    return active_scheduler->block(wait_, h.promise(), here);
  }
  io::pooled_bytes await_resume();

  [[nodiscard]] bool select_ready(site);
  void select_begin();
  wait& select_wait() noexcept { return wait_; }

 private:
  friend class stream_receiver;
  [[nodiscard]] bool refused() noexcept;
  void prepare();

  wait wait_;
  pooled_receive_awaiter* next_ = nullptr;  // of those who wait for the same stream
  io_reference resource_;
  io::buffer_pool& pool_;
  std::error_code* error_;
  stream_receiver* receiver_ = nullptr;
  io::pooled_bytes bytes_;
  int result_ = 0;  // a negated errno, or the bytes are the result
  bool waited_ = false;
  bool silent_ = false;      // counted among the scheduler's silent sources
  bool has_result_ = false;  // that nobody has taken yet
  bool closed_ = false;      // by somebody else, during the wait
};

}  // namespace stackless::inline STACKLESS_ABI::detail

namespace stackless::inline STACKLESS_ABI::io {

/// What `receive` returns, to be awaited, alone or as a case of `select`: gives the bytes.
class [[nodiscard("an operation happens only when it is awaited")]] receive_operation {
 public:
  receive_operation(
      detail::io_resource* resource, buffer_pool& pool, std::error_code* error
  ) noexcept
      : resource_(resource), pool_(pool), error_(error) {}
  receive_operation(const receive_operation&) = delete;
  receive_operation& operator=(const receive_operation&) = delete;

  [[nodiscard]] detail::pooled_receive_awaiter make_awaiter() noexcept {
    return detail::pooled_receive_awaiter(resource_, pool_, error_);
  }

 private:
  detail::io_reference resource_;
  buffer_pool& pool_;
  std::error_code* error_;
};

}  // namespace stackless::inline STACKLESS_ABI::io
