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
    root.parent = nullptr;
    root.deliver_to(result);
    current_frame = &root;
  }

  [[no_unique_address]] result_slot<R> result;

 protected:
  ~block_with_result() = default;
};

/// Of a result that was never taken, too.
template <class R>
inline constexpr bool nothing_to_destroy =
    std::is_void_v<R> || std::is_reference_v<R> || std::is_trivially_destructible_v<R>;

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
  direct_entry(scheduler_core& scheduler, std::uint64_t number) noexcept
      : block_with_result<R>(scheduler, number) {
    constexpr std::size_t index = frame_slab::index_of<frame_slab::block_unit>(sizeof(*this));
    if constexpr (!STACKLESS_ADDRESS_SANITIZER && nothing_to_destroy<R> && index < 8 &&
                  slab_unit<direct_entry> == frame_slab::block_unit) {
      this->plain_class = index;
    } else {
      this->end_duties = drop_more;
    }
  }

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
    this->end_duties = drop_more;
  }
  keeping_entry(const keeping_entry&) = delete;
  keeping_entry& operator=(const keeping_entry&) = delete;
  ~keeping_entry() {
    if ((this->end_duties & drop_more) != 0) std::destroy_at(std::addressof(kept_));
  }

  [[nodiscard]] child_link* membership() noexcept override { return this->link(); }
  void start() override {
    this->adopt_root(root_access<R>::release(std::apply(
        [](F& callable, A&... arguments) -> task<R> {
          return std::invoke(callable, static_cast<A&&>(arguments)...);
        },
        kept_
    )));
  }
  void drop_callable() noexcept override {
    std::destroy_at(std::addressof(kept_));
    this->end_duties &= static_cast<std::uint8_t>(~drop_more & 0x1f);
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
void enlist(scheduler_core& scheduler, tasklet_block& t) noexcept;
/// For a spawn that says its name and its place; takes the name over.
void label(tasklet_block& t, spawn_origin& origin) noexcept;

template <std::size_t Unit, class Promise>
[[gnu::noinline]] void* allocate_or_destroy(std::size_t size, Promise& root) {
  try {
    return frame_slab::allocate<Unit>(size);
  } catch (...) {
    root.destroy();
    throw;
  }
}

/// A tasklet of a coroutine that has just been made and that keeps its arguments itself. Inlined: a
/// spawn is about as long as the call would be.
template <class R, class Membership>
[[gnu::always_inline]] inline block_with_result<R>& make_direct(
    scheduler_core& scheduler, promise<R>& root
) {
  using entry = direct_entry<R, Membership>;
  static_assert(alignof(entry) <= frame_slab::frame_unit, "over-aligned result of a tasklet");
  void* memory = frame_slab::try_allocate<slab_unit<entry>>(sizeof(entry));
  if (memory == nullptr) [[unlikely]]
    memory = allocate_or_destroy<slab_unit<entry>>(sizeof(entry), root);
  auto* block = new (memory) entry(scheduler, scheduler.next_id());
  block->adopt_root(root);
  enlist(scheduler, *block);
  return *block;
}

template <class R, class Membership, class F, class... A>
block_with_result<R>& make_keeping(scheduler_core& scheduler, F&& callable, A&&... arguments) {
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
  enlist(scheduler, *block);
  return *block;
}

template <class R, class Membership = on_its_own, class F, class... A>
[[gnu::always_inline]] inline block_with_result<R>& make_tasklet(
    scheduler_core& scheduler, F callable, A... arguments
) {
  static_assert(
      (!is_reference_wrapper<A> && ...),
      "a spawned tasklet may outlive what a std::reference_wrapper refers to: "
      "pass a value, or say borrow(x) on purpose"
  );
  scheduler.check_spawn();
  if constexpr (frame_keeps_arguments<F, A...>) {
    return make_direct<R, Membership>(
        scheduler, root_access<R>::release(callable(std::move(arguments)...))
    );
  } else {
    return make_keeping<R, Membership>(scheduler, std::move(callable), std::move(arguments)...);
  }
}

/// As above, under a name.
template <class R, class Membership = on_its_own, class F, class... A>
block_with_result<R>& make_tasklet(
    scheduler_core& scheduler, spawn_origin& origin, F callable, A... arguments
) {
  auto& block =
      make_tasklet<R, Membership>(scheduler, std::move(callable), std::move(arguments)...);
  label(block, origin);
  return block;
}

}  // namespace stackless::inline STACKLESS_ABI::detail
