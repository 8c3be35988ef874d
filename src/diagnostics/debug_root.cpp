#include "diagnostics/debug_root.hpp"

#include <stackless/detail/channel_core.hpp>
#include <stackless/detail/debug_listing.hpp>
#include <stackless/detail/frame_slab.hpp>
#include <stackless/detail/scheduler_core.hpp>
#include <stackless/detail/select_core.hpp>
#include <stackless/detail/starting.hpp>
#include <stackless/detail/sync_core.hpp>
#include <stackless/nursery.hpp>
#include <stackless/sync/mutex.hpp>
#include <stackless/sync/shared_mutex.hpp>

#include "diagnostics/snapshot.hpp"
#include "diagnostics/wording.hpp"

#include <array>
#include <cassert>
#include <cerrno>
#include <cstring>
#include <mutex>
#include <string>
#include <string_view>
#include <typeinfo>

#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

// What the warning is about is not the case here: no type has virtual bases.
#pragma GCC diagnostic ignored "-Winvalid-offsetof"

extern "C" {
[[gnu::used, gnu::visibility("default"), gnu::section("stackless_debug")]]
stackless::detail::debug_root stackless_debug_root{{"stackless-debug"}, 1, 0, nullptr, nullptr};
}

namespace stackless::inline STACKLESS_ABI::detail {

namespace {

/// Flags that are single bits have no offset: this one is asked where they are.
class block_probe final : public tasklet_block {
 public:
  using tasklet_block::tasklet_block;
  void destroy() noexcept override {}
};

constexpr std::size_t wait_kinds = static_cast<std::size_t>(wait_kind::readiness) + 1;
constexpr std::size_t io_codes = static_cast<std::size_t>(io_code::receive_many) + 1;

constexpr std::array object_words{
    "object",    "channel",       "tasklet",        "timer",
    "I/O",       "nursery",       "start",          "event",
    "semaphore", "mutex",         "shared_mutex",   "condition_variable",
    "latch",     "barrier",       "once",           "oneshot",
    "watch",     "broadcast",     "select",         "external_source",
    "remote",    "foreign await", "offloaded work", "buffer_pool"
};
static_assert(object_words.size() == static_cast<std::size_t>(object_kind::buffer_pool) + 1);

constexpr std::size_t most_entries = 64;
constinit std::array<debug_root::entry, most_entries> entries{};
constinit std::array<const char*, wait_kinds> wait_words{};
constinit std::array<const char*, io_codes> io_words{};
constinit std::mutex listings;

void add(const char* name, std::intptr_t value) noexcept {
  std::uint32_t& count = stackless_debug_root.entry_count;
  assert(count < most_entries);
  entries[count++] = {name, value};
}
void add(const char* name, std::size_t value) noexcept {
  add(name, static_cast<std::intptr_t>(value));
}
void add(const char* name, const void* address) noexcept {
  add(name, reinterpret_cast<std::intptr_t>(address));
}

/// Where in a `Whole` one of its bases is.
template <class Base, class Whole>
std::intptr_t base_in() noexcept {
  alignas(Whole) static std::byte place[sizeof(Whole)];
  auto* whole = reinterpret_cast<Whole*>(place);  // only its address is used
  return reinterpret_cast<std::byte*>(static_cast<Base*>(whole)) - place;
}

template <class Set>
void add_flag(const char* name, scheduler_core& core, Set set) noexcept {
  block_probe probe(core, 0);
  std::array<unsigned char, sizeof(tasklet_block)> before{};
  std::memcpy(before.data(), static_cast<void*>(&probe), before.size());
  set(probe);
  const auto* after = reinterpret_cast<const unsigned char*>(&probe);
  for (std::size_t i = 0; i < before.size(); ++i)
    if (before[i] != after[i]) add(name, i << 8U | static_cast<std::size_t>(before[i] ^ after[i]));
}

/// Where a short text of a `std::string` is found: its length is at `string.size`, behind a
/// pointer.
void add_string_layout() noexcept {
#if defined(__GLIBCXX__)
  add("string.size", sizeof(void*));
#endif
}

}  // namespace

/// Writes the table. Its names are what tools/stackless-gdb.py asks for.
struct debug_layout {
  static void write(scheduler_core& core) noexcept {
    for (std::size_t i = 0; i < wait_kinds; ++i)
      wait_words[i] = verb(operation_of(static_cast<wait_kind>(i))).data();  // literals
    for (std::size_t i = 0; i < io_codes; ++i) io_words[i] = name_of(static_cast<io_code>(i));
    add("wait_kinds", static_cast<const void*>(wait_words.data()));
    add("wait_kinds.count", wait_kinds);
    add("object_kinds", static_cast<const void*>(object_words.data()));
    add("object_kinds.count", object_words.size());
    add("io_codes", static_cast<const void*>(io_words.data()));
    add("io_codes.count", io_codes);
    add_string_layout();
    add_core(core);
    add_objects();
    stackless_debug_root.entries = entries.data();
  }

