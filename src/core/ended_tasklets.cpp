#include <stackless/detail/ended_tasklets.hpp>
#include <stackless/detail/scheduler_core.hpp>

#include <utility>

namespace stackless::inline STACKLESS_ABI::detail {

ended_tasklets::ended_tasklets() noexcept {
  for (std::size_t i = 0; i < kept; ++i) records_[i].following = &records_[(i + 1) % kept];
}

void ended_tasklets::drop_extras(record& of) noexcept {
  of.has_extras = false;
  extras_[static_cast<std::size_t>(&of - records_.data())] = {};
}

void ended_tasklets::remember_extras(const tasklet_block& t) noexcept {
  const std::size_t place = latest_place();
  extra& here = extras_[place];
  records_[place].has_extras = true;
  here.error = t.error;
  here.killed = t.error && is_exit(t.error);
  here.spawner = t.spawner;
  try {
    here.name = t.name != nullptr ? t.name : "";  // an owned name ends with its tasklet
  } catch (...) {
    here.name.clear();  // no memory for a name: the report does without it
  }
}

std::vector<ended_tasklet> ended_tasklets::list(const tasklet_block* ending) const {
  std::vector<ended_tasklet> all;
  const record* next = oldest_;
  for (std::size_t i = 0; i < kept; ++i) {
    const record& here = *std::exchange(next, next->following);
    if (here.id == 0) continue;
    ended_tasklet& item = all.emplace_back();
    item.id = here.id;
    item.function = here.function;
    if (here.spawn_site_known) item.at = here.spawned_at;
    item.step = here.step;
    if (ending != nullptr && ending->id == here.id) {
      item.name = ending->name != nullptr ? ending->name : "";
      item.error = ending->error;
      item.killed = ending->error && is_exit(ending->error);
      item.spawner = ending->error ? ending->spawner : 0;
    } else if (here.has_extras) {
      const extra& more = extras_[static_cast<std::size_t>(&here - records_.data())];
      item.error = more.error;
      item.killed = more.killed;
      item.name = more.name;
      item.spawner = more.error ? more.spawner : 0;
    } else if (here.name != nullptr) {
      item.name = here.name;
    }
  }
  return all;
}

}  // namespace stackless::inline STACKLESS_ABI::detail
