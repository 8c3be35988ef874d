#pragma once

#include <stackless/detail/awaited_once.hpp>
#include <stackless/detail/io_awaiter.hpp>

#include <concepts>
#include <coroutine>
#include <cstdint>
#include <system_error>

namespace stackless::inline STACKLESS_ABI::detail {

struct readiness_record;

enum class readiness : std::uint8_t { to_read, to_write };

/// Waits until a descriptor is ready; alone, or as a case of a select.
class readiness_awaiter {
 public:
  readiness_awaiter(const io_reference& resource, readiness what, std::error_code* error) noexcept;
  readiness_awaiter(const readiness_awaiter&) = delete;
  readiness_awaiter& operator=(const readiness_awaiter&) = delete;
  ~readiness_awaiter();

  bool await_ready();
  template <std::derived_from<frame> Promise>
  std::coroutine_handle<> await_suspend(
      std::coroutine_handle<Promise> h, site here = site::current()
  ) {
    select_begin();
    return active_scheduler->block(wait_, h.promise(), here);
  }
  void await_resume();

  [[nodiscard]] bool select_ready(site);
  void select_begin();
  wait& select_wait() noexcept { return wait_; }

 private:
  friend struct readiness_record;
  [[nodiscard]] bool refused() noexcept;

  wait wait_;
  io_reference resource_;
  std::error_code* error_;
  readiness_record* record_ = nullptr;  // null again once it was withdrawn
  readiness what_;
  bool waited_ = false;
  int result_ = 0;
};

}  // namespace stackless::inline STACKLESS_ABI::detail

namespace stackless::inline STACKLESS_ABI::io {

/// What `readable` and `writable` return, to be awaited, alone or as a case of `select`. That it
/// happened says that the operation would not have had to wait; another tasklet may be faster.
///
/// **Cancellation**: a cancel point. At once, as when another case of a select happened: nothing is
/// read or written, so nobody waits for the kernel to let go of it.
/// **Errors**: `io_error`; with `error` given it is set instead. An error of the connection is no
/// error here: the operation itself tells it.
/// **Wakes**: all who wait for it, at the tail; with epoll in the order in which they came, with
/// io_uring in the kernel's. A source, as every operation: while one is waited for, nothing is a
/// deadlock.
/// Allocates one record a wait.
class [[STACKLESS_OPERATION]] readiness_operation : public detail::awaited_once {
 public:
  readiness_operation(
      detail::io_resource* resource, detail::readiness what, std::error_code* error
  ) noexcept
      : resource_(resource), error_(error), what_(what) {}
  readiness_operation(const readiness_operation&) = delete;
  readiness_operation& operator=(const readiness_operation&) = delete;

  [[nodiscard]] detail::readiness_awaiter make_awaiter() const noexcept {
    return detail::readiness_awaiter(resource_, what_, error_);
  }

 private:
  detail::io_reference resource_;
  std::error_code* error_;
  detail::readiness what_;
};

}  // namespace stackless::inline STACKLESS_ABI::io
