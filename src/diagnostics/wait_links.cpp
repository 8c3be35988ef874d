#include <stackless/snapshot.hpp>

#include <algorithm>

namespace stackless::inline STACKLESS_ABI {

namespace {

/// Those who could do what is waited for on the object.
void add_helpers(const object_info& object, std::vector<wait_link>& links) {
  if (!object.unfinished.empty()) {
    for (std::uint64_t child : object.unfinished)
      links.push_back({child, object.id, link_kind::held_by, {}});
    return;
  }
  switch (object.kind) {
  case object_kind::mutex:
  case object_kind::shared_mutex:
  case object_kind::once:
  case object_kind::tasklet:
  case object_kind::start:
  case object_kind::nursery:
    if (object.tasklet != 0) links.push_back({object.tasklet, object.id, link_kind::held_by, {}});
    return;
  default:
    break;
  }
  for (std::size_t i = 0; i < object.holders.size(); ++i) {
    const std::uint64_t tasklet = object.holders[i].tasklet;
    if (i == 0 || tasklet != object.holders[i - 1].tasklet)
      links.push_back({tasklet, object.id, link_kind::any_of, {}});
  }
}

}  // namespace

std::vector<wait_link> wait_links(const snapshot_data& data) {
  std::vector<wait_link> links;
  for (const tasklet_info& t : data.tasklets) {
    if (t.state != tasklet_state::blocked) continue;
    if (t.waits.object != 0 && t.waits.cases.empty())
      links.push_back({t.id, t.waits.object, link_kind::waits_for, t.waits.operation});
    for (const wait_case& each : t.waits.cases)
      if (each.object != 0)
        links.push_back({t.id, each.object, link_kind::waits_for, each.operation});
  }
  for (const object_info& object : data.objects) add_helpers(object, links);
  return links;
}

}  // namespace stackless::inline STACKLESS_ABI
