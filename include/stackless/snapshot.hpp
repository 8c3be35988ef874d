#pragma once

#include <stackless/async_stack.hpp>
#include <stackless/channel_side.hpp>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace stackless::inline STACKLESS_ABI {

enum class tasklet_state : std::uint8_t { running, ready, blocked, paused };
enum class operation_kind : std::uint8_t {
  none,
  suspend,
  drain,
  receive,
  send,
  join,
  sleep,
  io,
  join_nursery,
  start,  ///< until a child says that it has started
  wait,   ///< for an event, or on a condition variable
  acquire,
  lock,
  lock_shared,
  arrive,  ///< at a latch or a barrier: for the others
  select,
  foreign,  ///< an awaitable of another library, or a callback
  // done to an object by others: only in `last_operation`
  set,
  reset,
  release,
  unlock,
  notify,
  count_down,
  send_end,  ///< of a channel
  receive_end
};
enum class object_kind : std::uint8_t {
  none,
  channel,
  tasklet,
  timer,
  io_operation,
  nursery,
  start,  ///< of a child
  event,
  semaphore,
  mutex,
  shared_mutex,
  condition_variable,
  latch,
  barrier,
  once,  ///< held, as a lock is, by who runs it
  oneshot,
  watch,
  broadcast,
  select,
  external_source,
  remote,      ///< the receiving end of what other threads send
  foreign,     ///< an awaitable of another library, or a callback
  offload,     ///< work on another thread
  buffer_pool  ///< of io/, all its buffers being in use
};

/// Where a source line is, by the compiler's word.
struct source_place {
  std::string_view file;
  std::uint32_t line = 0;  ///< 0: unknown
  std::uint32_t column = 0;
  std::string_view function;
};

/// One of the operations that a blocked select waits for.
struct wait_case {
  operation_kind operation = operation_kind::none;
  std::uint64_t object = 0;  ///< id of an `object_info`
};

/// What a tasklet waits for.
struct wait_info {
  operation_kind operation = operation_kind::none;
  std::uint64_t object = 0;  ///< id of an `object_info`; for a join the tasklet's object
  std::uint64_t since_step = 0;
  std::chrono::nanoseconds age{0};  ///< exact to one I/O poll
  std::vector<wait_case> cases;     ///< of a select, in the order of its arguments
};

struct tasklet_info {
  std::uint64_t id = 0;
  std::string name;  ///< the given name, else the root function's, else "tasklet"
  tasklet_state state = tasklet_state::ready;
  bool is_main = false;
  bool is_daemon = false;
  bool wakes_nobody = false;
  bool never_started = false;
  bool has_way_out = false;      ///< a deadline, a cancel scope or an error may end its wait too
  std::uint64_t spawned_by = 0;  ///< 0: the host
  std::string spawned_by_name;   ///< empty when it has ended and is forgotten
  source_place spawned_at;       ///< line 0: only the function is known
  wait_info waits;
  async_stack stack;  ///< innermost first
};

/// A handle of a channel, or one of its ends, and whose it is.
struct holder_info {
  static constexpr std::uint32_t kept_arguments = ~std::uint32_t{0};

  std::uint64_t tasklet = 0;  ///< 0: outside every tasklet (the heap, a global, the host)
  std::uint32_t frame =
      0;  ///< index in its stack, or `kept_arguments`: in what `spawn` keeps for it
  channel_side side = channel_side::both;

  friend bool operator==(const holder_info&, const holder_info&) = default;
};

enum class operation_outcome : std::uint8_t {
  none,
  delivered,
  buffered,
  blocked,  ///< it began to wait
  dropped,  ///< a `try_send` that found nobody and no room, or a notify
  refused,
  closed,
  created,
  done,
  merged  ///< a `set` of what was set already: the two are one
};

/// The latest thing that was done with an object.
struct last_operation {
  operation_kind operation = operation_kind::none;
  operation_outcome outcome = operation_outcome::none;
  bool attempted_only = false;  ///< a `try_` call
  std::uint64_t tasklet = 0;
  std::string tasklet_name;
  std::uint64_t step = 0;
  std::uint64_t given_to = 0;  ///< of an end that was `delivered`: to whom, by a spawn; of a set or
                               ///< a notify: who was woken, of several the first (in a history)
  std::string given_to_name;
  std::size_t woken = 0;  ///< how many were
  source_place at;
};

/// Something that tasklets wait for.
struct object_info {
  std::uint64_t id = 0;
  object_kind kind = object_kind::none;
  std::string name;  ///< the given name, else a description
  std::string type;  ///< a channel's element type; an operation's name
  source_place made_at;
  std::size_t namesakes = 0;  ///< how many of the objects have this name, or no name and were made
                              ///< at this place; 0: only this one
  std::size_t ordinal = 0;    ///< which of these it is, from 1
  std::uint64_t tasklet = 0;  ///< a joined tasklet, or one that is to start; a lock's owner; the
                              ///< child of a nursery that has waited longest
  std::size_t capacity = 0;
  std::size_t buffered = 0;
  std::size_t waiting_receivers = 0;
  std::size_t waiting_senders = 0;
  std::size_t waiting = 0;   ///< on an object of sync/
  std::size_t children = 0;  ///< of a nursery, that have not ended; the cases of a select
  std::size_t count = 0;     ///< a semaphore's units, what a latch or a barrier still waits for,
                             ///< the handles that other threads have of a door
  bool is_closed = false;
  std::size_t send_ends = 0;  ///< counted ones, of a channel
  std::size_t receive_ends = 0;
  bool senders_gone = false;  ///< of a channel: nobody can send any more, or receive
  bool receivers_gone = false;
  std::optional<last_operation> last_end;  ///< who let go of the last sender, or receiver
  std::vector<std::uint64_t> unfinished;   ///< the children that a nursery waits for, by id
  std::vector<holder_info> holders;        ///< one for each handle; by tasklet, those outside first
  std::optional<last_operation> last;      ///< nothing: nothing was ever done with it
  std::vector<last_operation> history;     ///< the latest, oldest first; with
                                           ///< `scheduler_options::keep_history`
};

