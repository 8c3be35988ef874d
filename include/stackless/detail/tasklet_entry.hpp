#pragma once

#include <stackless/detail/scheduler_core.hpp>
#include <stackless/task.hpp>

#include <functional>
#include <memory>
#include <tuple>
#include <type_traits>
#include <utility>

namespace stackless::inline STACKLESS_ABI::detail {

/// Who spawns, where, and under what name.
struct spawn_origin {
  const char* name = nullptr;
  bool owns_name = false;
  bool site_known = false;
  site at{};
};

/// Control blocks of over-aligned arguments or results take a frame's size classes.
template <class Entry>
inline constexpr std::size_t slab_unit =
    alignof(Entry) <= frame_slab::block_unit ? frame_slab::block_unit : frame_slab::frame_unit;

template <class R>
struct block_with_result : tasklet_block {
  using tasklet_block::tasklet_block;

  void adopt_root(promise<R>& root) noexcept {
    root.deliver_to(result);
    current_frame = &root;
  }

  [[no_unique_address]] result_slot<R> result;
};

/// Whether a tasklet is born in a group: an empty base if not.
struct on_its_own {
  static child_link* link() noexcept { return nullptr; }
};
struct group_member {
  child_link* link() noexcept { return &link_; }

 private:
  child_link link_;
};

/// A tasklet whose root frame was made at the spawn and holds the arguments itself.
template <class R, class Membership>
struct direct_entry final : block_with_result<R>, Membership {
  using block_with_result<R>::block_with_result;

  [[nodiscard]] child_link* membership() noexcept override { return this->link(); }
  void destroy() noexcept override {
    this->~direct_entry();
    frame_slab::deallocate<slab_unit<direct_entry>>(this, sizeof(direct_entry));
  }
};

/// A tasklet that keeps its callable and arguments to its end, and calls at its first resume.
template <class R, class Membership, class F, class... A>
struct keeping_entry final : block_with_result<R>, Membership {
  template <class... Kept>
  keeping_entry(scheduler_core& scheduler, std::uint64_t number, Kept&&... kept)
      : block_with_result<R>(scheduler, number), kept_(std::forward<Kept>(kept)...) {
    this->keeps_callable = true;
  }
  keeping_entry(const keeping_entry&) = delete;
  keeping_entry& operator=(const keeping_entry&) = delete;
  ~keeping_entry() override {
    if (this->keeps_callable) std::destroy_at(std::addressof(kept_));
  }

  [[nodiscard]] child_link* membership() noexcept override { return this->link(); }
  void start() override {
    task<R> made = std::apply(
        [](F& callable, A&... arguments) -> task<R> {
          return std::invoke(callable, static_cast<A&&>(arguments)...);
        },
        kept_
    );
    this->adopt_root(root_access<R>::release(made));
  }
  void drop_callable() noexcept override {
    std::destroy_at(std::addressof(kept_));
    this->keeps_callable = false;
  }
  void destroy() noexcept override {
    this->~keeping_entry();
    frame_slab::deallocate<slab_unit<keeping_entry>>(this, sizeof(keeping_entry));
  }

 private:
  union {
    std::tuple<F, A...> kept_;
  };
};

/// Plain coroutine functions whose parameters are all values: the frame itself keeps them.
template <class F, class... A>
inline constexpr bool frame_keeps_arguments = false;
template <class R, class... P>
inline constexpr bool frame_keeps_arguments<task<R> (*)(P...), P...> =
    (!std::is_reference_v<P> && ...);
template <class R, class... P>
inline constexpr bool frame_keeps_arguments<task<R> (*)(P...) noexcept, P...> =
    (!std::is_reference_v<P> && ...);

template <class T>
inline constexpr bool is_reference_wrapper = false;
template <class T>
inline constexpr bool is_reference_wrapper<std::reference_wrapper<T>> = true;

/// Notes the spawner, and gives the block to its scheduler.
void enlist(scheduler_core& scheduler, tasklet_block& t, spawn_origin& origin) noexcept;

template <class R, class Membership = on_its_own, class F, class... A>
block_with_result<R>& make_tasklet(
    scheduler_core& scheduler, spawn_origin& origin, F callable, A... arguments
) {
  static_assert(
      (!is_reference_wrapper<A> && ...),
      "a spawned tasklet may outlive what a std::reference_wrapper refers to: "
      "pass a value, or say borrow(x) on purpose"
  );
  scheduler.check_spawn();
  if constexpr (frame_keeps_arguments<F, A...>) {
    using entry = direct_entry<R, Membership>;
    static_assert(alignof(entry) <= frame_slab::frame_unit, "over-aligned result of a tasklet");
    auto* block = new (frame_slab::allocate<slab_unit<entry>>(sizeof(entry)))
        entry(scheduler, scheduler.next_id());
    try {
      task<R> made = callable(std::move(arguments)...);
      block->adopt_root(root_access<R>::release(made));
    } catch (...) {
      block->destroy();
      throw;
    }
    enlist(scheduler, *block, origin);
    return *block;
  } else {
    using entry = keeping_entry<R, Membership, F, A...>;
    static_assert(alignof(entry) <= frame_slab::frame_unit, "over-aligned argument of spawn");
    void* memory = frame_slab::allocate<slab_unit<entry>>(sizeof(entry));
    entry* block = nullptr;
    try {
      block = new (memory)
          entry(scheduler, scheduler.next_id(), std::move(callable), std::move(arguments)...);
    } catch (...) {
      frame_slab::deallocate<slab_unit<entry>>(memory, sizeof(entry));
      throw;
    }
    enlist(scheduler, *block, origin);
    return *block;
  }
}

}  // namespace stackless::inline STACKLESS_ABI::detail
