#include "diagnostics/snapshot.hpp"

#include <stackless/detail/frame_slab.hpp>
#include <stackless/detail/hooks.hpp>
#include <stackless/detail/scheduler_core.hpp>
#include <stackless/detail/select_core.hpp>
#include <stackless/error.hpp>
#include <stackless/sync/mutex.hpp>
#include <stackless/traceback.hpp>

#include "diagnostics/function_name.hpp"
#include "diagnostics/wording.hpp"

#include <algorithm>
#include <functional>
#include <tuple>
#include <unordered_map>

namespace stackless::inline STACKLESS_ABI {

namespace detail {

namespace {

source_place place_of([[maybe_unused]] const site& at) {
#if STACKLESS_TRACKING
  if (at.line() != 0) return {at.file_name(), at.line(), at.column(), at.function_name()};
#endif
  return {};
}

/// The reason; empty if it is another error.
std::string cancelled_for(const std::exception_ptr& error) {
  try {
    std::rethrow_exception(error);
  } catch (const cancelled& why) {
    return std::string(why.reason().empty() ? "cancelled" : why.reason());
  } catch (...) {
    return {};
  }
}

tasklet_state state_of(const tasklet_block& t, bool is_running) {
  if (is_running) return tasklet_state::running;
  if (t.in_ring()) return tasklet_state::ready;
  return t.blocked() ? tasklet_state::blocked : tasklet_state::paused;
}

/// Function names as the compiler spells them, shortened once each: a crowd runs few functions.
class name_table {
 public:
  const std::string& shortened([[maybe_unused]] const char* function) {
    auto [entry, is_new] = names_.try_emplace(function);
    if (is_new) entry->second = function == nullptr ? "tasklet" : short_function(function);
    return entry->second;
  }

  std::string name_of(const tasklet_block& t) {
    if (t.name != nullptr) return t.name;
    if (t.is_main) return "main";
#if STACKLESS_TRACKING
    if (const frame* named = named_frame(t.current_frame)) return shortened(named->function);
#endif
    return "tasklet";
  }

 private:
#if STACKLESS_TRACKING
  /// The outermost; of a tasklet that the library has made for a task (by `when_all`), the task's.
  const frame* named_frame(const frame* innermost) {
    const frame* root = innermost;
    const frame* beneath = nullptr;
    for (; root != nullptr && root->parent != nullptr; root = root->parent) beneath = root;
    if (beneath != nullptr && shortened(root->function).starts_with("detail::")) return beneath;
    return root;
  }
#endif

  std::unordered_map<const char*, std::string> names_;
};

/// Finds out whose frame an address lies in.
class frame_index {
 public:
  explicit frame_index(const scheduler_core& core) {
    entries_.reserve(2 * core.alive());
    core.tasklets.for_each([this](tasklet_block& t) {
      entries_.push_back({&t, t.id, holder_info::kept_arguments});
      std::uint32_t number = 0;
      for (frame* f = t.current_frame; f != nullptr; f = f->parent)
        entries_.push_back({f->handle().address(), t.id, number++});
    });
    std::sort(entries_.begin(), entries_.end(), [](const entry& a, const entry& b) {
      return std::less<>{}(a.address, b.address);
    });
  }

  [[nodiscard]] holder_info holder_of(const void* handle) const {
    const frame_slab::extent block = frame_slab::block_of(handle);
    if (!block.contains(handle)) return {};
    // A frame that the compiler elided lies inside its caller's, so the nearest one below is the
    // owner.
    auto after = std::upper_bound(
        entries_.begin(), entries_.end(), handle,
        [](const void* address, const entry& e) { return std::less<>{}(address, e.address); }
    );
    if (after == entries_.begin() || !block.contains((--after)->address)) return {};
    return {after->tasklet, after->frame};
  }

 private:
  struct entry {
    const void* address;
    std::uint64_t tasklet;
    std::uint32_t frame;
  };
  std::vector<entry> entries_;
};

class photographer {
 public:
  explicit photographer(const scheduler_core& core) : core_(core), now_(core.now()) {}

  snapshot_data take() {
    data_.step = core_.step;
    data_.scheduler = core_.listing().distinction();
    data_.host_driven = core_.main == nullptr;
    data_.tasklets.reserve(core_.alive());
    // In most programs that have very many tasklets each waits for something of its own.
    data_.objects.reserve(core_.alive());
    objects_.reserve(core_.alive());
    core_.tasklets.for_each([this](tasklet_block& t) {
      if (&t != core_.ending_tasklet()) add(t);
    });
    add_ended();
    add_lock_orders();
    name_those_mentioned();
    number_namesakes(data_.objects);
    add_sources();
    return std::move(data_);
  }

