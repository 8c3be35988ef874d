#include "store.hpp"

#include <utility>

namespace kv {

void store::forget_deadline(entry& e) {
  if (const auto at = std::exchange(e.deadline, std::nullopt)) deadlines_.erase(*at);
}

void store::remove(entries::iterator at) {
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

value* store::find(std::string_view key) {
  const auto at = lookup(key);
  return at == entries_.end() ? nullptr : &at->second.held;
}

value& store::find_or_make(std::string_view key) {
  if (value* there = find(key)) return *there;
  return entries_.try_emplace(std::string(key)).first->second.held;
}

void store::set(std::string_view key, std::string text) {
  const auto at = entries_.find(key);
  if (at == entries_.end()) {
    entries_.try_emplace(std::string(key)).first->second.held = std::move(text);
  } else {
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
  deadlines_.clear();
  entries_.clear();
}

bool store::expire_at(std::string_view key, moment when) {
  const auto at = lookup(key);
  if (at == entries_.end()) return false;
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

}  // namespace kv
