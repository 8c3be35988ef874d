#pragma once

#include <stackless/detail/foreign_wait.hpp>
#include <stackless/detail/intrusive_list.hpp>

namespace stackless::inline STACKLESS_ABI::detail {

/// Work for a thread of the pool. It lies where its owner put it, mostly in a coroutine frame, and
/// is linked while no thread has taken it.
class pool_job : public list_hook {
 public:
  /// On a thread of the pool; may be the last use of this object.
  virtual void run() noexcept = 0;

 protected:
  pool_job() noexcept = default;
  ~pool_job() = default;
};

/// A tasklet's wait for work that runs on the pool.
class offload_wait : public foreign_wait, private pool_job {
 public:
  [[nodiscard]] bool withdraw(wait& w) noexcept final;
  void describe(object_info& info, std::vector<const void*>& handles) const final;

 protected:
  offload_wait() noexcept;
  ~offload_wait() = default;

  /// \throws std::system_error when there is no thread and none can be started
  void submit();

 private:
  void run() noexcept final;
  virtual void perform() noexcept = 0;  ///< on a thread of the pool
  virtual void ask_to_stop() noexcept {}
};

}  // namespace stackless::inline STACKLESS_ABI::detail
