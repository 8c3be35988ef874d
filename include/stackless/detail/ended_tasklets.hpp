#pragma once

#include <stackless/detail/tasklet_block.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <string>
#include <vector>

namespace stackless::inline STACKLESS_ABI::detail {

/// How a tasklet ended, for reports.
struct ended_tasklet {
  std::uint64_t id = 0;
  std::string name;
  const char* function = nullptr;
  site at{};
  bool killed = false;
  std::exception_ptr error;
  std::uint64_t step = 0;
  std::uint64_t spawner = 0;  ///< with an error
};

/// The latest tasklets that have ended.
class ended_tasklets {
 public:
  ended_tasklets() noexcept;
  ended_tasklets(const ended_tasklets&) = delete;
  ended_tasklets& operator=(const ended_tasklets&) = delete;

  /// `root`: null if it never entered its function.
  void remember(
      [[maybe_unused]] const tasklet_block& t,
      [[maybe_unused]] const frame* root,
      [[maybe_unused]] std::uint64_t step
  ) noexcept {
#if STACKLESS_TRACKING
    record& here = *oldest_;
    oldest_ = here.following;
    here.id = t.id;
    here.name = t.name;
    here.function = root != nullptr ? root->function : nullptr;
    here.spawned_at = t.spawned_at;
    here.spawn_site_known = t.spawn_site_known;
    here.step = step;
    if (here.has_extras) [[unlikely]]
      drop_extras(here);
#endif
  }
  /// What has a destructor, of the one that was remembered last.
  void remember_extras(const tasklet_block& t) noexcept;

  /// 0: there is none yet.
  [[nodiscard]] std::uint64_t latest() const noexcept { return records_[latest_place()].id; }
  /// Oldest first. `ending`: one whose extras are still in it, or null.
  [[nodiscard]] std::vector<ended_tasklet> list(const tasklet_block* ending) const;

 private:
  static constexpr std::size_t kept = 8;

  /// A few plain stores, since every tasklet ends.
  struct alignas(64) record {
    std::uint64_t id = 0;
    const char* name = nullptr;
    const char* function = nullptr;
    site spawned_at{};  ///< with `spawn_site_known`
    std::uint64_t step = 0;
    bool spawn_site_known = false;
    bool has_extras = false;      ///< `extras_` of the same index says more
    record* following = nullptr;  ///< of the circle that they are
  };
  struct extra {
    std::string name;
    std::exception_ptr error;
    bool killed = false;
    std::uint64_t spawner = 0;
  };

  [[nodiscard]] std::size_t latest_place() const noexcept {
    return (static_cast<std::size_t>(oldest_ - records_.data()) + kept - 1) % kept;
  }
  [[gnu::noinline]] void drop_extras(record& of) noexcept;

  std::array<record, kept> records_{};
  std::array<extra, kept> extras_{};
  record* oldest_ = records_.data();  ///< to be overwritten
};

}  // namespace stackless::inline STACKLESS_ABI::detail
