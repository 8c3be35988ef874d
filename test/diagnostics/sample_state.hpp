#pragma once

#include <stackless/deadlock.hpp>
#include <stackless/snapshot.hpp>

#include "diagnostics/report.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

// States as the scheduler would leave them, made by hand: diagnosis is a function of data.

namespace sample {

using namespace stackless;

class state_builder {
 public:
  state_builder() { data_.tracked = true; }

  /// A tasklet with a frame for each place, innermost first. The first tasklet is main.
  tasklet_info& tasklet(std::string name, std::vector<stack_frame> stack = {}) {
    tasklet_info& t = data_.tasklets.emplace_back();
    t.id = data_.tasklets.size();
    t.name = std::move(name);
    t.is_main = t.id == 1;
    t.spawned_by = t.id == 1 ? 0 : 1;
    if (t.id != 1) t.spawned_by_name = data_.tasklets.front().name;
    t.stack = std::move(stack);
    t.state = tasklet_state::paused;
    return t;
  }

  std::uint64_t channel(std::string name, std::size_t capacity = 0) {
    object_info& object = data_.objects.emplace_back();
    object.id = data_.objects.size();
    object.kind = object_kind::channel;
    object.name = std::move(name);
    object.type = "int";
    object.capacity = capacity;
    return object.id;
  }

  std::uint64_t mutex(std::string name, std::uint64_t owner) {
    const std::uint64_t id = channel(std::move(name));
    object(id).kind = object_kind::mutex;
    object(id).type = "mutex";
    object(id).tasklet = owner;
    return id;
  }

  /// Tasklet 0: from outside.
  void holds(std::uint64_t tasklet, std::uint64_t channel, std::uint32_t frame = 0) {
    object(channel).holders.push_back({tasklet, frame});
  }

  void waits(std::uint64_t tasklet, operation_kind operation, std::uint64_t object_id) {
    tasklet_info& t = at(tasklet);
    t.state = tasklet_state::blocked;
    t.waits.operation = operation;
    t.waits.object = object_id;
    t.waits.since_step = 40 + tasklet;
    t.waits.age = std::chrono::milliseconds(12);
    if (object_id != 0 && operation == operation_kind::receive)
      ++object(object_id).waiting_receivers;
  }
  void receives(std::uint64_t tasklet, std::uint64_t channel) {
    waits(tasklet, operation_kind::receive, channel);
  }
  void sends(std::uint64_t tasklet, std::uint64_t channel) {
    waits(tasklet, operation_kind::send, channel);
  }
  /// What one waits for in a join.
  std::uint64_t end_of(std::uint64_t tasklet) {
    object_info& object = data_.objects.emplace_back();
    object.id = data_.objects.size();
    object.kind = object_kind::tasklet;
    object.tasklet = tasklet;
    return object.id;
  }
  void joins(std::uint64_t tasklet, std::uint64_t target) {
    waits(tasklet, operation_kind::join, end_of(target));
  }
  std::uint64_t event(std::string name) {
    const std::uint64_t id = channel(std::move(name));
    object(id).kind = object_kind::event;
    object(id).type = "event";
    return id;
  }
  void selects(std::uint64_t tasklet, const std::vector<wait_case>& cases) {
    object_info& object = data_.objects.emplace_back();
    object.id = data_.objects.size();
    object.kind = object_kind::select;
    object.children = cases.size();
    for (const wait_case& each : cases) {
      if (each.operation == operation_kind::receive)
        ++data_.objects[each.object - 1].waiting_receivers;
      if (each.operation == operation_kind::send) ++data_.objects[each.object - 1].waiting_senders;
    }
    waits(tasklet, operation_kind::select, data_.objects.back().id);
    at(tasklet).waits.cases = cases;
  }

  tasklet_info& at(std::uint64_t tasklet) { return data_.tasklets[tasklet - 1]; }
  object_info& object(std::uint64_t id) { return data_.objects[id - 1]; }
  snapshot_data& data() { return data_; }

 private:
  snapshot_data data_;
};

/// The report that the tasklet `told` would get; 0: the caller of `run`.
inline deadlock_report judge(state_builder& s, std::uint64_t told = 0) {
  return detail::make_report(s.data(), told);
}

/// Two tasklets of which each waits to receive from the other; main, which made them, joins the
/// first.
inline state_builder ping_pong() {
  constexpr std::string_view file = "/project/src/pingpong.cpp";
  const stack_frame fetch{
      "stackless::tracked_1::task<int> fetch(stackless::tracked_1::channel<int>&)", file, 7, 13
  };
  state_builder s;
  s.tasklet("main", {{"stackless::tracked_1::task<> hello()", file, 26, 3}});
  s.tasklet("ping", {fetch, {"task<> ping(channel<int>, channel<int>)", file, 12, 11}});
  s.tasklet("pong", {fetch, {"task<> pong(channel<int>, channel<int>)", file, 17, 11}});
  for (std::uint64_t id : {2U, 3U}) {
    s.at(id).spawned_at.file = file;
    s.at(id).spawned_at.line = static_cast<std::uint32_t>(id) + 21;
  }
  const std::uint64_t a = s.channel("a");
  const std::uint64_t b = s.channel("b");
  s.object(a).made_at = {file, 21, 16, {}};
  s.object(b).made_at = {file, 22, 16, {}};
  s.receives(2, a);
  s.receives(3, b);
  for (std::uint64_t channel : {a, b})
    for (std::uint64_t holder : {2U, 3U}) s.holds(holder, channel, 1);
  s.joins(1, 2);
  return s;
}

/// Each owns the fork on one side and wants the next; main waits for the first of them.
inline state_builder philosophers() {
  state_builder s;
  s.tasklet("main");
  for (std::uint64_t seat = 0; seat < 5; ++seat)
    s.tasklet("philosopher " + std::to_string(seat), {{"task<> dine()", "dine.cpp", 16, 5}});
  for (std::uint64_t seat = 0; seat < 5; ++seat) s.mutex("fork " + std::to_string(seat), 2 + seat);
  for (std::uint64_t seat = 0; seat < 5; ++seat)
    s.waits(2 + seat, operation_kind::lock, 1 + (seat + 1) % 5);
  s.joins(1, 2);
  return s;
}

}  // namespace sample
