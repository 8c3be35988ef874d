#include <stackless/error.hpp>
#include <stackless/io/descriptor.hpp>
#include <stackless/io/error.hpp>
#include <stackless/io/process.hpp>
#include <stackless/time.hpp>

#include "child.hpp"
#include "failure.hpp"
#include "file_access.hpp"
#include "resource.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <utility>

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

namespace stackless::inline STACKLESS_ABI {

namespace detail {

namespace {

using io::owned_descriptor;

std::atomic<bool> without_pidfd = false;

[[noreturn]] void throw_spawn_error(int error, const std::string& about) {
  throw io::io_error({error, std::system_category()}, "spawn", -1, about);
}

/// Above the standard streams, so that no `dup2` to one of them overwrites it.
owned_descriptor moved_up(owned_descriptor from, const std::string& program) {
  const int number = ::fcntl(from.get(), F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
  if (number == -1) throw_spawn_error(errno, program);
  return owned_descriptor(number);
}

io_handle handle_of(owned_descriptor descriptor, const std::string& name) {
  io_handle made = io_handle::make(io_resource::kind::file, name);
  made->descriptor = descriptor.release();
  return made;
}

constexpr std::array<const char*, 3> stream_names{"input", "output", "error"};

/// The child's end of a stream, and ours if it is a pipe.
struct stream_ends {
  owned_descriptor child;
  io_handle ours;
};

stream_ends ends_of(const io::child_stream& stream, int number, const std::string& program) {
  using kind = io::child_stream::kind;
  stream_ends ends;
  switch (stream.what()) {
  case kind::inherit:
  case kind::same_as_output:
    break;
  case kind::null:
    ends.child = owned_descriptor(::open("/dev/null", O_RDWR | O_CLOEXEC));
    if (ends.child.get() == -1) throw_spawn_error(errno, "/dev/null");
    ends.child = moved_up(std::move(ends.child), program);
    break;
  case kind::descriptor: {
    const int copy = ::fcntl(stream.number(), F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    if (copy == -1) throw_spawn_error(errno, program);
    ends.child = owned_descriptor(copy);
    break;
  }
  case kind::pipe: {
    std::array<int, 2> made{-1, -1};
    if (::pipe2(made.data(), O_CLOEXEC) == -1) throw_spawn_error(errno, program);
    owned_descriptor to_read(made[0]);
    owned_descriptor to_write(made[1]);
    const bool is_input = number == STDIN_FILENO;
    if (is_input) ignore_broken_pipes();
    ends.child = moved_up(std::move(is_input ? to_read : to_write), program);
    ends.ours = handle_of(
        std::move(is_input ? to_write : to_read),
        "the " + std::string(stream_names[static_cast<std::size_t>(number)]) + " of " + program
    );
    break;
  }
  }
  return ends;
}

/// What `posix_spawn` is told. Its functions fail for want of memory only.
class spawn_plan {
 public:
  spawn_plan() {
    check(::posix_spawn_file_actions_init(&actions_));
    if (const int error = ::posix_spawnattr_init(&attributes_); error != 0) {
      ::posix_spawn_file_actions_destroy(&actions_);
      check(error);
    }
    sigset_t set;
    ::sigemptyset(&set);
    ::posix_spawnattr_setsigmask(&attributes_, &set);
    ::sigfillset(&set);
    ::posix_spawnattr_setsigdefault(&attributes_, &set);
    ::posix_spawnattr_setflags(&attributes_, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  }
  spawn_plan(const spawn_plan&) = delete;
  spawn_plan& operator=(const spawn_plan&) = delete;
  ~spawn_plan() {
    ::posix_spawnattr_destroy(&attributes_);
    ::posix_spawn_file_actions_destroy(&actions_);
  }

  void put(int from, int to) { check(::posix_spawn_file_actions_adddup2(&actions_, from, to)); }
  void change_directory(const std::string& path) {
    check(::posix_spawn_file_actions_addchdir_np(&actions_, path.c_str()));
  }
  /// An errno value, or 0.
  [[nodiscard]] int start(pid_t& pid, char* const* arguments, char* const* environment) {
    return ::posix_spawnp(&pid, arguments[0], &actions_, &attributes_, arguments, environment);
  }

 private:
  static void check(int error) {
    if (error != 0) throw std::system_error(error, std::system_category(), "posix_spawn");
  }

  posix_spawn_file_actions_t actions_{};
  posix_spawnattr_t attributes_{};
};

std::vector<char*> pointers_to(std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  pointers.reserve(texts.size() + 1);
  for (std::string& text : texts) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

bool has_zero(const std::string& text) {
  return text.find('\0') != std::string::npos;
}

void check_options(const std::vector<std::string>& arguments, const io::process_options& options) {
  if (arguments.empty()) throw_misuse("process: there is no program to start");
  using kind = io::child_stream::kind;
  if (options.standard_input.what() == kind::same_as_output ||
      options.standard_output.what() == kind::same_as_output)
    throw_misuse("process: same_as_output is for the error stream");
  bool zero =
      has_zero(options.directory) || std::any_of(arguments.begin(), arguments.end(), has_zero);
  if (options.environment)
    zero |= std::any_of(options.environment->begin(), options.environment->end(), has_zero);
  if (zero)
    throw_misuse("process: a zero character in an argument, the environment or the directory");
}

int open_pidfd(pid_t pid) noexcept {
#ifdef SYS_pidfd_open
  if (!without_pidfd) return static_cast<int>(::syscall(SYS_pidfd_open, pid, 0));
#endif
  (void)pid;
  return -1;
}

void start_child(
    child_state& state, std::vector<std::string> arguments, const io::process_options& options
) {
  stream_ends input = ends_of(options.standard_input, STDIN_FILENO, state.program);
  stream_ends output = ends_of(options.standard_output, STDOUT_FILENO, state.program);
  stream_ends error = ends_of(options.standard_error, STDERR_FILENO, state.program);

  spawn_plan plan;
  if (input.child.get() != -1) plan.put(input.child.get(), STDIN_FILENO);
  if (output.child.get() != -1) plan.put(output.child.get(), STDOUT_FILENO);
  if (error.child.get() != -1) plan.put(error.child.get(), STDERR_FILENO);
  if (options.standard_error.what() == io::child_stream::kind::same_as_output)
    plan.put(STDOUT_FILENO, STDERR_FILENO);
  if (!options.directory.empty()) plan.change_directory(options.directory);

  std::vector<std::string> environment = options.environment.value_or(std::vector<std::string>());
  const std::vector<char*> argument_pointers = pointers_to(arguments);
  const std::vector<char*> environment_pointers = pointers_to(environment);
  io_handle ended = io_handle::make(io_resource::kind::file, "end of " + state.program);

  pid_t pid = -1;
  const int failure = plan.start(
      pid, argument_pointers.data(), options.environment ? environment_pointers.data() : environ
  );
  if (failure != 0) {
    struct stat status{};
    const bool no_directory =
        !options.directory.empty() &&
        (::stat(options.directory.c_str(), &status) == -1 || !S_ISDIR(status.st_mode) ||
         ::access(options.directory.c_str(), X_OK) == -1);
    throw_spawn_error(failure, no_directory ? options.directory : state.program);
  }
  // Nothing may fail from here on.
  state.pid = state.reaper->pid = pid;
  ended->descriptor = open_pidfd(pid);
  state.ended = std::move(ended);
  state.input = file_access::make(std::move(input.ours));
  state.output = file_access::make(std::move(output.ours));
  state.error = file_access::make(std::move(error.ours));
}

}  // namespace

void pretend_no_pidfd(bool without) noexcept {
  without_pidfd = without;
}

void child_reaper::run() noexcept {
  siginfo_t info{};
  while (::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED) == -1 && errno == EINTR) {
  }
  delete this;
}

child_state::~child_state() {
  if (pid == -1 || status) return;
  kill_if_running();
  siginfo_t info{};
  const int result = ::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOHANG);
  if (result == -1 || info.si_pid != 0) return;
  // It is dying. A kernel that takes its time for that must not hold up the loop.
  child_reaper* const last = reaper.release();
  try {
    offload_pool::instance().submit(*last);
  } catch (...) {
    last->run();
  }
}

void child_state::kill_if_running() noexcept {
  // As long as nobody has taken its status the number is not given to another.
  if (pid != -1 && !status) ::kill(pid, SIGKILL);
}

bool child_state::look() {
  if (status) return true;
  siginfo_t info{};
  if (::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOHANG) == -1) {
    const int failure = errno;
    if (failure == ECHILD) pid = -1;  // it is somebody else's by now
    throw io::io_error({failure, std::system_category()}, "wait", -1, program);
  }
  if (info.si_pid == 0) return false;
  status = io::exit_status(info.si_code != CLD_EXITED, info.si_status);
  return true;
}

namespace {

task<io::exit_status> wait_for_end(std::shared_ptr<child_state> state) {
  check_current_tasklet();
  auto pause = std::chrono::milliseconds(1);
  while (!state->look()) {
    if (state->ended.is_open()) {
      co_await io::readiness_operation(state->ended.get(), readiness::to_read, nullptr);
    } else {
      co_await sleep_for(pause);
      pause = std::min(2 * pause, std::chrono::milliseconds(64));
    }
  }
  co_return *state->status;
}

}  // namespace

}  // namespace detail

namespace io {

// exit_status
// --------------------------------------------------------------------------------------

int exit_status::code() const {
  if (signalled_) detail::throw_misuse("exit_status: a signal ended it, there is no exit code");
  return number_;
}

int exit_status::signal() const {
  if (!signalled_) detail::throw_misuse("exit_status: it exited, there is no signal");
  return number_;
}

std::string to_string(const exit_status& status) {
  if (status.exited()) return "exited with " + std::to_string(status.code());
  const char* const text = ::sigdescr_np(status.signal());
  return "ended by signal " + std::to_string(status.signal()) +
         (text == nullptr ? "" : " (" + std::string(text) + ")");
}

// process
// ------------------------------------------------------------------------------------------

process::process(const std::vector<std::string>& arguments, const process_options& options)
    : state_(std::make_shared<detail::child_state>()) {
  detail::check_options(arguments, options);
  state_->program = arguments.front();
  detail::start_child(*state_, arguments, options);
}

process& process::operator=(process&& other) noexcept {
  if (this != &other) {
    if (state_) state_->kill_if_running();
    state_ = std::move(other.state_);
  }
  return *this;
}

process::~process() {
  if (state_) state_->kill_if_running();  // who waits in another tasklet learns of it
}

detail::child_state& process::state() const {
  if (!state_) detail::throw_misuse("this process was moved from");
  return *state_;
}

int process::id() const {
  return state().reaper->pid;
}
file& process::standard_input() {
  return state().input;
}
file& process::standard_output() {
  return state().output;
}
file& process::standard_error() {
  return state().error;
}

task<exit_status> process::wait() {
  (void)state();
  return detail::wait_for_end(state_);
}

std::optional<exit_status> process::try_wait() {
  (void)state().look();
  return state().status;
}

void process::kill(int signal) {
  const detail::child_state& child = state();
  if (child.status || child.pid == -1) return;
  if (::kill(child.pid, signal) == -1)
    throw io_error({errno, std::system_category()}, "kill", -1, child.program);
}

}  // namespace io

}  // namespace stackless::inline STACKLESS_ABI
