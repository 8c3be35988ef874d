#include <stackless/detail/local_table.hpp>
#include <stackless/detail/scheduler_core.hpp>
#include <stackless/error.hpp>

#include <atomic>
#include <utility>

namespace stackless::inline STACKLESS_ABI::detail {

namespace {

tasklet_block& acting_tasklet() {
  tasklet_block* t = active_scheduler != nullptr ? active_scheduler->current() : nullptr;
  if (t == nullptr)
    throw_misuse(
        "tasklet_local: there is no running tasklet: use it in one, or in functions that it calls"
    );
  return *t;
}

}  // namespace

std::uint64_t new_local_key() noexcept {
  static std::atomic<std::uint64_t> latest = 0;
  return latest.fetch_add(1, std::memory_order_relaxed) + 1;
}

local_entry* find_local(std::uint64_t key) {
  const tasklet_block& t = acting_tasklet();
  return t.home->locals ? t.home->locals->find(t.id, key) : nullptr;
}

void add_local(std::uint64_t key, std::unique_ptr<local_entry> entry) {
  tasklet_block& t = acting_tasklet();
  if (!t.home->locals) t.home->locals = std::make_unique<local_table>();
  entry->key = key;
  t.home->locals->add(t.id, std::move(entry));
  t.end_duties |= let_go;
}

std::unique_ptr<local_entry> remove_local(std::uint64_t key) {
  const tasklet_block& t = acting_tasklet();
  return t.home->locals ? t.home->locals->remove(t.id, key) : nullptr;
}

void scheduler_core::drop_locals(const tasklet_block& owner) noexcept {
  if (locals) locals->drop(owner.id);
}

// The table
// ----------------------------------------------------------------------------------------

local_table::list* local_table::list_of(std::uint64_t tasklet) {
  if (latest_ == tasklet) return latest_list_;
  const auto found = lists_.find(tasklet);
  if (found == lists_.end()) return nullptr;
  latest_ = tasklet;
  latest_list_ = &found->second;
  return latest_list_;
}

local_entry* local_table::find(std::uint64_t tasklet, std::uint64_t key) {
  const list* entries = list_of(tasklet);
  if (entries == nullptr) return nullptr;
  for (local_entry* e = entries->get(); e != nullptr; e = e->next.get())
    if (e->key == key) return e;
  return nullptr;
}

void local_table::add(std::uint64_t tasklet, std::unique_ptr<local_entry> entry) {
  list& entries = lists_[tasklet];
  entry->next = std::move(entries);
  entries = std::move(entry);
}

std::unique_ptr<local_entry> local_table::remove(std::uint64_t tasklet, std::uint64_t key) {
  list* place = list_of(tasklet);
  while (place != nullptr && *place && (*place)->key != key) place = &(*place)->next;
  if (place == nullptr || !*place) return nullptr;
  std::unique_ptr<local_entry> entry = std::move(*place);
  *place = std::move(entry->next);
  return entry;  // destroyed by the caller: its destructor may come back here
}

void local_table::drop(std::uint64_t tasklet) noexcept {
  while (list* entries = list_of(tasklet)) {
    list dropped = std::move(*entries);
    if (!dropped) break;
    while (dropped) dropped = std::move(dropped->next);
  }
  if (latest_ == tasklet) latest_ = 0;
  lists_.erase(tasklet);
}

}  // namespace stackless::inline STACKLESS_ABI::detail
