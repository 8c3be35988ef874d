#pragma once

#include <array>
#include <cstddef>
#include <memory>

namespace copying {

/// The memory of one who copies, for all files one after the other: what bounds the program's.
class buffers {
 public:
  static constexpr std::size_t block_size = std::size_t{1} << 20;
  static constexpr std::size_t count = 3;  // one is read into while two are written

  /// Made when it is first asked for.
  [[nodiscard]] std::byte* block(std::size_t index) {
    auto& made = blocks_.at(index);
    if (!made) made = std::make_unique_for_overwrite<std::byte[]>(block_size);
    return made.get();
  }

 private:
  std::array<std::unique_ptr<std::byte[]>, count> blocks_;
};

}  // namespace copying
