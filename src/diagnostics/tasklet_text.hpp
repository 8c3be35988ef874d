#pragma once

#include <stackless/snapshot.hpp>

#include "diagnostics/page.hpp"
#include "diagnostics/source_text.hpp"

#include <cstddef>
#include <cstdint>
#include <set>
#include <span>
#include <string>
#include <tuple>
#include <vector>

namespace stackless::inline STACKLESS_ABI::detail {

/// `fetch(channel<int>&)` at 6, `pingpong.cpp:7:13` in a column of its own.
class frame_table {
 public:
  /// Widens the first column for this stack, within limits.
  void make_room_for(const async_stack& stack);

  [[nodiscard]] std::string row(std::size_t number, const stack_frame& frame) const;
  /// Anything else with a place behind it, in the same columns.
  [[nodiscard]] std::string row(std::string text, const stack_frame& frame) const;

 private:
  std::size_t function_width_ = 43;
};

/// What a report says about tasklets and the objects they wait for.
class tasklet_printer {
 public:
  tasklet_printer(page& out, const snapshot_data& state) : out_(out), state_(state) {}

  void make_room_for(const tasklet_info& t) { table_.make_room_for(t.stack); }

  /// A tasklet and how it waits, its stack, where it was spawned.
  /// `mark`: behind its innermost frame.
  void block(const tasklet_info& t, std::string_view mark = {});

  /// What is the same for some: their stack, and where they were spawned.
  void shared_block(std::span<const std::uint64_t> tasklets);

  /// Who could end its wait, and what was last done with the object.
  void prospects(const tasklet_info& t);

  /// Some that wait alike, in a line or a few. `told`: who gets the error.
  void group(std::span<const std::uint64_t> tasklets, std::uint64_t told);

  void ended(const ended_info& e);

 private:
  void frames(const async_stack& stack, std::string_view mark);
  void locks_held(const tasklet_info& t);
  void prospects_of_wait(const tasklet_info& t, bool with_locks);
  void source_line(const stack_frame& frame);
  [[nodiscard]] std::string state_of(const tasklet_info& t) const;
  [[nodiscard]] std::string operation_of(const tasklet_info& t) const;
  [[nodiscard]] std::string operation_of(const tasklet_info& t, const object_info* object) const;
  [[nodiscard]] std::string sync_operation_of(const tasklet_info& t, const object_info& object)
      const;
  [[nodiscard]] std::string sync_prospects(const tasklet_info& t, const object_info& object) const;
  [[nodiscard]] std::string spawn_of(const tasklet_info& t) const;
  [[nodiscard]] std::string holders_of(const object_info& object, std::uint64_t waiter) const;
  [[nodiscard]] std::uint32_t shown_frame(const holder_info& holder) const;
  [[nodiscard]] std::string last_of(const object_info& object) const;
  [[nodiscard]] std::string text_of(const last_operation& last) const;
  void cases_of(const tasklet_info& t);
  void history_of(const object_info& object, const std::string& name);

  page& out_;
  const snapshot_data& state_;
  frame_table table_;
  source_text sources_;
  std::set<std::tuple<std::string_view, std::uint32_t, std::uint32_t>> shown_;
  std::set<std::uint64_t> shown_histories_;
};

/// `(blocked)`, as far as it matters to one who waits for it.
[[nodiscard]] std::string_view condition(const tasklet_info& t);

}  // namespace stackless::inline STACKLESS_ABI::detail
