#include <stackless/detail/tasklet_block.hpp>
#include <stackless/snapshot.hpp>
#include <stackless/tasklet.hpp>
#include <stackless/timeline.hpp>

#include "diagnostics/json_writer.hpp"
#include "diagnostics/snapshot.hpp"
#include "diagnostics/wording.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <map>
#include <new>
#include <system_error>
#include <unordered_map>
#include <utility>
#include <vector>

namespace stackless::inline STACKLESS_ABI {

namespace {

using clock = std::chrono::steady_clock;

enum class event_kind : std::uint8_t { running, ready, waiting, exchange };

struct timeline_event {
  std::int64_t begin;  ///< in ns since the timeline was made
  std::int64_t duration;
  std::uint64_t tasklet;
  std::uint32_t label;
  event_kind kind;
};

/// What it waits for, in a few words. The wait must be in place.
std::string label_of(const detail::wait& w) {
  const operation_kind operation = detail::operation_of(w.kind());
  std::string text(detail::verb(operation));
  if (w.object == nullptr || detail::only_pauses(w.kind())) return text;
  object_info info;
  std::vector<const void*> handles;
  w.object->describe(info, handles);
  switch (operation) {
  case operation_kind::sleep:
  case operation_kind::select:
  case operation_kind::start:
  case operation_kind::join_nursery:
    return text;
  case operation_kind::io:
    return info.name.empty() ? info.type : info.type + " " + info.name;
  case operation_kind::join:
    return text + " " + detail::numbered(info.tasklet, info.name);
  default:
    return text + " " + detail::called(info);
  }
}

}  // namespace

class timeline::recorder {
 public:
  explicit recorder(std::size_t most_events) : most_events_(most_events) {}

  void switched(const any_tasklet& previous, const any_tasklet& next) {
    const std::int64_t now = time();
    left(previous, now);
    begin_run(next, now);
  }
  void slept(const any_tasklet& previous) { left(previous, time()); }
  void woke(const any_tasklet& next) { begin_run(next, time()); }

  void exchanged(const channel_action& action) {
    const std::string label = (action.sending ? "send '" : "receive '") + action.channel + "'";
    add({time(), 0, name(action.tasklet), number(label), event_kind::exchange});
  }

  void fail() noexcept { ++left_out_; }

  [[nodiscard]] std::size_t events() const noexcept { return events_.size(); }
  [[nodiscard]] std::size_t left_out() const noexcept { return left_out_; }
  [[nodiscard]] std::string to_json() const;

 private:
  struct state {
    std::int64_t since = 0;
    std::uint32_t label = 0;
    event_kind kind = event_kind::ready;
  };

  [[nodiscard]] std::int64_t time() {
    latest_ = std::chrono::duration_cast<std::chrono::nanoseconds>(clock::now() - start_).count();
    return latest_;
  }

  void add(const timeline_event& e) {
    if (events_.size() >= most_events_) {
      ++left_out_;
      return;
    }
    events_.push_back(e);
  }

  /// What it did until now is over.
  void end_state(std::uint64_t tasklet, std::int64_t now) {
    const auto found = states_.find(tasklet);
    if (found == states_.end()) return;
    const state was = found->second;
    states_.erase(found);
    add({was.since, now - was.since, tasklet, was.label, was.kind});
  }

  void left(const any_tasklet& previous, std::int64_t now) {
    if (!previous) return;
    // The first that is heard of: it has run since there is an observer, at the most.
    if (names_.empty()) begin_run(previous, 0);
    end_run(previous, now);
  }

  void begin_run(const any_tasklet& t, std::int64_t now) {
    const std::uint64_t id = name(t);
    if (const auto known = states_.find(id);
        known != states_.end() && known->second.kind == event_kind::running)
      return;
    end_state(id, now);
    states_[id] = {now, number("running"), event_kind::running};
  }

  void end_run(const any_tasklet& t, std::int64_t now) {
    const std::uint64_t id = name(t);
    const auto found = states_.find(id);
    if (found == states_.end() || found->second.kind != event_kind::running) return;
    end_state(id, now);
    if (!t.alive()) return;
    const detail::tasklet_block& block = t.block();
    if (block.in_ring()) {
      states_[id] = {now, number("ready"), event_kind::ready};
    } else if (const detail::wait* w = block.waiting()) {
      states_[id] = {now, number(label_of(*w)), event_kind::waiting};
    } else {
      states_[id] = {now, number("removed"), event_kind::waiting};
    }
  }

  std::uint64_t name(const any_tasklet& t) {
    const std::uint64_t id = t.id();
    if (const auto [entry, is_new] = names_.try_emplace(id); is_new)
      entry->second = detail::numbered(id, t.name());
    return id;
  }

  std::uint32_t number(const std::string& label) {
    const auto next = static_cast<std::uint32_t>(labels_.size());
    const auto [entry, is_new] = numbers_.try_emplace(label, next);
    if (is_new) labels_.push_back(entry->first);
    return entry->second;
  }

