#include "diagnostics/diagram.hpp"

#include "diagnostics/verdict.hpp"
#include "diagnostics/wording.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <unordered_map>
#include <unordered_set>

namespace stackless::inline STACKLESS_ABI::detail {

namespace {

class draughtsman {
 public:
  draughtsman(const snapshot_data& state, diagram_limits limits)
      : state_(state), limits_(limits), links_(wait_links(state)) {
    const auto first = std::find_if(links_.begin(), links_.end(), [](const wait_link& link) {
      return link.kind != link_kind::waits_for;
    });
    for (std::size_t i = static_cast<std::size_t>(first - links_.begin()); i < links_.size(); ++i)
      first_helper_.try_emplace(links_[i].object, i);
  }

  void add_core(const std::vector<std::uint64_t>& core, std::uint64_t told) {
    const std::unordered_set<std::uint64_t> members(core.begin(), core.end());
    std::size_t next = 0;
    std::uint64_t id = 0;
    for (std::size_t drawn = 0; drawn < limits_.core; ++drawn) {
      while (id == 0 && next < core.size()) {
        if (!node_of_.contains(core[next]) && state_.find_tasklet(core[next]) != nullptr)
          id = core[next];
        ++next;
      }
      if (id == 0) break;
      const tasklet_info& t = *state_.find_tasklet(id);
      add_tasklet(t, true, t.id == told);
      for (const object_info* object : drawn_objects(t)) add_object(*object, true);
      id = follower(t, members);
    }
    result_.core_nodes = result_.nodes.size();
    result_.left_out +=
        static_cast<std::size_t>(std::count_if(core.begin(), core.end(), [&](std::uint64_t each) {
          return !node_of_.contains(each);
        }));
  }

  void add_groups(const std::vector<waiting_group>& groups, bool all, std::uint64_t told) {
    std::size_t drawn = 0;
    for (const waiting_group& group : groups) {
      if (group.tasklets.empty()) continue;
      const tasklet_info* first = state_.find_tasklet(group.tasklets.front());
      if (first == nullptr ||
          (!all && first->state != tasklet_state::blocked && first->state != tasklet_state::paused))
        continue;
      if (drawn++ == limits_.groups) {
        --drawn;
        result_.left_out += group.tasklets.size();
        continue;
      }
      const bool has_told =
          told != 0 &&
          std::find(group.tasklets.begin(), group.tasklets.end(), told) != group.tasklets.end();
      if (group.tasklets.size() == 1) {
        add_tasklet(*first, false, has_told);
      } else {
        add_group(group, *first, has_told);
      }
      add_objects_of(group);
    }
  }

  diagram take() {
    for (const wait_link& link : links_) add_edge(link);
    return std::move(result_);
  }

 private:
  /// A join is drawn from one tasklet to the other.
  static bool is_shown(const object_info& object) {
    return object.kind != object_kind::tasklet && object.kind != object_kind::start;
  }

  /// Of a select, those of its cases.
  std::vector<const object_info*> drawn_objects(const tasklet_info& t) const {
    std::vector<const object_info*> objects;
    const auto add = [&](std::uint64_t id) {
      const object_info* object = state_.find_object(id);
      if (object != nullptr && is_shown(*object)) objects.push_back(object);
    };
    if (t.waits.cases.empty()) add(t.waits.object);
    for (const wait_case& each : t.waits.cases) add(each.object);
    return objects;
  }

  /// One of `members`, not drawn yet, who could free it.
  std::uint64_t follower(const tasklet_info& t, const std::unordered_set<std::uint64_t>& members)
      const {
    if (t.waits.cases.empty()) return follower(t.waits.object, members);
    for (const wait_case& each : t.waits.cases)
      if (const std::uint64_t id = follower(each.object, members); id != 0) return id;
    return 0;
  }

  std::uint64_t follower(std::uint64_t object, const std::unordered_set<std::uint64_t>& members)
      const {
    const auto start = first_helper_.find(object);
    if (start == first_helper_.end()) return 0;
    for (std::size_t i = start->second; i < links_.size() && links_[i].object == object; ++i)
      if (members.contains(links_[i].tasklet) && !node_of_.contains(links_[i].tasklet))
        return links_[i].tasklet;
    return 0;
  }

  static std::string detail_of(const tasklet_info& t) {
    if (t.stack.empty()) return t.never_started ? "not started yet" : "";
    const async_stack own = without_library(t.stack);
    return place(own.front().file, own.front().line, own.front().column);
  }

  void add_tasklet(const tasklet_info& t, bool in_core, bool is_told) {
    node_of_[t.id] = result_.nodes.size();
    std::string title = numbered(t.id, t.name);
    if (t.state != tasklet_state::blocked) title += " (" + std::string(word_for(t)) + ")";
    result_.nodes.push_back(
        {fmt::format("t{}", t.id), node_kind::tasklet, std::move(title), detail_of(t), in_core,
         is_told}
    );
  }

  static std::string_view word_for(const tasklet_info& t) {
    return t.state == tasklet_state::running ? "running"
           : t.state == tasklet_state::ready ? "ready"
                                             : "paused";
  }

  void add_group(const waiting_group& group, const tasklet_info& first, bool is_told) {
    bool same_name = true;
    for (std::uint64_t id : group.tasklets) {
      node_of_[id] = result_.nodes.size();
      const tasklet_info* t = state_.find_tasklet(id);
      same_name = same_name && t != nullptr && t->name == first.name;
    }
    std::string title = fmt::format(
        "{} x {}", group.tasklets.size(), same_name ? printable(first.name) : "tasklet"
    );
    if (first.state != tasklet_state::blocked) title += " (" + std::string(word_for(first)) + ")";
    result_.nodes.push_back(
        {fmt::format("g{}", first.id), node_kind::group, std::move(title), detail_of(first), false,
         is_told}
    );
  }