 private:
  static void add_core(scheduler_core& core) noexcept {
    add("listing.scheduler", offsetof(debug_listing, scheduler));
    add("listing.next", offsetof(debug_listing, next));
    add("listing.chunks", offsetof(debug_listing, chunks));
    add("listing.thread", offsetof(debug_listing, thread));

    using live_list = intrusive_list<tasklet_block, live_hook>;
    add("scheduler.current", offsetof(scheduler_core, ring) + offsetof(ready_ring, current_));
    add("scheduler.step", offsetof(scheduler_core, step));
    add("scheduler.main", offsetof(scheduler_core, main));
    add("scheduler.driving", offsetof(scheduler_core, driving_));
    add("scheduler.tasklets", offsetof(scheduler_core, tasklets) + offsetof(live_list, head_));

    add("tasklet.object", base_in<wait_object, tasklet_block>());
    add("tasklet.hook", base_in<live_hook, tasklet_block>());
    add("tasklet.ring_next", offsetof(tasklet_block, ring_next));
    add("tasklet.outside", offsetof(tasklet_block, outside));
    add("tasklet.frame", offsetof(tasklet_block, current_frame));
    add("tasklet.id", offsetof(tasklet_block, id));
    add("tasklet.spawner", offsetof(tasklet_block, spawner));
    add("tasklet.name", offsetof(tasklet_block, name));
    add_flag("tasklet.started", core, [](tasklet_block& t) { t.started = true; });
    add_flag("tasklet.spawn_site_known", core, [](tasklet_block& t) { t.spawn_site_known = true; });
    add_flag("tasklet.is_daemon", core, [](tasklet_block& t) { t.end_duties |= count_daemon; });

    add("wait.object", offsetof(wait, object));
    add("wait.since", offsetof(wait, since_));
    add("wait.kind", offsetof(wait, kind_));
#if STACKLESS_TRACKING
    add("tasklet.spawned_at", offsetof(tasklet_block, spawned_at));
    add("frame.at", offsetof(frame, at));
    add("frame.function", offsetof(frame, function));
#endif
    add("frame.parent", offsetof(frame, parent));
    frame any{};
    add("frame.coroutine",
        reinterpret_cast<std::byte*>(&any) - static_cast<std::byte*>(any.handle().address()));
    constexpr std::string_view here = __FILE__;
    static constinit std::array<char, 512> sources{};
    const std::size_t length = here.rfind("diagnostics/");
    if (length != std::string_view::npos && length > 4 && length < sources.size())
      std::memcpy(sources.data(), here.data(), length);
    add("library_sources", static_cast<const void*>(sources.data()));
  }

  /// Offsets from the `wait_object` in them.
  static void add_objects() noexcept {
    add("channel.name", offsetof(channel_core, name_));
    add("channel.capacity", offsetof(channel_core, capacity));
    add("channel.buffered", offsetof(channel_core, buffered));
    add("channel.closed", offsetof(channel_core, shut));
    add("sync.name", sync_core::offsets_of_fields().name);
    add("sync.kind", sync_core::offsets_of_fields().kind);
    const auto of_lock = static_cast<std::intptr_t>(offsetof(lock_core, owner));
    add("mutex.owner", base_in<lock_core, mutex_core>() + of_lock);
    add("shared_mutex.owner", base_in<lock_core, shared_mutex_core>() + of_lock);
    add("select.cases", offsetof(select_core, cases_));
    add("select.count", offsetof(select_core, count_));
    const io_operation any(io_code::nop);
    const void* table = nullptr;
    std::memcpy(&table, static_cast<const void*>(&any), sizeof table);
    add("io.table", table);  // other objects are waited for in the same way
    add("io.code", offsetof(io_operation, code));
    add("io.descriptor", offsetof(io_operation, descriptor));
    add("nursery.running",
        static_cast<std::intptr_t>(
            offsetof(nursery_core, numbers_) + offsetof(nursery_statistics, running)
        ) - base_in<wait_object, nursery_core>());
#if STACKLESS_TRACKING
    add("channel.handles", offsetof(channel_core, handles_));
    add("channel.made_at", offsetof(channel_core, made_at_));
    add("sync.made_at", sync_core::offsets_of_fields().made_at);
    add("nursery.made_at", static_cast<std::intptr_t>(offsetof(nursery_core, made_at_)) -
                               base_in<wait_object, nursery_core>());
#endif
  }
};

debug_listing::debug_listing(scheduler_core& owner)
    : scheduler(&owner),
      chunks(frame_slab::chunk_table_address()),
      thread(static_cast<int>(::syscall(SYS_gettid))) {
  const std::lock_guard lock(listings);
  if (stackless_debug_root.entry_count == 0) debug_layout::write(owner);
  next = stackless_debug_root.schedulers;
  if (next != nullptr) next->previous = this;
  stackless_debug_root.schedulers = this;
}

debug_listing::~debug_listing() {
  const std::lock_guard lock(listings);
  if (next != nullptr) next->previous = previous;
  if (previous != nullptr) {
    previous->next = next;
  } else {
    stackless_debug_root.schedulers = next;
  }
}

std::string debug_listing::distinction() const {
  std::size_t all = 0;
  std::size_t on_thread = 0;
  std::size_t before = 0;  // in the list the latest comes first
  {
    const std::lock_guard lock(listings);
    for (const debug_listing* l = stackless_debug_root.schedulers; l != nullptr; l = l->next) {
      ++all;
      if (l->thread != thread) continue;
      ++on_thread;
      if (l == this) before = on_thread;
    }
  }
  if (all < 2) return {};
  std::string text = "thread " + std::to_string(thread);
  // A thread that was given no name has the program's.
  std::array<char, 16> name{};
  if (thread == static_cast<int>(::syscall(SYS_gettid)) &&
      ::pthread_getname_np(::pthread_self(), name.data(), name.size()) == 0 &&
      std::string_view(program_invocation_short_name).substr(0, name.size() - 1) != name.data())
    text += " " + in_quotes(name.data());
  if (on_thread > 1)
    text += ", " + ordinal_text(on_thread - before + 1) + " of " + std::to_string(on_thread);
  return text;
}

}  // namespace stackless::inline STACKLESS_ABI::detail
