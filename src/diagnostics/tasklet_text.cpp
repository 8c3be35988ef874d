#include "diagnostics/tasklet_text.hpp"

#include "diagnostics/function_name.hpp"
#include "diagnostics/wording.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace stackless::inline STACKLESS_ABI::detail {

namespace {

constexpr std::size_t most_frames = 24;
constexpr std::size_t last_frames = 6;

std::string channel_details(const object_info& object, bool made_is_in_its_name) {
  std::string text = "unbuffered";
  if (object.capacity != 0) text = fmt::format("buffer {} of {}", object.buffered, object.capacity);
  if (object.is_closed) text += ", closed";
  if (!made_is_in_its_name) {
    if (const std::string made = made_text(object); !made.empty()) text += ", " + made;
  } else if (wants_a_name(object)) {
    text += ", give it a name";
  }
  return "(" + text + ")";
}

/// What `when_all` and its like spawn is not spawned by a line of the program.
bool is_spawned_inside(std::string_view function) {
  return function.find("stackless::") != function.npos &&
         function.find("detail::run_all") != function.npos;
}

/// What follows in an error's text is a report of its own.
std::string_view first_line(std::string_view text) {
  return text.substr(0, text.find('\n'));
}

}  // namespace

std::string tasklet_printer::state_of(const tasklet_info& t) const {
  if (t.never_started)
    return t.state == tasklet_state::paused ? "never started, and paused" : "not started yet";
  if (t.state == tasklet_state::running) return "running";
  if (t.state == tasklet_state::ready) return "ready";
  const std::string_view word = t.state == tasklet_state::blocked ? "blocked" : "paused";
  if (t.waits.operation == operation_kind::none) return std::string(word);
  return fmt::format("{} {} (step {})", word, age_text(t.waits.age), t.waits.since_step);
}

std::string tasklet_printer::operation_of(const tasklet_info& t) const {
  return operation_of(t, state_.find_object(t.waits.object));
}

std::string tasklet_printer::operation_of(const tasklet_info& t, const object_info* object) const {
  switch (t.waits.operation) {
  case operation_kind::receive:
  case operation_kind::send:
    if (object == nullptr) return std::string(verb(t.waits.operation));
    return fmt::format(
        "{} on channel<{}> {}{}", verb(t.waits.operation), printable(clean_type(object->type)),
        object->name.empty() ? made_text(*object) : in_quotes(object->name), ordinal_of(*object)
    );
  case operation_kind::join:
    return object == nullptr ? "join" : "join " + numbered(state_, object->tasklet);
  case operation_kind::io:
    if (object == nullptr) return "I/O";
    return printable(object->type.empty() ? "I/O" : object->type) +
           (object->name.empty() ? "" : " " + printable(object->name)) +
           (object->kind == object_kind::buffer_pool ? ", waits for a buffer" : "");
  case operation_kind::foreign:
    if (object == nullptr) return "foreign await";
    return (object->kind == object_kind::offload ? "" : "foreign await of ") +
           printable(object->type);
  case operation_kind::suspend:
    return "until somebody insert()s it";
  case operation_kind::join_nursery:
    if (object == nullptr) return "join of a nursery";
    return "join of " + called(*object) +
           fmt::format(" ({})", counted(object->children, "child", "children"));
  case operation_kind::start:
    return object == nullptr ? "start of a child" : "start of " + numbered(state_, object->tasklet);
  case operation_kind::select:
    return object == nullptr ? "select" : "select of " + called(*object);
  case operation_kind::wait:
  case operation_kind::acquire:
  case operation_kind::lock:
  case operation_kind::lock_shared:
  case operation_kind::arrive:
    return object == nullptr ? std::string(verb(t.waits.operation)) : sync_operation_of(t, *object);
  case operation_kind::none:
    return "";
  default:
    return std::string(verb(t.waits.operation));
  }
}

