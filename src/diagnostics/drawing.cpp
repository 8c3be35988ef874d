#include "diagnostics/drawing.hpp"

#include "diagnostics/page.hpp"
#include "diagnostics/wait_graph.hpp"
#include "diagnostics/wording.hpp"

#include <algorithm>
#include <unordered_set>

namespace stackless::inline STACKLESS_ABI::detail {

namespace {

constexpr std::size_t most_drawn = 12;
constexpr std::size_t longest_label = 20;

struct link {
  const tasklet_info* waiter;
  const object_info* object;  // null for a join
  std::uint64_t next;         // who could make it happen; 0: nobody in the core, by a handle
};

link link_from(
    const snapshot_data& state, const std::unordered_set<std::uint64_t>& core, const tasklet_info& t
) {
  const object_info* object = state.find_object(t.waits.object);
  if (object == nullptr) return {&t, nullptr, 0};
  const auto in_core = [&](std::uint64_t id) { return core.contains(id) ? id : 0; };
  if (is_join(t)) return {&t, nullptr, in_core(object->tasklet)};
  if (object->kind != object_kind::channel) return {&t, object, in_core(object->tasklet)};
  std::uint64_t next = 0;
  for (const holder_info& holder : object->holders)
    if (holder.tasklet != t.id && core.contains(holder.tasklet) && could_help(*object, holder) &&
        (next == 0 || holder.tasklet < next))
      next = holder.tasklet;
  return {&t, object, next};
}

/// Follows what each waits for until it comes back to somebody seen; the circle without the way to
/// it.
std::vector<link> find_circle(const deadlock_report& report) {
  const std::unordered_set<std::uint64_t> core(report.core.begin(), report.core.end());
  std::vector<link> path;
  std::unordered_set<std::uint64_t> seen;
  std::uint64_t id = report.core.front();
  while (id != 0 && seen.insert(id).second) {
    const tasklet_info* t = report.find_tasklet(id);
    if (t == nullptr) return {};
    path.push_back(link_from(report.state, core, *t));
    id = path.back().next;
  }
  if (id == 0) return {};
  const auto start =
      std::find_if(path.begin(), path.end(), [&](const link& l) { return l.waiter->id == id; });
  return {start, path.end()};
}

std::string label_of(const deadlock_report& report, const tasklet_info& t) {
  std::string label = called(report.state, t.id, report.core);
  if (label.starts_with('\'')) label = label.substr(1, label.size() - 2);
  return shortened(label, longest_label);
}

std::string label_of(const object_info& object) {
  const std::string label = object.name.empty()
                                ? shortened(plainly_called(object), 2 * longest_label)
                                : shortened(kind_of(object), longest_label) + " '" +
                                      printable(object.name, longest_label) + "'";
  return label + ordinal_of(object);
}

/// How the object leads to the one who could make it happen.
std::string held_by(const link& l) {
  for (const holder_info& holder : l.object->holders)
    if (holder.tasklet == l.next && could_help(*l.object, holder)) {
      if (holder.side == channel_side::send) return "send end in";
      if (holder.side == channel_side::receive) return "receive end in";
    }
  return "held by";
}

std::string repeated(std::size_t count, std::string_view what) {
  std::string text;
  for (; count > 0; --count) text += what;
  return text;
}

/// Two that wait for each other:
///
///     ping ──receive──▶ channel 'a' ──held by──▶ pong
///      ▲                                          │
///      └──held by── channel 'b' ◀──receive────────┘
std::vector<std::string> draw_pair(
    const deadlock_report& report, const link& first, const link& second
) {
  const std::string operation(verb(first.waiter->waits.operation));
  std::string way = " ──" + operation + "──";
  if (first.object != nullptr)
    way += "▶ " + label_of(*first.object) + " ──" + held_by(first) + "──";

  std::string back = "└──";
  if (second.object != nullptr) back += held_by(second) + "── " + label_of(*second.object) + " ◀──";
  back += std::string(verb(second.waiter->waits.operation)) + "──";

  const std::string left = label_of(report, *first.waiter);
  const std::string right = label_of(report, *second.waiter);
  const std::size_t from = width_of(left) / 2;
  const std::size_t to_least = from + width_of(back);
  const std::size_t to = width_of(left) + width_of(way) + 2 + width_of(right) / 2;
  if (to < to_least) way += repeated(to_least - to, "─");
  const std::size_t end = std::max(to, to_least);
  back += repeated(end - to_least, "─") + "┘";

  const std::string margin(page::margin, ' ');
  return {
      margin + left + way + "▶ " + right,
      margin + std::string(from, ' ') + "▲" + std::string(end - from - 1, ' ') + "│",
      margin + std::string(from, ' ') + back
  };
}

std::vector<std::string> draw_chain(
    const deadlock_report& report, const std::vector<link>& circle
) {
  std::vector<std::string> items;
  for (std::size_t i = 0; i < circle.size() && i < most_drawn; ++i) {
    items.push_back(label_of(report, *circle[i].waiter));
    if (circle[i].object != nullptr)
      items.push_back(
          circle[i].object->name.empty()
              ? called(*circle[i].object)
              : in_quotes(circle[i].object->name) + ordinal_of(*circle[i].object)
      );
  }
  if (circle.size() > most_drawn)
    items.push_back("… " + std::to_string(circle.size() - most_drawn) + " more …");
  items.push_back(items.front());

  std::vector<std::string> lines;
  std::string line(page::margin, ' ');
  for (std::size_t i = 0; i < items.size(); ++i) {
    const std::string item = items[i] + (i + 1 < items.size() ? " ─▶ " : "");
    if (width_of(line) + width_of(item) > page::columns && width_of(line) > page::margin) {
      lines.push_back(line);
      line.assign(page::margin + 2, ' ');
    }
    line += item;
  }
  lines.push_back(line);
  return lines;
}

}  // namespace

std::vector<std::string> draw_core(const deadlock_report& report) {
  if (report.core.size() < 2) return {};
  for (std::uint64_t id : report.core)
    if (report.find_tasklet(id) == nullptr) return {};
  const object_info* first = report.find_object(report.find_tasklet(report.core[0])->waits.object);
  const bool all_the_same =
      std::all_of(report.core.begin(), report.core.end(), [&](std::uint64_t id) {
        return report.find_object(report.find_tasklet(id)->waits.object) == first;
      });
  if (all_the_same) return {};
  const std::vector<link> circle = find_circle(report);
  if (circle.size() < 2) return {};
  std::vector<std::string> lines =
      circle.size() == 2 ? draw_pair(report, circle[0], circle[1]) : draw_chain(report, circle);
  if (circle.size() < report.core.size())
    lines.push_back(
        std::string(page::margin, ' ') + "and " +
        counted(report.core.size() - circle.size(), "other", "others") + " of the core"
    );
  return lines;
}

}  // namespace stackless::inline STACKLESS_ABI::detail
