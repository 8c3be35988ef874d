#pragma once

#include <stackless/cancel.hpp>
#include <stackless/detail/awaited_once.hpp>
#include <stackless/detail/starting.hpp>
#include <stackless/detail/tasklet_entry.hpp>
#include <stackless/scheduler.hpp>

#include <concepts>
#include <exception>
#include <string>
#include <type_traits>
#include <utility>

namespace stackless::inline STACKLESS_ABI {

class nursery;

/// `with_nursery(collect_errors, body)`: no error cancels the others, see there.
struct collect_errors_t {
  explicit collect_errors_t() = default;
};
inline constexpr collect_errors_t collect_errors{};

/// How a nursery stands.
struct nursery_statistics {
  std::size_t running = 0;  ///< children that have not ended, daemons included
  std::size_t daemons = 0;  ///< of these
  std::size_t spawned = 0;  ///< in all
  std::size_t failed = 0;   ///< children that ended with an error which the nursery raises
  bool cancelled = false;
};

namespace detail {

/// The part of a nursery that spawns, counts, joins and collects errors.
class nursery_core final : public child_group, public wait_object {
 public:
  nursery_core(site here, bool collects);
  ~nursery_core();

  void adopt(tasklet_block& child, bool daemon) noexcept;
  void cancel(std::string reason);
  void child_ended(tasklet_block& t) noexcept override;

  // What `child_ended` consists of.
  void child_left(tasklet_block& t) noexcept;
  /// A child has ended with this error.
  void child_failed(std::exception_ptr error) noexcept;

  /// The body has ended with this error.
  void body_failed(std::exception_ptr error) noexcept;
  /// This error came from outside: the children are cancelled.
  void fail(std::exception_ptr error) noexcept;
  void wake_if_done() noexcept;
  /// While somebody waits for a child's start, the nursery does not end.
  void hold() noexcept { ++holds_; }
  void unhold() noexcept {
    --holds_;
    wake_if_done();
  }
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
  friend struct debug_layout;

  class daemon_group final : public child_group {
   public:
    explicit daemon_group(nursery_core& owner) noexcept : owner_(owner) {}
    void child_ended(tasklet_block& t) noexcept override { owner_.child_ended(t); }

   private:
    nursery_core& owner_;
  };

  void cancel_everything() noexcept;
  void take_error(std::exception_ptr error) noexcept;

  daemon_group daemons_{*this};
  nursery_statistics numbers_;
  wait* joiner_ = nullptr;
  std::exception_ptr error_;
  std::size_t holds_ = 0;
  bool collects_;
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

class [[STACKLESS_OPERATION]] nursery_join_operation : public awaited_once {
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
  template <class... A>
    requires detail::mistaken_spawn<A...>
  tasklet<> spawn(A&&...) {
    detail::explain_spawn<A...>();
    return {};
  }

  /// As `spawn`, to be awaited: goes on when the child says that it has started, and gives the
  /// value that came with it. `f` is called with a `started<T>` before the arguments:
  ///
  ///     auto port = co_await n.spawn_ready<int>("server", serve, address);
  ///
  /// **Cancellation**: cancels the child, waits for its end, and raises then.
  /// **Errors**: the child's, if it fails before it has started (then it is not the nursery's);
  /// `std::logic_error` if it ends without having said so, `tasklet_killed` if it was killed or
  /// cancelled. Once it has started it is a child as any other; so it is when nobody awaits this.
  template <class T = void, class F, class... A>
    requires task_function<std::decay_t<F>, started<T>, std::decay_t<A>...>
  detail::start_operation<T> spawn_ready(F&& f, A&&... args) {
    detail::spawn_origin unnamed;
    return start<T>(unnamed, std::forward<F>(f), std::forward<A>(args)...);
  }
  template <class T = void, class F, class... A>
    requires task_function<std::decay_t<F>, started<T>, std::decay_t<A>...>
  detail::start_operation<T> spawn_ready(tasklet_name name, F&& f, A&&... args) {
    return start<T>(name.origin(), std::forward<F>(f), std::forward<A>(args)...);
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
  template <class... A>
    requires detail::mistaken_spawn<A...>
  any_tasklet spawn_daemon(A&&...) {
    detail::explain_spawn<A...>();
    return {};
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
  explicit nursery(detail::site here, bool collects = false) : core_(here, collects) {}
  [[nodiscard]] detail::nursery_core& core() noexcept { return core_; }

 private:
  template <class F, class... A>
  tasklet<task_result_t<F, A...>> make(detail::spawn_origin& origin, bool daemon, F f, A... args) {
    return tasklet<task_result_t<F, A...>>(
        make_block(origin, daemon, std::move(f), std::move(args)...)
    );
  }
  template <class F, class... A>
  detail::block_with_result<task_result_t<F, A...>>& make_block(
      detail::spawn_origin& origin, bool daemon, F f, A... args
  ) {
    auto& child = detail::make_tasklet<task_result_t<F, A...>, detail::group_member>(
        detail::running_scheduler(), origin, std::move(f), std::move(args)...
    );
    core_.adopt(child, daemon);
    return child;
  }

  template <class T, class F, class... A>
  detail::start_operation<T> start(detail::spawn_origin& origin, F&& f, A&&... args) {
    detail::check_start_arguments<F, A...>();
    return detail::start_operation<T>(core_, [&](started<T> signal) -> detail::tasklet_block& {
      return make_block(
          origin, false, std::decay_t<F>(std::forward<F>(f)), std::move(signal),
          std::decay_t<A>(std::forward<A>(args))...
      );
    });
  }

  detail::nursery_core core_;
};

namespace detail {
template <class F>
task<task_result_t<F&, nursery&>> run_nursery(F&& body, bool collects, site here) {
  using result = task_result_t<F&, nursery&>;
  check_scope_callable<F>();
  nursery n(here, collects);
  [[maybe_unused]] completion<result> value{};
  try {
    if constexpr (std::is_void_v<result>) {
      co_await body(n);
    } else {
      value.emplace(co_await body(n));
    }
  } catch (...) {
    n.core().body_failed(std::current_exception());
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
}  // namespace detail

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
  detail::check_scope_callable<F>();
  return detail::run_nursery(std::forward<F>(body), false, here);
}

/// As above, but an error, of the body or a child, does not cancel the others: all run to their
/// end. The first error is raised then, and the others are in `suppressed()` of it, in their order.
template <class F>
  requires task_function<F&, nursery&>
task<task_result_t<F&, nursery&>> with_nursery(
    collect_errors_t, F&& body, detail::site here = detail::site::current()
) {
  detail::check_scope_callable<F>();
  return detail::run_nursery(std::forward<F>(body), true, here);
}

}  // namespace stackless::inline STACKLESS_ABI