 private:
  void add(const tasklet_block& t) {
    tasklet_info& info = data_.tasklets.emplace_back();
    info.id = t.id;
    info.name = names_.name_of(t);
    info.state = state_of(t, core_.driving() && core_.current() == &t);
    info.is_main = t.is_main;
    info.is_daemon = t.is_daemon();
    info.wakes_nobody = t.wakes_nobody;
    info.never_started = !t.started;
    info.has_way_out = !has_no_way_out(t);
    info.spawned_by = t.spawner;
#if STACKLESS_TRACKING
    if (t.spawn_site_known) {
      info.spawned_at = place_of(t.spawned_at);
    } else if (t.spawned_in != nullptr) {
      info.spawned_at.function = t.spawned_in;
    }
#endif
    info.stack = stack_from(t.current_frame);
    if (const wait* w = t.waiting()) {
      info.waits.operation = operation_of(w->kind());
      info.waits.since_step = w->since();
      info.waits.age = now_ - core_.time_of_step(w->since());
      if (w->object != nullptr && !only_pauses(w->kind())) info.waits.object = add(*w->object);
      if (w->kind() == wait_kind::select)
        static_cast<const select_core&>(*w->object).for_each_case([&](const wait& c) {
          info.waits.cases.push_back({operation_of(c.kind()), add(*c.object)});
        });
    }
  }

  std::uint64_t add(const wait_object& object) {
    const auto [entry, is_new] = objects_.try_emplace(&object, data_.objects.size() + 1);
    if (!is_new) return entry->second;
    object_info& info = data_.objects.emplace_back();
    info.id = entry->second;
    std::vector<const void*>& handles = handles_;
    handles.clear();
    object.describe(info, handles);
    if (info.type != raw_type_) {  // many in a row are of one type
      raw_type_ = info.type;
      clean_type_ = clean_type(info.type);
    }
    info.type = clean_type_;
    if (!handles.empty()) {
      if (!frames_) frames_.emplace(core_);
      const std::size_t receive_ends = handles.size() - info.receive_ends;
      const std::size_t send_ends = receive_ends - info.send_ends;
      for (std::size_t i = 0; i < handles.size(); ++i) {
        info.holders.push_back(frames_->holder_of(handles[i]));
        info.holders.back().side = i < send_ends      ? channel_side::both
                                   : i < receive_ends ? channel_side::send
                                                      : channel_side::receive;
      }
      std::sort(
          info.holders.begin(), info.holders.end(),
          [](const holder_info& a, const holder_info& b) {
            return std::tuple(a.tasklet, a.frame, a.side) < std::tuple(b.tasklet, b.frame, b.side);
          }
      );
    }
    return info.id;
  }

  void add_ended() {
    for (const ended_tasklet& e : core_.recently_ended()) {
      ended_info& info = data_.ended.emplace_back();
      info.id = e.id;
      info.name = e.name.empty() ? names_.shortened(e.function) : std::string(e.name);
      info.spawned_at = place_of(e.at);
      info.step = e.step;
      info.killed = e.killed;
      info.spawned_by = e.spawner;
      if (!e.error || e.killed) continue;
      info.cancelled = cancelled_for(e.error);
      if (!info.cancelled.empty()) continue;
      info.error = describe(e.error);
      for (const stack_frame& f : trace_of(e.error)) {
        if (f.in_library) continue;
        info.thrown_at = {f.file, f.line, f.column, f.function};
        break;
      }
    }
  }

  std::string name_of(std::uint64_t id) const {
    if (const tasklet_info* t = data_.find_tasklet(id)) return t->name;
    for (const ended_info& e : data_.ended)
      if (e.id == id) return e.name;
    return {};
  }

  source_place spawn_place_of(std::uint64_t id) const {
    if (const tasklet_info* t = data_.find_tasklet(id)) return t->spawned_at;
    for (const ended_info& e : data_.ended)
      if (e.id == id) return e.spawned_at;
    return {};
  }

  void name_those_mentioned() {
    for (tasklet_info& t : data_.tasklets)
      if (t.spawned_by != 0) t.spawned_by_name = name_of(t.spawned_by);
    for (ended_info& e : data_.ended)
      if (e.spawned_by != 0) e.spawned_by_name = name_of(e.spawned_by);
    for (object_info& object : data_.objects) {
      if (object.last_end && object.last_end->tasklet != 0)
        object.last_end->tasklet_name = name_of(object.last_end->tasklet);
      if (object.kind == object_kind::tasklet) object.name = name_of(object.tasklet);
      if (object.last && object.last->tasklet != 0)
        object.last->tasklet_name = name_of(object.last->tasklet);
      for (last_operation& past : object.history) {
        if (past.tasklet != 0) past.tasklet_name = name_of(past.tasklet);
        if (past.given_to == 0) continue;
        past.given_to_name = name_of(past.given_to);
        if (past.woken == 0) past.at = spawn_place_of(past.given_to);
      }
    }
  }

