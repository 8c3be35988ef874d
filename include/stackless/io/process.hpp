#pragma once

#include <stackless/io/file.hpp>
#include <stackless/task.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

namespace stackless::inline STACKLESS_ABI {

namespace detail {
struct child_state;
}  // namespace detail

namespace io {

/// What one of a child's standard streams is.
class child_stream {
 public:
  static child_stream inherit() noexcept { return child_stream(kind::inherit); }
  /// /dev/null.
  static child_stream null() noexcept { return child_stream(kind::null); }
  /// The other end is a `file` of the `process`.
  static child_stream pipe() noexcept { return child_stream(kind::pipe); }
  /// A copy of an open descriptor of ours, made when the child is started.
  static child_stream descriptor(int number) noexcept {
    return child_stream(kind::descriptor, number);
  }
  /// For the error stream: where the output goes, as `2>&1` in a shell.
  static child_stream same_as_output() noexcept { return child_stream(kind::same_as_output); }

  // For the library.
  enum class kind : std::uint8_t { inherit, null, pipe, descriptor, same_as_output };
  [[nodiscard]] kind what() const noexcept { return kind_; }
  [[nodiscard]] int number() const noexcept { return number_; }

 private:
  explicit child_stream(kind what, int number = -1) noexcept : number_(number), kind_(what) {}

  int number_;
  kind kind_;
};

struct process_options {
  /// "NAME=value" each; not set: ours.
  std::optional<std::vector<std::string>> environment;
  std::string directory;  ///< empty: ours
  child_stream standard_input = child_stream::inherit();
  child_stream standard_output = child_stream::inherit();
  child_stream standard_error = child_stream::inherit();
};

/// How a child ended.
class exit_status {
 public:
  /// It returned from main, or called `exit`.
  [[nodiscard]] bool exited() const noexcept { return !signalled_; }
  /// A signal ended it.
  [[nodiscard]] bool signalled() const noexcept { return signalled_; }
  /// The exit code; **Errors**: `std::logic_error` if a signal ended it.
  [[nodiscard]] int code() const;
  /// The signal's number; **Errors**: `std::logic_error` if it exited.
  [[nodiscard]] int signal() const;
  /// It exited with 0.
  [[nodiscard]] bool success() const noexcept { return !signalled_ && number_ == 0; }

  friend bool operator==(const exit_status&, const exit_status&) = default;

  /// For the library.
  exit_status(bool signalled, int number) noexcept : number_(number), signalled_(signalled) {}

 private:
  int number_;
  bool signalled_;
};

/// "exited with 3", "ended by signal 9 (Killed)".
[[nodiscard]] std::string to_string(const exit_status& status);

/// A child process. Movable; a moved-from one is empty, and using it is a `std::logic_error`.
///
/// It starts with no signal blocked and with default actions, and inherits no descriptors but its
/// standard streams (and what others have opened without close-on-exec).
///
/// **Lifetime**: a child that has not ended when its object goes is killed (SIGKILL). In any case
/// the library takes its status, so that no zombie stays. Let nobody else wait for children of this
/// process, and SIGCHLD not be ignored: the status would be gone.
/// **Threads**: for the scheduler's thread.
class process {
 public:
  /// Starts `arguments[0]`, which is looked up in our PATH if it has no slash. A plain function:
  /// returns when the program has been executed, or could not be.
  ///
  /// **Errors**: `io_error` that names the program, or the directory; `std::logic_error` for no
  /// arguments, for arguments with a zero in them, and for `same_as_output` on another stream than
  /// the error stream.
  explicit process(const std::vector<std::string>& arguments, const process_options& options = {});
  process(process&& other) noexcept = default;
  process& operator=(process&& other) noexcept;
  ~process();

  [[nodiscard]] int id() const;

  /// Our ends of the streams that are pipes; closed ones for those that are not. Close the input
  /// when all is written: the child sees the end then. A child that has closed its end is
  /// `std::errc::broken_pipe`; as `io::pipe` does, a pipe to its input ignores SIGPIPE.
  [[nodiscard]] file& standard_input();
  [[nodiscard]] file& standard_output();
  [[nodiscard]] file& standard_error();

  /// Waits until the child has ended. May be called again, and by several tasklets. Does not read
  /// the pipes: a child that fills one does not end.
  ///
  /// **Cancellation**: a cancel point, at once; the child goes on.
  /// **Errors**: `io_error` if its status is gone.
  /// **Wakes**: a source while it waits, as other I/O.
  task<exit_status> wait();

  /// The status if it has ended. A plain function.
  [[nodiscard]] std::optional<exit_status> try_wait();

  /// Sends it a signal. Nothing happens if it has ended.
  ///
  /// **Errors**: `io_error`, as for a number that is no signal.
  void kill(int signal);

 private:
  [[nodiscard]] detail::child_state& state() const;

  std::shared_ptr<detail::child_state> state_;
};

}  // namespace io

}  // namespace stackless::inline STACKLESS_ABI
