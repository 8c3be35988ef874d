#include <stackless/snapshot.hpp>

#include <algorithm>

namespace stackless::inline STACKLESS_ABI {

namespace {

template <class Info>
const Info* find_by_id(const std::vector<Info>& sorted, std::uint64_t id) noexcept {
  // Of a crowd hardly a number is missing.
  if (!sorted.empty() && id >= sorted.front().id && id - sorted.front().id < sorted.size()) {
    const Info& guess = sorted[static_cast<std::size_t>(id - sorted.front().id)];
    if (guess.id == id) return &guess;
  }
  const auto found =
      std::lower_bound(sorted.begin(), sorted.end(), id, [](const Info& info, std::uint64_t i) {
        return info.id < i;
      });
  return found != sorted.end() && found->id == id ? &*found : nullptr;
}

}  // namespace

const tasklet_info* snapshot_data::find_tasklet(std::uint64_t id) const noexcept {
  return find_by_id(tasklets, id);
}

const object_info* snapshot_data::find_object(std::uint64_t id) const noexcept {
  return find_by_id(objects, id);
}

}  // namespace stackless::inline STACKLESS_ABI
