#include "diagnostics/lock_text.hpp"

#include "diagnostics/wait_graph.hpp"
#include "diagnostics/wording.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace stackless::inline STACKLESS_ABI::detail {

namespace {

std::string name_of(const object_info& object) {
  return object.name.empty() ? called(object) : in_quotes(object.name) + ordinal_of(object);
}

std::string with_place(const object_info& object, const source_place& at) {
  const std::string where = place(at.file, at.line);
  return name_of(object) + (where.empty() ? "" : " (" + where + ")");
}

source_place waits_at(const tasklet_info& t) {
  const async_stack stack = without_library(t.stack);
  if (stack.empty()) return {};
  return {stack.front().file, stack.front().line, stack.front().column, {}};
}

std::string padded(std::string text, std::size_t width) {
  const std::size_t used = width_of(text);
  return used < width ? text + std::string(width - used, ' ') : text;
}

}  // namespace

source_place locked_at(const object_info& mutex) {
  const bool known = mutex.last && mutex.last->operation == operation_kind::lock &&
                     mutex.last->outcome == operation_outcome::done &&
                     mutex.last->tasklet == mutex.tasklet;
  return known ? mutex.last->at : source_place{};
}

std::vector<lock_link> lock_circle(
    const snapshot_data& state, const std::vector<std::uint64_t>& core
) {
  std::vector<lock_link> circle;
  if (core.size() < 2) return circle;
  const tasklet_info* t = state.find_tasklet(core.front());
  while (t != nullptr && circle.size() < core.size()) {
    const object_info* object = state.find_object(t->waits.object);
    if (object == nullptr || object->kind != object_kind::mutex || object->tasklet == 0) return {};
    circle.push_back({t, object, nullptr});
    t = state.find_tasklet(object->tasklet);
  }
  if (t == nullptr || t->id != core.front()) return {};
  for (std::size_t i = 0; i < circle.size(); ++i)
    circle[(i + 1) % circle.size()].holds = circle[i].wants;
  return circle;
}

std::uint64_t times_before(const snapshot_data& state, const lock_link& link) {
  for (const lock_order_info& order : state.lock_orders)
    if (order.first == link.holds->id && order.second == link.wants->id) return order.count;
  return 0;
}

std::vector<std::string> lock_table(
    const deadlock_report& report, const std::vector<lock_link>& circle
) {
  if (circle.size() < 3) return {};
  const bool alike = std::all_of(circle.begin(), circle.end(), [&](const lock_link& l) {
    return l.who->stack == circle.front().who->stack;
  });
  if (!alike) return {};
  constexpr std::size_t columns = 6;
  constexpr std::size_t most_rows = 16;
  std::vector<std::array<std::string, columns>> rows{
      {"tasklet", "wants", "held by", "holds", "since", "age"}
  };
  for (std::size_t i = 0; i < std::min(circle.size(), most_rows); ++i) {
    const lock_link& l = circle[i];
    const source_place since = locked_at(*l.holds);
    rows.push_back(
        {numbered(l.who->id, l.who->name), name_of(*l.wants),
         numbered(report.state, l.wants->tasklet), name_of(*l.holds), place(since.file, since.line),
         age_text(l.who->waits.age)}
    );
  }
  std::array<std::size_t, columns> widths{};
  for (const auto& row : rows)
    for (std::size_t i = 0; i + 1 < columns; ++i)
      widths[i] = std::max(widths[i], width_of(row[i]) + 2);
  std::vector<std::string> lines;
  for (const auto& row : rows) {
    std::string line = "   ";
    for (std::size_t i = 0; i < columns; ++i) line += padded(row[i], widths[i]);
    lines.push_back(line);
  }
  if (circle.size() > most_rows)
    lines.push_back(fmt::format("   … and {} more", circle.size() - most_rows));
  const tasklet_info* last = circle.front().who;
  for (const lock_link& l : circle)
    if (l.who->waits.since_step > last->waits.since_step) last = l.who;
  lines.push_back(fmt::format(
      "   {} closed the circle{}", numbered(last->id, last->name),
      last->id == report.raised_in ? ", and gets this error" : ""
  ));
  return lines;
}

std::vector<std::string> lock_orders(
    const deadlock_report& report, const std::vector<lock_link>& circle
) {
  // Without a history nothing was counted.
  if (circle.size() != 2 || report.state.lock_orders.empty()) return {};
  const auto line = [&](std::string_view what, const lock_link& l) {
    const std::uint64_t times = times_before(report.state, l);
    return fmt::format(
        "{}{} then {}: {}", what, with_place(*l.holds, locked_at(*l.holds)),
        with_place(*l.wants, waits_at(*l.who)),
        times == 0 ? std::string("never") : counted(times, "time", "times")
    );
  };
  const lock_link* usual = &circle[0];
  const lock_link* other = &circle[1];
  if (times_before(report.state, *usual) < times_before(report.state, *other))
    std::swap(usual, other);
  if (times_before(report.state, *other) != 0)
    return {line("order before now:  ", *usual), line("and before now:    ", *other)};
  return {line("order before now:  ", *usual), line("order that breaks: ", *other)};
}

}  // namespace stackless::inline STACKLESS_ABI::detail
