#pragma once

#include <stackless/io/file.hpp>

#include <utility>

namespace stackless::inline STACKLESS_ABI::detail {

/// Makes files of descriptors that `open` has not opened.
struct file_access {
  static io::file make(io_handle handle) noexcept { return io::file(std::move(handle)); }
};

/// Writes to pipes know no MSG_NOSIGNAL, and the engine's own may happen inside any of its calls.
/// Only where SIGPIPE has its default action.
void ignore_broken_pipes() noexcept;

}  // namespace stackless::inline STACKLESS_ABI::detail
