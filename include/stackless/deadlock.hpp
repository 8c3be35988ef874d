#pragma once

#include <stackless/snapshot.hpp>

#include <memory>
#include <stdexcept>

namespace stackless::inline STACKLESS_ABI {

/// Why nothing can go on. A closed list; the first that fits stands.
enum class verdict : std::uint8_t {
  mutual_receive,  ///< each waits for another of them to send first
  circular_wait,   ///< each waits for another of them, to send or to receive
  lock_cycle,
  self_wait,  ///< waits for something that only it could do
  join_cycle,
  orphaned_channel,  ///< nobody is left who could send (or receive) on the channel
  owner_exited_holding_lock,
  lost_notification,  ///< it was offered before anybody waited, and dropped
  buffer_full_without_receiver,
  leaked,
  never_started,
  queued_behind_a_deadlock,
  never_signalled,  ///< nobody is left who could set the event, release the semaphore, and so on
  unknown
};

enum class grade : std::uint8_t {
  proven,  ///< may be thrown
  likely   ///< is only told to an observer
};

[[nodiscard]] std::string_view to_string(verdict why) noexcept;

/// Tasklets of the crowd that wait in the same way: same operation, same stack.
struct waiting_group {
  std::vector<std::uint64_t> tasklets;  ///< ids; the first stands for all
  bool behind_core = false;  ///< they wait for the core: by a join, or on a channel it holds
};

struct deadlock_report {
  verdict why = verdict::unknown;
  grade certainty = grade::proven;
  std::string explanation;      ///< one sentence for `why`
  std::string advice;           ///< empty unless it is certainly right
  std::uint64_t raised_in = 0;  ///< the tasklet that got the error; 0: the caller of `run`
  snapshot_data state;
  std::vector<std::uint64_t> core;   ///< ids of the smallest set that holds itself up
  std::vector<waiting_group> crowd;  ///< the rest, largest group first

  [[nodiscard]] const tasklet_info* find_tasklet(std::uint64_t id) const noexcept {
    return state.find_tasklet(id);
  }
  [[nodiscard]] const object_info* find_object(std::uint64_t id) const noexcept {
    return state.find_object(id);
  }
};

/// What holds the tasklets of a state up. A pure function: of a snapshot that was taken, changed or
/// made by hand.
///
/// - Nothing in it can go on: as the error's report says it.
/// - Some can, but others wait in a circle of locks and joins: that, `likely` if a deadline or a
///   cancel scope may end one of the waits.
/// - Else the first of `find_stalls(state)`.
/// - Else nothing: an empty core, `verdict::unknown`, and an explanation that says so.
///
/// `told`: the tasklet whose trouble is asked for, if there are several; 0: any.
/// Complexity: linear in tasklets, frames and handles.
[[nodiscard]] deadlock_report explain(snapshot_data state, std::uint64_t told = 0);

/// The text report: 64 KiB at most, deterministic, no addresses.
[[nodiscard]] std::string to_text(const deadlock_report& report);
/// All of it, as JSON: schema `stackless-deadlock/1`. Not bounded.
[[nodiscard]] std::string to_json(const deadlock_report& report);
/// The core, with those that wait behind it: as the functions of the same names for snapshots.
[[nodiscard]] std::string to_dot(const deadlock_report& report);
[[nodiscard]] std::string to_mermaid(const deadlock_report& report);
[[nodiscard]] std::string to_html(const deadlock_report& report);

/// The program can no longer make progress. `what()` is the text report.
class deadlock_error : public std::runtime_error {
 public:
  explicit deadlock_error(deadlock_report report);

  [[nodiscard]] const deadlock_report& report() const noexcept { return *report_; }

 private:
  std::shared_ptr<const deadlock_report> report_;  // copying an exception must not throw
};

/// Groups of tasklets that are stuck while the program runs on: each waits on channels that only
/// members of its group can reach. One report a group, graded `likely`: a pointer to a handle that
/// is hidden where no tasklet keeps it could still end such a wait. At most 16.
///
/// Left out is who has another way out (a deadline, a cancel scope), and whose channel has a handle
/// outside the tasklets.
///
/// **Errors**: `std::logic_error` outside a running scheduler.
/// Complexity: linear in tasklets, frames and handles.
[[nodiscard]] std::vector<deadlock_report> find_stalls();
/// The same of a state. **Errors**: none.
[[nodiscard]] std::vector<deadlock_report> find_stalls(const snapshot_data& state);

}  // namespace stackless::inline STACKLESS_ABI