  void add_objects_of(const waiting_group& group) {
    constexpr std::size_t most = 4;
    std::size_t added = 0;
    for (std::uint64_t id : group.tasklets) {
      if (added >= most) return;
      const tasklet_info* t = state_.find_tasklet(id);
      if (t == nullptr) continue;
      for (const object_info* object : drawn_objects(*t)) {
        if (object_node_.contains(object->id)) continue;
        add_object(*object, false);
        ++added;
      }
    }
  }

  void add_object(const object_info& object, bool in_core) {
    const auto [entry, is_new] = object_node_.try_emplace(object.id, result_.nodes.size());
    if (!is_new) return;
    diagram_node node{fmt::format("o{}", object.id), node_kind::object, {}, {}, in_core, false};
    const std::string kind = kind_of(object);
    node.title = object.name.empty() || object.kind == object_kind::select
                     ? (object.kind == object_kind::select ? called(object) : kind)
                     : kind + " " + in_quotes(object.name);
    node.title += ordinal_of(object);
    if (object.capacity != 0)
      node.detail = fmt::format("buffer {} of {}", object.buffered, object.capacity);
    if (object.is_closed) node.detail += node.detail.empty() ? "closed" : ", closed";
    if (const std::string made = made_text(object); !made.empty())
      node.detail += (node.detail.empty() ? "" : ", ") + made;
    result_.nodes.push_back(std::move(node));
  }

  std::size_t outside_node() {
    if (outside_ == none) {
      outside_ = result_.nodes.size();
      result_.nodes.push_back(
          {"outside", node_kind::outside, "outside the tasklets", {}, false, false}
      );
    }
    return outside_;
  }

  void add_edge(const wait_link& link) {
    const object_info* object = state_.find_object(link.object);
    if (object == nullptr) return;
    const auto tasklet = node_of_.find(link.tasklet);
    if (!is_shown(*object)) {
      const auto joined = node_of_.find(object->tasklet);
      if (link.kind == link_kind::waits_for && tasklet != node_of_.end() &&
          joined != node_of_.end())
        add_edge(
            tasklet->second, joined->second,
            object->kind == object_kind::start ? "wants the start of" : "joins", false
        );
      return;
    }
    const auto node = object_node_.find(link.object);
    if (node == object_node_.end()) return;
    if (link.kind != link_kind::waits_for && link.tasklet == 0) {
      add_edge(node->second, outside_node(), "held by", true);
      return;
    }
    if (tasklet == node_of_.end()) return;
    switch (link.kind) {
    case link_kind::waits_for:
      add_edge(tasklet->second, node->second, verb(link.operation), false);
      return;
    case link_kind::held_by:
      add_edge(
          node->second, tasklet->second,
          object->kind == object_kind::nursery ? "for its child" : "held by", false
      );
      return;
    case link_kind::any_of:
      // Its own handle helps nobody, and is told only where there is no other.
      if (waits_for(link.tasklet, link.object) && !is_only_holder(*object, link.tasklet)) return;
      add_edge(node->second, tasklet->second, "held by", true);
      return;
    }
  }

  [[nodiscard]] bool waits_for(std::uint64_t tasklet, std::uint64_t object) const {
    const tasklet_info* t = state_.find_tasklet(tasklet);
    if (t == nullptr || t->state != tasklet_state::blocked) return false;
    return t->waits.object == object ||
           std::any_of(t->waits.cases.begin(), t->waits.cases.end(), [&](const wait_case& each) {
             return each.object == object;
           });
  }

  static bool is_only_holder(const object_info& object, std::uint64_t tasklet) {
    return std::all_of(object.holders.begin(), object.holders.end(), [&](const holder_info& h) {
      return h.tasklet == tasklet;
    });
  }

  void add_edge(std::size_t from, std::size_t to, std::string_view label, bool any_one) {
    if (from == to || !edges_.insert({from, to}).second) return;
    result_.edges.push_back(
        {from, to, std::string(label), any_one,
         result_.nodes[from].in_core && result_.nodes[to].in_core}
    );
  }

  static constexpr std::size_t none = ~std::size_t{0};

  const snapshot_data& state_;
  diagram_limits limits_;
  std::vector<wait_link> links_;
  std::unordered_map<std::uint64_t, std::size_t> first_helper_;  // by object, in links_
  std::unordered_map<std::uint64_t, std::size_t> node_of_;       // by tasklet
  std::unordered_map<std::uint64_t, std::size_t> object_node_;
  std::set<std::pair<std::size_t, std::size_t>> edges_;
  std::size_t outside_ = none;
  diagram result_;
};

}  // namespace

diagram draw(const deadlock_report& report, diagram_limits limits) {
  draughtsman drawing(report.state, limits);
  drawing.add_core(report.core, report.raised_in);
  drawing.add_groups(report.crowd, false, report.raised_in);
  return drawing.take();
}

diagram draw(const snapshot_data& state, diagram_limits limits) {
  draughtsman drawing(state, limits);
  drawing.add_groups(group_crowd(state, {}), true, 0);
  return drawing.take();
}

}  // namespace stackless::inline STACKLESS_ABI::detail