  void add_lock_orders() {
    const hooks* h = core_.hooks_if_made();
    if (h == nullptr || h->lock_orders.empty()) return;
    std::unordered_map<std::uint64_t, std::uint64_t> ids;
    for (const auto& [object, id] : objects_)
      if (const auto* mutex = dynamic_cast<const mutex_core*>(object))
        if (mutex->number() != 0) ids.emplace(mutex->number(), id);
    for (const auto& [numbers, order] : h->lock_orders) {
      const auto first = ids.find(numbers.first);
      const auto second = ids.find(numbers.second);
      if (first == ids.end() || second == ids.end()) continue;
      data_.lock_orders.push_back(
          {first->second, second->second, order.count, place_of(order.first_at),
           place_of(order.second_at)}
      );
    }
  }

  void add_sources() {
    data_.sources.timers = core_.timers.size();
    data_.sources.foreign = core_.foreign_sources;
    data_.sources.silent = core_.silent_sources;
    if (const io_backend* io = core_.io_if_made()) {
      data_.sources.io_in_flight = io->in_flight();
      data_.sources.io_backend = io->name();
      data_.sources.io_backend_reason = io->reason();
    }
  }

  const scheduler_core& core_;
  std::chrono::steady_clock::time_point now_;
  snapshot_data data_;
  name_table names_;
  std::optional<frame_index> frames_;
  std::vector<const void*> handles_;  // of the object at hand
  std::string raw_type_;
  std::string clean_type_;
  std::unordered_map<const wait_object*, std::uint64_t> objects_;
};

}  // namespace

namespace {

/// Whether a source file is one of this library's: by its headers' folder, or where this file was
/// compiled. Most frames in a row are of one file.
[[maybe_unused]] bool is_of_library(const char* file) {
  static thread_local const char* previous = nullptr;
  static thread_local bool answer = false;
  if (file == previous) return answer;
  constexpr std::string_view here = __FILE__;
  constexpr std::string_view sources = here.substr(0, here.rfind("diagnostics/"));
  const std::string_view path = file;
  previous = file;
  answer = path.find("include/stackless/") != std::string_view::npos ||
           (sources.size() > 4 && path.starts_with(sources));
  return answer;
}

}  // namespace

stack_frame frame_from(const char* function, [[maybe_unused]] const site& at) {
  stack_frame copy;
  if (function != nullptr) copy.function = function;
#if STACKLESS_TRACKING
  if (at.line() != 0) {
    copy.file = at.file_name();
    copy.line = at.line();
    copy.column = at.column();
    copy.in_library = is_of_library(at.file_name());
  }
#endif
  return copy;
}

async_stack stack_from(const frame* innermost) {
  std::size_t depth = 0;
  for (const frame* f = innermost; f != nullptr; f = f->parent) ++depth;
  async_stack stack;
  stack.reserve(depth);
  for (const frame* f = innermost; f != nullptr; f = f->parent) {
#if STACKLESS_TRACKING
    stack.push_back(frame_from(f->function, f->at));
#else
    stack.emplace_back();
#endif
  }
  return stack;
}

operation_kind operation_of(wait_kind kind) noexcept {
  switch (kind) {
  case wait_kind::suspend:
    return operation_kind::suspend;
  case wait_kind::drain:
    return operation_kind::drain;
  case wait_kind::receive:
    return operation_kind::receive;
  case wait_kind::send:
  case wait_kind::send_exception:
    return operation_kind::send;
  case wait_kind::join:
    return operation_kind::join;
  case wait_kind::sleep:
    return operation_kind::sleep;
  case wait_kind::io:
  case wait_kind::readiness:
    return operation_kind::io;
  case wait_kind::nursery:
    return operation_kind::join_nursery;
  case wait_kind::start:
    return operation_kind::start;
  case wait_kind::event:
  case wait_kind::notify:
    return operation_kind::wait;
  case wait_kind::acquire:
    return operation_kind::acquire;
  case wait_kind::lock:
    return operation_kind::lock;
  case wait_kind::lock_shared:
    return operation_kind::lock_shared;
  case wait_kind::select:
    return operation_kind::select;
  case wait_kind::arrive:
    return operation_kind::arrive;
  case wait_kind::foreign:
    return operation_kind::foreign;
  }
  return operation_kind::none;
}

snapshot_data take_snapshot(const scheduler_core& core) {
  return photographer(core).take();
}

}  // namespace detail

snapshot_data snapshot() {
  return detail::take_snapshot(detail::running_scheduler());
}

}  // namespace stackless::inline STACKLESS_ABI
