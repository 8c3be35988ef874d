#pragma once

#include <stackless/cancel.hpp>
#include <stackless/detail/tasklet_entry.hpp>
#include <stackless/scheduler.hpp>

#include <concepts>
#include <exception>
#include <string>
#include <type_traits>
#include <utility>

namespace stackless::inline STACKLESS_ABI {

class nursery;

/// How a nursery stands.
struct nursery_statistics {
  std::size_t running = 0;  ///< children that have not ended, daemons included
  std::size_t daemons = 0;  ///< of these
  std::size_t spawned = 0;  ///< in all
  bool cancelled = false;
};

namespace detail {

/// The part of a nursery that spawns, counts, joins and collects errors.
class nursery_core final : public child_group, public wait_object {
 public:
  explicit nursery_core(site here);
  ~nursery_core();

  void adopt(tasklet_block& child, bool daemon) noexcept;
  void cancel(std::string reason);
  void child_ended(tasklet_block& t) noexcept override;

  /// The body, or its join, has ended with this error: the children are cancelled.
  void fail(std::exception_ptr error) noexcept;
  /// All children have ended, and the scope was left. \throws what the nursery ends with
  void finish();

  /// \throws std::logic_error in another tasklet than the nursery's own
  [[nodiscard]] bool must_wait();
  void await_children(wait& w) noexcept { joiner_ = &w; }

  [[nodiscard]] const nursery_statistics& statistics() const noexcept { return numbers_; }

  [[nodiscard]] bool withdraw(wait& w) noexcept override;
  [[nodiscard]] tasklet_block* oldest_beneath() const noexcept override;
  void describe(object_info& info, std::vector<const void*>& handles) const override;

 private:
  class daemon_group final : public child_group {
   public:
    explicit daemon_group(nursery_core& owner) noexcept : owner_(owner) {}
    void child_ended(tasklet_block& t) noexcept override { owner_.child_ended(t); }

   private:
    nursery_core& owner_;
  };

  void cancel_everything() noexcept;
  void take_error(std::exception_ptr error) noexcept;
  void wake_if_done() noexcept;

  daemon_group daemons_{*this};
  nursery_statistics numbers_;
  wait* joiner_ = nullptr;
  std::exception_ptr error_;
  bool cut_short_ = false;  ///< the body or a child was ended by `cancelled`
  site made_at_;
};

class nursery_join_awaiter {
 public:
  explicit nursery_join_awaiter(nursery_core& core) noexcept
      : wait_(wait_kind::nursery, &core), core_(core) {}
  nursery_join_awaiter(const nursery_join_awaiter&) = delete;
  nursery_join_awaiter& operator=(const nursery_join_awaiter&) = delete;

  [[nodiscard]] bool await_ready() const { return !core_.must_wait(); }
  template <std::derived_from<frame> Promise>
  std::coroutine_handle<> await_suspend(
      std::coroutine_handle<Promise> h, site here = site::current()
  ) noexcept {
    core_.await_children(wait_);
    return active_scheduler->block(wait_, h.promise(), here);
  }
  void await_resume() const { resumed(*active_scheduler->current()); }

 private:
  wait wait_;
  nursery_core& core_;
};

class [[nodiscard("an operation happens only when it is awaited")]] nursery_join_operation {
 public:
  explicit nursery_join_operation(nursery_core& core) noexcept : core_(core) {}
  nursery_join_awaiter make_awaiter() const noexcept { return nursery_join_awaiter(core_); }

 private:
  nursery_core& core_;
};

}  // namespace detail

/// Runs tasklets that end before it does: see `with_nursery`.
class nursery {
 public:
  nursery(const nursery&) = delete;
  nursery& operator=(const nursery&) = delete;

  /// As the function `spawn`, for a child of this nursery. When it ends with an error the nursery
  /// is cancelled, and raises that error once all children have ended. A child that is cancelled
  /// before its first turn never enters its function.
  template <class F, class... A>
    requires task_function<F, A...>
  tasklet<task_result_t<F, A...>> spawn(F f, A... args) {
    detail::spawn_origin unnamed;
    return make(unnamed, false, std::move(f), std::move(args)...);
  }
  template <class F, class... A>
    requires task_function<F, A...>
  tasklet<task_result_t<F, A...>> spawn(tasklet_name name, F f, A... args) {
    return make(name.origin(), false, std::move(f), std::move(args)...);
  }

  /// A child that the nursery does not wait for: it is cancelled when only such are left.
  template <class F, class... A>
    requires task_function<F, A...>
  any_tasklet spawn_daemon(F f, A... args) {
    detail::spawn_origin unnamed;
    return make(unnamed, true, std::move(f), std::move(args)...);
  }
  template <class F, class... A>
    requires task_function<F, A...>
  any_tasklet spawn_daemon(tasklet_name name, F f, A... args) {
    return make(name.origin(), true, std::move(f), std::move(args)...);
  }

  /// Cancels the body and all children; `with_nursery` then ends quietly, if none of them raises an
  /// error. A plain function.
  void cancel(std::string reason = {}) { core_.cancel(std::move(reason)); }

  /// Waits for all children but daemons. For bodies whose own locals the children use: these end
  /// with the body, before the nursery joins by itself.
  /// **Cancellation**: cancels the children, and raises once they have ended.
  /// **Errors**: `std::logic_error` in another tasklet than the one that called `with_nursery`.
  detail::nursery_join_operation join() noexcept { return detail::nursery_join_operation(core_); }

  [[nodiscard]] nursery_statistics statistics() const noexcept { return core_.statistics(); }

  /// For the library.
  explicit nursery(detail::site here) : core_(here) {}
  [[nodiscard]] detail::nursery_core& core() noexcept { return core_; }

 private:
  template <class F, class... A>
  tasklet<task_result_t<F, A...>> make(detail::spawn_origin& origin, bool daemon, F f, A... args) {
    using result = task_result_t<F, A...>;
    auto& child = detail::make_tasklet<result, detail::group_member>(
        detail::running_scheduler(), origin, std::move(f), std::move(args)...
    );
    core_.adopt(child, daemon);
    return tasklet<result>(child);
  }

  detail::nursery_core core_;
};

/// Runs `co_await body(nursery)` and then waits until all tasklets that it spawned there have
/// ended, on every path. Gives the body's result.
///
/// The first error, of the body or a child, cancels the others; when all have ended it is raised
/// here with its own type, and later ones are in `suppressed()`. What the body's callable and
/// its captures refer to outlives the children; the body's own locals do not (`nursery::join`).
///
/// **Cancellation**: cancels the children, waits for them, and is then raised. So is a kill.
/// **Errors**: the first one; `cancelled` if `nursery::cancel` took the result away.
template <class F>
  requires task_function<F&, nursery&>
task<task_result_t<F&, nursery&>> with_nursery(
    F&& body, detail::site here = detail::site::current()
) {
  using result = task_result_t<F&, nursery&>;
  detail::check_scope_callable<F>();
  nursery n(here);
  [[maybe_unused]] detail::completion<result> value{};
  try {
    if constexpr (std::is_void_v<result>) {
      co_await body(n);
    } else {
      value.emplace(co_await body(n));
    }
  } catch (...) {
    n.core().fail(std::current_exception());
  }
  try {
    co_await n.join();
  } catch (...) {
    n.core().fail(std::current_exception());
  }
  n.core().finish();
  if constexpr (!std::is_void_v<result>) {
    if (!value) throw cancelled();
    co_return std::move(*value);
  }
}

}  // namespace stackless::inline STACKLESS_ABI
