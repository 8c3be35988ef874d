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
  [[nodiscard]] const value* find(std::string_view key);
  [[nodiscard]] value* find_to_change(std::string_view key);
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

  /// Gets a key as it was when the snapshot began.
  using snapshot_sink =
      std::function<void(std::string_view key, const value& held, std::optional<moment> expires)>;

  /// From now on every key that there is goes to `sink`, once and as it is now: some with each
  /// `continue_snapshot`, and what is changed before its turn right before that.
  void begin_snapshot(snapshot_sink sink);
  /// So many keys at most. False: these were the last.
  bool continue_snapshot(std::size_t most);
  void end_snapshot() noexcept;

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
    std::uint64_t snapshot = 0;  // the last one that has it, or that it came too late for
  };
  using entries = std::unordered_map<std::string, entry, hash, std::equal_to<>>;
  struct snapshot {
    snapshot(snapshot_sink to, entries::iterator from)
        : sink(std::move(to)), next(from), is_cleared(false) {}

    snapshot_sink sink;
    entries::iterator next;
    bool is_cleared;  // since then; what there was is here
    entries entries_before;
    deadlines deadlines_before;
  };

  entries::iterator lookup(std::string_view key);
  void forget_deadline(entry& e);
  void remove(entries::iterator at);
  entry& make(std::string_view key);
  void give_to_snapshot(const std::string& key, entry& e);

  entries entries_;
  deadlines deadlines_;
  std::function<void(std::string_view)> on_expiry_;
  bool holds_expiry_ = false;
  std::optional<snapshot> snapshot_;
  std::uint64_t snapshots_ = 0;
};

}  // namespace kv