  clock::time_point start_ = clock::now();
  std::int64_t latest_ = 0;
  std::size_t most_events_;
  std::size_t left_out_ = 0;
  std::vector<timeline_event> events_;
  std::unordered_map<std::uint64_t, state> states_;
  std::map<std::uint64_t, std::string> names_;
  std::unordered_map<std::string, std::uint32_t> numbers_;
  std::vector<std::string> labels_;
};

namespace {

std::string_view category_of(event_kind kind) {
  switch (kind) {
  case event_kind::running:
    return "run";
  case event_kind::ready:
    return "ready";
  case event_kind::waiting:
    return "wait";
  case event_kind::exchange:
    return "channel";
  }
  return "";
}

/// Microseconds, as the format wants them, and nothing lost.
std::string microseconds(std::int64_t nanoseconds) {
  return fmt::format("{}.{:03}", nanoseconds / 1000, nanoseconds % 1000);
}

void write_name(
    detail::json_writer& json, std::string_view what, std::uint64_t tid, std::string_view name
) {
  json.open('{');
  json.member("ph", std::string_view("M"));
  json.member("pid", 1);
  json.member("tid", tid);
  json.member("name", what);
  json.key("args");
  json.open('{');
  json.member("name", name);
  json.close('}');
  json.close('}');
}

void write_event(detail::json_writer& json, const timeline_event& e, std::string_view label) {
  json.open('{');
  json.member("ph", std::string_view(e.kind == event_kind::exchange ? "i" : "X"));
  json.member("pid", 1);
  json.member("tid", e.tasklet);
  json.key("ts");
  json.number(microseconds(e.begin));
  if (e.kind == event_kind::exchange) {
    json.member("s", std::string_view("t"));
  } else {
    json.key("dur");
    json.number(microseconds(e.duration));
  }
  json.member("name", label);
  json.member("cat", category_of(e.kind));
  json.close('}');
}

}  // namespace

std::string timeline::recorder::to_json() const {
  detail::json_writer json;
  json.open('{');
  json.member("displayTimeUnit", std::string_view("ns"));
  json.key("otherData");
  json.open('{');
  json.member("events left out", left_out_);
  json.close('}');
  json.key("traceEvents");
  json.open('[');
  write_name(json, "process_name", 0, "stackless");
  for (const auto& [id, name] : names_) write_name(json, "thread_name", id, name);
  for (const timeline_event& e : events_) write_event(json, e, labels_[e.label]);
  for (const auto& [id, name] : names_) {
    const auto open = states_.find(id);
    if (open == states_.end()) continue;
    const state& s = open->second;
    write_event(json, {s.since, latest_ - s.since, id, s.label, s.kind}, labels_[s.label]);
  }
  json.close(']');
  json.close('}');
  return std::move(json).take();
}

timeline::timeline(std::size_t most_events, observer* also)
    : recorder_(std::make_unique<recorder>(most_events)), also_(also) {}

timeline::~timeline() = default;

void timeline::on_switch(const any_tasklet& previous, const any_tasklet& next) {
  try {
    recorder_->switched(previous, next);
  } catch (const std::bad_alloc&) {
    recorder_->fail();
  }
  if (also_ != nullptr) also_->on_switch(previous, next);
}

void timeline::on_channel(const channel_action& action) {
  try {
    recorder_->exchanged(action);
  } catch (const std::bad_alloc&) {
    recorder_->fail();
  }
  if (also_ != nullptr) also_->on_channel(action);
}

void timeline::on_stall(const deadlock_report& report) {
  if (also_ != nullptr) also_->on_stall(report);
}

void timeline::on_sleep(const any_tasklet& previous) noexcept {
  try {
    recorder_->slept(previous);
  } catch (...) {
    recorder_->fail();
  }
  if (also_ != nullptr) also_->on_sleep(previous);
}

void timeline::on_wake(const any_tasklet& next) noexcept {
  try {
    recorder_->woke(next);
  } catch (...) {
    recorder_->fail();
  }
  if (also_ != nullptr) also_->on_wake(next);
}

std::string timeline::to_json() const {
  return recorder_->to_json();
}

void timeline::save(const std::string& path) const {
  const std::string text = to_json();
  std::FILE* file = std::fopen(path.c_str(), "we");
  if (file == nullptr)
    throw std::system_error(errno, std::system_category(), "timeline: \"" + path + "\"");
  const bool is_written = std::fwrite(text.data(), 1, text.size(), file) == text.size();
  const int error = errno;
  if (std::fclose(file) != 0 || !is_written)
    throw std::system_error(
        is_written ? errno : error, std::system_category(), "timeline: \"" + path + "\""
    );
}

std::size_t timeline::events() const noexcept {
  return recorder_->events();
}

std::size_t timeline::left_out() const noexcept {
  return recorder_->left_out();
}

}  // namespace stackless::inline STACKLESS_ABI
