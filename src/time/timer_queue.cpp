#include <stackless/detail/scheduler_core.hpp>
#include <stackless/detail/timer_queue.hpp>
#include <stackless/snapshot.hpp>

namespace stackless::inline STACKLESS_ABI::detail {

void timer_queue::put(std::size_t place, const entry& e) noexcept {
  heap_[place] = e;
  e.item->place = place;
}

void timer_queue::sift_up(std::size_t place, const entry& e) noexcept {
  while (place > 0) {
    const std::size_t parent = (place - 1) / 2;
    if (!before(e, heap_[parent])) break;
    put(place, heap_[parent]);
    place = parent;
  }
  put(place, e);
}

void timer_queue::sift_down(std::size_t place, const entry& e) noexcept {
  for (;;) {
    std::size_t child = 2 * place + 1;
    if (child >= heap_.size()) break;
    if (child + 1 < heap_.size() && before(heap_[child + 1], heap_[child])) ++child;
    if (!before(heap_[child], e)) break;
    put(place, heap_[child]);
    place = child;
  }
  put(place, e);
}

void timer_queue::insert(timer& t) {
  t.order = inserted_++;
  const entry e{t.deadline, t.order, &t};
  heap_.push_back(e);
  sift_up(heap_.size() - 1, e);
}

void timer_queue::remove(timer& t) noexcept {
  const std::size_t place = t.place;
  const entry last = heap_.back();
  heap_.pop_back();
  if (last.item == &t) return;
  if (place > 0 && before(last, heap_[(place - 1) / 2])) {
    sift_up(place, last);
  } else {
    sift_down(place, last);
  }
}

void sleep_timer::fire(scheduler_core& core) noexcept {
  core.wake(sleeper_);
}

bool sleep_timer::withdraw(wait& w) noexcept {
  w.owner->home->stop(*this);
  return true;
}

void sleep_timer::describe(object_info& info, std::vector<const void*>&) const {
  info.kind = object_kind::timer;
  info.name = "timer";
}

}  // namespace stackless::inline STACKLESS_ABI::detail