/// A tasklet that ended not long ago.
struct ended_info {
  std::uint64_t id = 0;
  std::string name;
  source_place spawned_at;
  std::uint64_t step = 0;  ///< at which it ended
  bool killed = false;
  std::string error;       ///< empty: there was none
  source_place thrown_at;  ///< the latest `co_await` of the coroutine that raised it, if known
  std::uint64_t spawned_by = 0;  ///< with an error; 0: not known
  std::string spawned_by_name;
  std::string cancelled;  ///< what its scope was cancelled for; empty: it was not
};

/// That one mutex was locked by somebody who held another; with `scheduler_options::keep_history`.
struct lock_order_info {
  std::uint64_t first = 0;  ///< ids of objects
  std::uint64_t second = 0;
  std::uint64_t count = 0;
  source_place first_at;  ///< of the latest time
  source_place second_at;
};

/// What could still have made something happen.
struct source_info {
  std::size_t io_in_flight = 0;
  std::size_t timers = 0;
  std::size_t foreign = 0;
  std::size_t silent = 0;         ///< of these, waits of tasklets that promised to wake nobody
  std::string io_backend;         ///< empty: not started
  std::string io_backend_reason;  ///< why this one
};

/// Every tasklet and object of one scheduler at one moment. Plain data: it stays as it is.
struct snapshot_data {
  std::uint64_t step = 0;
  std::string scheduler;  ///< which one, by its thread; empty: the program has no other
  bool tracked =
      STACKLESS_TRACKING != 0;  ///< else places, holders and last operations are not known
  bool host_driven = false;     ///< there is no main: who drives may hold handles, and use them
  std::vector<tasklet_info> tasklets;  ///< by id
  std::vector<object_info> objects;    ///< those somebody waits for, by first waiter; ids from 1
  std::vector<ended_info> ended;       ///< latest last
  std::vector<lock_order_info> lock_orders;  ///< of those among the objects
  source_info sources;

  [[nodiscard]] const tasklet_info* find_tasklet(std::uint64_t id) const noexcept;
  [[nodiscard]] const object_info* find_object(std::uint64_t id) const noexcept;
};

/// The running scheduler's tasklets, and what they wait for. From tasklets, and from plain
/// functions that they call.
///
/// **Errors**: `std::logic_error` outside a running scheduler.
[[nodiscard]] snapshot_data snapshot();

enum class link_kind : std::uint8_t {
  waits_for,  ///< the tasklet for the object
  held_by,    ///< the object has one owner, or is the end of one tasklet: only that one could act;
              ///< of a nursery one for each child, and all have to end
  any_of      ///< one of those who hold a handle of the object, and so could act
};

/// A step on the way from one who waits to those who could end that.
struct wait_link {
  std::uint64_t tasklet = 0;  ///< 0: outside every tasklet
  std::uint64_t object = 0;
  link_kind kind = link_kind::waits_for;
  operation_kind operation = operation_kind::none;  ///< of one that waits

  friend bool operator==(const wait_link&, const wait_link&) = default;
};

/// The wait graph: for each tasklet that waits for an object one link to it, by tasklet (of a
/// select one to the object of each case); then for each object those who are known to be able to
/// do what is waited for. Events, semaphores, latches and their like can be signalled by anybody:
/// from them no link leads on.
[[nodiscard]] std::vector<wait_link> wait_links(const snapshot_data& data);

/// As a list for people, 64 KiB at most: a block for each tasklet with its stack, those that wait
/// in the same way together.
[[nodiscard]] std::string to_text(const snapshot_data& data);

/// Everything in it, as JSON: schema `stackless-snapshot/1`. Not bounded; what is not UTF-8 shows
/// as U+FFFD.
[[nodiscard]] std::string to_json(const snapshot_data& data);

/// The wait graph for Graphviz: boxes are tasklets, ellipses objects; from an object solid lines
/// lead to the only one who could act, dashed lines to those of whom any one could. Those that wait
/// alike are one box; what is left out beyond 200 boxes is counted.
[[nodiscard]] std::string to_dot(const snapshot_data& data);
/// The same as a Mermaid flowchart.
[[nodiscard]] std::string to_mermaid(const snapshot_data& data);
/// One page with the drawn wait graph, the tasklets and the JSON (left out of what is large). It
/// loads nothing and runs no script.
[[nodiscard]] std::string to_html(const snapshot_data& data);

}  // namespace stackless::inline STACKLESS_ABI