std::string tasklet_printer::spawn_of(const tasklet_info& t) const {
  std::string text;
  if (t.is_main && t.spawned_by == 0) {
    text = "root of run()";
    if (t.spawned_at.line != 0) text += " at " + place(t.spawned_at.file, t.spawned_at.line);
  } else {
    text = "spawned";
    if (t.spawned_at.line != 0) {
      text += " " + place(t.spawned_at.file, t.spawned_at.line);
    } else if (!t.spawned_at.function.empty() && !is_spawned_inside(t.spawned_at.function)) {
      text += " in " + printable(clean_function(t.spawned_at.function), page::columns / 2);
    }
    text += t.spawned_by == 0           ? " by the host"
            : t.spawned_by_name.empty() ? fmt::format(" by #{}", t.spawned_by)
                                        : " by " + numbered(t.spawned_by, t.spawned_by_name);
  }
  if (t.wakes_nobody) return text + "; a daemon that wakes nobody";
  return t.is_daemon ? text + "; a daemon" : text;
}

void tasklet_printer::source_line(const stack_frame& frame) {
  if (frame.line == 0 || !shown_.insert({frame.file, frame.line, frame.column}).second) return;
  constexpr std::size_t room = page::columns - 13;
  const source_text::excerpt excerpt = sources_.at(frame.file, frame.line, frame.column);
  if (excerpt.text.empty() || excerpt.caret >= room) return;
  out_.line(fmt::format("{:>10} | {}", frame.line, excerpt.text));
  out_.line(fmt::format("{:>10} | {}^", "", std::string(excerpt.caret, ' ')));
}

void tasklet_printer::frames(const async_stack& stack, std::string_view mark) {
  const std::size_t shown = stack.size() > most_frames ? most_frames - last_frames : stack.size();
  for (std::size_t i = 0; i < stack.size(); ++i) {
    if (i == shown) {
      i = stack.size() - last_frames;
      out_.line(fmt::format("   …  {} more frames", i - shown));
    }
    std::string row = table_.row(i, stack[i]);
    if (i == 0 && !mark.empty()) {
      if (width_of(row) + mark.size() > page::columns) {  // the place must not be cut off for it
        out_.line(row);
        row = std::string(page::columns - mark.size(), ' ');
      }
      row += mark;
    }
    out_.line(row);
    if (i == 0) source_line(stack[i]);
  }
}

void tasklet_printer::shared_block(std::span<const std::uint64_t> tasklets) {
  const tasklet_info& first = *state_.find_tasklet(tasklets.front());
  out_.line(fmt::format("all {} share these frames:", tasklets.size()));
  frames(without_library(first.stack), {});
  const std::string spawn = spawn_of(first);
  const bool same = std::all_of(tasklets.begin(), tasklets.end(), [&](std::uint64_t id) {
    return spawn_of(*state_.find_tasklet(id)) == spawn;
  });
  if (same) out_.line(std::string(page::margin, ' ') + spawn);
}

void tasklet_printer::block(const tasklet_info& t, std::string_view mark) {
  const object_info* object = state_.find_object(t.waits.object);
  std::vector<std::string> parts{numbered(t.id, t.name), state_of(t), operation_of(t)};
  if (object != nullptr && object->kind == object_kind::channel) {
    const std::string details = channel_details(*object, object->name.empty());
    std::size_t width = width_of(details) + 2;
    for (const std::string& part : parts) width += width_of(part) + 3;
    if (width - 3 <= page::columns) {
      parts.back() += "  " + details;
    } else {
      parts.push_back(details);
    }
  }
  out_.row(parts, 3, page::margin);
  frames(without_library(t.stack), mark);
  out_.line(std::string(page::margin, ' ') + spawn_of(t));
}

