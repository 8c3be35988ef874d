#pragma once

#include <stackless/io/process.hpp>

#include "threads/offload_pool.hpp"

#include <memory>
#include <optional>
#include <string>

#include <sys/types.h>

namespace stackless::inline STACKLESS_ABI::detail {

/// Takes the status of a child that nobody waits for. On the heap from the child's start, so that
/// letting go of it cannot fail.
struct child_reaper final : pool_job {
  pid_t pid = -1;
  void run() noexcept override;
};

/// What a `process` and those who wait for it share.
struct child_state {
  child_state() = default;
  child_state(const child_state&) = delete;
  child_state& operator=(const child_state&) = delete;
  ~child_state();

  std::string program;
  std::unique_ptr<child_reaper> reaper = std::make_unique<child_reaper>();
  pid_t pid = -1;
  io_handle ended;  ///< a pidfd, readable when it has ended; closed where the kernel has none
  std::optional<io::exit_status> status;
  io::file input;
  io::file output;
  io::file error;

  /// \throws io::io_error
  bool look();
  void kill_if_running() noexcept;
};

/// For tests: as on kernels before 5.3, which have no pidfd.
void pretend_no_pidfd(bool without) noexcept;

}  // namespace stackless::inline STACKLESS_ABI::detail
