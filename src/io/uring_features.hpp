#pragma once

#include <stackless/detail/io_port.hpp>

#include <liburing.h>

#include <array>
#include <bitset>
#include <cstdint>
#include <string>
#include <string_view>

namespace stackless::inline STACKLESS_ABI::detail {

using io_code_set = std::bitset<32>;

/// What of io_uring this process may use: what the kernel has, less what the environment variable
/// STACKLESS_IO_WITHOUT names. With it a new kernel stands in for an old one.
class uring_features {
 public:
  /// \throws std::system_error for a name that is none
  uring_features();

  /// The flags of a new ring, best first; the last are none. A kernel that does not know one of
  /// them answers EINVAL.
  [[nodiscard]] std::array<unsigned, 3> setup_flags() const noexcept;

  /// The operations that the backend is to perform on threads: `ring` has them not.
  /// \throws std::system_error that names what the backend needs and `ring` does not have
  [[nodiscard]] io_code_set require(io_uring& ring) const;

  /// IORING_OP_SPLICE: of Linux 5.7, but a sandbox may forbid it.
  [[nodiscard]] bool can_splice(io_uring& ring) const noexcept;

  /// Rings of buffers that both map, unless they are hidden: their registration tells (Linux 5.19).
  [[nodiscard]] bool can_lend_buffers() const noexcept;
  /// What makes a receive go on by itself (Linux 6.0); hidden, a flag that no kernel knows.
  [[nodiscard]] std::uint16_t receive_many_flag() const noexcept;

 private:
  [[nodiscard]] bool masked(std::string_view name) const noexcept;

  std::string without_;  // ",name,name,"
};

}  // namespace stackless::inline STACKLESS_ABI::detail
