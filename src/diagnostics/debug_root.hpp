#pragma once

#include <stackless/detail/config.hpp>

#include <array>
#include <cstddef>
#include <cstdint>

namespace stackless::inline STACKLESS_ABI::detail {

struct debug_listing;

/// What `tools/stackless-gdb.py` starts from. Everything it must know of this build stands here, so
/// that it needs no debug information: only `magic` and `version` may never move.
struct debug_root {
  /// An offset, an address or a number, by name.
  struct entry {
    const char* name;
    std::intptr_t value;
  };

  std::array<char, 16> magic;
  std::uint32_t version;
  std::uint32_t entry_count;  ///< 0: there has been no scheduler yet
  const entry* entries;
  debug_listing* schedulers;  ///< the latest first
};

}  // namespace stackless::inline STACKLESS_ABI::detail

/// Exported; and in a section of its own, since an executable's symbols are gone once it is
/// stripped.
extern "C" stackless::detail::debug_root stackless_debug_root;
