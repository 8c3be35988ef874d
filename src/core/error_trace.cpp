#include <stackless/detail/error_trace.hpp>
#include <stackless/detail/scheduler_core.hpp>
#include <stackless/error.hpp>
#include <stackless/tasklet.hpp>

#include <algorithm>
#include <cstring>
#include <memory>
#include <mutex>
#include <typeinfo>
#include <unordered_map>
#include <utility>

#include <cxxabi.h>

namespace stackless::inline STACKLESS_ABI::detail {

#if STACKLESS_TRACKING

namespace {

using destructor = void (*)(void*);

/// What the C++ ABI keeps in front of an exception object (Itanium C++ ABI, 2.2.1), seen from its
/// end: the parts before it differ between libraries.
struct exception_header {
  const std::type_info* type;
  destructor destroy;
  void* before_unwind_header[8];
  void* unwind_header[4];
};

/// Where it is, if this platform lays it out so; else null.
exception_header* header_of(void* exception, const std::type_info& type) noexcept {
  if constexpr (sizeof(void*) != 8) return nullptr;
  auto* header = static_cast<exception_header*>(exception) - 1;
  return header->type != nullptr && *header->type == type ? header : nullptr;
}

void* address_of(const std::exception_ptr& error) noexcept {
  static_assert(sizeof error == sizeof(void*), "an exception_ptr points to the exception");
  void* address = nullptr;
  std::memcpy(&address, static_cast<const void*>(&error), sizeof address);
  return address;
}

struct entry {
  destructor destroy = nullptr;  ///< the exception's own
  error_trace trace;
};

// By the address of the exception object: an entry goes when the object does. A handler need not
// hold the exception longer than it would without this, and a new one at the same address is new.
struct trace_table {
  std::mutex mutex;
  std::unordered_map<const void*, entry> entries;
};

// Never destroyed: exceptions of static storage outlive everything.
trace_table& traces() noexcept {
  alignas(trace_table) static std::byte place[sizeof(trace_table)];
  static auto* table = new (place) trace_table;
  return *table;
}

/// In place of the exception's own destructor.
void forget_and_destroy(void* exception) noexcept {
  destructor own = nullptr;
  std::unordered_map<const void*, entry>::node_type gone;
  {
    trace_table& table = traces();
    const std::lock_guard lock(table.mutex);
    gone = table.entries.extract(exception);
    if (!gone.empty()) own = gone.mapped().destroy;
  }
  if (own != nullptr) own(exception);
}

/// The entry of the exception that is being handled, made if need be; null: none can be kept.
/// \throws std::bad_alloc
entry* entry_for(trace_table& table, void* exception, const std::type_info& type) {
  const auto found = table.entries.find(exception);
  if (found != table.entries.end()) return &found->second;
  exception_header* header = header_of(exception, type);
  if (header == nullptr) return nullptr;
  entry& made = table.entries[exception];
  made.destroy = header->destroy;
  header->destroy = forget_and_destroy;
  return &made;
}

void add_tasklet(error_trace& trace, tasklet_block& t) {
  const auto same = [&](const traced_tasklet& known) { return known.id == t.id; };
  if (std::any_of(trace.tasklets.begin(), trace.tasklets.end(), same)) return;
  traced_tasklet added;
  added.id = t.id;
  added.name = any_tasklet(t).name();
  added.spawner = t.spawner;
  added.is_main = t.is_main;
  added.spawn_site_known = t.spawn_site_known;
  if (t.spawn_site_known) added.spawned_at = t.spawned_at;
  trace.tasklets.push_back(std::move(added));
}

void add_frame(error_trace& trace, const frame& f) noexcept {
  tasklet_block& t = *active_scheduler->current();
  const traced_frame added{&f, f.function, f.at, t.id};
  try {
    auto& frames = trace.frames;
    if (!frames.empty() && frames.back().identity == &f && frames.back().tasklet == t.id) {
      frames.back() = added;  // it was raised here, and leaves now
      return;
    }
    add_tasklet(trace, t);
    if (frames.size() == error_trace::most_frames) {
      frames.erase(frames.begin() + error_trace::most_frames / 2);
      ++trace.left_out;
    }
    frames.push_back(added);
  } catch (const std::bad_alloc&) {
    trace.incomplete = true;
  }
}

/// Whoever joins tells its own way from there, and not that of another who joined before.
void back_to_end_of(error_trace& trace, std::uint64_t tasklet) noexcept {
  auto& frames = trace.frames;
  const auto last = std::find_if(frames.rbegin(), frames.rend(), [&](const traced_frame& f) {
    return f.tasklet == tasklet;
  });
  if (last != frames.rend()) frames.erase(last.base(), frames.end());
}

/// It is to be raised in `f`. Only what has left a coroutine is known already.
void note_raised(
    const std::exception_ptr& error, const frame* f, std::uint64_t ended = 0
) noexcept {
  if (f == nullptr) return;
  trace_table& table = traces();
  const std::lock_guard lock(table.mutex);
  const auto found = table.entries.find(address_of(error));
  if (found == table.entries.end()) return;
  if (ended != 0) back_to_end_of(found->second.trace, ended);
  add_frame(found->second.trace, *f);
}

}  // namespace

void leave_by_error(const frame& f) noexcept {
  std::exception_ptr& kept = active_scheduler->current()->error;
  kept = std::current_exception();
  const std::type_info* type = abi::__cxa_current_exception_type();
  // How a tasklet is told to end is no error, and many may be told at once.
  if (!kept || type == nullptr || *type == typeid(tasklet_exit) || *type == typeid(cancelled))
    return;
  trace_table& table = traces();
  const std::lock_guard lock(table.mutex);
  try {
    if (entry* known = entry_for(table, address_of(kept), *type)) add_frame(known->trace, f);
  } catch (const std::bad_alloc&) {  // it goes on without
  }
}

void rethrow_in(const frame& f, std::exception_ptr error) {
  note_raised(error, &f);
  std::rethrow_exception(std::move(error));
}

void rethrow_here(std::exception_ptr error, std::uint64_t ended) {
  note_raised(error, active_scheduler->current()->current_frame, ended);
  std::rethrow_exception(std::move(error));
}

error_trace find_trace(const std::exception_ptr& error) {
  trace_table& table = traces();
  const std::lock_guard lock(table.mutex);
  const auto found = table.entries.find(address_of(error));
  return found == table.entries.end() ? error_trace() : found->second.trace;
}

#else

void leave_by_error(const frame&) noexcept {
  active_scheduler->current()->error = std::current_exception();
}
void rethrow_in(const frame&, std::exception_ptr error) {
  std::rethrow_exception(std::move(error));
}
void rethrow_here(std::exception_ptr error, std::uint64_t) {
  std::rethrow_exception(std::move(error));
}
error_trace find_trace(const std::exception_ptr&) {
  return {};
}

#endif

}  // namespace stackless::inline STACKLESS_ABI::detail
