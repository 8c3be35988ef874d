#include "store.hpp"

#include <utility>

namespace kv {

void store::forget_deadline(entry& e) {
  if (const auto at = std::exchange(e.deadline, std::nullopt)) deadlines_.erase(*at);
}

void store::remove(entries::iterator at) {
  give_to_snapshot(at->first, at->second);
  if (snapshot_ && !snapshot_->is_cleared && snapshot_->next == at) ++snapshot_->next;
  forget_deadline(at->second);
  entries_.erase(at);
}

store::entries::iterator store::lookup(std::string_view key) {
  const auto at = entries_.find(key);
  if (at == entries_.end() || !at->second.deadline || holds_expiry_) return at;
  if ((*at->second.deadline)->first > now()) return at;
  on_expiry_(key);
  remove(at);
  return entries_.end();
}

const value* store::find(std::string_view key) {
  const auto at = lookup(key);
  return at == entries_.end() ? nullptr : &at->second.held;
}

value* store::find_to_change(std::string_view key) {
  const auto at = lookup(key);
  if (at == entries_.end()) return nullptr;
  give_to_snapshot(at->first, at->second);
  return &at->second.held;
}

store::entry& store::make(std::string_view key) {
  entry& made = entries_.try_emplace(std::string(key)).first->second;
  made.snapshot = snapshots_;
  return made;
}

value& store::find_or_make(std::string_view key) {
  if (value* there = find_to_change(key)) return *there;
  return make(key).held;
}

void store::set(std::string_view key, std::string text) {
  const auto at = entries_.find(key);
  if (at == entries_.end()) {
    make(key).held = std::move(text);
  } else {
    give_to_snapshot(at->first, at->second);
    forget_deadline(at->second);
    at->second.held = std::move(text);
  }
}

bool store::erase(std::string_view key) {
  const auto at = lookup(key);
  if (at == entries_.end()) return false;
  remove(at);
  return true;
}

void store::clear() {
  if (snapshot_ && !snapshot_->is_cleared) {
    snapshot_->is_cleared = true;
    const bool is_at_end = snapshot_->next == entries_.end();
    snapshot_->entries_before.swap(entries_);  // iterators stay, but for the end
    snapshot_->deadlines_before.swap(deadlines_);
    if (is_at_end) snapshot_->next = snapshot_->entries_before.end();
    return;
  }
  deadlines_.clear();
  entries_.clear();
}

bool store::expire_at(std::string_view key, moment when) {
  const auto at = lookup(key);
  if (at == entries_.end()) return false;
  give_to_snapshot(at->first, at->second);
  forget_deadline(at->second);
  at->second.deadline = deadlines_.emplace(when, at->first);
  return true;
}

std::optional<moment> store::expires_at(std::string_view key) {
  const auto at = lookup(key);
  if (at == entries_.end() || !at->second.deadline) return std::nullopt;
  return (*at->second.deadline)->first;
}

std::size_t store::remove_expired(std::size_t most) {
  std::size_t count = 0;
  const moment present = now();
  for (; count < most && !deadlines_.empty() && deadlines_.begin()->first <= present; ++count) {
    const auto at = entries_.find(deadlines_.begin()->second);
    on_expiry_(at->first);
    remove(at);
  }
  return count;
}

// Snapshots
// ----------------------------------------------------------------------------------------

void store::begin_snapshot(snapshot_sink sink) {
  ++snapshots_;
  // New keys must not move the others to other places while somebody goes through them.
  entries_.max_load_factor(1e6F);
  snapshot_.emplace(std::move(sink), entries_.begin());
}

void store::give_to_snapshot(const std::string& key, entry& e) {
  if (!snapshot_ || e.snapshot == snapshots_) return;
  e.snapshot = snapshots_;
  snapshot_->sink(key, e.held, e.deadline ? std::optional((*e.deadline)->first) : std::nullopt);
}

bool store::continue_snapshot(std::size_t most) {
  const entries& all = snapshot_->is_cleared ? snapshot_->entries_before : entries_;
  for (; most != 0 && snapshot_->next != all.end(); --most) {
    auto& [key, e] = *snapshot_->next++;
    give_to_snapshot(key, e);
  }
  return snapshot_->next != all.end();
}

void store::end_snapshot() noexcept {
  snapshot_.reset();
  entries_.max_load_factor(1);
  if (entries_.size() > entries_.bucket_count()) entries_.rehash(0);
}

}  // namespace kv