void tasklet_printer::group(std::span<const std::uint64_t> tasklets, std::uint64_t told) {
  const tasklet_info* first = state_.find_tasklet(tasklets.front());
  if (first == nullptr) return;
  bool same_object = true;
  std::chrono::nanoseconds oldest{0};
  for (std::uint64_t id : tasklets) {
    const tasklet_info* t = state_.find_tasklet(id);
    if (t == nullptr) continue;
    same_object = same_object && t->waits.object == first->waits.object;
    oldest = std::max(oldest, t->waits.age);
  }
  const bool waits = first->waits.operation != operation_kind::none;
  std::string what = waits ? operation_of(*first) : state_of(*first);
  if (const object_info* object = state_.find_object(first->waits.object);
      object != nullptr && object->ordinal != 0 && !same_object) {
    object_info any = *object;  // one of several, whichever
    any.ordinal = 0;
    what = operation_of(*first, &any);
  }
  if (first->waits.operation == operation_kind::suspend) what = "paused " + what;
  if (waits && !same_object) what = fmt::format("{} (and others)", what);
  const std::string who = tasklets.size() == 1 ? numbered(first->id, first->name)
                                               : fmt::format("{} x", tasklets.size());
  const std::string head = fmt::format("   {}   {}", who, what);
  const async_stack stack = without_library(first->stack);
  if (stack.empty()) {
    out_.line(head);
  } else {
    out_.line(table_.row(head, stack.front()));
    constexpr std::size_t most_outer = 4;
    for (std::size_t i = 0; i < stack.size() && stack.size() > 1; ++i) {
      if (i > most_outer && i + 1 < stack.size()) {
        out_.line(fmt::format("   …  {} more frames", stack.size() - i - 1));
        i = stack.size() - 1;
      }
      out_.line(table_.row(i, stack[i]));
    }
  }
  const bool has_told =
      told != 0 && std::find(tasklets.begin(), tasklets.end(), told) != tasklets.end();
  if (has_told) out_.line(fmt::format("      {} gets this error", numbered(state_, told)));
  if (tasklets.size() == 1) return;
  std::vector<std::string> names;
  constexpr std::size_t most_names = 4;
  for (std::uint64_t id : tasklets.first(std::min(tasklets.size(), most_names)))
    names.push_back(numbered(state_, id));
  if (tasklets.size() > most_names)
    names.back() = fmt::format("{} more", tasklets.size() - most_names + 1);
  std::string text;
  for (std::size_t i = 0; i < names.size(); ++i) text += (i == 0 ? "" : ", ") + names[i];
  if (waits) text += "; oldest " + age_text(oldest);
  out_.paragraph(std::string(page::margin, ' '), text);
}

void tasklet_printer::ended(const ended_info& e) {
  constexpr std::size_t longest_message = 4 * longest_name;
  std::string how = !e.error.empty()
                        ? "by an error: " + printable(first_line(e.error), longest_message)
                    : e.killed             ? "killed"
                    : !e.cancelled.empty() ? "cancelled"
                                           : "returned";
  if (how == "cancelled" && e.cancelled != how)
    how += ": " + printable(e.cancelled, longest_message);
  std::vector<std::string> parts{"   " + numbered(e.id, e.name), fmt::format("step {}", e.step)};
  const std::string margin(page::margin, ' ');
  if (width_of(how) <= page::columns - page::margin) {
    parts.push_back(std::move(how));
  } else {
    out_.row(parts, 3, page::margin);
    out_.paragraph(margin, how);
    parts.clear();
  }
  if (e.spawned_at.line != 0)
    parts.push_back("spawned " + place(e.spawned_at.file, e.spawned_at.line));
  if (e.spawned_by != 0 && e.spawned_at.line != 0)
    parts.back() += " by " + numbered(e.spawned_by, e.spawned_by_name);
  if (!e.thrown_at.function.empty()) {
    std::string text = "thrown in " + printable(clean_function(e.thrown_at.function), 50);
    const std::string where = place(e.thrown_at.file, e.thrown_at.line, e.thrown_at.column);
    parts.push_back(where.empty() ? text : text + ", " + where);
  }
  if (parts.empty()) return;
  if (!parts.front().starts_with(' ')) parts.front().insert(0, margin);
  out_.row(parts, 3, page::margin);
}

}  // namespace stackless::inline STACKLESS_ABI::detail
