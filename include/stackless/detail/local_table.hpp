#pragma once

#include <stackless/tasklet_local.hpp>

#include <cstdint>
#include <memory>
#include <unordered_map>

namespace stackless::inline STACKLESS_ABI::detail {

/// The values of all tasklet_locals of one scheduler's tasklets; made with the first of them.
/// Beside the control blocks, so that tasklets without any are no larger.
class local_table {
 public:
  [[nodiscard]] local_entry* find(std::uint64_t tasklet, std::uint64_t key);
  /// \throws std::bad_alloc
  void add(std::uint64_t tasklet, std::unique_ptr<local_entry> entry);
  [[nodiscard]] std::unique_ptr<local_entry> remove(std::uint64_t tasklet, std::uint64_t key);
  /// Destroys those of one tasklet, and those that their destructors make. Latest first.
  void drop(std::uint64_t tasklet) noexcept;

 private:
  using list = std::unique_ptr<local_entry>;

  /// Null if the tasklet has no list.
  [[nodiscard]] list* list_of(std::uint64_t tasklet);

  std::unordered_map<std::uint64_t, list> lists_;
  std::uint64_t latest_ = 0;  ///< who asked last, mostly the one who asks next
  list* latest_list_ = nullptr;
};

}  // namespace stackless::inline STACKLESS_ABI::detail
