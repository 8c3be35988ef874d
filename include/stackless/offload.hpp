#pragma once

#include <stackless/detail/awaited_once.hpp>
#include <stackless/detail/offload_wait.hpp>
#include <stackless/detail/promise.hpp>
#include <stackless/detail/result_slot.hpp>
#include <stackless/detail/structured.hpp>
#include <stackless/task.hpp>

#include <concepts>
#include <coroutine>
#include <cstddef>
#include <exception>
#include <functional>
#include <optional>
#include <stop_token>
#include <tuple>
#include <type_traits>
#include <utility>

namespace stackless::inline STACKLESS_ABI {

namespace detail {

[[noreturn]] void throw_offloaded_twice();

/// Whether the work wants to be told of a cancellation: as of `std::jthread`.
template <class F, class... A>
inline constexpr bool takes_stop_token = std::invocable<F, std::stop_token, A...>;

// An rvalue reference would be to something that is gone: a value.
template <class T>
using kept_result = std::conditional_t<std::is_rvalue_reference_v<T>, std::remove_cvref_t<T>, T>;

template <class F, class... A>
struct offload_result {
  using type = kept_result<std::invoke_result_t<F, A...>>;
};
template <class F, class... A>
  requires takes_stop_token<F, A...>
struct offload_result<F, A...> {
  using type = kept_result<std::invoke_result_t<F, std::stop_token, A...>>;
};

template <class F, class... A>
class offload_operation;

template <class F, class... A>
class offload_awaiter final : private offload_wait {
 public:
  using result_type = typename offload_result<F, A...>::type;

  explicit offload_awaiter(offload_operation<F, A...>& operation) noexcept
      : operation_(operation) {}

  bool await_ready() {
    check_before();
    operation_.use();
    return false;
  }

  template <std::derived_from<frame> Promise>
  std::coroutine_handle<> await_suspend(
      std::coroutine_handle<Promise> h, site here = site::current()
  ) {
    if constexpr (takes_stop_token<F, A...>) stop_.emplace();
    submit();
    return block(h.promise(), here);
  }

  result_type await_resume() {
    settle();
    if (error_) std::rethrow_exception(std::exchange(error_, nullptr));
    return result_.take();
  }

 private:
  struct no_stop_source {};

  void perform() noexcept override {
    try {
      const auto call = [this](A&... arguments) -> result_type {
        if constexpr (takes_stop_token<F, A...>) {
          return std::invoke(
              std::move(operation_.work()), stop_->get_token(), std::move(arguments)...
          );
        } else {
          return std::invoke(std::move(operation_.work()), std::move(arguments)...);
        }
      };
      if constexpr (std::is_void_v<result_type>) {
        std::apply(call, operation_.arguments());
      } else {
        result_.emplace(std::apply(call, operation_.arguments()));
      }
    } catch (...) {
      error_ = std::current_exception();
    }
  }

  void ask_to_stop() noexcept override {
    if constexpr (takes_stop_token<F, A...>) stop_->request_stop();
  }

  offload_operation<F, A...>& operation_;
  [[no_unique_address]] result_slot<result_type> result_;
  std::exception_ptr error_;
  [[no_unique_address]] std::
      conditional_t<takes_stop_token<F, A...>, std::optional<std::stop_source>, no_stop_source>
          stop_;
};

template <class F, class... A>
class [[STACKLESS_OPERATION]] offload_operation : public awaited_once {
 public:
  template <class G, class... B>
  explicit offload_operation(std::in_place_t, G&& work, B&&... arguments)
      : work_(std::forward<G>(work)), arguments_(std::forward<B>(arguments)...) {}
  offload_operation(const offload_operation&) = delete;
  offload_operation& operator=(const offload_operation&) = delete;

  offload_awaiter<F, A...> make_awaiter() noexcept { return offload_awaiter<F, A...>(*this); }

  // For the awaiter.
  void use() {
    if (std::exchange(used_, true)) throw_offloaded_twice();
  }
  [[nodiscard]] F& work() noexcept { return work_; }
  [[nodiscard]] std::tuple<A...>& arguments() noexcept { return arguments_; }

 private:
  F work_;
  std::tuple<A...> arguments_;
  bool used_ = false;
};

template <class A>
constexpr void check_offloaded_argument() noexcept {
#if STACKLESS_DOUBLE_DESTROYS_AGGREGATES
  static_assert(
      std::is_lvalue_reference_v<A> || !std::is_aggregate_v<std::remove_reference_t<A>> ||
          std::is_trivially_destructible_v<std::remove_reference_t<A>>,
      "GCC 12 destroys an aggregate temporary in a co_await expression twice: give it a name and "
      "pass that (docs/compilers.md)"
  );
#endif
}

}  // namespace detail

/// Runs `f(args…)`, which may block, on a thread of the pool, and gives its result. Meanwhile the
/// other tasklets run. If `f` takes a `std::stop_token` in front of the arguments it is given one.
///
/// The callable and the arguments are copied or moved into the awaiting frame, and are used up from
/// there; `std::ref` passes a reference, to what must not be changed meanwhile. No allocation,
/// except for a stop token.
///
/// **Order**: work that finds every thread busy waits its turn; first come, first served, over all
/// schedulers of the process.
/// **Cancellation**: a cancel point. Work that no thread has begun is taken back, and never
/// happens. What has begun can only end by itself: a stop is requested of its token, and a kill is
/// raised when it has ended; a result that it gives in spite of a cancellation stands, and the next
/// await raises.
/// **Errors**: what `f` raises; `std::system_error` if the pool has no thread and none can be
/// started.
/// **Threads**: `f` runs on another thread, with signals blocked, and must not touch what belongs
/// to the scheduler. What the tasklet wrote before is seen there, and the other way round. A child
/// of `fork()` has none of the threads: there nothing may be offloaded before an `exec`.
/// **Wakes**: the tasklet goes to the tail of the ring when its work has ended. Until then it
/// counts as a source: nothing is called a deadlock.
template <class F, class... A>
[[nodiscard]] auto offload(F&& f, A&&... args)
    -> detail::offload_operation<std::decay_t<F>, std::decay_t<A>...>
  requires std::invocable<std::decay_t<F>, std::decay_t<A>...> ||
           std::invocable<std::decay_t<F>, std::stop_token, std::decay_t<A>...>
{
  using result = typename detail::offload_result<std::decay_t<F>, std::decay_t<A>...>::type;
  static_assert(
      !detail::is_task<result>,
      "offload runs plain functions: a coroutine belongs to the scheduler's thread"
  );
  static_assert(
      std::is_void_v<result> || std::is_reference_v<result> || std::move_constructible<result>,
      "the result of the work is moved to the tasklet that awaits it"
  );
  detail::check_scope_callable<F>();
  (detail::check_offloaded_argument<A>(), ...);
  return detail::offload_operation<std::decay_t<F>, std::decay_t<A>...>(
      std::in_place, std::forward<F>(f), std::forward<A>(args)...
  );
}

/// How many threads the process has for offloaded work at most; 16 unless it was set.
/// **Threads**: any.
[[nodiscard]] std::size_t offload_threads() noexcept;

/// Threads are started when work finds all others busy, and stay. Those that are too many after a
/// change end when they have nothing to do.
///
/// **Errors**: `std::logic_error` for 0. **Threads**: any.
void set_offload_threads(std::size_t most);

}  // namespace stackless::inline STACKLESS_ABI
