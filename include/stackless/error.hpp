#pragma once

#include <stackless/detail/config.hpp>

#include <exception>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace stackless::inline STACKLESS_ABI {

/// Raised in a tasklet by `kill`, and in every tasklet at teardown. Leaving a tasklet by it is a
/// quiet end. Outside `std::exception`, so that `catch (const std::exception&)` does not swallow
/// it.
class tasklet_exit final {};

/// Raised at each await inside a scope that was cancelled (cancel.hpp), and taken by that scope.
/// Outside `std::exception`, so that `catch (const std::exception&)` does not swallow it; one that
/// is swallowed is raised again at the next await.
class cancelled final {
 public:
  cancelled() noexcept = default;
  explicit cancelled(std::shared_ptr<const std::string> reason) noexcept
      : reason_(std::move(reason)) {}
  explicit cancelled(std::string reason)
      : reason_(std::make_shared<const std::string>(std::move(reason))) {}

  [[nodiscard]] std::string_view reason() const noexcept {
    return reason_ ? std::string_view(*reason_) : "cancelled";
  }

 private:
  std::shared_ptr<const std::string> reason_;
};

/// `fail_after`: the time was not enough.
class timeout_error : public std::runtime_error {
 public:
  explicit timeout_error(const std::string& what) : std::runtime_error(what) {}
};

/// `send` on a closed channel, or `receive` on a closed and drained one.
class channel_closed : public std::runtime_error {
 public:
  explicit channel_closed(const std::string& what) : std::runtime_error(what) {}
};

/// `run` was ended by `request_stop`.
class run_stopped : public std::runtime_error {
 public:
  explicit run_stopped(const std::string& what) : std::runtime_error(what) {}
};

/// `join` on a tasklet that was killed.
class tasklet_killed : public std::runtime_error {
 public:
  explicit tasklet_killed(const std::string& what) : std::runtime_error(what) {}
};

/// A tasklet whose block trap is set was about to block; nothing was changed.
class block_trap_error : public std::runtime_error {
 public:
  explicit block_trap_error(const std::string& what) : std::runtime_error(what) {}
};

/// A switch trap is set, and the operation would have made another tasklet run; nothing was
/// changed.
class switch_trap_error : public std::runtime_error {
 public:
  explicit switch_trap_error(const std::string& what) : std::runtime_error(what) {}
};

/// The mutex, event and so on that a tasklet waited for was destroyed. A mistake of the program.
class object_gone : public std::logic_error {
 public:
  explicit object_gone(const std::string& what) : std::logic_error(what) {}
};

/// The errors that came too late to be raised where `error` was raised, in order of arrival. Kept
/// for the most recent errors of this thread.
[[nodiscard]] std::vector<std::exception_ptr> suppressed(const std::exception_ptr& error);

/// One line about an exception: its type and, where it has one, its text.
[[nodiscard]] std::string describe(const std::exception_ptr& error);

namespace detail {
void add_suppressed(const std::exception_ptr& error, std::exception_ptr later);
[[noreturn]] void throw_misuse(const char* sentence);  ///< \throws std::logic_error
}  // namespace detail

}  // namespace stackless::inline STACKLESS_ABI
