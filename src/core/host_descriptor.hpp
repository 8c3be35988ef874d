#pragma once

#include <stackless/detail/inbox.hpp>
#include <stackless/detail/io_port.hpp>

#include <chrono>
#include <optional>

namespace stackless::inline STACKLESS_ABI::detail {

/// Joins a scheduler's I/O and its soonest timer in one descriptor, for a host's poll loop.
class host_descriptor {
 public:
  /// \throws std::system_error
  host_descriptor();
  host_descriptor(const host_descriptor&) = delete;
  host_descriptor& operator=(const host_descriptor&) = delete;
  ~host_descriptor();

  [[nodiscard]] int get() const noexcept { return epoll_; }

  /// When a drive ends: readable at `deadline`, if there is one.
  void expect(std::optional<std::chrono::steady_clock::time_point> deadline);
  /// Once there is a backend: readable when it has something to do.
  void include(io_backend& backend);
  /// Until then: readable when something has come from another thread.
  void include(inbox& mail);

 private:
  int epoll_ = -1;
  int timer_ = -1;
  bool includes_backend_ = false;
  bool includes_inbox_ = false;
};

}  // namespace stackless::inline STACKLESS_ABI::detail
