#pragma once

#include <stackless/detail/scheduler_core.hpp>

#include <concepts>
#include <coroutine>
#include <memory>
#include <utility>

namespace stackless::inline STACKLESS_ABI::detail {

class tls_session;

/// Whether a read would not have to wait for what is beneath: there is data, the end, or an error.
[[nodiscard]] bool can_read(tls_session& session);

/// Waits for what is beneath, if the session has nothing already.
template <class Beneath>
class tls_readable_awaiter {
 public:
  tls_readable_awaiter(const Beneath& beneath, std::shared_ptr<tls_session> session)
      : session_(std::move(session)), inner_(beneath.make_awaiter()) {}
  tls_readable_awaiter(const tls_readable_awaiter&) = delete;
  tls_readable_awaiter& operator=(const tls_readable_awaiter&) = delete;

  bool await_ready() {
    check_attention(*running_scheduler().current());
    return can_read(*session_) || inner_.await_ready();
  }
  template <std::derived_from<frame> Promise>
  std::coroutine_handle<> await_suspend(
      std::coroutine_handle<Promise> h, site here = site::current()
  ) {
    return inner_.await_suspend(h, here);
  }
  void await_resume() { inner_.await_resume(); }

  [[nodiscard]] bool select_ready(site here) {
    return can_read(*session_) || inner_.select_ready(here);
  }
  void select_begin() { inner_.select_begin(); }
  wait& select_wait() noexcept { return inner_.select_wait(); }

 private:
  std::shared_ptr<tls_session> session_;
  decltype(std::declval<const Beneath&>().make_awaiter()) inner_;
};

}  // namespace stackless::inline STACKLESS_ABI::detail
