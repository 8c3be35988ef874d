#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

namespace kv {

using list = std::deque<std::string>;
using value = std::variant<std::string, list>;
/// Wall-clock milliseconds, since they outlive the process.
using moment = std::chrono::sys_time<std::chrono::milliseconds>;

[[nodiscard]] inline moment now() {
  return std::chrono::time_point_cast<std::chrono::milliseconds>(std::chrono::system_clock::now());
}

/// The keys, their values, and when they expire. Keys that have expired are not there; they are
/// told of, one by one, before anything else is done with their name.
class store {
 public:
  /// `on_expiry` gets every key that has expired, when it is removed.
  explicit store(std::function<void(std::string_view)> on_expiry)
      : on_expiry_(std::move(on_expiry)) {}

  /// Null: there is none.
  [[nodiscard]] value* find(std::string_view key);
  /// Made, with an empty string, if there is none.
  [[nodiscard]] value& find_or_make(std::string_view key);
  /// Replaces the value, and forgets when the old one was to expire.
  void set(std::string_view key, std::string text);
  bool erase(std::string_view key);
  void clear();

  /// Whether there is such a key.
  bool expire_at(std::string_view key, moment when);
  [[nodiscard]] std::optional<moment> expires_at(std::string_view key);

  /// Removes what has expired, so many at most; how many it were.
  std::size_t remove_expired(std::size_t most);

  [[nodiscard]] std::size_t size() const noexcept { return entries_.size(); }
  [[nodiscard]] std::size_t expiring() const noexcept { return deadlines_.size(); }

  /// While a log is replayed nothing expires: the log itself says when.
  void hold_expiry(bool on) noexcept { holds_expiry_ = on; }

 private:
  struct hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const noexcept {
      return std::hash<std::string_view>{}(text);
    }
  };
  using deadlines = std::multimap<moment, std::string_view>;  // keys of `entries_`
  struct entry {
    value held;
    std::optional<deadlines::iterator> deadline;
  };
  using entries = std::unordered_map<std::string, entry, hash, std::equal_to<>>;

  entries::iterator lookup(std::string_view key);
  void forget_deadline(entry& e);
  void remove(entries::iterator at);

  entries entries_;
  deadlines deadlines_;
  std::function<void(std::string_view)> on_expiry_;
  bool holds_expiry_ = false;
};

}  // namespace kv
