#pragma once

#include <stackless/cancel.hpp>
#include <stackless/detail/door.hpp>

#include <optional>
#include <stop_token>

namespace stackless::inline STACKLESS_ABI::detail {

/// Cancels a scope when a stop is requested of a token, in whatever thread that is.
class stop_link final : public door {
 public:
  stop_link(scheduler_core& home, cancel_scope& scope, std::stop_token token);

  stop_link* next = nullptr;  ///< of the same scope

  /// The scope ends.
  void unlink_scope() noexcept;

 private:
  struct posts {
    stop_link& link;
    void operator()() const noexcept { link.post(); }
  };

  ~stop_link() = default;
  void destroy() noexcept override { delete this; }
  void posted() noexcept override;
  void look_again() noexcept override;

  cancel_scope& scope_;
  std::stop_token token_;
  std::optional<std::stop_callback<posts>> callback_;
};

}  // namespace stackless::inline STACKLESS_ABI::detail
