#pragma once

#include <stackless/detail/frame.hpp>
#include <stackless/detail/scope.hpp>
#include <stackless/detail/wait.hpp>

#include <cstdint>
#include <exception>

namespace stackless::inline STACKLESS_ABI::detail {

class scheduler_core;

struct live_hook : list_hook {
  live_hook() noexcept : list_hook(leave_unset_t{}) {}
};

/// Why an await must not simply go on. Zero in the normal case: one byte to test per await.
enum attention : std::uint8_t {
  raise_here = 1,           ///< `pending` is raised at the suspension point that the tasklet is at
  raise_at_next = 2,        ///< `pending` is raised at the next await
  torn_down = 4,            ///< level-triggered: every await raises `tasklet_exit`
  cancel_requested = 8,     ///< its I/O operation was asked to end early; `pending` follows it
  block_trap = 16,          ///< a channel operation that would wait raises instead
  hooked = 32,              ///< its scheduler has a switch trap or an observer, or had one lately
  in_cancelled_scope = 64,  ///< level-triggered: every await raises `cancelled`
  exit_at_next = 128        ///< killed, but an error comes first
};

/// What a tasklet's end must see to besides. None in the normal case: one test at the end.
enum end_duty : std::uint8_t {
  drop_name = 1,
  drop_more = 2,  ///< than its frames: a callable, or a result that is not trivial
  count_daemon = 4,
  tell_handler = 8,  ///< an error handler of its own
  let_go = 16        ///< of locks that it owns, or did once, and of its values of tasklet_locals
};

/// The control block of a tasklet: everything about it but its coroutine frames.
struct tasklet_block : live_hook, wait_object {
  // Links of `ready_ring`, null outside. Apart: of two neighbours GCC makes one store through a
  // vector register, and the next switch waits for it.
  tasklet_block* ring_next;
  scheduler_core* home;  ///< null once the scheduler is gone
  union {
    tasklet_block* ring_previous;  ///< in the ring
    wait* outside;                 ///< outside: what it is blocked or paused at, if anything
  };
  frame* current_frame = nullptr;  ///< innermost frame; null until a kept callable is first invoked
  std::exception_ptr pending;      ///< thrown at it by others; see `attention`
  std::exception_ptr error;  ///< on its way to the next await_resume; at the end, how it ended
  narrow_wait_queue joiners;
  scope_core* scope = nullptr;  ///< the innermost it is in; null in none
  std::uint64_t id;
  std::uint64_t spawner;  ///< id of the tasklet that spawned it; 0: the host
#if STACKLESS_TRACKING
  union {
    site spawned_at;         ///< with `spawn_site_known`
    const char* spawned_in;  ///< otherwise: the spawner's function, null for the host
  };
#endif
  const char* name = nullptr;
  std::uint32_t references = 1;  ///< handles, and one of the scheduler while it is alive
  std::uint8_t attention = 0;
  bool yielding = false;              ///< it yielded or paused: no operation of it has taken effect
  bool spawn_site_known : 1 = false;  // first: copied with every end
  bool started : 1 = false;
  bool ended : 1 = false;
  bool killed : 1 = false;        ///< ended by tasklet_exit
  bool result_taken : 1 = false;  ///< a move-only result went to the first joiner
  bool is_main : 1 = false;
  bool wakes_nobody : 1 = false;
  bool error_is_unseen : 1 = false;  ///< it ended with one that is for its joiners, and none has it
  std::uint8_t end_duties : 5 = 0;
  /// The slab's class of the block, where a plain end leaves nothing to destroy in it.
  std::uint8_t plain_class : 3 = 0;

  /// What is not set here is set when the scheduler adopts it.
  explicit tasklet_block(scheduler_core& scheduler, std::uint64_t number) noexcept
      : home(&scheduler), id(number) {}

  // For blocks that keep their callable: it makes the root frame, and goes at the tasklet's end.
  virtual void start() {}
  virtual void drop_callable() noexcept {}
  /// Its place in the group it was born in, if there is one.
  [[nodiscard]] virtual child_link* membership() noexcept { return nullptr; }
  /// Destroys this object and gives its memory back.
  virtual void destroy() noexcept = 0;

  /// Nobody knows it and nothing is to be destroyed but its frames: its memory is simply put back.
  [[nodiscard]] bool ends_plainly() const noexcept {
    // Not side by side: GCC would read the duties and the count as one word, which waits for the
    // stores to its parts.
    return end_duties == 0 && !error && !pending && scope == nullptr && references == 1;
  }

  [[nodiscard]] bool in_ring() const noexcept { return ring_next != nullptr; }
  /// What it is blocked or paused at; null while it can run, and for one that was removed.
  [[nodiscard]] wait* waiting() const noexcept { return in_ring() ? nullptr : outside; }
  [[nodiscard]] bool blocked() const noexcept {
    return waiting() != nullptr && !only_pauses(outside->kind());
  }

  void retain() noexcept { ++references; }
  void release() noexcept {
    if (--references == 0) destroy();
  }
  [[nodiscard]] bool is_daemon() const noexcept { return (end_duties & count_daemon) != 0; }

  /// \throws what is pending for this tasklet, or `tasklet_exit` at teardown
  void raise_attention();

  void free_name() noexcept;

  [[nodiscard]] bool withdraw(wait& joiner) noexcept final;
  [[nodiscard]] tasklet_block* needed() noexcept final { return this; }
  void describe(object_info& info, std::vector<const void*>& handles) const final;

 protected:
  ~tasklet_block() {
    if ((end_duties & drop_name) != 0) [[unlikely]]
      free_name();
  }
};

// Two cache lines, and a size class of the slab.
static_assert(!STACKLESS_TRACKING || sizeof(tasklet_block) <= 128);

/// Whether only what `t` waits for can end its wait.
[[nodiscard]] bool has_no_way_out(const tasklet_block& t) noexcept;

}  // namespace stackless::inline STACKLESS_ABI::detail
