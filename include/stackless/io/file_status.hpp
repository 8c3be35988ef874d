#pragma once

#include <stackless/detail/awaited_once.hpp>
#include <stackless/detail/io_awaiter.hpp>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <system_error>

namespace stackless::inline STACKLESS_ABI::io {

enum class file_type : std::uint8_t {
  unknown,
  regular,
  directory,
  symlink,
  block_device,
  character_device,
  fifo,
  socket
};

using file_time = std::chrono::time_point<std::chrono::system_clock, std::chrono::nanoseconds>;

/// To what addresses, and to multiples of what offsets and sizes, direct I/O must be aligned. Both
/// 0: the file system has none, or does not tell (before Linux 6.1).
struct direct_alignment {
  std::uint32_t memory = 0;
  std::uint32_t offset = 0;
};

/// What the system knows of a file beside its contents.
struct file_status {
  file_type type = file_type::unknown;
  unsigned permissions = 0;  ///< the lower twelve bits, as in 0644 and 04755
  std::uint64_t size = 0;
  std::uint64_t allocated = 0;  ///< bytes that it takes of the device
  std::uint64_t links = 0;
  std::uint64_t device = 0;  ///< together with `inode`: the same file
  std::uint64_t inode = 0;
  unsigned user = 0;
  unsigned group = 0;
  file_time accessed;
  file_time modified;
  file_time changed;                 ///< this status, last
  std::optional<file_time> created;  ///< where the file system tells
  direct_alignment direct;
};

/// Whether an operation on a symbolic link works on what it points to, or on the link.
enum class symlinks : std::uint8_t { follow, keep };

/// What `status` returns, to be awaited: gives the `file_status`.
class [[STACKLESS_OPERATION]] status_operation final : public detail::io_call {
 public:
  status_operation(std::string path, symlinks links, std::error_code* error);
  status_operation(detail::io_resource* file, std::error_code* error) noexcept;

  [[nodiscard]] detail::io_awaiter<status_operation> make_awaiter() noexcept {
    return detail::io_awaiter<status_operation>(*this);
  }

 private:
  friend class detail::io_awaiter<status_operation>;
  void set_up() noexcept;
  file_status take();

  std::string path_;
  alignas(8) std::array<std::byte, 256> native_;  // a struct statx
};

}  // namespace stackless::inline STACKLESS_ABI::io
